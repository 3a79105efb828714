use super::*;
use handfast_base::Rng;
use proptest::prelude::*;

const PEER: &str = "198.51.100.9:4000";

/// The most specific binding has it, in whatever order they were made.
#[test]
fn connected_before_address_before_interface_before_any() {
    // What each socket does, most specific first.
    type Make = fn(&mut Host, SocketId) -> u16;
    let makers: [Make; 6] = [
        |h, id| {
            let port = h.bind_on(id, "192.0.2.1:53", Some(ETH)).unwrap();
            h.connect(id, PEER).unwrap();
            port
        },
        |h, id| {
            let port = h.bind_on(id, "192.0.2.1:53", None).unwrap();
            h.connect(id, PEER).unwrap();
            port
        },
        |h, id| h.bind_on(id, "192.0.2.1:53", Some(ETH)).unwrap(),
        |h, id| h.bind_on(id, "192.0.2.1:53", None).unwrap(),
        |h, id| h.bind_on(id, "0.0.0.0:53", Some(ETH)).unwrap(),
        |h, id| h.bind_on(id, "0.0.0.0:53", None).unwrap(),
    ];
    let mut rng = Rng::new(4);
    for _ in 0..50 {
        let mut order: Vec<usize> = (0..6).collect();
        for i in (1..6).rev() {
            order.swap(i, rng.below(i as u64 + 1) as usize);
        }
        let mut h = Host::new();
        let options = UdpOptions {
            reuse: true,
            ..UdpOptions::default()
        };
        let mut ids = [None; 6];
        for i in order {
            let id = h.table.open(UdpFamily::V4, options.clone());
            assert_eq!(makers[i](&mut h, id), 53);
            ids[i] = Some(id);
        }
        // One after the other goes, and the next one has it.
        for id in ids.into_iter().flatten() {
            h.arrive(PEER, "192.0.2.1:53", ETH, b"hi").unwrap();
            let others = ids.into_iter().flatten().filter(|o| *o != id);
            assert_eq!(h.read_all(id), [b"hi"]);
            for other in others {
                let waits = h.table.peek(other).err();
                assert!(matches!(
                    waits,
                    Some(UdpError::WouldBlock | UdpError::Closed)
                ));
            }
            assert!(h.table.close(id));
        }
        assert_eq!(
            h.arrive(PEER, "192.0.2.1:53", ETH, b"hi"),
            Err(Discard::UdpPort)
        );
    }
}

#[test]
fn what_matches_only_in_part_is_not_for_the_socket() {
    let mut h = Host::new();
    let id = h.open(UdpFamily::V4);
    h.bind_on(id, "192.0.2.1:53", Some(ETH)).unwrap();
    h.connect(id, PEER).unwrap();
    for (source, destination, iface) in [
        ("198.51.100.9:4001", "192.0.2.1:53", ETH),
        ("198.51.100.8:4000", "192.0.2.1:53", ETH),
        (PEER, "192.0.2.1:54", ETH),
        (PEER, "10.0.0.1:53", ETH),
        (PEER, "192.0.2.1:53", TUN),
        (PEER, "192.0.2.1:0", ETH),
    ] {
        assert_eq!(
            h.arrive(source, destination, iface, b"x"),
            Err(Discard::UdpPort)
        );
    }
    assert_eq!(h.arrive(PEER, "192.0.2.1:53", ETH, b"x"), Ok(()));
}

#[test]
fn a_dual_socket_hears_both_families_and_a_single_one_its_own() {
    let mut h = Host::new();
    let dual = h.open(UdpFamily::Dual);
    h.bind_on(dual, "[::]:53", None).unwrap();
    h.arrive(PEER, "192.0.2.1:53", ETH, b"4").unwrap();
    h.arrive("[2001:db8::9]:1", "[2001:db8::1]:53", ETH, b"6")
        .unwrap();
    assert_eq!(h.table.receive(dual).unwrap().remote, at(PEER));
    assert_eq!(h.table.receive(dual).unwrap().remote, at("[2001:db8::9]:1"));
    let six = h.bound("[::]:54");
    assert_eq!(
        h.arrive(PEER, "192.0.2.1:54", ETH, b"4"),
        Err(Discard::UdpPort)
    );
    assert!(h.table.peek(six).is_err());
}

#[test]
fn link_local_peers_of_different_links_are_different_peers() {
    let mut h = Host::new();
    let options = UdpOptions {
        reuse: true,
        ..UdpOptions::default()
    };
    let any = h.table.open(UdpFamily::V6, options.clone());
    h.bind_on(any, "[::]:53", None).unwrap();
    let id = h.table.open(UdpFamily::V6, options);
    h.bind_on(id, "[fe80::1%1]:53", None).unwrap();
    h.connect(id, "[fe80::9%1]:7").unwrap();
    h.arrive("[fe80::9]:7", "[fe80::1]:53", TUN, b"tun")
        .unwrap();
    h.arrive("[fe80::9]:7", "[fe80::1]:53", ETH, b"eth")
        .unwrap();
    let there = h.table.receive(any).unwrap();
    assert_eq!((there.remote, there.iface), (at("[fe80::9%2]:7"), TUN));
    let here = h.table.receive(id).unwrap();
    assert_eq!((here.remote, here.iface), (at("[fe80::9%1]:7"), ETH));
    assert_eq!(here.local, at("[fe80::1%1]:53"));
}

#[test]
fn those_that_share_a_port_have_their_own_peers() {
    let mut h = Host::new();
    let options = UdpOptions {
        reuse: true,
        ..UdpOptions::default()
    };
    let ids: Vec<SocketId> = (0..4)
        .map(|_| {
            let id = h.table.open(UdpFamily::V4, options.clone());
            h.bind_on(id, "0.0.0.0:53", None).unwrap();
            id
        })
        .collect();
    for round in 0..2 {
        for peer in 0..400 {
            let source = alloc::format!("198.51.100.9:{}", 1000 + peer);
            h.arrive(&source, "192.0.2.1:53", ETH, &[round]).unwrap();
        }
    }
    for id in ids {
        let mut peers = Vec::new();
        while let Ok(datagram) = h.table.receive(id) {
            peers.push(datagram.remote);
        }
        // Each peer comes twice, and always here.
        assert!((120..280).contains(&peers.len()), "{}", peers.len());
        let (first, second) = peers.split_at(peers.len() / 2);
        assert_eq!(first, second);
    }
}

proptest! {
    /// Against a search of all sockets for the best match.
    #[test]
    fn finds_what_a_plain_search_finds(
        sockets in proptest::collection::vec((0usize..3, 0u16..3, 0usize..3, 0usize..3), 0..25),
        arrivals in proptest::collection::vec((1usize..3, 0u16..3, 1usize..3, 0usize..2), 1..40),
    ) {
        let locals = ["0.0.0.0", "192.0.2.1", "10.0.0.1"];
        let peers = ["", "198.51.100.9:4000", "198.51.100.9:4001"];
        let ifaces = [ETH, TUN];
        let mut h = Host::new();
        type Bound = (SocketId, Option<IpAddr>, u16, Option<SocketAddr>, Option<IfaceId>);
        let mut model: Vec<Bound> = Vec::new();
        for (local, port, peer, iface) in sockets {
            let options = UdpOptions { reuse: true, ..UdpOptions::default() };
            let id = h.table.open(UdpFamily::V4, options);
            let iface = [None, Some(ETH), Some(TUN)][iface];
            let name = alloc::format!("{}:{}", locals[local], 50 + port);
            if h.bind_on(id, &name, iface).is_err() {
                continue;
            }
            if peer > 0 {
                h.connect(id, peers[peer]).unwrap();
            }
            let remote = h.table.remote(id).unwrap();
            let address = Some(h.table.local(id).unwrap().ip()).filter(|a| !a.is_unspecified());
            // Those bound alike share by a hash, which is not at issue here.
            if model.iter().any(|m| (m.1, m.2, m.3, m.4) == (address, 50 + port, remote, iface)) {
                h.table.close(id);
                continue;
            }
            model.push((id, address, 50 + port, remote, iface));
        }
        for (to, port, from, iface) in arrivals {
            let destination = alloc::format!("{}:{}", locals[to], 50 + port);
            let iface = ifaces[iface];
            let expected = model
                .iter()
                .filter(|(_, address, p, remote, i)| {
                    address.is_none_or(|a| a == ip(locals[to]))
                        && *p == 50 + port
                        && remote.is_none_or(|r| r == at(peers[from]))
                        && i.is_none_or(|i| i == iface)
                })
                .max_by_key(|(_, address, _, remote, i)| {
                    (remote.is_some(), address.is_some(), i.is_some())
                })
                .map(|m| m.0);
            let got = h.arrive(peers[from], &destination, iface, b"x");
            prop_assert_eq!(got.is_ok(), expected.is_some());
            if let Some(id) = expected {
                prop_assert_eq!(h.read_all(id).len(), 1);
            }
        }
        prop_assert_eq!(h.table.memory(), 0);
    }
}
