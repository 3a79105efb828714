use super::*;
use crate::address::Attachment;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Addresses as the RFC's examples write them; a prefix is the usual one, /64 or /24.
fn addresses(list: &str) -> InterfaceAddresses {
    let mut all = InterfaceAddresses::new(Attachment::Broadcast);
    for entry in list.split(", ") {
        let mut words = entry.split(' ');
        let address = ip(words.next().unwrap());
        let note = words.next();
        let len = if address.is_ipv4() { 24 } else { 64 };
        all.add_with(InterfaceAddress {
            prefix: AddressPrefix::new(address, len).unwrap(),
            state: match note {
                Some("deprecated") => AddressState::Deprecated,
                Some("tentative") => AddressState::Tentative,
                _ => AddressState::Preferred,
            },
            temporary: note == Some("temporary"),
        })
        .unwrap();
    }
    all
}

fn source_with(
    d: &str,
    candidates: &str,
    policy: &PolicyTable,
    privacy: Privacy,
) -> Option<IpAddr> {
    let all = addresses(candidates);
    select(ip(d), ip(d), &all, policy, privacy).map(|a| a.prefix.address())
}

fn source(d: &str, candidates: &str) -> Option<IpAddr> {
    source_with(d, candidates, &PolicyTable::default(), Privacy::default())
}

/// Destinations in order, each with its source.
fn order(policy: &PolicyTable, candidates: &str, list: &str) -> Vec<(IpAddr, IpAddr)> {
    let all = addresses(candidates);
    let source = |d| select(d, d, &all, policy, Privacy::default());
    let mut destinations: Vec<IpAddr> = list.split(", ").map(ip).collect();
    sort_destinations(&mut destinations, source, policy);
    let pair = |d: IpAddr| (d, source(d).unwrap().prefix.address());
    destinations.into_iter().map(pair).collect()
}

/// The result does not depend on the order in which candidates or destinations are given.
fn check_order(policy: &PolicyTable, candidates: &str, list: &str, result: [(&str, &str); 2]) {
    let expected = result.map(|(d, s)| (ip(d), ip(s)));
    let (first, second) = list.split_once(", ").unwrap();
    let turned = [second, first].join(", ");
    let mut backwards: Vec<&str> = candidates.split(", ").collect();
    backwards.reverse();
    let backwards = backwards.join(", ");
    for candidates in [candidates, backwards.as_str()] {
        for list in [list, turned.as_str()] {
            let got = order(policy, candidates, list);
            assert_eq!(got, expected, "{candidates} to {list}");
        }
    }
}

fn policy(rows: &[(&str, u8, u8)]) -> PolicyTable {
    let mut table = PolicyTable::default();
    for (prefix, precedence, label) in rows {
        table.set(Policy {
            prefix: prefix.parse().unwrap(),
            precedence: *precedence,
            label: *label,
        });
    }
    table
}

/// RFC 6724, section 10.1; the example of home addresses does not apply.
#[test]
fn default_source_address_selection() {
    for (destination, candidates, result) in [
        ("2001:db8:1::1", "2001:db8:3::1, fe80::1", "2001:db8:3::1"),
        ("ff05::1", "2001:db8:3::1, fe80::1", "2001:db8:3::1"),
        (
            "2001:db8:1::1",
            "2001:db8:1::1 deprecated, 2001:db8:2::1",
            "2001:db8:1::1",
        ),
        ("fe80::1", "fe80::2 deprecated, 2001:db8:1::1", "fe80::2"),
        (
            "2001:db8:1::1",
            "2001:db8:1::2, 2001:db8:3::2",
            "2001:db8:1::2",
        ),
        (
            "2002:c633:6401::1",
            "2002:c633:6401::d5e3:7953:13eb:22e8 temporary, 2001:db8:1::2",
            "2002:c633:6401::d5e3:7953:13eb:22e8",
        ),
        (
            "2001:db8:1::d5e3:0:0:1",
            "2001:db8:1::2, 2001:db8:1::d5e3:7953:13eb:22e8 temporary",
            "2001:db8:1::d5e3:7953:13eb:22e8",
        ),
    ] {
        let (a, b) = candidates.split_once(", ").unwrap();
        let turned = [b, a].join(", ");
        for candidates in [candidates, turned.as_str()] {
            let got = source(destination, candidates);
            assert_eq!(got, Some(ip(result)), "{destination} from {candidates}");
        }
    }
}

/// RFC 6724, section 10.2; the example of home addresses does not apply.
#[test]
fn default_destination_address_selection() {
    let default = PolicyTable::default();
    for (candidates, list, result) in [
        (
            "2001:db8:1::2, fe80::1, 169.254.13.78",
            "2001:db8:1::1, 198.51.100.121",
            [
                ("2001:db8:1::1", "2001:db8:1::2"),
                ("198.51.100.121", "169.254.13.78"),
            ],
        ),
        (
            "fe80::1, 198.51.100.117",
            "2001:db8:1::1, 198.51.100.121",
            [
                ("198.51.100.121", "198.51.100.117"),
                ("2001:db8:1::1", "fe80::1"),
            ],
        ),
        (
            "2001:db8:1::2, fe80::1, 10.1.2.4",
            "2001:db8:1::1, 10.1.2.3",
            [("2001:db8:1::1", "2001:db8:1::2"), ("10.1.2.3", "10.1.2.4")],
        ),
        (
            "2001:db8:1::2, fe80::2",
            "2001:db8:1::1, fe80::1",
            [("fe80::1", "fe80::2"), ("2001:db8:1::1", "2001:db8:1::2")],
        ),
        (
            "2001:db8:1::2, fe80::2 deprecated",
            "2001:db8:1::1, fe80::1",
            [("2001:db8:1::1", "2001:db8:1::2"), ("fe80::1", "fe80::2")],
        ),
        (
            "2001:db8:1::2, 2001:db8:3f44::2, fe80::2",
            "2001:db8:1::1, 2001:db8:3ffe::1",
            [
                ("2001:db8:1::1", "2001:db8:1::2"),
                ("2001:db8:3ffe::1", "2001:db8:3f44::2"),
            ],
        ),
        (
            "2002:c633:6401::2, fe80::2",
            "2002:c633:6401::1, 2001:db8:1::1",
            [
                ("2002:c633:6401::1", "2002:c633:6401::2"),
                ("2001:db8:1::1", "2002:c633:6401::2"),
            ],
        ),
        (
            "2002:c633:6401::2, 2001:db8:1::2, fe80::2",
            "2002:c633:6401::1, 2001:db8:1::1",
            [
                ("2001:db8:1::1", "2001:db8:1::2"),
                ("2002:c633:6401::1", "2002:c633:6401::2"),
            ],
        ),
    ] {
        check_order(&default, candidates, list, result);
    }
}

/// RFC 6724, section 10.3.
#[test]
fn preferring_ipv4() {
    let v4_first = policy(&[("::ffff:0:0/96", 100, 4)]);
    // The same, said in IPv4.
    let same = policy(&[("0.0.0.0/0", 100, 4)]);
    for table in [&v4_first, &same] {
        check_order(
            table,
            "2001:db8::2, fe80::1, 169.254.13.78",
            "2001:db8::1, 198.51.100.121",
            [
                ("2001:db8::1", "2001:db8::2"),
                ("198.51.100.121", "169.254.13.78"),
            ],
        );
        check_order(
            table,
            "fe80::1, 198.51.100.117",
            "2001:db8::1, 198.51.100.121",
            [
                ("198.51.100.121", "198.51.100.117"),
                ("2001:db8::1", "fe80::1"),
            ],
        );
        check_order(
            table,
            "2001:db8::2, fe80::1, 10.1.2.4",
            "2001:db8::1, 10.1.2.3",
            [("10.1.2.3", "10.1.2.4"), ("2001:db8::1", "2001:db8::2")],
        );
    }
}

/// RFC 6724, section 10.4.
#[test]
fn preferring_global_addresses_over_link_local_ones() {
    let table = policy(&[("fe80::/10", 33, 1)]);
    check_order(
        &table,
        "2001:db8::2, fe80::2",
        "2001:db8::1, fe80::1",
        [("2001:db8::1", "2001:db8::2"), ("fe80::1", "fe80::2")],
    );
    check_order(
        &table,
        "2001:db8::2 deprecated, fe80::2",
        "2001:db8::1, fe80::1",
        [("fe80::1", "fe80::2"), ("2001:db8::1", "2001:db8::2")],
    );
}

/// RFC 6724, section 10.5.
#[test]
fn a_multi_homed_site() {
    let ours = "2001:db8:1aaa::a, 2001:db8:70aa::a, fe80::a";
    let partner = "2001:db8:1bbb::b, 2001:db8:70bb::b";
    let other = "2001:db8:1ccc::c, 2001:db8:6ccc::c";
    let default = PolicyTable::default();
    check_order(
        &default,
        ours,
        partner,
        [
            ("2001:db8:70bb::b", "2001:db8:70aa::a"),
            ("2001:db8:1bbb::b", "2001:db8:1aaa::a"),
        ],
    );
    check_order(
        &default,
        ours,
        other,
        [
            ("2001:db8:1ccc::c", "2001:db8:1aaa::a"),
            ("2001:db8:6ccc::c", "2001:db8:70aa::a"),
        ],
    );
    let table = policy(&[("2001:db8:1aaa::/48", 43, 6), ("2001:db8:1bbb::/48", 43, 6)]);
    check_order(
        &table,
        ours,
        partner,
        [
            ("2001:db8:1bbb::b", "2001:db8:1aaa::a"),
            ("2001:db8:70bb::b", "2001:db8:70aa::a"),
        ],
    );
    check_order(
        &table,
        ours,
        other,
        [
            ("2001:db8:6ccc::c", "2001:db8:70aa::a"),
            ("2001:db8:1ccc::c", "2001:db8:70aa::a"),
        ],
    );
}

/// RFC 6724, section 10.6.
#[test]
fn unique_local_addresses() {
    let ours = "2001:db8:1::1, fd11:1111:1111:1::1";
    let foreign = "2001:db8:2::2, fd22:2222:2222:2::2";
    let default = PolicyTable::default();
    let table = policy(&[("fd11:1111:1111::/48", 45, 14)]);
    check_order(
        &default,
        ours,
        foreign,
        [
            ("2001:db8:2::2", "2001:db8:1::1"),
            ("fd22:2222:2222:2::2", "fd11:1111:1111:1::1"),
        ],
    );
    // With a label of its own, our prefix goes with no other unique local prefix; the source for
    // the foreign one then follows from the longest common prefix.
    check_order(
        &table,
        ours,
        foreign,
        [
            ("2001:db8:2::2", "2001:db8:1::1"),
            ("fd22:2222:2222:2::2", "fd11:1111:1111:1::1"),
        ],
    );
    check_order(
        &table,
        ours,
        "2001:db8:2::2, fd11:1111:1111:2::2",
        [
            ("fd11:1111:1111:2::2", "fd11:1111:1111:1::1"),
            ("2001:db8:2::2", "2001:db8:1::1"),
        ],
    );
    let group = source("ff0e::1", ours);
    assert_eq!(group, Some(ip("2001:db8:1::1")));
}

/// RFC 6724, section 10.7.
#[test]
fn six_to_four() {
    check_order(
        &PolicyTable::default(),
        "2002:c633:6401::2, 10.1.2.3",
        "2001:db8:1::1, 203.0.113.1",
        [
            ("203.0.113.1", "10.1.2.3"),
            ("2001:db8:1::1", "2002:c633:6401::2"),
        ],
    );
    check_order(
        &policy(&[("2002:c633:6401::/48", 45, 14)]),
        "2002:c633:6401:1::1, 10.1.2.3",
        "2002:c633:6401:2::2, 203.0.113.1",
        [
            ("2002:c633:6401:2::2", "2002:c633:6401:1::1"),
            ("203.0.113.1", "10.1.2.3"),
        ],
    );
}

#[test]
fn a_public_address_can_be_preferred() {
    let candidates = "2001:db8:1::9 temporary, 2001:db8:1::2";
    let default = PolicyTable::default();
    let got = source_with("2001:db8:5::1", candidates, &default, Privacy::PreferPublic);
    assert_eq!(got, Some(ip("2001:db8:1::2")));
}

#[test]
fn without_an_address_that_may_go_there_nothing_is_chosen() {
    assert_eq!(source("2001:db8::1", "192.0.2.1"), None);
    assert_eq!(source("192.0.2.9", "2001:db8::1"), None);
    assert_eq!(source("2001:db8::1", "2001:db8::2 tentative"), None);
    let mut loopback = InterfaceAddresses::new(Attachment::Loopback);
    loopback.add("::1/128".parse().unwrap()).unwrap();
    loopback.add("127.0.0.1/8".parse().unwrap()).unwrap();
    let to = |d| {
        let (p, v) = (PolicyTable::default(), Privacy::default());
        select(ip(d), ip(d), &loopback, &p, v).map(|a| a.prefix.address())
    };
    assert_eq!(to("2001:db8::1"), None);
    assert_eq!(to("192.0.2.1"), None);
    assert_eq!(to("::1"), Some(ip("::1")));
    assert_eq!(to("127.0.0.5"), Some(ip("127.0.0.1")));
}

#[test]
fn an_ipv4_source_is_of_the_gateways_subnet() {
    let mut all = InterfaceAddresses::new(Attachment::Broadcast);
    for a in [
        "169.254.3.4/16",
        "10.0.0.5/8",
        "10.1.0.5/16",
        "192.0.2.5/24",
    ] {
        all.add(a.parse().unwrap()).unwrap();
    }
    for (destination, next_hop, expected) in [
        ("198.51.100.1", "192.0.2.1", "192.0.2.5"),
        ("198.51.100.1", "10.1.0.1", "10.1.0.5"),
        ("198.51.100.1", "10.2.0.1", "10.0.0.5"),
        ("10.1.9.9", "10.1.9.9", "10.1.0.5"),
        ("169.254.9.9", "169.254.9.9", "169.254.3.4"),
        // No subnet fits: nothing link-local leaves the link.
        ("198.51.100.1", "198.51.100.1", "10.0.0.5"),
        ("255.255.255.255", "255.255.255.255", "10.0.0.5"),
        ("192.0.2.255", "192.0.2.255", "192.0.2.5"),
        // To ourselves: the same address.
        ("10.0.0.5", "10.0.0.5", "10.0.0.5"),
    ] {
        let (p, v) = (PolicyTable::default(), Privacy::default());
        let got = select(ip(destination), ip(next_hop), &all, &p, v);
        let got = got.map(|a| a.prefix.address());
        assert_eq!(got, Some(ip(expected)), "{destination} by {next_hop}");
    }
}

#[test]
fn many_destinations_of_both_families_sort_without_panic() {
    let equal = policy(&[("::ffff:0:0/96", 40, 1)]);
    let list = "2001:db8:1::1, 198.51.100.1, 2001:db8:70::1, 198.51.101.1, 2001:db8:1:9::1, \
                203.0.113.1, 2001:db8:2::1";
    let sorted = order(&equal, "2001:db8:1::2, 198.51.100.9", list);
    assert_eq!(sorted.len(), 7);
    let position = |a| sorted.iter().position(|(d, _)| *d == ip(a)).unwrap();
    assert!(position("2001:db8:1::1") < position("2001:db8:70::1"));
}

/// RFC 6724, section 2.2: the interface identifier does not count.
#[test]
fn prefixes_are_compared_as_far_as_the_sources_prefix_goes() {
    let candidates = "2001:db8:1:0:ff00::1, 2001:db8:1::2";
    let got = source("2001:db8:1::3", candidates);
    assert_eq!(got, Some(ip("2001:db8:1:0:ff00::1")), "a tie: the first");
}
