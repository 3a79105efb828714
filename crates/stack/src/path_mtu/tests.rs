use super::*;

const A: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1));

fn at(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

fn path(estimate: u32) -> Path {
    Path {
        estimate,
        ..Path::new(1500, 20)
    }
}

#[test]
fn an_estimate_is_believed_for_ten_minutes_after_it_was_lowered() {
    let mut known = PathMtus::default();
    known.learn(A, &path(1300), at(0));
    known.learn(A, &path(1280), at(100));
    assert_eq!(known.get(A, at(699)), Some((1280, false)));
    // A step up makes it no younger.
    known.learn(A, &path(1400), at(600));
    assert_eq!(known.get(A, at(699)), Some((1400, false)));
    assert_eq!(known.get(A, at(700)), None);
    known.learn(A, &path(1400), at(800));
    assert_eq!(known.get(A, at(1399)), Some((1400, false)));
}

#[test]
fn a_path_as_wide_as_its_first_link_is_not_remembered() {
    let mut known = PathMtus::default();
    known.learn(A, &path(1300), at(0));
    known.learn(A, &path(1500), at(1));
    assert_eq!((known.get(A, at(1)), known.0.len()), (None, 0));
}

#[test]
fn what_is_said_of_datagrams_only_lowers_and_not_to_nothing() {
    let mut known = PathMtus::default();
    known.told(A, 1400, at(0));
    known.told(A, 1450, at(1));
    assert_eq!(known.get(A, at(1)), Some((1400, false)));
    known.told(A, 0, at(2));
    assert_eq!(known.get(A, at(2)), Some((552, false)));
}

#[test]
fn a_flood_of_hosts_is_bounded_and_the_oldest_goes() {
    let mut known = PathMtus::default();
    known.told(A, 1400, at(0));
    for host in 0..5_000u32 {
        let address = IpAddr::V4((0x0a00_0000 + host).into());
        known.told(address, 1300, at(1));
    }
    assert_eq!(known.0.len(), CAPACITY);
    assert_eq!(known.get(A, at(1)), None);
}
