use super::*;
use core::time::Duration;
use handfast_base::Rng;
use proptest::prelude::*;

fn ms(n: u64) -> Instant {
    Instant::from_millis(n)
}

#[test]
fn a_burst_and_then_the_rate() {
    let mut b = TokenBucket::new(10, 3);
    let now = Instant::from_secs(1000);
    assert_eq!((0..9).filter(|_| b.take(now)).count(), 3);
    assert!(!b.take(now + Duration::from_millis(99)));
    assert!(b.take(now + Duration::from_millis(100)));
    assert!(!b.take(now + Duration::from_millis(199)));
    // Idle for long, it holds no more than the burst.
    let later = now + Duration::from_secs(50 * 86_400);
    assert_eq!((0..9).filter(|_| b.take(later)).count(), 3);
}

#[test]
fn zero_allows_nothing_and_extremes_do_not_overflow() {
    for (rate, burst) in [(0, 5), (5, 0), (0, 0)] {
        let mut b = TokenBucket::new(rate, burst);
        assert!(!b.take(Instant::from_secs(9)), "{rate} {burst}");
    }
    let mut b = TokenBucket::new(1, u32::MAX);
    assert!(b.take(ms(1)) && b.take(Instant::FAR_FUTURE));
    let mut b = TokenBucket::new(u32::MAX, 1);
    assert!(b.take(ms(1)));
}

#[test]
fn one_peer_does_not_silence_the_others() {
    let mut limit = AnswerLimit::new([3; 16], AnswerRate::default());
    let loud: IpAddr = "192.0.2.1".parse().unwrap();
    let mut rng = Rng::new(1);
    let answered = (0..10_000u64)
        .filter(|i| limit.allows(loud, rng.next_u32(), ms(i / 10)))
        .count();
    // A second at 100, and the burst of 20.
    assert!((118..=121).contains(&answered), "{answered}");
    let quiet = (0..100u32)
        .map(|i| IpAddr::V4((0x0a00_0000 + i * 7).into()))
        .filter(|peer| limit.allows(*peer, rng.next_u32(), ms(1000)))
        .count();
    assert!(quiet >= 98, "{quiet}");
}

#[test]
fn a_prefix_of_ipv6_is_one_peer() {
    let mut limit = AnswerLimit::new([3; 16], AnswerRate::default());
    let answered = (0..1000u128)
        .filter(|host| {
            let peer = 0x2001_0db8_0000_0001_u128 << 64 | host;
            limit.allows(IpAddr::V6(peer.into()), 0, ms(1))
        })
        .count();
    assert_eq!(answered, 20);
}

#[test]
fn all_peers_together_keep_the_common_rate_and_what_is_left_cannot_be_counted() {
    let second = |seed| {
        let mut limit = AnswerLimit::new([3; 16], AnswerRate::default());
        let mut rng = Rng::new(seed);
        (0..100_000u64)
            .filter(|i| {
                let peer = IpAddr::V4(rng.next_u32().into());
                limit.allows(peer, rng.next_u32(), Instant::from_micros(i * 10))
            })
            .count()
    };
    let answered: [usize; 5] = [1, 2, 3, 4, 5].map(second);
    assert!(
        answered.iter().all(|n| (1100..1300).contains(n)),
        "{answered:?}"
    );
    assert!(answered.windows(2).any(|w| w[0] != w[1]), "{answered:?}");
}

#[test]
fn what_the_common_limit_refuses_is_not_charged_to_the_peer() {
    let rate = AnswerRate {
        per_second: 1,
        burst: 1,
        peer_per_second: 1,
        peer_burst: 2,
    };
    let mut limit = AnswerLimit::new([3; 16], rate);
    let [a, b] = ["192.0.2.1", "192.0.2.2"].map(|peer| peer.parse().unwrap());
    assert!(limit.allows(a, 1, ms(0)));
    for _ in 0..5 {
        assert!(!limit.allows(b, 1, ms(0)));
    }
    // A second later there is one answer for all, and it is b's.
    assert!(limit.allows(b, 1, ms(1000)));
    assert!(limit.peers[bucket(&[3; 16], b)] <= ms(2000));
}

proptest! {
    #[test]
    fn never_more_than_burst_plus_rate(
        rate in 1u32..2000,
        burst in 1u32..50,
        gaps in proptest::collection::vec(0u64..20_000_000, 1..300),
    ) {
        let mut b = TokenBucket::new(rate, burst);
        let start = Instant::from_secs(1);
        let mut now = start;
        let mut taken = 0u64;
        for gap in gaps {
            now += Duration::from_nanos(gap);
            taken += u64::from(b.take(now));
            // The interval is rounded down to a nanosecond.
            let earned = now.nanos_since(start) / (1_000_000_000 / u64::from(rate));
            prop_assert!(taken <= u64::from(burst) + earned);
        }
    }
}
