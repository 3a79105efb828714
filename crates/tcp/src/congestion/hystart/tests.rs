//! HyStart++ against RFC 9406, section 4.2.

use super::*;
use crate::congestion::tests::{MSS, ack, window};
use handfast_base::Instant;

/// One round of `segments`, acknowledged one by one with this round trip (ms).
fn round(h: &mut HyStart, w: &mut CongestionWindow, at: &mut u32, segments: u32, rtt: u64) {
    let end = *at + segments * MSS;
    for i in 1..=segments {
        // The next round is what the window lets out once this one is acknowledged.
        let step = if h.is_conservative() { MSS / 4 } else { MSS };
        let next = (w.cwnd + step) / MSS * MSS;
        let snd_nxt = match h.window_end {
            None => end,
            Some(_) => end + next,
        };
        let event = AckEvent {
            rtt: Some(Duration::from_millis(rtt)),
            snd_una: SeqNumber(*at + i * MSS),
            snd_nxt: SeqNumber(snd_nxt),
            ..ack(MSS)
        };
        h.on_ack(w, &event);
    }
    *at = end;
}

fn begun() -> (HyStart, CongestionWindow, u32) {
    (HyStart::default(), window(10 * MSS, u32::MAX), 0)
}

#[test]
fn steady_round_trips_double_the_window_each_round() {
    let (mut h, mut w, mut at) = begun();
    for i in 1..=6 {
        let segments = w.cwnd / MSS;
        round(&mut h, &mut w, &mut at, segments, 50);
        assert_eq!(w.cwnd, (10 * MSS) << i);
    }
    assert!(!h.is_conservative() && w.ssthresh == u32::MAX);
}

/// RttThresh = max(4 ms, min(last / 8, 16 ms)).
#[test]
fn a_round_trip_that_grows_by_the_threshold_makes_slow_start_conservative() {
    for (last, round_trip, conservative) in [
        (10, 13, false),
        (10, 14, true), // the least: 4 ms
        (80, 89, false),
        (80, 90, true), // an eighth
        (400, 415, false),
        (400, 416, true), // the most: 16 ms
    ] {
        let (mut h, mut w, mut at) = begun();
        round(&mut h, &mut w, &mut at, 10, last);
        round(&mut h, &mut w, &mut at, 20, round_trip);
        assert_eq!(h.is_conservative(), conservative, "{last} {round_trip}");
    }
}

#[test]
fn fewer_than_eight_samples_prove_nothing() {
    for (samples, conservative) in [(7, false), (8, true)] {
        let (mut h, mut w, mut at) = begun();
        round(&mut h, &mut w, &mut at, 10, 50);
        round(&mut h, &mut w, &mut at, samples, 100);
        assert_eq!(h.is_conservative(), conservative, "{samples}");
    }
}

/// A quarter of the growth for five rounds, the one in which it began counted; then congestion
/// avoidance begins.
#[test]
fn conservative_slow_start_lasts_five_rounds_and_sets_the_threshold() {
    let (mut h, mut w, mut at) = begun();
    round(&mut h, &mut w, &mut at, 10, 50);
    assert_eq!(w.cwnd, 20 * MSS);
    round(&mut h, &mut w, &mut at, 20, 60);
    // Eight acknowledgments until it showed, then twelve at a quarter.
    assert_eq!(w.cwnd, 20 * MSS + 8 * MSS + 12 * MSS / 4);
    for _ in 0..3 {
        let segments = w.cwnd / MSS;
        let before = w.cwnd;
        round(&mut h, &mut w, &mut at, segments, 60);
        assert_eq!(w.cwnd, before + segments * MSS / 4);
        assert!(h.is_conservative() && w.in_slow_start());
    }
    let segments = w.cwnd / MSS;
    round(&mut h, &mut w, &mut at, segments, 60);
    assert!(!h.is_conservative() && !w.in_slow_start());
    assert_eq!(w.ssthresh, w.cwnd);
}

#[test]
fn a_delay_that_goes_away_was_no_queue() {
    let (mut h, mut w, mut at) = begun();
    round(&mut h, &mut w, &mut at, 10, 50);
    round(&mut h, &mut w, &mut at, 20, 60);
    assert!(h.is_conservative());
    let segments = w.cwnd / MSS;
    round(&mut h, &mut w, &mut at, segments, 59);
    assert!(!h.is_conservative());
    let before = w.cwnd;
    round(&mut h, &mut w, &mut at, 10, 59);
    assert_eq!(w.cwnd, before + 10 * MSS);
}

/// L = 8 segments an acknowledgment while nothing is paced.
#[test]
fn one_acknowledgment_grows_the_window_by_eight_segments_at_most() {
    let (mut h, mut w, _) = begun();
    h.on_ack(&mut w, &ack(50 * MSS));
    assert_eq!(w.cwnd, 18 * MSS);
    let mut w = window(10 * MSS, u32::MAX);
    HyStart::paced().on_ack(&mut w, &ack(50 * MSS));
    assert_eq!(w.cwnd, 60 * MSS);
}

#[test]
fn with_a_threshold_it_is_slow_start_as_of_old() {
    let mut h = HyStart::default();
    let mut w = window(10 * MSS, 20 * MSS);
    let mut at = 0;
    round(&mut h, &mut w, &mut at, 8, 50);
    round(&mut h, &mut w, &mut at, 2, 500);
    assert_eq!(w.cwnd, 20 * MSS);
    assert_eq!(h.on_ack(&mut w, &ack(3 * MSS)), 3 * MSS);
    assert!(!h.is_conservative());
    // And nothing grows that is not needed.
    let (mut h, mut w, _) = begun();
    let idle = AckEvent {
        cwnd_limited: false,
        ..ack(MSS)
    };
    assert_eq!((h.on_ack(&mut w, &idle), w.cwnd), (0, 10 * MSS));
}

/// Acknowledgments of a segment each, at these times in microseconds; what becomes of slow start.
fn train(mut h: HyStart, segments: u32, min_rtt: u64, times: impl Iterator<Item = u64>) -> bool {
    let mut w = window(segments * MSS, u32::MAX);
    for at in times {
        let event = AckEvent {
            now: Instant::from_secs(1) + Duration::from_micros(at),
            min_rtt: Duration::from_micros(min_rtt),
            snd_nxt: SeqNumber(u32::MAX / 2),
            ..ack(MSS)
        };
        h.on_ack(&mut w, &event);
        if !w.in_slow_start() {
            assert_eq!(w.ssthresh, w.cwnd);
            return true;
        }
    }
    assert_eq!(w.ssthresh, u32::MAX);
    false
}

#[test]
fn acknowledgments_that_fill_half_a_round_trip_end_slow_start() {
    let ends = |last| train(HyStart::default(), 100, 50_000, (0..=last).step_by(1_000));
    assert!(!ends(25_000));
    assert!(ends(26_000));
}

#[test]
fn a_pause_of_more_than_an_eighth_of_the_round_trip_begins_a_new_train() {
    for (pause, full) in [(6_000, true), (6_500, false)] {
        let burst = || (0..=20_000).step_by(500);
        let times = burst().chain(burst().map(|at| at + 20_000 + pause));
        let ends = train(HyStart::default(), 100, 50_000, times);
        assert_eq!(ends, full, "{pause}");
    }
}

/// What paces has no bursts, of 16 segments the bursts are too short, and less than four
/// milliseconds of a queue are no delay either.
#[test]
fn where_trains_say_nothing_slow_start_goes_on() {
    let times = || (0..=6_000).step_by(100);
    for (h, segments, min_rtt, full) in [
        (HyStart::default(), 16, 8_000, true),
        (HyStart::default(), 16, 13_000, false),
        (HyStart::default(), 16, 1_000, true),
        (HyStart::paced(), 16, 8_000, false),
    ] {
        assert_eq!(train(h, segments, min_rtt, times()), full, "{min_rtt}");
    }
    // The window grows to sixteen by the acknowledgments of the train itself.
    let ends = |last| train(HyStart::default(), 1, 4_000, (0..=last).step_by(500));
    assert!(!ends(6_500) && ends(7_000));
    assert!(!train(
        HyStart::default(),
        100,
        1_000,
        (0..=4_000).step_by(125)
    ));
}

#[test]
fn a_window_that_nobody_uses_is_not_judged_by_trains() {
    let mut h = HyStart::default();
    let mut w = window(100 * MSS, u32::MAX);
    for at in 0..50 {
        let event = AckEvent {
            now: Instant::from_secs(1) + Duration::from_millis(at),
            cwnd_limited: false,
            ..ack(MSS)
        };
        h.on_ack(&mut w, &event);
    }
    assert!(w.in_slow_start() && w.cwnd == 100 * MSS);
}
