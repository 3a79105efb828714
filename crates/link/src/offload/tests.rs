use super::*;
use crate::memory;
use crate::sample::{ADDRESSES, pattern, payload, tcp, verify};

fn offload(
    capabilities: Capabilities,
    queue: usize,
) -> (Offload<memory::MemoryLink>, memory::MemoryLink) {
    let (near, far) = memory::pair(&memory::Config {
        capabilities,
        queue,
    });
    (Offload::new(near), far)
}

#[test]
fn a_plain_link_carries_wire_packets_with_good_checksums() {
    for addresses in ADDRESSES {
        let (mut near, mut far) = offload(Capabilities::ip(1500), 1000);
        assert_eq!(near.capabilities().gso_tcp, 65_535);
        assert!(near.capabilities().checksum);
        let data = pattern(50_000);
        let mut batch = Batch::new(100);
        batch.push(tcp(addresses, &pattern(10), 1000)).unwrap();
        batch.push(tcp(addresses, &data, 1000)).unwrap();
        batch.push(Packet::from_bytes(pattern(99))).unwrap();
        assert_eq!(near.transmit(Instant::ZERO, &mut batch).unwrap(), 3);
        assert_eq!(far.receive(Instant::ZERO, &mut batch).unwrap(), 52);
        assert!(batch.packets().iter().all(|p| p.gso.is_none()));
        assert!(batch.packets().iter().all(|p| p.checksum == Checksum::None));
        assert!(batch.packets()[..51].iter().all(|p| verify(p) == Ok(())));
        let pieces = batch.packets()[1..51].iter().map(payload);
        for ((seq, octets), (index, part)) in pieces.zip(data.chunks(1000).enumerate()) {
            assert_eq!((seq as usize, &octets[..]), (index * 1000, part));
        }
        assert_eq!(batch.packets()[51].to_bytes(), pattern(99));
    }
}

#[test]
fn what_the_link_can_do_is_left_to_it() {
    let able = Capabilities {
        checksum: true,
        gso_tcp: 20_000,
        ..Capabilities::ip(1500)
    };
    let (mut near, mut far) = offload(able, 1000);
    let mut batch = Batch::new(100);
    let data = pattern(60_000);
    let small = tcp(ADDRESSES[0], &pattern(19_000), 1000);
    batch.push(small.clone()).unwrap();
    batch.push(tcp(ADDRESSES[0], &data, 1000)).unwrap();
    near.transmit(Instant::ZERO, &mut batch).unwrap();
    far.receive(Instant::ZERO, &mut batch).unwrap();
    let (first, rest) = batch.packets().split_first().unwrap();
    assert_eq!((first.gso, first.payload.len()), (small.gso, 19_000));
    // Super-segments again, as long as the link takes them, of the same pieces.
    assert_eq!(rest.len(), 4);
    let mut whole = Vec::new();
    for packet in rest {
        assert!(packet.len() <= 20_000);
        assert_eq!(
            (packet.gso, packet.checksum),
            (small.gso, Checksum::Partial)
        );
        let (seq, octets) = payload(packet);
        assert_eq!(seq as usize, whole.len());
        assert_eq!(verify(packet), Ok(()));
        whole.extend_from_slice(&octets);
    }
    assert!(whole == data);
}

#[test]
fn a_link_that_pushes_back_gets_every_piece_in_order() {
    let (mut near, mut far) = offload(Capabilities::ip(1500), 3);
    let mut batch = Batch::new(4);
    let mut got = Batch::new(2);
    let data = pattern(64_000);
    let (mut sent, mut now) = (0, Instant::ZERO);
    let mut pieces = Vec::new();
    while pieces.len() < 5 * 64 {
        while sent < 5 && batch.push(tcp(ADDRESSES[1], &data, 1000)).is_ok() {
            sent += 1;
        }
        near.transmit(now, &mut batch).unwrap();
        far.receive(now, &mut got).unwrap();
        pieces.extend(got.packets().iter().map(payload));
        got.clear();
        now = near.poll_timeout().map_or(now, |at| at.max(now));
    }
    let expected = (0..5).flat_map(|_| data.chunks(1000).enumerate());
    for ((seq, octets), (index, part)) in pieces.iter().zip(expected) {
        assert_eq!((*seq as usize, &octets[..]), (index * 1000, part));
    }
    assert!(batch.is_empty());
    assert_eq!(near.poll_timeout(), None);
}
