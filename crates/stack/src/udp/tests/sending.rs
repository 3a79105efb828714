use super::*;
use proptest::prelude::*;

const PEER: &str = "198.51.100.9:99";

#[test]
fn a_datagram_leaves_by_its_route_with_a_good_checksum() {
    let mut h = Host::new();
    for (to, source, iface) in [
        (PEER, "192.0.2.1", ETH),
        ("10.0.0.9:99", "10.0.0.1", TUN),
        ("[2001:db8::9]:99", "2001:db8::1", ETH),
        ("[fe80::9%1]:99", "fe80::1", ETH),
    ] {
        let id = h.open(UdpFamily::Dual);
        let queued = h.send(id, Some(to), b"hello").unwrap();
        assert_eq!((queued.iface, queued.is_first), (iface, true));
        let sent = h.transmit(queued.index, iface, 0);
        let (from, got, header, data) = read(&sent[0]);
        assert_eq!(sent.len(), 1);
        assert_eq!(
            (from.ip(), got.ip(), got.port()),
            (ip(source), at(to).ip(), 99)
        );
        assert_eq!(from.port(), h.table.local(id).unwrap().port());
        assert_eq!(data, b"hello");
        assert!(header.dont_fragment && header.hop_limit == 64);
    }
    assert_eq!(h.table.memory(), 0);
}

#[test]
fn a_datagram_that_can_never_be_sent_is_an_error() {
    let mut h = Host::new();
    let four = h.open(UdpFamily::V4);
    let six = h.open(UdpFamily::V6);
    for (id, to, len, error) in [
        (four, None, 0, UdpError::NotConnected),
        (four, Some("198.51.100.9:0"), 0, UdpError::RemoteAddress),
        (four, Some("0.0.0.0:9"), 0, UdpError::RemoteAddress),
        (four, Some("245.0.0.1:9"), 0, UdpError::RemoteAddress),
        (four, Some("[2001:db8::9]:9"), 0, UdpError::Family),
        (six, Some(PEER), 0, UdpError::Family),
        (six, Some("[::ffff:198.51.100.9]:9"), 0, UdpError::Family),
        (four, Some("203.0.113.1:9"), 0, UdpError::NoRoute),
        (four, Some("192.0.2.255:9"), 0, UdpError::Broadcast),
        (four, Some("255.255.255.255:9"), 0, UdpError::Broadcast),
        (four, Some(PEER), 1473, UdpError::TooBig { max: 1472 }),
        (
            six,
            Some("[2001:db8::9]:9"),
            1453,
            UdpError::TooBig { max: 1452 },
        ),
    ] {
        assert_eq!(h.send(id, to, &alloc::vec![0; len]), Err(error), "{to:?}");
    }
    assert_eq!(
        h.table.local(four).unwrap().port(),
        0,
        "nothing was claimed"
    );
    assert!(h.send(four, Some(PEER), &[0; 1472]).is_ok());
    assert!(h.send(six, Some("[2001:db8::9]:9"), &[0; 1452]).is_ok());
    let mut foreign = Outbound {
        to: Some(at(PEER)),
        source: Some(ip("192.0.2.77")),
        ..Outbound::default()
    };
    assert_eq!(
        h.send_datagram(four, &mut foreign),
        Err(UdpError::LocalAddress)
    );
    h.table.options_mut(four).unwrap().broadcast = true;
    assert!(h.send(four, Some("255.255.255.255:9"), b"").is_ok());
}

#[test]
fn larger_than_the_path_only_if_it_may_be_fragmented() {
    let mut h = Host::new();
    let id = h.open(UdpFamily::V4);
    h.table.options_mut(id).unwrap().dont_fragment = false;
    for (len, dont_fragment) in [(1472, true), (1473, false), (65507, false)] {
        let queued = h.send(id, Some(PEER), &alloc::vec![1; len]).unwrap();
        let sent = h.transmit(queued.index, ETH, 0);
        let (_, _, header, data) = read(&sent[0]);
        assert_eq!((header.dont_fragment, data.len()), (dont_fragment, len));
    }
    let too_big = h.send(id, Some(PEER), &alloc::vec![1; 65508]);
    assert_eq!(too_big, Err(UdpError::TooBig { max: 65507 }));
}

#[test]
fn several_datagrams_of_one_size_go_as_one_where_the_link_can() {
    let data: Vec<u8> = (0..10_000u32).map(|i| (i % 251) as u8).collect();
    let expected: Vec<Vec<u8>> = data.chunks(1200).map(<[u8]>::to_vec).collect();
    for (family, to) in [(UdpFamily::V4, PEER), (UdpFamily::V6, "[2001:db8::9]:99")] {
        for (gso_max, packets) in [(0, 9), (1000, 9), (3700, 3), (65_535, 1)] {
            let mut h = Host::new();
            let id = h.open(family);
            let mut outbound = Outbound {
                to: Some(at(to)),
                payload: payload(&data),
                segment_size: 1200,
                ..Outbound::default()
            };
            let queued = h.send_datagram(id, &mut outbound).unwrap();
            assert!(outbound.payload.is_empty());
            let sent = h.transmit(queued.index, ETH, gso_max);
            assert_eq!(sent.len(), packets, "{gso_max}");
            let mut pieces = Vec::new();
            for packet in &sent {
                assert!(packet.len() <= gso_max.max(1248));
                handfast_wire::segment(packet, 0, Checksum::None, |p| pieces.push(read(p).3))
                    .unwrap();
            }
            assert_eq!(pieces, expected);
            assert_eq!(h.table.memory(), 0);
        }
    }
}

#[test]
fn several_datagrams_must_each_fit() {
    let mut h = Host::new();
    let id = h.open(UdpFamily::V4);
    h.table.options_mut(id).unwrap().dont_fragment = false;
    let mut send = |len: usize, segment_size| {
        let mut outbound = Outbound {
            to: Some(at(PEER)),
            payload: payload(&alloc::vec![0; len]),
            segment_size,
            ..Outbound::default()
        };
        h.send_datagram(id, &mut outbound).err()
    };
    assert_eq!(send(5000, 1472), None);
    assert_eq!(send(5000, 1473), Some(UdpError::TooBig { max: 1472 }));
    assert_eq!(send(65_507, 1000), None);
    assert_eq!(send(65_508, 1000), Some(UdpError::TooBig { max: 65_507 }));
    assert_eq!(send(1, u16::MAX), None);
    assert_eq!(send(0, 100), None);
}

#[test]
fn a_full_queue_pushes_back_and_says_when_there_is_room() {
    let mut h = Host::new();
    let id = h.open(UdpFamily::V4);
    h.table.options_mut(id).unwrap().send_limit = 4 * (1000 + 256);
    let mut index = 0;
    for n in 0..4 {
        let queued = h.send(id, Some(PEER), &[n; 1000]).unwrap();
        assert_eq!(queued.is_first, n == 0);
        index = queued.index;
    }
    assert_eq!(h.send(id, Some(PEER), b""), Err(UdpError::WouldBlock));
    assert!(!h.table.readiness(id).unwrap().contains(Readiness::WRITABLE));
    let mut packet = Packet::new();
    let one = |h: &mut Host, packet: &mut Packet| {
        packet.clear();
        h.table.poll_transmit(index, ETH, 0, Checksum::None, packet)
    };
    assert_eq!(one(&mut h, &mut packet), Some(false));
    assert_eq!(h.table.pop_ready(), None);
    assert_eq!(one(&mut h, &mut packet), Some(false));
    assert_eq!(h.table.pop_ready(), Some((id, Readiness::WRITABLE)));
    assert!(h.send(id, Some(PEER), b"last").is_ok());
    let rest: Vec<u8> = h
        .transmit(index, ETH, 0)
        .iter()
        .map(|p| read(p).3[0])
        .collect();
    assert_eq!(rest, [2, 3, b'l']);
    assert_eq!(h.table.pop_ready(), None);
}

#[test]
fn closing_loses_nothing_that_was_sent() {
    let mut h = Host::new();
    let id = h.bound("0.0.0.0:53");
    let queued = h.send(id, Some(PEER), b"a").unwrap();
    h.send(id, Some("10.0.0.9:9"), b"b").unwrap();
    assert!(h.table.close(id));
    assert_eq!(h.send(id, Some(PEER), b""), Err(UdpError::Closed));
    // Nobody gets its place before it is done.
    let next = h.bound("0.0.0.0:53");
    assert_ne!(next.index, id.index);
    let sent = h.transmit(queued.index, ETH, 0);
    assert_eq!(read(&sent[0]).3, b"a");
    assert_eq!(h.table.len(), 2);
    let sent = h.transmit(queued.index, TUN, 0);
    assert_eq!(read(&sent[0]).0.port(), 53);
    assert_eq!((h.table.len(), h.table.memory()), (1, 0));
}

#[test]
fn an_interface_that_goes_takes_its_packets_along_and_no_others() {
    let mut h = Host::new();
    let id = h.bound("0.0.0.0:53");
    h.table.options_mut(id).unwrap().send_limit = 1;
    let queued = h.send(id, Some("10.0.0.9:9"), b"b").unwrap();
    assert_eq!(h.send(id, Some(PEER), b"a"), Err(UdpError::WouldBlock));
    h.table.remove_interface(TUN);
    assert_eq!(h.table.pop_ready(), Some((id, Readiness::WRITABLE)));
    assert!(h.send(id, Some(PEER), b"a").is_ok());
    assert!(h.transmit(queued.index, TUN, 0).is_empty());
    assert_eq!(h.transmit(queued.index, ETH, 0).len(), 1);
    // Of one that was closed, nothing remains.
    let queued = h.send(id, Some("10.0.0.9:9"), b"b").unwrap();
    assert!(h.table.close(id) && h.table.len() == 1);
    h.table.remove_interface(TUN);
    assert!(h.transmit(queued.index, TUN, 0).is_empty());
    assert_eq!((h.table.len(), h.table.memory()), (0, 0));
}

#[test]
fn options_are_obeyed() {
    let mut h = Host::new();
    let id = h.open(UdpFamily::V4);
    let options = h.table.options_mut(id).unwrap();
    options.hop_limit = 3;
    options.traffic_class = 0xb8;
    let queued = h.send(id, Some(PEER), b"").unwrap();
    let header = read(&h.transmit(queued.index, ETH, 0)[0]).2;
    assert_eq!((header.hop_limit, header.traffic_class), (3, 0xb8));
    h.table.options_mut(id).unwrap().hop_limit = 0;
    h.send(id, Some(PEER), b"").unwrap();
    assert_eq!(read(&h.transmit(queued.index, ETH, 0)[0]).2.hop_limit, 1);
}

#[test]
fn a_connected_socket_sends_to_its_peer_or_whom_it_is_told() {
    let mut h = Host::new();
    let id = h.open(UdpFamily::V4);
    h.connect(id, PEER).unwrap();
    let queued = h.send(id, None, b"peer").unwrap();
    h.send(id, Some("198.51.100.10:98"), b"other").unwrap();
    let sent: Vec<_> = h
        .transmit(queued.index, ETH, 0)
        .iter()
        .map(|p| read(p).1)
        .collect();
    assert_eq!(sent, [at(PEER), at("198.51.100.10:98")]);
}

proptest! {
    /// Per destination, what was sent comes out in order and complete, by whatever interface.
    #[test]
    fn order_is_kept(
        steps in proptest::collection::vec((0usize..4, 0usize..200, 0u16..60, any::<bool>()), 1..60),
        gso_max in prop_oneof![Just(0u32), 100u32..2000],
    ) {
        let peers = [PEER, "10.0.0.9:9", "198.51.100.10:98", "10.0.0.8:9"];
        let mut h = Host::new();
        let id = h.bound("0.0.0.0:53");
        h.table.options_mut(id).unwrap().send_limit = u32::MAX;
        let mut sent: [Vec<u8>; 4] = Default::default();
        let mut got: [Vec<u8>; 4] = Default::default();
        let mut drain = |h: &mut Host| {
            for iface in [ETH, TUN] {
                for packet in h.transmit(id.index, iface, gso_max) {
                    handfast_wire::segment(&packet, 0, Checksum::None, |piece| {
                        let (_, to, _, data) = read(piece);
                        let peer = peers.iter().position(|p| at(p) == to).unwrap();
                        got[peer].extend(data);
                    })
                    .unwrap();
                }
            }
        };
        for (n, (peer, len, segment_size, flush)) in steps.into_iter().enumerate() {
            let data = alloc::vec![n as u8; len];
            let mut outbound = Outbound {
                to: Some(at(peers[peer])),
                payload: payload(&data),
                segment_size,
                ..Outbound::default()
            };
            h.send_datagram(id, &mut outbound).unwrap();
            sent[peer].extend(data);
            if flush {
                drain(&mut h);
            }
        }
        drain(&mut h);
        prop_assert_eq!(sent, got);
        prop_assert_eq!(h.table.memory(), 0);
    }
}
