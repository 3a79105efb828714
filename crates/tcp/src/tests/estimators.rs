//! Round trip and retransmission timeout against the formulas of RFC 6298, and the offered window
//! against what a receiver may promise.

use crate::rto::Rto;
use crate::rtt::RttEstimator;
use crate::tcb::Tcb;
use crate::window::receive;
use crate::{Config, Connection, mss};
use alloc::sync::Arc;
use handfast_base::{Duration, Instant, Rng};
use handfast_wire::SeqNumber;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_estimator_follows_the_formulas() {
    for seed in 0..50 {
        let mut rng = Rng::new(seed);
        let mut rtt = RttEstimator::default();
        assert!(!rtt.has_sample());
        let (mut srtt, mut var, mut least) = (0.0f64, 0.0f64, f64::MAX);
        for n in 0..500 {
            let scale = 1 + rng.below(26);
            let sample = 1 + rng.below(1 << scale);
            let r = sample as f64;
            if n == 0 {
                (srtt, var) = (r, r / 2.0);
            } else {
                var += ((srtt - r).abs() - var) / 4.0;
                srtt += (r - srtt) / 8.0;
            }
            least = least.min(r);
            rtt.sample(Duration::from_micros(sample));
            // Integers round; never by more than a few microseconds.
            let error = |got: Duration, want: f64| (got.as_micros() as f64 - want).abs();
            assert!(
                error(rtt.smoothed(), srtt) < 10.0,
                "seed {seed}, sample {n}"
            );
            assert!(error(rtt.variance(), var) < 20.0, "seed {seed}, sample {n}");
            assert_eq!(rtt.min().as_micros() as f64, least);
        }
    }
}

#[test]
fn samples_of_zero_or_of_ages_saturate_and_the_rto_stays_between_its_bounds() {
    let config = Config::default();
    let extremes = [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::MAX,
        500 * SECOND,
    ];
    let mut rng = Rng::new(1);
    let (mut rtt, mut rto) = (RttEstimator::default(), Rto::default());
    for _ in 0..10_000 {
        rtt.sample(extremes[rng.below(4) as usize]);
        rto.back_off();
        if rng.chance(0.1) {
            rto.collapse();
        }
        let now = rto.current(&rtt, &config);
        assert!(now >= config.rto_min && now <= config.rto_max, "{now:?}");
        assert!(rtt.has_sample());
    }
}

#[test]
fn the_rto_doubles_and_collapses() {
    let config = Config::default();
    let mut rtt = RttEstimator::default();
    let mut rto = Rto::default();
    let expect = |rto: &Rto, rtt: &RttEstimator, ms: u64| {
        assert_eq!(rto.current(rtt, &config), Duration::from_millis(ms));
    };
    expect(&rto, &rtt, 1_000); // (2.1)
    rto.back_off();
    expect(&rto, &rtt, 2_000);
    rto.syn_lost();
    expect(&rto, &rtt, 2_000);
    rto.handshake_completed();
    expect(&rto, &rtt, 3_000); // (5.7)
    rtt.sample(Duration::from_millis(100));
    expect(&rto, &rtt, 300); // SRTT + max(4 RTTVAR, 200 ms)
    for doubled in [600, 1_200, 2_400] {
        rto.back_off();
        expect(&rto, &rtt, doubled);
    }
    for _ in 0..300 {
        rto.back_off();
    }
    expect(&rto, &rtt, 120_000);
    rto.collapse();
    expect(&rto, &rtt, 300);
    // A variable path: four times the variance.
    rtt.sample(Duration::from_millis(900));
    assert_eq!(rto.current(&rtt, &config).as_millis(), 200 + 4 * 237 + 2);
    // No maximum below a minute is honoured (2.5).
    let short = Config {
        rto_max: SECOND,
        ..Config::default()
    };
    for _ in 0..20 {
        rto.back_off();
    }
    assert_eq!(rto.current(&rtt, &short), 60 * SECOND);
}

/// What a receiver keeps of its promises, whatever arrives and is read.
#[test]
fn the_offered_window_keeps_every_promise() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let capacity = 1 << rng.below(22) | rng.below(1 << 12) as u32;
        let config = Arc::new(Config {
            receive_buffer: capacity.into(),
            ..Config::default()
        });
        let now = Instant::from_secs(1);
        let mut c = Connection::open(config.clone(), super::bench::PATH, SeqNumber(0), 0, now);
        c.tcb.state = crate::State::Established;
        let shift = if rng.chance(0.7) { c.tcb.rcv_scale } else { 0 };
        c.tcb.rcv_scale = shift;
        let unit = 1u32 << shift;
        let own_mss = mss::announced(&c);
        let offer = |t: &mut Tcb| u32::from(receive::select(t, &config, own_mss)) << shift;
        let mut edge = c.tcb.rcv_nxt + offer(&mut c.tcb);
        for _ in 0..300 {
            let window = edge.offset_from(c.tcb.rcv_nxt);
            let arrives = rng.below(u64::from(window.min(3_000)) + 1) as u32;
            // Whatever was offered is accepted.
            assert!(arrives <= receive::rcv_wnd(&c.tcb));
            c.tcb.rcv_nxt += arrives;
            c.tcb.rcv_held += arrives;
            if rng.chance(0.3) {
                let read = rng.below(u64::from(c.tcb.rcv_held) + 1) as u32;
                c.tcb.rcv_held -= read;
                // An update that is due says something new, and something worth a segment.
                if receive::is_update_due(&c) {
                    let before = edge;
                    edge = c.tcb.rcv_nxt + offer(&mut c.tcb);
                    assert!(edge.after(before), "seed {seed}");
                }
            }
            let before = edge;
            edge = c.tcb.rcv_nxt + offer(&mut c.tcb);
            let back = before.distance(edge);
            assert!(back < unit as i32, "seed {seed}: left by {back}");
            edge = edge.later(before);
            let most = capacity + (capacity / 8).max(unit) + unit;
            let promised = edge.offset_from(c.tcb.rcv_nxt) + c.tcb.rcv_held;
            assert!(promised <= most, "seed {seed}: {promised} of {capacity}");
            // Nobody waits for ever: an empty buffer offers a window worth a segment.
            let wnd = receive::rcv_wnd(&c.tcb);
            if c.tcb.rcv_held == 0 {
                assert!(wnd >= (capacity / 2).min(u32::from(own_mss)).max(1) || shift > 0);
            }
        }
    }
}

/// The field counts in steps that may be larger than the whole buffer.
#[test]
fn a_buffer_smaller_than_a_step_of_the_scale_is_offered_and_an_exact_one_too() {
    let config = Arc::new(Config {
        receive_buffer: 100.into(),
        ..Config::default()
    });
    let now = Instant::from_secs(1);
    let mut c = Connection::open(config.clone(), super::bench::PATH, SeqNumber(0), 0, now);
    c.tcb.state = crate::State::Established;
    let offered = [(7, 0, 0, 1), (6, 36, 0, 1), (6, 100, 0, 0), (6, 100, 33, 1)];
    for (shift, held, before, field) in offered {
        let t = &mut c.tcb;
        (t.rcv_scale, t.rcv_held, t.rcv_adv) = (shift, held, t.rcv_nxt + before);
        assert_eq!(receive::select(t, &config, 50), field, "{shift} {held}");
    }
}
