use super::*;
use crate::sample::{ADDRESSES, pattern, tcp, verify};
use handfast_wire::Checksum;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, recv, send, socketpair};
use std::os::unix::net::{UnixDatagram, UnixStream};

fn pair(kind: SocketType) -> (OwnedFd, OwnedFd) {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socketpair(AddressFamily::UNIX, kind, flags, None).unwrap()
}

const KINDS: [SocketType; 2] = [SocketType::DGRAM, SocketType::SEQPACKET];

fn read(fd: &OwnedFd) -> Vec<u8> {
    let mut octets = vec![0; 70_000];
    let (len, _) = recv(fd, &mut octets[..], RecvFlags::empty()).unwrap();
    octets.truncate(len);
    octets
}

#[test]
fn a_datagram_is_an_ip_packet_both_ways() {
    for kind in KINDS {
        let (ours, theirs) = pair(kind);
        let mut link = from_fd(ours, 1400).unwrap();
        assert_eq!(*link.capabilities(), Capabilities::ip(1400));
        let mut batch = Batch::new(8);
        for len in [1, 100, 1400, 60_000] {
            batch.push(Packet::from_bytes(pattern(len))).unwrap();
            assert_eq!(link.transmit(Instant::ZERO, &mut batch).unwrap(), 1);
            let octets = read(&theirs);
            assert_eq!(octets, pattern(len));
            send(&theirs, &octets, SendFlags::empty()).unwrap();
            assert_eq!(link.receive(Instant::ZERO, &mut batch).unwrap(), 1);
            assert_eq!(batch.packets()[0].to_bytes(), octets);
            assert_eq!(batch.packets()[0].checksum, Checksum::None);
            batch.clear();
        }
        assert_eq!(link.receive(Instant::ZERO, &mut batch).unwrap(), 0);
    }
}

#[test]
fn with_a_vnet_header_a_super_segment_passes_from_one_stack_to_another_whole() {
    let (ours, theirs) = pair(SocketType::DGRAM);
    let [mut left, mut right] =
        [ours, theirs].map(|fd| from_fd_with_vnet_header(fd, 1500).unwrap());
    let mut batch = Batch::new(8);
    let packet = tcp(ADDRESSES[1], &pattern(50_000), 1400);
    batch.push(packet.clone()).unwrap();
    assert_eq!(left.transmit(Instant::ZERO, &mut batch).unwrap(), 1);
    assert_eq!(right.receive(Instant::ZERO, &mut batch).unwrap(), 1);
    let got = &batch.packets()[0];
    assert_eq!((got.gso, got.checksum), (packet.gso, Checksum::Partial));
    assert_eq!(got.to_bytes(), packet.to_bytes());
}

/// A buffer in which no super-segment has room: it is sent in pieces, from then on.
#[test]
fn what_no_buffer_has_room_for_is_sent_in_pieces() {
    let (ours, theirs) = pair(SocketType::DGRAM);
    sockopt::set_socket_send_buffer_size(&ours, 10_000).unwrap();
    let mut link = from_fd_with_vnet_header(ours, 1500).unwrap();
    let mut peer = from_fd_with_vnet_header(theirs, 1500).unwrap();
    let mut batch = Batch::new(64);
    for _ in 0..2 {
        batch
            .push(tcp(ADDRESSES[0], &pattern(40_000), 1000))
            .unwrap();
    }
    let mut got = Vec::new();
    let mut now = Instant::ZERO;
    let mut received = Batch::new(64);
    while got.len() < 80_000 {
        link.transmit(now, &mut batch).unwrap();
        peer.receive(now, &mut received).unwrap();
        for packet in received.packets() {
            assert_eq!((packet.len(), verify(packet)), (1040, Ok(())));
            got.extend_from_slice(&crate::sample::payload(packet).1);
        }
        received.clear();
        now = link.poll_timeout().unwrap_or(now);
    }
    assert_eq!(got, pattern(40_000).repeat(2));
    assert_eq!(link.counters(), DatagramCounters::default());
}

#[test]
fn a_full_socket_pushes_back_and_loses_nothing() {
    for kind in KINDS {
        let (ours, theirs) = pair(kind);
        let mut link = from_fd(ours, 1500).unwrap();
        let mut batch = Batch::new(64);
        let (mut sent, mut received) = (0u32, 0u32);
        let mut refusals = 0;
        while received < 5_000 {
            while sent < 5_000 && !batch.is_full() {
                let octets = sent.to_be_bytes().repeat(25);
                batch.push(Packet::from_bytes(octets.into())).unwrap();
                sent += 1;
            }
            link.transmit(Instant::ZERO, &mut batch).unwrap();
            if batch.is_empty() && sent < 5_000 {
                continue;
            }
            refusals += u32::from(!batch.is_empty());
            let mut octets = [0; 200];
            while let Ok((len, _)) = recv(&theirs, &mut octets[..], RecvFlags::empty()) {
                assert_eq!(octets[..len], received.to_be_bytes().repeat(25));
                received += 1;
            }
        }
        assert!(refusals > 0);
    }
}

#[test]
fn a_peer_that_is_gone_is_an_error() {
    for kind in KINDS {
        let (ours, theirs) = pair(kind);
        send(&theirs, &pattern(60), SendFlags::empty()).unwrap();
        drop(theirs);
        let mut link = from_fd(ours, 1500).unwrap();
        let mut batch = Batch::new(8);
        // What it had sent before is received before.
        assert_eq!(link.receive(Instant::ZERO, &mut batch).unwrap(), 1);
        batch.clear();
        if kind == SocketType::SEQPACKET {
            let gone = link.receive(Instant::ZERO, &mut batch).unwrap_err();
            assert_eq!(gone.kind(), io::ErrorKind::BrokenPipe);
        }
        batch.push(Packet::from_bytes(pattern(60))).unwrap();
        assert!(link.transmit(Instant::ZERO, &mut batch).is_err());
        assert!(link.transmit(Instant::ZERO, &mut batch).is_err());
        assert_eq!(batch.len(), 1);
    }
}

#[test]
fn a_datagram_that_is_no_packet_is_counted() {
    let (ours, theirs) = pair(SocketType::DGRAM);
    let mut link = from_fd(ours, 1500).unwrap();
    let mut batch = Batch::new(8);
    for len in [0, 70_000, 20] {
        send(&theirs, &pattern(len), SendFlags::empty()).unwrap();
    }
    assert_eq!(link.receive(Instant::ZERO, &mut batch).unwrap(), 1);
    assert_eq!(batch.packets()[0].to_bytes(), pattern(20));
    assert_eq!(link.counters().malformed, 2);
}

#[test]
fn only_a_unix_socket_that_keeps_bounds_is_taken() {
    let stream: OwnedFd = UnixStream::pair().unwrap().0.into();
    let udp: OwnedFd = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into();
    let file: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
    for fd in [stream, udp] {
        let refused = from_fd(fd, 1500).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    }
    assert!(from_fd_with_vnet_header(file, 1500).is_err());
    assert!(from_fd(UnixDatagram::pair().unwrap().0.into(), 1500).is_ok());
}
