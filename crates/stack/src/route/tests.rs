use super::*;
use proptest::prelude::*;

const ETH: IfaceId = IfaceId(1);
const TUN: IfaceId = IfaceId(2);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn route(prefix: &str, gateway: Option<&str>, iface: IfaceId, metric: u32) -> Route {
    Route {
        metric,
        ..Route::new(prefix.parse().unwrap(), gateway.map(ip), iface)
    }
}

fn ethernet() -> InterfaceAddresses {
    let mut a = InterfaceAddresses::new(Attachment::Broadcast);
    a.add("192.0.2.1/24".parse().unwrap()).unwrap();
    a.add("2001:db8::1/64".parse().unwrap()).unwrap();
    a
}

fn tun() -> InterfaceAddresses {
    let mut a = InterfaceAddresses::new(Attachment::PointToPoint);
    a.add("10.9.9.1/32".parse().unwrap()).unwrap();
    a
}

#[test]
fn the_longest_prefix_wins_then_the_metric_then_the_order() {
    let mut t = RouteTable::new();
    for r in [
        route("0.0.0.0/0", Some("192.0.2.254"), ETH, 0),
        route("10.0.0.0/8", None, TUN, 9),
        route("10.1.0.0/16", Some("192.0.2.253"), ETH, 7),
        route("10.1.0.0/16", Some("192.0.2.252"), ETH, 7),
        route("10.1.0.0/16", Some("192.0.2.251"), ETH, 3),
        route("::/0", Some("fe80::1"), ETH, 0),
        route("2001:db8:1::/48", None, TUN, 0),
    ] {
        let addresses = if r.iface == ETH { ethernet() } else { tun() };
        t.add(r, Some(&addresses)).unwrap();
    }
    let gateways = |d| {
        let hops = t.matches(ip(d)).map(|r| r.next_hop(ip(d)));
        hops.collect::<Vec<_>>()
    };
    assert_eq!(
        gateways("10.1.2.3"),
        [
            "192.0.2.251",
            "192.0.2.253",
            "192.0.2.252",
            "10.1.2.3",
            "192.0.2.254"
        ]
        .map(ip)
    );
    assert_eq!(gateways("10.2.0.1"), ["10.2.0.1", "192.0.2.254"].map(ip));
    assert_eq!(gateways("8.8.8.8"), ["192.0.2.254"].map(ip));
    assert_eq!(t.lookup(ip("2001:db8:1::9")).unwrap().iface, TUN);
    assert_eq!(
        t.lookup(ip("2001:db9::9")).unwrap().gateway,
        Some(ip("fe80::1"))
    );
}

#[test]
fn routes_that_could_never_work_are_refused_when_added() {
    let mut t = RouteTable::new();
    for (r, error) in [
        (
            route("10.0.0.0/8", Some("fe80::1"), ETH, 0),
            RouteError::GatewayFamily,
        ),
        (
            route("::/0", Some("192.0.2.9"), ETH, 0),
            RouteError::GatewayFamily,
        ),
        (
            route("10.0.0.0/8", Some("0.0.0.0"), ETH, 0),
            RouteError::GatewayNotHost,
        ),
        (
            route("10.0.0.0/8", Some("224.0.0.1"), ETH, 0),
            RouteError::GatewayNotHost,
        ),
        (
            route("10.0.0.0/8", Some("127.0.0.1"), ETH, 0),
            RouteError::GatewayNotHost,
        ),
        (
            route("10.0.0.0/8", Some("240.0.0.1"), ETH, 0),
            RouteError::GatewayNotHost,
        ),
        (
            route("10.0.0.0/8", Some("255.255.255.255"), ETH, 0),
            RouteError::GatewayNotHost,
        ),
        (
            route("10.0.0.0/8", Some("192.0.2.255"), ETH, 0),
            RouteError::GatewayNotHost,
        ),
        (
            route("10.0.0.0/8", Some("192.0.2.1"), ETH, 0),
            RouteError::GatewayNotHost,
        ),
        (
            route("::/0", Some("ff02::2"), ETH, 0),
            RouteError::GatewayNotHost,
        ),
        (
            route("::/0", Some("::1"), ETH, 0),
            RouteError::GatewayNotHost,
        ),
        (
            route("::/0", Some("::"), ETH, 0),
            RouteError::GatewayNotHost,
        ),
        (
            route("10.0.0.0/8", Some("192.0.3.1"), ETH, 0),
            RouteError::GatewayOffLink,
        ),
        (
            route("::/0", Some("2001:db8:9::1"), ETH, 0),
            RouteError::GatewayOffLink,
        ),
    ] {
        assert_eq!(t.add(r, Some(&ethernet())), Err(error), "{r:?}");
    }
    let unknown = route("10.0.0.0/8", None, IfaceId(9), 0);
    assert_eq!(t.add(unknown, None), Err(RouteError::UnknownInterface));
    assert!(t.is_empty());
    // Over a point-to-point link there is nothing to resolve.
    let far = route("0.0.0.0/0", Some("10.0.0.1"), TUN, 0);
    assert_eq!(t.add(far, Some(&tun())), Ok(()));
    assert_eq!(t.add(far, Some(&tun())), Err(RouteError::Duplicate));
    assert_eq!(
        t.add(Route { metric: 4, ..far }, Some(&tun())),
        Err(RouteError::Duplicate)
    );
}

#[test]
fn routes_die_alone_and_with_their_interface() {
    let mut t = RouteTable::new();
    let a = ethernet();
    t.add(route("10.3.0.7/16", None, ETH, 0), Some(&a)).unwrap();
    t.add(route("10.4.0.0/16", None, ETH, 0), Some(&a)).unwrap();
    t.add(route("10.4.0.0/16", None, TUN, 5), Some(&tun()))
        .unwrap();
    assert!(!t.remove("10.3.0.0/16".parse().unwrap(), None, TUN));
    assert!(t.remove("10.3.0.0/16".parse().unwrap(), None, ETH));
    assert_eq!(t.lookup(ip("10.3.0.1")), None);
    t.retain(|r| r.iface != ETH);
    assert_eq!(t.lookup(ip("10.4.0.1")).map(|r| r.iface), Some(TUN));
    assert_eq!(t.len(), 1);
}

fn any_route() -> impl Strategy<Value = Route> {
    // Few bits, so that prefixes nest and repeat.
    let v4 = (0u32..8, 0u8..=32).prop_map(|(b, l)| (IpAddr::V4((b << 29).into()), l));
    let v6 = (0u128..8, 0u8..=128).prop_map(|(b, l)| (IpAddr::V6((b << 125).into()), l));
    (prop_oneof![v4, v6], 0u32..3, 0u32..3).prop_map(|((address, len), iface, metric)| Route {
        metric,
        ..Route::new(
            AddressPrefix::new(address, len).unwrap(),
            None,
            IfaceId(iface),
        )
    })
}

proptest! {
    #[test]
    fn lookup_agrees_with_a_plain_search(
        routes in proptest::collection::vec(any_route(), 0..40),
        top in 0u32..8,
        v6: bool,
    ) {
        let addresses = InterfaceAddresses::new(Attachment::PointToPoint);
        let mut t = RouteTable::new();
        let mut added: Vec<Route> = Vec::new();
        for r in routes {
            if t.add(r, Some(&addresses)).is_ok() {
                added.push(Route { prefix: r.prefix.network(), ..r });
            }
        }
        let destination = match v6 {
            true => IpAddr::V6((u128::from(top) << 125).into()),
            false => IpAddr::V4((top << 29).into()),
        };
        let mut expected: Vec<Route> = added;
        expected.retain(|r| r.prefix.contains(destination));
        expected.sort_by_key(|r| (core::cmp::Reverse(r.prefix.prefix_len()), r.metric));
        let got: Vec<Route> = t.matches(destination).copied().collect();
        prop_assert_eq!(got, expected);
    }
}
