use super::*;

fn sharing() -> UdpOptions {
    UdpOptions {
        reuse: true,
        ..UdpOptions::default()
    }
}

#[test]
fn what_could_hear_the_same_is_refused_unless_both_share() {
    use UdpFamily::{Dual, V4, V6};
    for (first, second, expected) in [
        (
            (V4, "192.0.2.1:53", None),
            (V4, "192.0.2.1:53", None),
            false,
        ),
        ((V4, "0.0.0.0:53", None), (V4, "192.0.2.1:53", None), false),
        ((V4, "192.0.2.1:53", None), (V4, "0.0.0.0:53", None), false),
        ((V4, "192.0.2.1:53", None), (V4, "10.0.0.1:53", None), true),
        ((V4, "192.0.2.1:53", None), (V4, "192.0.2.1:54", None), true),
        ((V4, "0.0.0.0:53", None), (V6, "[::]:53", None), true),
        ((V4, "0.0.0.0:53", None), (Dual, "[::]:53", None), false),
        ((Dual, "[::]:53", None), (V4, "192.0.2.1:53", None), false),
        (
            (Dual, "[::]:53", None),
            (V6, "[2001:db8::1]:53", None),
            false,
        ),
        ((Dual, "0.0.0.0:53", None), (V6, "[::]:53", None), true),
        (
            (Dual, "[2001:db8::1]:53", None),
            (V4, "0.0.0.0:53", None),
            true,
        ),
        (
            (V4, "0.0.0.0:53", Some(ETH)),
            (V4, "0.0.0.0:53", Some(TUN)),
            true,
        ),
        (
            (V4, "0.0.0.0:53", Some(ETH)),
            (V4, "0.0.0.0:53", None),
            false,
        ),
        (
            (V4, "0.0.0.0:53", Some(ETH)),
            (V4, "10.0.0.1:53", Some(TUN)),
            true,
        ),
    ] {
        for (shared, is_ok) in [
            ([false, false], expected),
            ([true, false], expected),
            ([true, true], true),
        ] {
            let mut h = Host::new();
            let mut bind =
                |share: bool, (family, local, iface): (UdpFamily, &str, Option<IfaceId>)| {
                    let options = if share {
                        sharing()
                    } else {
                        UdpOptions::default()
                    };
                    let id = h.table.open(family, options);
                    h.bind_on(id, local, iface)
                };
            assert!(bind(shared[0], first).is_ok());
            let error = (!is_ok).then_some(UdpError::AddressInUse);
            assert_eq!(
                bind(shared[1], second).err(),
                error,
                "{first:?} {second:?} {shared:?}"
            );
        }
    }
}

#[test]
fn addresses_that_cannot_be_bound() {
    let mut h = Host::new();
    let four = h.open(UdpFamily::V4);
    let six = h.open(UdpFamily::V6);
    let dual = h.open(UdpFamily::Dual);
    for (id, local, iface, error) in [
        (four, "192.0.2.9:53", None, UdpError::LocalAddress),
        (four, "10.0.0.1:53", Some(ETH), UdpError::LocalAddress),
        (four, "[::]:53", None, UdpError::Family),
        (six, "0.0.0.0:53", None, UdpError::Family),
        (six, "[::ffff:192.0.2.1]:53", None, UdpError::Family),
        (six, "[fe80::1%2]:53", None, UdpError::LocalAddress),
    ] {
        assert_eq!(h.bind_on(id, local, iface), Err(error), "{local}");
        assert_eq!(h.table.local(id).unwrap().port(), 0);
    }
    assert_eq!(h.bind_on(dual, "[::ffff:192.0.2.1]:53", None), Ok(53));
    assert_eq!(h.table.local(dual), Ok(at("192.0.2.1:53")));
    assert_eq!(
        h.bind_on(dual, "[::]:54", None),
        Err(UdpError::AlreadyBound)
    );
    assert_eq!(h.bind_on(six, "[fe80::1%1]:53", None), Ok(53));
    assert_eq!(h.table.local(six), Ok(at("[fe80::1%1]:53")));
    assert_eq!(h.bind_on(four, "224.0.0.251:5353", None), Ok(5353));
}

#[test]
fn ephemeral_ports_collide_with_nothing_and_run_out() {
    let mut h = Host::with_ports(60000..=60003);
    h.bound("0.0.0.0:60000");
    let dual = h.open(UdpFamily::Dual);
    h.bind_on(dual, "[::]:60001", None).unwrap();
    let connected = h.bound("192.0.2.1:60002");
    h.connect(connected, "198.51.100.1:1").unwrap();
    let free = h.open(UdpFamily::V4);
    assert_eq!(h.bind_on(free, "0.0.0.0:0", None), Ok(60003));
    let next = h.open(UdpFamily::V4);
    assert_eq!(h.bind_on(next, "0.0.0.0:0", None), Err(UdpError::NoPorts));
    assert_eq!(h.connect(next, "198.51.100.1:1"), Err(UdpError::NoPorts));
    assert_eq!(
        h.send(next, Some("198.51.100.1:1"), b""),
        Err(UdpError::NoPorts)
    );
    // Elsewhere the port of the connected socket is free.
    assert_eq!(h.bind_on(next, "10.0.0.1:0", None), Ok(60002));
    assert!(h.table.close(dual));
    let six = h.open(UdpFamily::V6);
    assert!(h.connect(six, "[2001:db8::9]:1").is_ok());
    let mut none = UdpTable::new(&[0; 16], None);
    let id = none.open(UdpFamily::V4, UdpOptions::default());
    assert_eq!(
        none.bind(id, at("0.0.0.0:0"), None, 0, |_, _| true),
        Err(UdpError::NoPorts)
    );
}

#[test]
fn connecting_chooses_an_address_and_disconnecting_gives_it_back() {
    let mut h = Host::new();
    let id = h.bound("0.0.0.0:53");
    h.connect(id, "10.0.0.9:99").unwrap();
    assert_eq!(h.table.local(id), Ok(at("10.0.0.1:53")));
    assert_eq!(h.table.remote(id), Ok(Some(at("10.0.0.9:99"))));
    // Anew, by another interface.
    h.connect(id, "198.51.100.9:99").unwrap();
    assert_eq!(h.table.local(id), Ok(at("192.0.2.1:53")));
    assert_eq!(
        h.arrive("10.0.0.9:99", "10.0.0.1:53", TUN, b"x"),
        Err(Discard::UdpPort)
    );
    h.table.disconnect(id).unwrap();
    assert_eq!(h.table.disconnect(id), Err(UdpError::NotConnected));
    assert_eq!(h.table.local(id), Ok(at("0.0.0.0:53")));
    assert!(h.arrive("10.0.0.9:99", "10.0.0.1:53", TUN, b"x").is_ok());

    // A bound address stays.
    let id = h.bound("10.0.0.1:54");
    h.connect(id, "198.51.100.9:99").unwrap();
    assert_eq!(h.table.local(id), Ok(at("10.0.0.1:54")));

    // A port that was never asked for is given up when it would be in the way.
    let id = h.open(UdpFamily::V4);
    h.connect(id, "198.51.100.9:99").unwrap();
    let port = h.table.local(id).unwrap().port();
    h.bound(&alloc::format!("10.0.0.1:{port}"));
    h.table.disconnect(id).unwrap();
    assert_eq!(h.table.local(id), Ok(at("0.0.0.0:0")));
}

#[test]
fn peers_that_cannot_be_connected_to() {
    let mut h = Host::new();
    let four = h.open(UdpFamily::V4);
    let six = h.open(UdpFamily::V6);
    for (id, remote, error) in [
        (four, "198.51.100.9:0", UdpError::RemoteAddress),
        (four, "0.0.0.0:53", UdpError::RemoteAddress),
        (four, "0.1.2.3:53", UdpError::RemoteAddress),
        (four, "250.0.0.1:53", UdpError::RemoteAddress),
        (four, "255.255.255.255:53", UdpError::Broadcast),
        (four, "203.0.113.1:53", UdpError::NoRoute),
        (four, "[2001:db8::9]:53", UdpError::Family),
        (six, "198.51.100.9:53", UdpError::Family),
        (six, "[::ffff:198.51.100.9]:53", UdpError::Family),
        (six, "[::]:53", UdpError::RemoteAddress),
    ] {
        assert_eq!(h.connect(id, remote), Err(error), "{remote}");
        assert_eq!(h.table.local(id).unwrap().port(), 0, "nothing was claimed");
        assert_eq!(h.table.remote(id), Ok(None));
    }
}

#[test]
fn one_tuple_is_one_sockets() {
    let mut h = Host::new();
    let make = |h: &mut Host| {
        let id = h.table.open(UdpFamily::V4, sharing());
        h.bind_on(id, "192.0.2.1:53", None).unwrap();
        id
    };
    let (first, second) = (make(&mut h), make(&mut h));
    h.connect(first, "198.51.100.9:99").unwrap();
    h.connect(first, "198.51.100.9:99").unwrap();
    h.table.options_mut(second).unwrap().reuse = false;
    assert_eq!(
        h.connect(second, "198.51.100.9:99"),
        Err(UdpError::AddressInUse)
    );
    assert_eq!(h.connect(second, "198.51.100.9:98"), Ok(()));
}

#[test]
fn what_others_had_sent_before_it_was_connected_is_thrown_away() {
    let mut h = Host::new();
    let id = h.bound("0.0.0.0:53");
    for source in ["198.51.100.9:99", "198.51.100.8:99", "198.51.100.9:98"] {
        h.arrive(source, "192.0.2.1:53", ETH, source.as_bytes())
            .unwrap();
    }
    h.connect(id, "198.51.100.9:99").unwrap();
    assert_eq!(h.read_all(id), [b"198.51.100.9:99"]);
    assert_eq!(h.table.memory(), 0);
}

#[test]
fn a_closed_socket_is_refused_and_its_port_is_free() {
    let mut h = Host::new();
    let id = h.bound("0.0.0.0:53");
    h.arrive("198.51.100.9:99", "192.0.2.1:53", ETH, b"unread")
        .unwrap();
    assert!(h.table.close(id));
    assert!(!h.table.close(id));
    assert_eq!(h.table.memory(), 0);
    assert_eq!(h.table.pop_ready(), None, "nobody is there to be told");
    let next = h.bound("0.0.0.0:53");
    assert_eq!(next.index, id.index, "the same place");
    for error in [
        h.table.receive(id).err(),
        h.table.peek(id).err(),
        h.table.local(id).err(),
        h.table.readiness(id).err(),
        h.table.take_error(id).err(),
        h.connect(id, "198.51.100.9:99").err(),
        h.send(id, Some("198.51.100.9:99"), b"").err(),
        h.bind_on(id, "0.0.0.0:1", None).err(),
        h.table.join(id, ETH, ip("224.0.0.5")).err(),
    ] {
        assert_eq!(error, Some(UdpError::Closed));
    }
}

#[test]
fn bindings_die_with_their_interface_or_address_and_waiters_are_told() {
    let mut h = Host::new();
    let by_iface = h.open(UdpFamily::V4);
    h.bind_on(by_iface, "0.0.0.0:53", Some(TUN)).unwrap();
    let by_address = h.bound("192.0.2.1:54");
    let any = h.bound("0.0.0.0:55");
    h.table.remove_interface(TUN);
    h.table.remove_address(ip("192.0.2.1"));
    let gone = UdpError::Unreachable(NetError::NetworkUnreachable);
    let told: Vec<SocketId> = core::iter::from_fn(|| h.table.pop_ready().map(|r| r.0)).collect();
    assert_eq!(told, [by_iface, by_address]);
    for id in told {
        assert!(h.table.readiness(id).unwrap().contains(Readiness::READABLE));
        assert_eq!(h.table.peek(id), Err(gone));
        assert_eq!(h.table.receive(id), Err(gone));
        assert_eq!(h.table.receive(id), Err(UdpError::WouldBlock));
    }
    assert_eq!(
        h.arrive("10.0.0.9:1", "10.0.0.1:53", TUN, b"x"),
        Err(Discard::UdpPort)
    );
    assert_eq!(h.table.local(any), Ok(at("0.0.0.0:55")));
    h.bound("0.0.0.0:53");
}
