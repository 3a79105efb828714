use super::*;
use crate::fragment::fragment;
use alloc::vec::Vec;
use handfast_wire::ip::Fragment;
use handfast_wire::udp::UdpHeader;
use handfast_wire::{Batch, Checksum};
use proptest::prelude::*;

const NOW: Instant = Instant::ZERO;

fn header(is_ipv4: bool, identification: u32) -> IpHeader {
    let [source, destination] = match is_ipv4 {
        true => ["192.0.2.1", "192.0.2.2"],
        false => ["2001:db8::1", "2001:db8::2"],
    }
    .map(|a| a.parse().unwrap());
    let mut ip = IpHeader::new(source, destination, Protocol::UDP);
    ip.identification = identification;
    ip.dont_fragment = false;
    ip
}

/// One fragment of a datagram whose octets count up.
fn piece(is_ipv4: bool, id: u32, offset: u16, len: u16, more: bool) -> Packet {
    let mut ip = header(is_ipv4, id);
    ip.fragment = Some(Fragment { offset, more });
    with(ip, (0..len).map(|n| (offset + n) as u8).collect())
}

fn with(ip: IpHeader, data: Vec<u8>) -> Packet {
    let mut octets = vec![0; ip.header_len()];
    ip.emit(&mut octets, data.len() as u32);
    octets.extend(data);
    Packet::from_bytes(octets.into())
}

fn arrives(held: &mut Reassembly, packet: &mut Packet, now: Instant) -> Result<bool, Discard> {
    let (ip, transport, end) = IpHeader::parse(packet.headers(), packet.len())?;
    held.fragment_arrives(&ip, packet, transport, end, now)
}

/// What the fragments `(offset, length, more)` come to, one after the other.
fn come(is_ipv4: bool, all: &[(u16, u16, bool)]) -> (Vec<Result<bool, Discard>>, usize) {
    let mut held = Reassembly::default();
    let each = all.iter().map(|&(offset, len, more)| {
        let mut packet = piece(is_ipv4, 7, offset, len, more);
        let result = arrives(&mut held, &mut packet, NOW);
        if result == Ok(true) {
            let (ip, start, end) = IpHeader::parse(packet.headers(), packet.len()).unwrap();
            assert_eq!((ip.fragment, ip.protocol), (None, Protocol::UDP));
            let octets = packet.to_bytes();
            let data = &octets[start..end as usize];
            assert!(data.iter().enumerate().all(|(n, octet)| *octet == n as u8));
        }
        result
    });
    let results = each.collect();
    (results, held.memory())
}

#[test]
fn fragments_become_a_datagram_in_whatever_order() {
    for is_ipv4 in [true, false] {
        let all = [(0, 16, true), (16, 8, true), (24, 5, false)];
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let (results, memory) = come(is_ipv4, &order.map(|n| all[n]));
            assert_eq!(results, [Ok(false), Ok(false), Ok(true)]);
            assert_eq!(memory, 0);
        }
        // Twice the same is once.
        let (results, _) = come(is_ipv4, &[all[0], all[2], all[0], all[2], all[1]]);
        assert_eq!(
            results,
            [Ok(false), Ok(false), Ok(false), Ok(false), Ok(true)]
        );
        // An empty last one only says where the end is.
        let (results, _) = come(is_ipv4, &[(0, 16, true), (16, 0, false)]);
        assert_eq!(results, [Ok(false), Ok(true)]);
    }
}

#[test]
fn overlaps_spoil_the_whole() {
    let bad = Err(Discard::IpFragment);
    for is_ipv4 in [true, false] {
        for overlap in [
            // Inside, over the start, over the end, all over (teardrop and its kin).
            [(0, 24, true), (8, 8, true)],
            [(16, 16, true), (8, 16, true)],
            [(8, 16, true), (16, 16, true)],
            [(8, 8, true), (0, 24, true)],
            // Beyond the end, an end before what is there, two ends.
            [(8, 16, false), (24, 8, true)],
            [(16, 16, true), (8, 4, false)],
            [(16, 8, false), (32, 8, false)],
            [(16, 8, false), (16, 4, false)],
        ] {
            let rest = [(0, 8, true), (8, 8, true), (16, 8, true), (24, 8, false)];
            let all: Vec<_> = overlap.into_iter().chain(rest).collect();
            let (results, memory) = come(is_ipv4, &all);
            assert_eq!(results[1], bad, "{overlap:?}");
            // Nor does what comes later come to anything.
            assert!(results.iter().all(|r| *r != Ok(true)), "{overlap:?}");
            assert_eq!(memory, 0);
        }
    }
}

#[test]
fn what_cannot_be_right_is_refused_at_once() {
    let bad = Err(Discard::IpFragment);
    for is_ipv4 in [true, false] {
        // Not a multiple of eight though more follows; nothing though more follows.
        assert_eq!(come(is_ipv4, &[(0, 9, true)]).0, [bad]);
        assert_eq!(come(is_ipv4, &[(8, 0, true)]).0, [bad]);
        // Beyond the longest datagram (ping of death).
        assert_eq!(come(is_ipv4, &[(65_528, 8, false)]).0, [bad]);
        assert_eq!(come(is_ipv4, &[(65_528, 7, false)]).0, [Ok(false)]);
    }
    // With its header, one of IPv4 must not be longer either.
    let mut all: Vec<_> = (0..63).map(|n| (n * 1024, 1024, true)).collect();
    all.push((63 * 1024, 1020, false));
    assert_eq!(come(true, &all).0.last(), Some(&bad));
    assert_eq!(come(false, &all).0.last(), Some(&Ok(true)));
}

#[test]
fn datagrams_are_kept_apart() {
    let mut held = Reassembly::default();
    let mut first = |id, offset, more| {
        let mut packet = piece(true, id, offset, 8, more);
        arrives(&mut held, &mut packet, NOW)
    };
    assert_eq!(first(1, 0, true), Ok(false));
    assert_eq!(first(2, 8, false), Ok(false));
    assert_eq!(first(3, 0, true), Ok(false));
    assert_eq!(first(1, 8, false), Ok(true));
    assert_eq!(first(2, 0, true), Ok(true));
    // By protocol, too, in IPv4.
    let mut ip = header(true, 3);
    ip.protocol = Protocol::TCP;
    ip.fragment = Some(Fragment {
        offset: 8,
        more: false,
    });
    let mut other = with(ip, vec![0; 8]);
    assert_eq!(arrives(&mut held, &mut other, NOW), Ok(false));
}

#[test]
fn what_stays_incomplete_is_forgotten() {
    let mut held = Reassembly::default();
    let later = NOW + TIMEOUT;
    assert_eq!(
        arrives(&mut held, &mut piece(true, 1, 0, 8, true), NOW),
        Ok(false)
    );
    assert_eq!(
        arrives(&mut held, &mut piece(true, 1, 8, 8, false), later),
        Ok(false)
    );
    assert_eq!(
        arrives(&mut held, &mut piece(true, 1, 0, 8, true), later),
        Ok(true)
    );
    assert_eq!((held.memory(), held.sets.len()), (0, 0));
}

#[test]
fn a_flood_is_bounded_and_its_latest_survive() {
    let mut held = Reassembly::default();
    for id in 0..10_000 {
        let last = &mut piece(true, id, 1024, 1024, true);
        assert_eq!(arrives(&mut held, last, NOW), Ok(false));
        assert!(held.sets.len() <= SETS && held.memory() <= OCTETS);
    }
    // Many small ones of one datagram.
    for n in 0..1000u16 {
        let _ = arrives(&mut held, &mut piece(false, 1, n * 16, 8, true), NOW);
        assert!(held.sets.iter().all(|set| set.pieces.len() <= FRAGMENTS));
    }
    // Long ones.
    for id in 0..1000 {
        for n in 0..30 {
            let _ = arrives(&mut held, &mut piece(false, id, n * 2000, 2000, true), NOW);
            assert!(held.memory() <= OCTETS);
        }
    }
    let begun = &mut piece(true, 5, 0, 8, true);
    assert_eq!(arrives(&mut held, begun, NOW), Ok(false));
    let ended = &mut piece(true, 5, 8, 8, false);
    assert_eq!(arrives(&mut held, ended, NOW), Ok(true));
}

#[test]
fn congestion_met_by_one_was_met_by_all() {
    for (first, second, expected) in [
        (0b00, 0b00, Some(0b00)),
        (0b10, 0b10, Some(0b10)),
        (0b01, 0b11, Some(0b11)),
        (0b11, 0b10, Some(0b11)),
        (0b00, 0b11, None),
    ] {
        let mut held = Reassembly::default();
        let mut results = Vec::new();
        for (ecn, offset, more) in [(first, 0, true), (second, 8, false)] {
            let mut ip = header(true, 9);
            ip.traffic_class = 0b1011_1000 | ecn;
            ip.fragment = Some(Fragment { offset, more });
            let mut packet = with(ip, vec![0; 8]);
            results.push((arrives(&mut held, &mut packet, NOW), packet));
        }
        let (result, packet) = results.pop().unwrap();
        assert_eq!(
            result,
            expected.map_or(Err(Discard::IpFragment), |_| Ok(true))
        );
        if let Some(expected) = expected {
            let (ip, _, _) = IpHeader::parse(packet.headers(), packet.len()).unwrap();
            assert_eq!(ip.traffic_class, 0b1011_1000 | expected);
        }
        assert_eq!(held.memory(), 0);
    }
}

proptest! {
    #[test]
    fn what_we_cut_comes_together_again(
        is_ipv4: bool,
        len in 1_500u32..65_000,
        mtu in 576u32..1_500,
        seed: u64,
    ) {
        let ip = header(is_ipv4, 0);
        let mut packet = Packet::new();
        let data: Vec<u8> = (0..len).map(|n| (n / 3) as u8).collect();
        packet.payload.push(data.clone().into());
        let udp = UdpHeader { source_port: 1, destination_port: 2 };
        packet.write_udp(&ip, &udp, 0, Checksum::None);
        let mut out = Batch::new(256);
        prop_assert!(fragment(&mut packet, mtu, 77, &mut out));
        let mut pieces: Vec<Packet> = out.packets().to_vec();
        let mut rng = handfast_base::Rng::new(seed);
        for at in (1..pieces.len()).rev() {
            pieces.swap(at, rng.below(at as u64 + 1) as usize);
        }
        let mut held = Reassembly::default();
        let count = pieces.len();
        for (n, mut piece) in pieces.into_iter().enumerate() {
            piece = Packet::from_bytes(piece.to_bytes());
            let whole = arrives(&mut held, &mut piece, NOW);
            prop_assert_eq!(whole, Ok(n + 1 == count));
            if n + 1 == count {
                let (ip, start, end) = IpHeader::parse(piece.headers(), piece.len()).unwrap();
                prop_assert_eq!(piece.verify_transport(&ip, start, end), Ok(()));
                prop_assert_eq!(&piece.to_bytes()[start + 8..end as usize], &data[..]);
            }
        }
        prop_assert_eq!(held.memory(), 0);
    }

    #[test]
    fn nothing_panics_or_is_held_beyond_bounds(
        all in prop::collection::vec((0u16..40, 0u16..10, any::<bool>(), 0u32..3), 0..200),
    ) {
        let mut held = Reassembly::default();
        for (offset, len, more, id) in all {
            let mut packet = piece(true, id, offset * 8, len * 4, more);
            let _ = arrives(&mut held, &mut packet, NOW);
            let sum: usize = held.sets.iter().flat_map(|s| &s.pieces).map(Piece::cost).sum();
            prop_assert_eq!(sum, held.memory());
        }
    }
}
