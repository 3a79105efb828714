use super::*;

#[test]
fn instants_saturate_at_both_ends() {
    assert_eq!(Instant::FAR_FUTURE + Duration::MAX, Instant::FAR_FUTURE);
    assert_eq!(Instant::ZERO - Duration::from_secs(1), Instant::ZERO);
    assert_eq!(Instant::ZERO - Instant::from_secs(5), Duration::ZERO);
    assert_eq!(Instant::from_secs(u64::MAX), Instant::FAR_FUTURE);
    assert_eq!(
        Instant::from_millis(1500) - Instant::from_secs(1),
        Duration::from_millis(500)
    );
}

#[test]
fn the_same_seed_gives_the_same_numbers_and_another_does_not() {
    let take = |seed| {
        let mut r = Rng::new(seed);
        [(); 8].map(|()| r.next_u64())
    };
    assert_eq!(take(7), take(7));
    assert_ne!(take(7), take(8));
}

#[test]
fn below_stays_below_and_reaches_both_ends() {
    let mut r = Rng::new(1);
    let mut seen = [0u32; 5];
    for _ in 0..5_000 {
        seen[r.below(5) as usize] += 1;
    }
    assert!(seen.iter().all(|&n| (800..1200).contains(&n)), "{seen:?}");
    assert_eq!(r.below(0), 0);
    assert_eq!(r.below(1), 0);
}

#[test]
fn chance_has_the_asked_frequency() {
    let mut r = Rng::new(2);
    let hits = (0..100_000).filter(|_| r.chance(0.02)).count();
    assert!((1_800..2_200).contains(&hits), "{hits}");
    assert!((0..1000).all(|_| !r.chance(0.0)));
    assert!((0..1000).all(|_| r.chance(1.0)));
}

#[test]
fn fill_covers_every_octet() {
    let mut buf = [0u8; 37];
    let mut r = Rng::new(3);
    let mut union = [0u8; 37];
    for _ in 0..64 {
        r.fill(&mut buf);
        union.iter_mut().zip(buf).for_each(|(u, b)| *u |= b);
    }
    assert_eq!(union, [0xff; 37]);
}
