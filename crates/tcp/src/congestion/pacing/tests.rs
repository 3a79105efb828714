use super::*;
use crate::congestion::tests::{MSS, window};

const MILLI: Duration = Duration::from_millis(1);

#[test]
fn the_rate_is_two_windows_a_round_trip_in_slow_start_and_six_fifths_after() {
    let rtt = Duration::from_millis(50);
    assert_eq!(rate(&window(100_000, u32::MAX), rtt), Some(4_000_000));
    assert_eq!(rate(&window(100_000, 100_000), rtt), Some(2_400_000));
    assert_eq!(rate(&window(100_000, 100_000), Duration::ZERO), None);
    for rtt in [1, 120_000_000_000, u64::MAX] {
        assert!(rate(&window(u32::MAX, u32::MAX), Duration::from_nanos(rtt)).is_some());
    }
}

#[test]
fn releases_follow_the_rate_exactly() {
    let mut pacer = Pacer::OFF;
    let now = Instant::from_secs(1);
    pacer.sent(MSS, now);
    assert!(!pacer.holds(now) && pacer.wake() == Instant::FAR_FUTURE);
    pacer.set_rate(Some(1_000_000));
    // One segment each millisecond; the millisecond before now was nobody's.
    pacer.sent(MSS, now);
    assert!(!pacer.holds(now));
    for i in 1..5 {
        pacer.sent(MSS, now + MILLI * (i - 1));
        assert!(pacer.holds(now + MILLI * i - Duration::from_nanos(1)));
        assert_eq!(pacer.wake(), now + MILLI * i);
        assert!(!pacer.holds(now + MILLI * i));
    }
    pacer.timeout(now + MILLI * 3);
    assert_eq!(pacer.wake(), now + MILLI * 4);
    pacer.timeout(now + MILLI * 4);
    assert_eq!(pacer.wake(), Instant::FAR_FUTURE);
}

#[test]
fn a_late_wake_repays_a_bounded_burst() {
    let mut pacer = Pacer::OFF;
    pacer.set_rate(Some(10_000_000));
    pacer.sent(MSS, Instant::from_secs(1));
    let late = Instant::from_secs(9);
    let mut at_once = 0;
    while !pacer.holds(late) {
        pacer.sent(MSS, late);
        at_once += 1;
    }
    // A millisecond of the rate, and the segment whose turn it is.
    assert_eq!(at_once, 11);
}
