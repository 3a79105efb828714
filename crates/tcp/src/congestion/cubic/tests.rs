//! CUBIC against RFC 9438's formulas, computed by hand.

use super::*;
use crate::congestion::tests::{MSS, ack, loss, window};
use std::vec::Vec;

/// Feeds acknowledgments of whole segments, one window a round trip, until `end`; returns the
/// window in segments at the end of the round trip in which each of `times` (ms) lies.
fn run(
    cubic: &mut Cubic,
    w: &mut CongestionWindow,
    rtt: u64,
    from: u64,
    times: &[u64],
) -> Vec<f64> {
    let mut now = from;
    let mut seen = Vec::new();
    while let Some(&next) = times.get(seen.len()) {
        let segments = u64::from(w.cwnd / MSS);
        for i in 0..segments {
            let at = now * 1000 + rtt * 1000 * (i + 1) / segments;
            cubic.on_ack(w, &at_micros(at, rtt));
        }
        now += rtt;
        if now - from >= next {
            seen.push(f64::from(w.cwnd) / f64::from(MSS));
        }
    }
    seen
}

fn at_micros(micros: u64, rtt: u64) -> AckEvent {
    AckEvent {
        now: Instant::from_micros(micros),
        smoothed_rtt: Duration::from_millis(rtt),
        ..ack(MSS)
    }
}

fn lost(cubic: &mut Cubic, w: &mut CongestionWindow) {
    let event = loss(w.cwnd, LossKind::FastRetransmit);
    cubic.on_loss(w, &event);
}

#[test]
fn the_cubic_root_is_the_nearest_integer() {
    for (n, root) in [
        (0, 0),
        (1, 1),
        (3, 1),  // 1.44
        (4, 2),  // 1.59
        (15, 2), // 2.47
        (16, 3), // 2.52
        (27, 3),
        (75_000_000_000, 4_217),
        (u64::MAX, 2_642_246),
    ] {
        assert_eq!(cubic_root(n), root, "{n}");
    }
    for r in (2..2_642_245u64).step_by(9_973) {
        assert_eq!(cubic_root(r * r * r), r);
        assert_eq!(cubic_root(r * r * r - 1), r);
    }
}

/// W_max = 100, cwnd_epoch = 70: K = cbrt(30 / 0.4) = 4.2172 s; W(2) = 100 - 0.4 * 2.2172^3.
#[test]
fn the_window_function_is_that_of_figure_1() {
    let epoch = Epoch::new(&window(70_000, 70_000), 100_000, Instant::ZERO);
    assert_eq!(epoch.k, 4_217);
    for (t, w) in [
        (0, 70_000),
        (1_000, 86_680),
        (2_000, 95_641),
        (4_217, 100_000),
        (6_000, 102_268),
        (10_000, 177_350),
        (60_000, 69_553_000),
    ] {
        let got = epoch.w_cubic(t, MSS);
        assert!(got.abs_diff(w) <= w / 1_000 + 5, "{t}: {got} {w}");
    }
    // Windows at the edge of the arithmetic.
    let w = CongestionWindow {
        cwnd: 1,
        ssthresh: 2,
        mss: 65_535,
    };
    for mss in [1, 65_535] {
        let epoch = Epoch::new(&CongestionWindow { mss, ..w }, 1 << 30, Instant::ZERO);
        assert!(epoch.w_cubic(0, mss).abs_diff(1) < 300_000);
        assert_eq!(epoch.w_cubic(epoch.k, mss), 1 << 30);
        assert!(epoch.w_cubic(u64::MAX / 2, mss) > 1 << 30);
    }
}

/// The window at the end of a round trip is W_cubic of that moment, first concave, then convex.
#[test]
fn the_window_follows_the_cubic_function() {
    let mut cubic = Cubic::default();
    let mut w = window(100_000, 200_000);
    lost(&mut cubic, &mut w);
    assert_eq!((w.cwnd, w.ssthresh), (70_000, 70_000));
    let times = [1_000, 2_000, 4_200, 6_000, 10_000];
    let seen = run(&mut cubic, &mut w, 200, 1_000, &times);
    for (got, wanted) in seen.iter().zip([86.7, 95.6, 100.0, 102.3, 177.4]) {
        let near = (got - wanted).abs() < 0.02 * wanted;
        assert!(near, "{seen:?}: {got} for {wanted}");
    }
    // Between two round trips of slow change, the plateau is flat.
    assert!(seen[2] - seen[1] < 5.0 && seen[4] - seen[3] > 70.0);
}

/// 4.3: with short round trips W_est grows by 9/17 of a segment a round trip until it is where
/// the window was, and by one from there on.
#[test]
fn a_short_round_trip_stays_in_the_reno_friendly_region() {
    let mut cubic = Cubic::default();
    let mut w = window(20_000, 40_000);
    lost(&mut cubic, &mut w);
    assert_eq!(w.cwnd, 14_000);
    // W_cubic reaches 20 after K = cbrt(6 / 0.4) = 2.47 s only; 100 round trips of 10 ms.
    let times: Vec<u64> = (1..=100).map(|i| i * 10).collect();
    let seen = run(&mut cubic, &mut w, 10, 1_000, &times);
    let mut w_est: f64 = 14.0;
    for (i, got) in seen.iter().enumerate() {
        w_est += if w_est >= 20.0 { 1.0 } else { 9.0 / 17.0 };
        assert!(
            (got - w_est).abs() < 0.04 * w_est,
            "round {i}: {got} for {w_est}"
        );
    }
    assert!(seen[99] > 100.0, "{}", seen[99]);
}

/// Counted in octets: acknowledgments of two segments each grow the window alike.
#[test]
fn delayed_acknowledgments_do_not_slow_growth() {
    let grown = |each: u32, rtt: u64| {
        let mut cubic = Cubic::default();
        let mut w = window(100_000, 200_000);
        lost(&mut cubic, &mut w);
        for round in 0..3_000 / rtt {
            let acks = u64::from(w.cwnd / (each * MSS));
            for i in 0..acks {
                let at = (1_000 + round * rtt) * 1_000 + rtt * 1_000 * i / acks;
                let mut event = at_micros(at, rtt);
                event.acked = each * MSS;
                cubic.on_ack(&mut w, &event);
            }
        }
        w.cwnd
    };
    for rtt in [10, 200] {
        let (one, two) = (grown(1, rtt), grown(2, rtt));
        assert!(one.abs_diff(two) < one / 40, "{rtt}: {one} {two}");
    }
}

#[test]
fn a_loss_takes_three_tenths_and_fast_convergence_lowers_the_goal() {
    let mut cubic = Cubic::default();
    let mut w = window(100_000, u32::MAX);
    lost(&mut cubic, &mut w);
    assert_eq!((w.cwnd, w.ssthresh), (70_000, 70_000));
    assert_eq!((cubic.w_max, cubic.cwnd_prior), (100_000, 100_000));
    // Lost again before W_max: 80 * (1 + 0.7) / 2.
    w.cwnd = 80_000;
    lost(&mut cubic, &mut w);
    assert_eq!((w.cwnd, w.ssthresh), (56_000, 56_000));
    assert_eq!((cubic.w_max, cubic.cwnd_prior), (68_000, 80_000));
    // Beyond it: what there was is remembered.
    w.cwnd = 90_000;
    lost(&mut cubic, &mut w);
    assert_eq!(cubic.w_max, 90_000);
    // What was in flight counts, and two segments are the least.
    cubic.on_loss(&mut w, &loss(20_000, LossKind::FastRetransmit));
    assert_eq!(w.cwnd, 14_000);
    cubic.on_loss(&mut w, &loss(0, LossKind::FastRetransmit));
    assert_eq!((w.cwnd, w.ssthresh), (2 * MSS, 2 * MSS));
}

#[test]
fn after_a_timeout_growth_begins_convex_from_the_window_that_slow_start_reached() {
    let mut cubic = Cubic::default();
    let mut w = window(100_000, u32::MAX);
    cubic.on_loss(
        &mut w,
        &loss(100_000, LossKind::Timeout { repeated: false }),
    );
    assert_eq!((w.cwnd, w.ssthresh), (MSS, 70_000));
    cubic.on_loss(&mut w, &loss(MSS, LossKind::Timeout { repeated: true }));
    assert_eq!((w.cwnd, w.ssthresh), (MSS, 70_000));
    assert_eq!(cubic.cwnd_prior, 100_000);
    while w.in_slow_start() {
        cubic.on_ack(&mut w, &at_micros(1_000_000, 200));
    }
    assert_eq!(w.cwnd, 70_000);
    // K = 0: W(3) = 70 + 0.4 * 27, W(5) = 70 + 0.4 * 125.
    let seen = run(&mut cubic, &mut w, 200, 1_000, &[3_000, 5_000]);
    let epoch = cubic.epoch.as_ref().unwrap();
    assert_eq!((epoch.k, epoch.origin), (0, 70_000));
    assert!((seen[0] - 80.8).abs() < 2.0, "{seen:?}");
    assert!((seen[1] - 120.0).abs() < 3.0, "{seen:?}");
}

/// 5.8: neither idle time nor time limited by the application is time of the function.
#[test]
fn time_without_need_for_the_window_does_not_count() {
    for limited in [true, false] {
        let mut cubic = Cubic::default();
        let mut w = window(100_000, 200_000);
        lost(&mut cubic, &mut w);
        run(&mut cubic, &mut w, 200, 1_000, &[2_000]);
        let before = w.cwnd;
        if !limited {
            // A trickle for minutes, then nothing for an hour.
            for second in 4..250 {
                let event = at_micros(second * 1_000_000, 200);
                let event = AckEvent {
                    cwnd_limited: false,
                    ..event
                };
                cubic.on_ack(&mut w, &event);
            }
            assert_eq!(w.cwnd, before);
        }
        // W(2.2 + 2) = 100 still, and not what an hour makes of it.
        let seen = run(&mut cubic, &mut w, 200, 3_600_000, &[200, 2_000]);
        assert!(seen[0] < 98.0, "{seen:?}");
        assert!((seen[1] - 100.0).abs() < 1.0, "{seen:?}");
    }
}

#[test]
fn another_segment_size_keeps_the_number_of_segments() {
    let mut cubic = Cubic::default();
    let mut w = window(100_000, 200_000);
    lost(&mut cubic, &mut w);
    let mut half = CongestionWindow {
        cwnd: 35_000,
        ssthresh: 35_000,
        mss: 500,
    };
    cubic.on_ack(&mut half, &at_micros(1_000_000, 200));
    assert_eq!((cubic.w_max, cubic.cwnd_prior), (50_000, 50_000));
    assert_eq!(cubic.epoch.as_ref().map(|e| e.k), Some(4_217));
}

/// Any events: below one segment and above what slow start allows the window never is.
#[test]
fn whatever_happens_the_window_stays_in_bounds() {
    let mut dice = handfast_base::Rng::new(3);
    for _ in 0..200 {
        let mut cubic = Cubic::default();
        let mut w = window(10 * MSS, u32::MAX);
        let mut now = 0;
        for _ in 0..500 {
            now += dice.next_u64() >> (30 + dice.below(34));
            let before = w.cwnd;
            match dice.below(20) {
                0 => {
                    let kind = match dice.below(3) {
                        0 => LossKind::Timeout { repeated: false },
                        1 => LossKind::Timeout { repeated: true },
                        _ => LossKind::FastRetransmit,
                    };
                    let in_flight = dice.next_u64() as u32 >> dice.below(32);
                    cubic.on_loss(&mut w, &loss(in_flight, kind));
                    cubic.on_recovery_exit(&mut w, in_flight);
                }
                1 => cubic.on_idle_restart(&mut w, 10 * MSS),
                _ => {
                    let event = AckEvent {
                        acked: dice.next_u64() as u32 >> dice.below(32),
                        cwnd_limited: dice.below(2) == 0,
                        rtt: (dice.below(2) == 0).then(|| Duration::from_nanos(dice.next_u64())),
                        after_timeout: dice.below(9) == 0,
                        ..at_micros(now, dice.next_u64() >> (44 + dice.below(20)))
                    };
                    cubic.on_ack(&mut w, &event);
                    assert!(w.cwnd >= before / 2, "RFC 7661 at most");
                    let growth = w.cwnd.saturating_sub(before);
                    assert!(growth <= event.acked, "no faster than slow start");
                    assert!(event.cwnd_limited || growth == 0);
                }
            }
            assert!(w.cwnd >= MSS && w.ssthresh >= 2 * MSS);
        }
    }
}

/// 4.9.2: W_max, K, the epoch and W_est are what they were, and the window goes on where it was.
#[test]
fn a_spurious_loss_takes_nothing() {
    let mut cubic = Cubic::default();
    let mut w = window(100_000, u32::MAX);
    lost(&mut cubic, &mut w);
    run(&mut cubic, &mut w, 100, 0, &[2_000]);
    let state = |c: &Cubic| {
        let e = c.epoch.as_ref().map(|e| (e.began, e.k, e.origin, e.w_est));
        (c.w_max, c.cwnd_prior, c.after_timeout, e)
    };
    for kind in [
        LossKind::FastRetransmit,
        LossKind::Timeout { repeated: false },
    ] {
        let (before, was) = (w, state(&cubic));
        assert!(was.3.is_some());
        cubic.on_loss(&mut w, &loss(before.cwnd, kind));
        assert_ne!(state(&cubic), was);
        assert!(w.cwnd < before.cwnd);
        cubic.on_spurious_loss(&mut w, &before);
        assert_eq!((w, state(&cubic)), (before, was), "{kind:?}");
    }
    // "When [...] the current cwnd is already higher than cwnd_prior", all goes on as it is.
    let before = w;
    lost(&mut cubic, &mut w);
    w.cwnd = before.cwnd + MSS;
    let was = state(&cubic);
    cubic.on_spurious_loss(&mut w, &before);
    assert_eq!((w.cwnd, state(&cubic)), (before.cwnd + MSS, was));
    assert_eq!(w.ssthresh, before.cwnd * 7 / 10);
}

#[test]
fn a_paced_one_has_a_rate_and_no_limit_for_one_acknowledgment() {
    let rtt = Duration::from_millis(100);
    let mut w = window(10 * MSS, u32::MAX);
    assert_eq!(Cubic::default().pacing_rate(&w, rtt), None);
    let mut paced = Cubic::paced();
    assert!(paced.pacing_rate(&w, rtt).is_some_and(|rate| rate > 0));
    paced.on_ack(&mut w, &ack(10 * MSS));
    assert_eq!(w.cwnd, 20 * MSS, "as many as were acknowledged");
}
