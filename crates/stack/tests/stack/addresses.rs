use crate::harness::{FAMILIES, Family, Pair, Side};
use handfast_stack::address::AddressError;
use handfast_stack::route::RouteError;
use handfast_stack::{
    AddressPrefix, ConnectError, ConnectOptions, IfaceId, InterfaceConfig, InterfaceError, Route,
    Stack, StackConfig,
};
use handfast_tcp::{ConnectionError, State};

#[test]
fn what_makes_no_sense_is_refused_when_it_is_set() {
    let mut stack = Stack::new(StackConfig::default(), [0; 32]);
    let prefix = |text: &str| text.parse::<AddressPrefix>().unwrap();
    let with = |mtu, addresses: &[&str]| InterfaceConfig {
        mtu,
        addresses: addresses.iter().map(|a| prefix(a)).collect(),
        ..InterfaceConfig::default()
    };
    assert_eq!(stack.add_interface(with(67, &[])), Err(InterfaceError::Mtu));
    assert_eq!(
        stack.add_interface(with(1279, &["2001:db8::1/64"])),
        Err(InterfaceError::Mtu)
    );
    let not_host = Err(InterfaceError::Address(AddressError::NotHost));
    assert_eq!(stack.add_interface(with(1500, &["224.0.0.1/4"])), not_host);
    assert_eq!(stack.add_interface(with(1500, &["127.0.0.1/8"])), not_host);
    let twice = Err(InterfaceError::Address(AddressError::Duplicate));
    assert_eq!(
        stack.add_interface(with(1500, &["192.0.2.1/24", "192.0.2.1/24"])),
        twice
    );
    let id = stack.add_interface(with(1279, &["192.0.2.1/24"])).unwrap();
    let now = handfast_base::Instant::ZERO;
    let six = stack.add_address(id, prefix("2001:db8::1/64"), now);
    assert_eq!(six, Err(InterfaceError::Mtu));
    stack.set_mtu(id, 1280, now).unwrap();
    stack
        .add_address(id, prefix("2001:db8::1/64"), now)
        .unwrap();
    assert_eq!(stack.set_mtu(id, 1279, now), Err(InterfaceError::Mtu));
    assert_eq!(
        stack.set_mtu(IfaceId(99), 1500, now),
        Err(InterfaceError::Unknown)
    );
    let route = |iface, gateway: &str| {
        Route::new(prefix("0.0.0.0/0"), Some(gateway.parse().unwrap()), iface)
    };
    let unknown = stack.add_route(route(IfaceId(7), "192.0.2.254"), now);
    assert_eq!(unknown, Err(RouteError::UnknownInterface));
    let family = stack.add_route(route(id, "2001:db8::254"), now);
    assert_eq!(family, Err(RouteError::GatewayFamily));
    assert!(!stack.remove_interface(IfaceId::LOOPBACK, now), "it stays");
}

#[test]
fn an_address_that_goes_takes_its_connections_with_it() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        assert!(
            net.a
                .stack
                .remove_address(net.a.iface, net.a.address, net.now)
        );
        assert!(
            !net.a
                .stack
                .remove_address(net.a.iface, net.a.address, net.now)
        );
        net.settle();
        let error = net.a.stack.tcp(client).unwrap().error();
        assert_eq!(error, Some(ConnectionError::Aborted));
        let error = net.b.stack.tcp(server).unwrap().error();
        assert_eq!(
            error,
            Some(ConnectionError::Reset),
            "the peer is not left waiting"
        );
        let remote = net.b.at(80);
        let refused = net
            .a
            .stack
            .tcp_connect(remote, ConnectOptions::default(), net.now);
        assert_eq!(refused, Err(ConnectError::NoRoute));
    }
}

#[test]
fn an_interface_that_goes_ends_what_came_over_it() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, _) = net.connected(80);
        let old = net.a.iface;
        assert!(net.a.stack.remove_interface(old, net.now));
        assert!(!net.a.stack.remove_interface(old, net.now));
        net.a.take_events();
        assert_eq!(net.a.state(client), State::Closed);
        assert!(!net.a.events.is_empty(), "who waits is woken");
        assert!(net.a.stack.tcp_close(client, net.now));
        assert_eq!(net.a.stack.usage().connections, 0);
        assert_eq!(net.a.stack.routes().count(), 0);
        let again = net
            .a
            .stack
            .add_interface(InterfaceConfig::default())
            .unwrap();
        assert_ne!(again, old, "ids are not used twice");
    }
}

#[test]
fn a_smaller_mtu_acts_on_the_next_segment() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        net.transfer(Side::A, client, server, &[0; 20_000]);
        net.a.stack.set_mtu(net.a.iface, 1300, net.now).unwrap();
        net.seen.clear();
        net.transfer(Side::A, client, server, &[0; 20_000]);
        let header = if family == Family::V4 { 20 } else { 40 };
        let most = net.seen.iter().map(|s| s.text + 32 + header).max().unwrap();
        assert!((1250..=1300).contains(&most), "{most}");
    }
}

#[test]
fn super_segments_and_partial_checksums_are_used_where_the_link_has_them() {
    for family in FAMILIES {
        let interface = InterfaceConfig {
            gso_max: 65_536,
            checksum_offload: true,
            ..InterfaceConfig::default()
        };
        let mut net = Pair::with(family, StackConfig::default(), interface);
        let (client, server) = net.connected(80);
        let data: Vec<u8> = (0..1_000_000u32).map(|n| (n >> 4) as u8).collect();
        net.transfer(Side::A, client, server, &data);
        let most = net.seen.iter().map(|s| s.text).max().unwrap();
        assert!(most > 10_000, "{most}");
    }
}
