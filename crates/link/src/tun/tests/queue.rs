//! A queue over a socket that keeps the bounds of packets: no privileges needed.

use super::*;
use std::os::unix::net::UnixDatagram;

fn tun() -> (Tun, UnixDatagram) {
    let (near, far) = UnixDatagram::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    let tun = Tun::over(near.into(), "test".into(), sys::Offload::TCP_UDP, 1500);
    (tun, far)
}

fn super_segment(len: usize, size: u16) -> Packet {
    let [a, b] = ["192.0.2.1", "192.0.2.2"].map(|a| a.parse().unwrap());
    tcp_packet(a, b, &TcpHeader::default(), &pattern(len), size)
}

#[test]
fn a_packet_is_gathered_behind_its_header() {
    let (mut tun, far) = tun();
    let mut batch = Batch::new(4);
    let mut packet = super_segment(3000, 1000);
    let more = pattern(7);
    packet.payload.push(more.clone());
    batch.push(packet.clone()).unwrap();
    assert_eq!(tun.transmit(Instant::ZERO, &mut batch).unwrap(), 1);
    let mut got = vec![0; 70_000];
    let len = far.recv(&mut got).unwrap();
    let (header, octets) = got[..len].split_at(VirtioNetHeader::LEN);
    let header = VirtioNetHeader::parse(header).unwrap();
    assert_eq!(header, VirtioNetHeader::for_packet(&packet, 0));
    assert_eq!((header.gso_size, header.hdr_len), (1000, 40));
    assert_eq!(octets, packet.to_bytes());
}

#[test]
fn more_slices_than_one_write_takes_arrive_all_the_same() {
    let (mut tun, far) = tun();
    let octets = pattern(3000);
    let mut packet = Packet::new();
    (0..3000).for_each(|at| packet.payload.push(octets.slice(at..at + 1)));
    let mut batch = Batch::new(1);
    batch.push(packet).unwrap();
    assert_eq!(tun.transmit(Instant::ZERO, &mut batch).unwrap(), 1);
    let mut got = vec![0; 4000];
    let len = far.recv(&mut got).unwrap();
    assert_eq!(got[VirtioNetHeader::LEN..len], octets);
}

#[test]
fn what_is_read_is_short_in_the_head_longer_in_a_copy_and_long_in_the_slab() {
    let (mut tun, far) = tun();
    let header = VirtioNetHeader::default().to_octets();
    let mut batch = Batch::new(8);
    for len in [1, 120, 121, 512, 513, 65_535] {
        far.send(&[&header[..], &pattern(len)].concat()).unwrap();
    }
    assert_eq!(tun.receive(Instant::ZERO, &mut batch).unwrap(), 6);
    let shapes: Vec<_> = batch
        .packets()
        .iter()
        .map(|p| (p.head().len(), p.payload.len()))
        .collect();
    assert_eq!(
        shapes,
        [(1, 0), (120, 0), (0, 121), (0, 512), (0, 513), (0, 65_535)]
    );
    for packet in batch.packets() {
        assert_eq!(packet.to_bytes(), pattern(packet.len() as usize));
    }
    batch.clear();
    assert_eq!(tun.receive(Instant::ZERO, &mut batch).unwrap(), 0);
}

#[test]
fn a_contradictory_header_is_counted_and_the_next_packet_read() {
    let (mut tun, far) = tun();
    let bad = VirtioNetHeader {
        gso_type: 1,
        gso_size: 0,
        ..VirtioNetHeader::default()
    };
    let good = VirtioNetHeader::default().to_octets();
    let mut batch = Batch::new(8);
    far.send(&[&bad.to_octets()[..], &pattern(200)].concat())
        .unwrap();
    far.send(&good[..5]).unwrap();
    far.send(&good).unwrap();
    far.send(&[&good[..], &pattern(20)].concat()).unwrap();
    assert_eq!(tun.receive(Instant::ZERO, &mut batch).unwrap(), 1);
    assert_eq!(batch.packets()[0].to_bytes(), pattern(20));
    assert_eq!(tun.counters().malformed, 3);
}

#[test]
fn a_full_kernel_pushes_back_and_loses_nothing() {
    let (mut tun, far) = tun();
    let mut batch = Batch::new(64);
    let (mut sent, mut received) = (0u32, 0u32);
    let mut got = [0; 100];
    let mut pushed_back = false;
    while received < 5_000 {
        while sent < 5_000 && !batch.is_full() {
            batch
                .push(Packet::from_bytes(sent.to_be_bytes().to_vec().into()))
                .unwrap();
            sent += 1;
        }
        let before = batch.len();
        let taken = tun.transmit(Instant::ZERO, &mut batch).unwrap();
        assert_eq!(batch.len(), before - taken);
        if taken == before && !batch.is_full() && sent < 5_000 {
            continue;
        }
        pushed_back |= taken < before;
        while let Ok(len) = far.recv(&mut got) {
            assert_eq!(got[VirtioNetHeader::LEN..len], received.to_be_bytes());
            received += 1;
        }
    }
    assert!(pushed_back);
}

/// The kernel has refused super-segments and is full in the middle of one: the rest waits, in
/// order, and nothing new is taken meanwhile.
#[test]
fn pieces_that_do_not_fit_wait_in_order() {
    let (mut tun, far) = tun();
    tun.queue.limits.tcp_v4 = 0;
    let mut batch = Batch::new(4);
    for _ in 0..3 {
        batch.push(super_segment(60_000, 100)).unwrap();
    }
    let now = Instant::from_secs(1);
    assert_eq!(tun.transmit(now, &mut batch).unwrap(), 1);
    let retry = tun.poll_timeout().unwrap();
    assert!(retry > now);
    assert_eq!(tun.transmit(now, &mut batch).unwrap(), 0);
    let mut got = [0; 200];
    let mut seqs = Vec::new();
    let mut whole = Vec::new();
    while whole.len() < 180_000 {
        while let Ok(len) = far.recv(&mut got) {
            let packet = &got[VirtioNetHeader::LEN..len];
            seqs.push(u32::from_be_bytes(*packet[24..].first_chunk().unwrap()));
            whole.extend_from_slice(&packet[40..]);
        }
        tun.transmit(retry, &mut batch).unwrap();
    }
    assert_eq!(tun.poll_timeout(), None);
    assert_eq!(whole, pattern(60_000).repeat(3));
    let expected = (0..60_000).step_by(100).collect::<Vec<u32>>().repeat(3);
    assert_eq!(seqs, expected);
}
