use super::*;
use crate::namespace::{self, ip, wait};
use crate::sample::{ADDRESSES, pattern, tcp, verify};
use handfast_wire::{Checksum, GsoKind, IpHeader, Protocol};
use std::net::{IpAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant as Clock};

const OWN: MacAddress = [2, 0, 0, 0, 0, 1];
const PEER: MacAddress = [2, 0, 0, 0, 0, 2];
const FRONT: usize = VirtioNetHeader::LEN + ETHERNET;

/// A link over a socket that keeps the bounds of frames: no privileges needed.
fn over_datagrams() -> (PacketSocket, UnixDatagram) {
    let (near, far) = UnixDatagram::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    (PacketSocket::over(near.into(), None, 1500, OWN, PEER), far)
}

#[test]
fn a_frame_is_a_packet_behind_two_headers_that_count_from_the_frames_start() {
    let (mut link, far) = over_datagrams();
    for (family, kind, ip) in [(0, IPV4, 20), (1, IPV6, 40)] {
        let mut batch = Batch::new(4);
        let packet = tcp(ADDRESSES[family], &pattern(3000), 1000);
        batch.push(packet.clone()).unwrap();
        assert_eq!(link.transmit(Instant::ZERO, &mut batch).unwrap(), 1);
        let mut frame = vec![0; 70_000];
        let len = far.recv(&mut frame).unwrap();
        frame.truncate(len);
        let vnet = VirtioNetHeader::parse(&frame).unwrap();
        assert_eq!(
            vnet,
            VirtioNetHeader {
                flags: 1,
                gso_type: if family == 0 { 1 } else { 4 },
                hdr_len: 14 + ip + 20,
                gso_size: 1000,
                csum_start: 14 + ip,
                csum_offset: 16,
            }
        );
        assert_eq!(frame[10..22], [PEER, OWN].concat());
        assert_eq!(frame[22..24], kind);
        assert_eq!(frame[FRONT..], packet.to_bytes());

        // Back, from the peer, it is the packet that was sent.
        frame[10..22].rotate_left(6);
        far.send(&frame).unwrap();
        assert_eq!(link.receive(Instant::ZERO, &mut batch).unwrap(), 1);
        let got = &batch.packets()[0];
        assert_eq!(got.to_bytes(), packet.to_bytes());
        assert_eq!((got.gso, got.checksum), (packet.gso, Checksum::Partial));
    }
}

#[test]
fn what_is_none_of_ours_is_counted_and_what_contradicts_itself_too() {
    let (mut link, far) = over_datagrams();
    let send = |vnet: VirtioNetHeader, from: MacAddress, kind: [u8; 2], octets: &[u8]| {
        let frame = [&vnet.to_octets()[..], &PEER, &from, &kind, octets].concat();
        far.send(&frame).unwrap();
    };
    let plain = VirtioNetHeader::default();
    send(plain, PEER, [0x08, 0x06], &pattern(28));
    send(plain, OWN, IPV4, &pattern(100));
    send(plain, PEER, [0x81, 0x00], &pattern(100));
    send(plain, PEER, IPV4, &[]);
    far.send(&[0; 11]).unwrap();
    far.send(&[]).unwrap();
    let inside_of_ethernet = VirtioNetHeader {
        flags: 1,
        csum_start: 6,
        csum_offset: 2,
        ..plain
    };
    send(inside_of_ethernet, PEER, IPV4, &pattern(100));
    let no_pieces = VirtioNetHeader {
        gso_type: 1,
        ..plain
    };
    send(no_pieces, PEER, IPV4, &pattern(100));
    send(plain, PEER, IPV6, &pattern(99));
    let mut batch = Batch::new(4);
    assert_eq!(link.receive(Instant::ZERO, &mut batch).unwrap(), 1);
    assert_eq!(batch.packets()[0].to_bytes(), pattern(99));
    assert_eq!((link.ignored(), link.counters().malformed), (3, 5));
}

/// Whoever sends us nothing but rubbish does not keep us from our other duties.
#[test]
fn a_call_reads_so_much_rubbish_and_no_more() {
    let (mut link, far) = over_datagrams();
    let mut batch = Batch::new(4);
    let mut calls = 0;
    while link.ignored() < 2000 {
        let frame = [&[0; 10][..], &PEER, &PEER, &[0x08, 0x06], &[0; 28]].concat();
        while far.send(&frame).is_ok() {}
        let before = link.ignored();
        assert_eq!(link.receive(Instant::ZERO, &mut batch).unwrap(), 0);
        let skipped = link.ignored() - before;
        assert!(skipped > 0 && skipped <= 257, "{skipped}");
        // Nobody will tell of what is there already.
        assert_eq!(link.poll_timeout().is_some(), skipped == 257);
        calls += 1;
    }
    assert!(calls >= 8);
}

/// The link over a socket, with a small buffer and so a ring, or without.
fn up_with(ring: bool) -> PacketSocket {
    ip("link add near type veth peer name far");
    ip("link set far arp off");
    ip("addr add 10.77.0.2/24 dev far");
    ip("-6 addr add fd77::2/64 dev far nodad");
    ip("link set near up");
    ip("link set far up");
    wait_for_carrier();
    let fd = sys::open(index("near")).unwrap();
    let octets = if ring { 200_000 } else { sys::BUFFER };
    rustix::net::sockopt::set_socket_recv_buffer_size_force(&fd, octets)
        .or_else(|_| rustix::net::sockopt::set_socket_recv_buffer_size(&fd, octets))
        .unwrap();
    let link = from_fd(fd, 1500, mac("near"), mac("far")).unwrap();
    assert!(link.queue.framing.ring.is_some() || !ring);
    link
}

fn up() -> PacketSocket {
    up_with(false)
}

/// Before that the kernel throws away what it sends.
fn wait_for_carrier() {
    for end in ["near", "far"] {
        wait(&format!("-o link show {end}"), |shown| {
            shown.contains("state UP")
        });
    }
    wait("-6 -o addr show dev far", |shown| {
        shown.contains("fd77") && !shown.contains("tentative")
    });
}

fn index(name: &str) -> u32 {
    let socket = UnixDatagram::unbound().unwrap();
    rustix::net::netdevice::name_to_index(socket, name).unwrap()
}

/// The address of an interface; `/sys` need not show this namespace.
fn mac(name: &str) -> MacAddress {
    let shown = std::process::Command::new("ip")
        .args(["-o", "link", "show", name])
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let text = shown.split("link/ether ").nth(1).unwrap();
    let octets = text[..17].split(':');
    let octets = octets.map(|octet| u8::from_str_radix(octet, 16).unwrap());
    octets.collect::<Vec<u8>>().try_into().unwrap()
}

fn run(name: &str, body: fn()) {
    namespace::run(name, "ip link add near type veth peer name far", body);
}

/// The next packet that `wanted` accepts.
fn next(link: &mut PacketSocket, wanted: impl Fn(&IpHeader) -> bool) -> (Packet, IpHeader) {
    let deadline = Clock::now() + Duration::from_secs(10);
    let mut batch = Batch::new(1);
    while Clock::now() < deadline {
        if link.receive(Instant::ZERO, &mut batch).unwrap() == 0 {
            std::thread::sleep(Duration::from_micros(100));
            continue;
        }
        let packet = std::mem::take(&mut batch.packets_mut()[0]);
        batch.clear();
        let (header, ..) = IpHeader::parse(packet.headers(), packet.len()).unwrap();
        if wanted(&header) {
            return (packet, header);
        }
    }
    panic!("no such packet within 10 s");
}

#[test]
fn datagrams_cross_both_ways_and_super_datagrams_whole() {
    run(
        "packet::tests::datagrams_cross_both_ways_and_super_datagrams_whole",
        || {
            let mut link = up();
            for [ours, kernels] in [["10.77.0.1", "10.77.0.2"], ["fd77::1", "fd77::2"]] {
                let [ours, kernels] = [ours, kernels].map(|a| a.parse::<IpAddr>().unwrap());
                let socket = UdpSocket::bind((kernels, 7000)).unwrap();
                let limit = Some(Duration::from_secs(10));
                socket.set_read_timeout(limit).unwrap();
                socket.send_to(&pattern(1000), (ours, 9)).unwrap();
                let (packet, header) = next(&mut link, |h| h.protocol == Protocol::UDP);
                assert_eq!((header.source, header.destination), (kernels, ours));
                // The kernel has left the checksum to whoever puts it on a wire.
                assert_eq!(packet.checksum, Checksum::Partial);
                let headers = packet.len() as usize - 1000;
                assert_eq!(packet.to_bytes()[headers..], pattern(1000));

                let header = IpHeader::new(ours, kernels, Protocol::UDP);
                let udp = handfast_wire::udp::UdpHeader {
                    source_port: 9,
                    destination_port: 7000,
                };
                let mut datagrams = Packet::new();
                datagrams.payload.push(pattern(5500));
                assert!(datagrams.write_udp(&header, &udp, 1000, Checksum::Partial));
                assert_eq!(datagrams.gso.unwrap().kind, GsoKind::Udp);
                let mut batch = Batch::new(1);
                batch.push(datagrams).unwrap();
                assert_eq!(link.transmit(Instant::ZERO, &mut batch).unwrap(), 1);
                let mut got = [0; 2000];
                for piece in pattern(5500).chunks(1000) {
                    let (len, from) = socket.recv_from(&mut got).unwrap();
                    assert_eq!((&got[..len], from), (piece, (ours, 9).into()));
                }
            }
            assert_eq!(link.counters(), PacketCounters::default());
            assert_eq!(link.dropped().unwrap(), 0);
        },
    );
}

/// Several times around the ring, in frames of all lengths, and once more than it has slots.
#[test]
fn a_ring_hands_over_every_frame_in_order_and_counts_what_it_had_no_slot_for() {
    run(
        "packet::tests::a_ring_hands_over_every_frame_in_order_and_counts_what_it_had_no_slot_for",
        || {
            let mut link = up_with(true);
            ip("link set near mtu 65000");
            ip("link set far mtu 65000");
            let socket = UdpSocket::bind("10.77.0.2:0").unwrap();
            let mut batch = Batch::new(64);
            let mut expected = 0..2000u16;
            let mut receive = |link: &mut PacketSocket| {
                let count = link.receive(Instant::ZERO, &mut batch).unwrap();
                for packet in batch.packets() {
                    let octets = packet.to_bytes();
                    // IPv6 speaks on a new interface whether asked or not.
                    if octets[0] >> 4 == 4 {
                        let number = expected.next().unwrap();
                        assert_eq!(octets[28..30], number.to_be_bytes());
                        assert_eq!(octets[30..], pattern(usize::from(number) * 31));
                    }
                }
                batch.clear();
                count
            };
            for number in 0..2000u16 {
                let mut octets = number.to_be_bytes().to_vec();
                octets.extend_from_slice(&pattern(usize::from(number) * 31));
                socket.send_to(&octets, "10.77.0.1:9").unwrap();
                if number % 100 == 99 {
                    while receive(&mut link) > 0 {}
                }
            }
            assert_eq!(expected, 2000..2000);
            assert_eq!((link.dropped().unwrap(), link.counters().malformed), (0, 0));
            (0..300).for_each(|_| _ = socket.send_to(b"more", "10.77.0.1:9").unwrap());
            let mut got = 0;
            let mut batch = Batch::new(64);
            while link.receive(Instant::ZERO, &mut batch).unwrap() > 0 {
                let is_ours = |packet: &&Packet| packet.to_bytes().ends_with(b"more");
                got += batch.packets().iter().filter(is_ours).count() as u64;
                batch.clear();
            }
            let dropped = link.dropped().unwrap();
            assert!(got >= 230 && dropped >= 50, "{got} got, {dropped} dropped");
            socket.send_to(b"again", "10.77.0.1:9").unwrap();
            let (packet, _) = next(&mut link, |h| h.protocol == Protocol::UDP);
            assert!(packet.to_bytes().ends_with(b"again"));
        },
    );
}

#[test]
fn what_the_machine_itself_sends_from_our_end_is_not_received() {
    run(
        "packet::tests::what_the_machine_itself_sends_from_our_end_is_not_received",
        || {
            let mut link = up();
            ip("addr add 10.78.0.1/24 dev near");
            ip("neigh add 10.78.0.9 lladdr 02:00:00:00:00:09 dev near");
            let socket = UdpSocket::bind("10.78.0.1:0").unwrap();
            socket.send_to(b"outgoing", "10.78.0.9:9").unwrap();
            let socket = UdpSocket::bind("10.77.0.2:0").unwrap();
            socket.send_to(b"incoming", "10.77.0.1:9").unwrap();
            let (packet, _) = next(&mut link, |h| h.protocol == Protocol::UDP);
            assert!(packet.to_bytes().ends_with(b"incoming"));
        },
    );
}

#[test]
fn down_loses_what_is_sent_and_gone_is_an_error() {
    run(
        "packet::tests::down_loses_what_is_sent_and_gone_is_an_error",
        || {
            for ring in [false, true] {
                let mut link = up_with(ring);
                let mut batch = Batch::new(64);
                let mut send = |link: &mut PacketSocket| {
                    batch
                        .push(tcp(["10.77.0.1", "10.77.0.2"], &pattern(9), 0))
                        .unwrap();
                    link.transmit(Instant::ZERO, &mut batch)
                        .inspect_err(|_| batch.clear())
                };
                let mut got = Batch::new(64);
                ip("link set near down");
                // The socket tells it once, to whoever asks first.
                while link.receive(Instant::ZERO, &mut got).unwrap() > 0 {
                    got.clear();
                }
                assert_eq!(send(&mut link).unwrap(), 1);
                assert_eq!(link.counters().refused, 1);
                ip("link set near up");
                wait_for_carrier();
                assert_eq!(send(&mut link).unwrap(), 1);
                assert_eq!(link.counters().refused, 1);
                let socket = UdpSocket::bind("10.77.0.2:0").unwrap();
                socket.send_to(b"up again", "10.77.0.1:9").unwrap();
                let (packet, _) = next(&mut link, |h| h.protocol == Protocol::UDP);
                assert_eq!(verify(&packet), Ok(()));
                ip("link del far");
                got.clear();
                let told = link.receive(Instant::ZERO, &mut got);
                // What had arrived before is told before.
                assert!(told.is_err() || link.receive(Instant::ZERO, &mut got).is_err());
                assert!(send(&mut link).is_err());
            }
        },
    );
}

#[test]
fn only_a_packet_socket_for_whole_frames_is_taken() {
    let (near, _far) = UnixDatagram::pair().unwrap();
    let refused = from_fd(near.into(), 1500, OWN, PEER).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    let file = std::fs::File::open("/dev/null").unwrap();
    assert!(from_fd(file.into(), 1500, OWN, PEER).is_err());
    run(
        "packet::tests::only_a_packet_socket_for_whole_frames_is_taken",
        || {
            let missing = sys::open(4711).unwrap_err();
            assert_eq!(missing.raw_os_error(), Some(libc::ENODEV));
            let none = sys::open(u32::MAX).unwrap_err();
            assert_eq!(none.raw_os_error(), Some(libc::ENODEV));
            let cooked = rustix::net::socket(
                rustix::net::AddressFamily::PACKET,
                rustix::net::SocketType::DGRAM,
                None,
            );
            assert!(from_fd(cooked.unwrap(), 1500, OWN, PEER).is_err());
        },
    );
}
