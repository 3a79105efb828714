use super::Substitutes;
use std::net::{IpAddr, SocketAddr};

fn of(pairs: &[(&str, &str)]) -> Substitutes {
    let mut substitutes = Substitutes::default();
    for (inside, outside) in pairs {
        substitutes.insert(inside.parse().unwrap(), outside.parse().unwrap());
    }
    substitutes
}

fn at(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), 80)
}

#[test]
fn an_address_is_known_by_its_name_on_either_side() {
    let names = of(&[("10.77.0.254", "127.0.0.1"), ("192.0.2.7", "198.51.100.7")]);
    assert_eq!(names.outside(at("192.0.2.7")), at("198.51.100.7"));
    assert_eq!(names.inside(at("198.51.100.7")), at("192.0.2.7"));
    assert_eq!(names.outside(at("198.51.100.7")), at("198.51.100.7"));
    assert_eq!(names.inside(at("192.0.2.9")), at("192.0.2.9"));
    assert_eq!(names.inside(at("::ffff:198.51.100.7")), at("192.0.2.7"));
}

#[test]
fn every_loopback_address_of_a_family_is_the_host() {
    let names = of(&[("10.77.0.254", "127.0.0.1"), ("10.77.0.253", "127.0.0.5")]);
    assert_eq!(names.inside(at("127.0.0.9")), at("10.77.0.254"));
    assert_eq!(names.inside(at("127.0.0.5")), at("10.77.0.253"));
    assert_eq!(names.inside(at("::1")), at("::1"), "it has no name");
    let v4: IpAddr = "10.77.0.254".parse().unwrap();
    assert_eq!(names.loopbacks(), [v4]);
}

#[test]
fn the_latest_name_counts() {
    let names = of(&[("192.0.2.7", "198.51.100.7"), ("192.0.2.7", "198.51.100.8")]);
    assert_eq!(names.outside(at("192.0.2.7")), at("198.51.100.8"));
    assert_eq!(names.inside(at("198.51.100.7")), at("198.51.100.7"));
}
