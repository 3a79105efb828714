use super::*;
use alloc::string::ToString;
use proptest::prelude::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn prefix(text: &str) -> AddressPrefix {
    text.parse().unwrap()
}

fn ethernet(prefixes: &[&str]) -> InterfaceAddresses {
    let mut a = InterfaceAddresses::new(Attachment::Broadcast);
    prefixes.iter().for_each(|p| a.add(prefix(p)).unwrap());
    a
}

#[test]
fn classes() {
    use AddressClass::*;
    for (address, class) in [
        ("0.0.0.0", Unspecified),
        ("0.0.0.1", ThisNetwork),
        ("0.255.255.255", ThisNetwork),
        ("1.0.0.0", Unicast),
        ("126.255.255.255", Unicast),
        ("127.0.0.1", Loopback),
        ("127.255.255.255", Loopback),
        ("128.0.0.1", Unicast),
        ("169.253.255.255", Unicast),
        ("169.254.0.1", LinkLocal),
        ("169.255.0.0", Unicast),
        ("223.255.255.255", Unicast),
        ("224.0.0.0", Multicast),
        ("239.255.255.255", Multicast),
        ("240.0.0.0", Reserved),
        ("255.255.255.254", Reserved),
        ("255.255.255.255", LimitedBroadcast),
        ("::", Unspecified),
        ("::1", Loopback),
        ("::2", Unicast),
        ("::ffff:192.0.2.1", V4Mapped),
        ("64:ff9b::192.0.2.1", Unicast),
        ("fe7f:ffff::1", Unicast),
        ("fe80::1", LinkLocal),
        ("febf:ffff::1", LinkLocal),
        ("fec0::1", Unicast),
        ("feff::1", Unicast),
        ("ff00::", Multicast),
        ("ff02::1", Multicast),
        ("2001:db8::1", Unicast),
    ] {
        assert_eq!(AddressClass::of(ip(address)), class, "{address}");
    }
}

#[test]
fn prefixes_parse_print_and_mask() {
    assert_eq!(prefix("10.1.2.3/8").to_string(), "10.1.2.3/8");
    assert_eq!(prefix("10.1.2.3/8").network(), prefix("10.0.0.0/8"));
    assert_eq!(prefix("10.1.2.3/0").network(), prefix("0.0.0.0/0"));
    assert_eq!(prefix("10.1.2.3"), prefix("10.1.2.3/32"));
    assert_eq!(prefix("2001:db8::7/64").network(), prefix("2001:db8::/64"));
    assert_eq!(prefix("2001:db8::7"), prefix("2001:db8::7/128"));
    for (text, error) in [
        ("10.0.0.1/33", AddressError::PrefixLength),
        ("::1/129", AddressError::PrefixLength),
        ("10.0.0.1/", AddressError::Syntax),
        ("10.0.0.1/-1", AddressError::Syntax),
        ("10.0.0/8", AddressError::Syntax),
        ("", AddressError::Syntax),
    ] {
        assert_eq!(text.parse::<AddressPrefix>(), Err(error), "{text}");
    }
}

#[test]
fn broadcast_addresses() {
    for (p, broadcast) in [
        ("192.0.2.7/24", Some("192.0.2.255")),
        ("192.0.2.5/30", Some("192.0.2.7")),
        ("192.0.2.5/31", None),
        ("192.0.2.5/32", None),
        ("10.0.0.1/0", Some("255.255.255.255")),
        ("2001:db8::1/64", None),
    ] {
        let expected = broadcast.map(|b| b.parse::<Ipv4Addr>().unwrap());
        assert_eq!(prefix(p).broadcast(), expected, "{p}");
    }
}

#[test]
fn duplicate_and_non_host_addresses_are_refused() {
    let mut a = ethernet(&["192.0.2.1/24", "2001:db8::1/64"]);
    for (p, error) in [
        ("192.0.2.1/24", AddressError::Duplicate),
        ("192.0.2.1/32", AddressError::Duplicate),
        ("2001:db8::1/128", AddressError::Duplicate),
        ("192.0.2.0/24", AddressError::NotHost),
        ("192.0.2.255/24", AddressError::NotHost),
        ("0.0.0.0/24", AddressError::NotHost),
        ("0.0.0.5/24", AddressError::NotHost),
        ("127.0.0.1/8", AddressError::NotHost),
        ("224.0.0.1/24", AddressError::NotHost),
        ("240.0.0.1/24", AddressError::NotHost),
        ("255.255.255.255/32", AddressError::NotHost),
        ("::/64", AddressError::NotHost),
        ("::1/128", AddressError::NotHost),
        ("ff02::1/64", AddressError::NotHost),
        ("2001:db8:1::/64", AddressError::NotHost),
        ("::ffff:10.0.0.1/96", AddressError::NotHost),
    ] {
        assert_eq!(a.add(prefix(p)), Err(error), "{p}");
    }
    assert_eq!(a.iter().count(), 2);
    for p in [
        "192.0.2.2/31",
        "192.0.2.3/31",
        "192.0.2.4/32",
        "2001:db8::/127",
    ] {
        assert_eq!(a.add(prefix(p)), Ok(()), "{p}");
    }
    assert!(a.remove(ip("192.0.2.1")));
    assert!(!a.remove(ip("192.0.2.1")));
    assert!(!a.is_local(ip("192.0.2.1")));

    let mut loopback = InterfaceAddresses::new(Attachment::Loopback);
    assert_eq!(loopback.add(prefix("127.0.0.1/8")), Ok(()));
    assert_eq!(loopback.add(prefix("::1/128")), Ok(()));
    assert!(loopback.may_be_source(ip("127.0.0.9")));
}

#[test]
fn destinations_are_judged_per_interface() {
    let a = ethernet(&["192.0.2.1/24", "10.0.0.0/31", "2001:db8::1/64"]);
    for (address, expected) in [
        ("192.0.2.1", Destination::Local),
        ("10.0.0.0", Destination::Local),
        ("2001:db8::1", Destination::Local),
        ("192.0.2.255", Destination::Broadcast),
        ("255.255.255.255", Destination::Broadcast),
        ("198.51.100.255", Destination::Elsewhere),
        ("10.0.0.1", Destination::Elsewhere),
        ("192.0.2.2", Destination::Elsewhere),
        ("fe80::9", Destination::Elsewhere),
        ("224.0.0.1", Destination::Multicast),
        ("ff02::1", Destination::Multicast),
        ("127.0.0.1", Destination::Loopback),
        ("::1", Destination::Loopback),
        ("0.0.0.0", Destination::Invalid),
        ("0.0.0.9", Destination::Invalid),
        ("::", Destination::Invalid),
        ("250.0.0.1", Destination::Invalid),
        ("::ffff:192.0.2.1", Destination::Invalid),
    ] {
        assert_eq!(a.destination(ip(address)), expected, "{address}");
    }
}

#[test]
fn received_sources_that_no_packet_may_carry_are_dropped() {
    let a = ethernet(&["192.0.2.1/24", "2001:db8::1/64"]);
    let v4 = |source, dhcp| a.check_received(ip(source), ip("192.0.2.1"), dhcp);
    let v6 = |source, nd| a.check_received(ip(source), ip("2001:db8::1"), nd);
    for source in [
        "127.0.0.1",
        "127.9.9.9",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.255",
        "0.0.0.0",
        "0.0.0.7",
        "192.0.2.1",
    ] {
        assert_eq!(v4(source, false), Err(Discard::IpSource), "{source}");
    }
    for source in ["::1", "::", "ff02::1", "::ffff:10.0.0.1", "2001:db8::1"] {
        assert_eq!(v6(source, false), Err(Discard::IpSource), "{source}");
    }
    assert_eq!(v4("0.0.0.0", true), Ok(Destination::Local));
    assert_eq!(v4("0.0.0.7", true), Err(Discard::IpSource));
    assert_eq!(v6("::", true), Ok(Destination::Local));
    assert_eq!(v4("198.51.100.255", false), Ok(Destination::Local));
    assert_eq!(v4("169.254.3.4", false), Ok(Destination::Local));
    assert_eq!(v6("fe80::1", false), Ok(Destination::Local));

    for destination in ["127.0.0.1", "0.0.0.0", "250.0.0.1"] {
        let got = a.check_received(ip("192.0.2.9"), ip(destination), false);
        assert_eq!(got, Err(Discard::IpDestination), "{destination}");
    }
    for destination in ["::1", "::", "::ffff:192.0.2.1"] {
        let got = a.check_received(ip("2001:db8::9"), ip(destination), false);
        assert_eq!(got, Err(Discard::IpDestination), "{destination}");
    }

    let mut inside = InterfaceAddresses::new(Attachment::Loopback);
    inside.add(prefix("127.0.0.1/8")).unwrap();
    assert_eq!(
        inside.check_received(ip("127.0.0.1"), ip("127.0.0.1"), false),
        Ok(Destination::Local)
    );
    assert_eq!(
        inside.check_received(ip("127.0.0.1"), ip("127.0.0.2"), false),
        Ok(Destination::Loopback)
    );
}

#[test]
fn a_tentative_address_is_not_ours_and_a_deprecated_one_still_is() {
    let mut a = ethernet(&[]);
    a.add_with(InterfaceAddress {
        prefix: prefix("2001:db8::1/64"),
        state: AddressState::Tentative,
        temporary: false,
    })
    .unwrap();
    let address = ip("2001:db8::1");
    assert!(!a.is_local(address) && !a.may_be_source(address));
    // A neighbour that defends it is heard.
    assert!(a.check_received(address, ip("ff02::1"), false).is_ok());
    assert!(a.set_state(address, AddressState::Deprecated));
    assert!(a.is_local(address) && a.may_be_source(address));
    assert!(!a.set_state(ip("2001:db8::2"), AddressState::Preferred));
}

#[test]
fn on_link_is_any_prefix_of_the_interface_or_link_local() {
    let a = ethernet(&["192.0.2.1/24", "2001:db8::1/64"]);
    for (address, expected) in [
        ("192.0.2.200", true),
        ("192.0.3.1", false),
        ("169.254.1.1", false),
        ("2001:db8::ffff", true),
        ("2001:db8:1::1", false),
        ("fe80::1", true),
    ] {
        assert_eq!(a.is_on_link(ip(address)), expected, "{address}");
    }
}

proptest! {
    #[test]
    fn a_network_contains_exactly_what_shares_its_bits(a: u32, b: u32, len in 0u8..=32) {
        let p = AddressPrefix::new(IpAddr::V4(a.into()), len).unwrap();
        let same = (0..len).all(|i| (a ^ b) >> (31 - i) & 1 == 0);
        prop_assert_eq!(p.contains(IpAddr::V4(b.into())), same);
        prop_assert!(p.contains(p.network().address()));
        prop_assert_eq!(p.to_string().parse(), Ok(p));
    }

    #[test]
    fn the_same_in_ipv6(a: u128, b: u128, keep in 0u8..=128, len in 0u8..=128) {
        // Otherwise no two random addresses would share anything.
        let b = if keep == 0 { b } else { a ^ (b.checked_shr(keep.into()).unwrap_or(0)) };
        let p = AddressPrefix::new(IpAddr::V6(a.into()), len).unwrap();
        let same = (0..len).all(|i| (a ^ b) >> (127 - i) & 1 == 0);
        prop_assert_eq!(p.contains(IpAddr::V6(b.into())), same);
        prop_assert!(p.contains(p.network().address()));
        prop_assert_eq!(p.to_string().parse(), Ok(p));
    }
}
