use super::*;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use handfast_base::Rng;
use proptest::prelude::*;

fn local() -> IpAddr {
    "192.0.2.1".parse().unwrap()
}

fn remote(host: u32, port: u16) -> Option<SocketAddr> {
    Some(SocketAddr::new(IpAddr::V4(host.into()), port))
}

fn ports(seed: u64) -> Ports {
    let mut key = [0; 16];
    Rng::new(seed).fill(&mut key);
    Ports::new(key, Ports::RANGE).unwrap()
}

#[test]
fn impossible_ranges_are_refused() {
    #[expect(clippy::reversed_empty_ranges, reason = "it is the case under test")]
    for range in [0..=65535, 0..=0, 2000..=1999] {
        assert_eq!(Ports::new([0; 16], range).err(), Some(PortError::Range));
    }
    for range in [1..=65535, 1..=1, 65535..=65535, 1024..=65535] {
        assert_eq!(Ports::new([0; 16], range.clone()).unwrap().range(), range);
    }
}

#[test]
fn every_port_of_the_range_is_found_before_it_is_exhausted() {
    let mut rng = Rng::new(5);
    for remote in [remote(0x0a00_0001, 80), None] {
        let mut p = Ports::new([7; 16], 60000..=60999).unwrap();
        let mut used = BTreeSet::new();
        for _ in 0..1000 {
            let port = p.allocate(local(), remote, rng.next_u32(), |n| used.contains(&n));
            assert!(used.insert(port.unwrap()));
        }
        assert_eq!(*used.first().unwrap()..=*used.last().unwrap(), p.range());
        let mut asked = 0;
        let none = p.allocate(local(), remote, rng.next_u32(), |_| {
            asked += 1;
            true
        });
        assert_eq!((none, asked), (Err(PortError::Exhausted), 1000));
    }
}

#[test]
fn a_full_tuple_in_use_for_one_destination_is_free_for_another() {
    let mut p = Ports::new([1; 16], 5000..=5000).unwrap();
    let (one, other) = (remote(1, 80), remote(2, 80));
    let tuples = [(5000, one)];
    let in_use = |to| move |port| tuples.contains(&(port, to));
    assert_eq!(
        p.allocate(local(), one, 9, in_use(one)),
        Err(PortError::Exhausted)
    );
    assert_eq!(p.allocate(local(), other, 9, in_use(other)), Ok(5000));
}

#[test]
fn ports_to_one_destination_take_long_to_come_back() {
    let mut p = ports(1);
    let mut rng = Rng::new(2);
    let mut seen = BTreeSet::new();
    // An average step of 4.5 goes around 64,512 ports in about 14,000.
    for _ in 0..7_000 {
        let to = remote(0x0a00_0001, 443);
        let port = p.allocate(local(), to, rng.next_u32(), |_| false).unwrap();
        assert!(seen.insert(port), "{port} came back after {}", seen.len());
    }
}

#[test]
fn destinations_spread_evenly_and_depend_on_the_key() {
    let first = |seed, host, port| {
        let to = remote(host, port);
        ports(seed).allocate(local(), to, 0, |_| false).unwrap()
    };
    let mut tenths = [0; 10];
    for host in 0..10_000 {
        tenths[(usize::from(first(3, host, 80)) - 1024) * 10 / 64_512] += 1;
    }
    assert!(tenths.iter().all(|n| (850..1150).contains(n)), "{tenths:?}");
    let differ = (0..1000)
        .filter(|h| first(3, *h, 80) != first(4, *h, 80))
        .count();
    assert!(differ > 990);
    let differ = (0..1000)
        .filter(|h| first(3, *h, 80) != first(3, *h, 81))
        .count();
    assert!(differ > 990);
}

#[test]
fn without_a_destination_the_next_port_does_not_follow_from_the_last() {
    let mut p = ports(1);
    let mut rng = Rng::new(8);
    let drawn: Vec<u16> = (0..1000)
        .map(|_| {
            p.allocate(local(), None, rng.next_u32(), |_| false)
                .unwrap()
        })
        .collect();
    let near = drawn
        .windows(2)
        .filter(|w| w[0].abs_diff(w[1]) < 64)
        .count();
    assert!(near < 20, "{near}");
}

#[test]
fn steps_are_random_and_ports_in_use_are_passed_once() {
    let mut p = ports(1);
    let mut rng = Rng::new(2);
    let to = remote(0x0a00_0001, 443);
    let mut next = |in_use: &dyn Fn(u16) -> bool| {
        let mut asked = 0;
        let port = p.allocate(local(), to, rng.next_u32(), |port| {
            asked += 1;
            in_use(port)
        });
        (port.unwrap(), asked)
    };
    let drawn: Vec<u16> = (0..100).map(|_| next(&|_| false).0).collect();
    let steps: BTreeSet<u16> = drawn.windows(2).map(|w| w[1].wrapping_sub(w[0])).collect();
    assert!((1..=8).all(|step| steps.contains(&step)), "{steps:?}");
    // Past a block in use, the next search does not begin before it again.
    let last = drawn[99];
    let block = |port: u16| port.wrapping_sub(last) < 1000;
    let (after, asked) = next(&block);
    assert!(asked > 900 && !block(after));
    assert_eq!(next(&block).1, 1);
}

proptest! {
    #[test]
    fn never_outside_the_range_never_in_use(
        first in 1u16..,
        len in 0u16..200,
        used in proptest::collection::btree_set(0u16..200, 0..200),
        host: u32,
        random: u32,
    ) {
        let range = first..=first.saturating_add(len);
        let mut p = Ports::new([9; 16], range.clone()).unwrap();
        let in_use = |port: u16| used.contains(&(port - first));
        for to in [remote(host, 1), None] {
            match p.allocate(local(), to, random, in_use) {
                Ok(port) => prop_assert!(range.contains(&port) && !in_use(port)),
                Err(_) => prop_assert!(range.clone().all(in_use)),
            }
        }
    }
}
