use super::*;
use crate::congestion::tests::{MSS, ack, loss, window};
use crate::congestion::{Congestion, LossKind};

/// One round trip of so many octets, which ends at this second.
fn round(n: u32, second: u64, octets: u32) -> AckEvent {
    AckEvent {
        now: Instant::from_secs(second),
        snd_una: SeqNumber(n * 100_000),
        snd_nxt: SeqNumber(n * 100_000),
        cwnd_limited: false,
        ..ack(octets)
    }
}

#[test]
fn a_loss_in_an_unused_window_is_answered_from_what_was_carried() {
    for (algorithm, beta) in [(Congestion::RENO, 0.5), (Congestion::CUBIC, 0.7)] {
        let mut algorithm = algorithm.build();
        let mut w = window(100_000, 50_000);
        for (n, octets) in [(1, 1_000), (2, 20_000), (3, 5_000)] {
            algorithm.on_ack(&mut w, &round(n, 10, octets));
        }
        assert_eq!(w.cwnd, 100_000, "it neither grows nor shrinks");
        algorithm.on_loss(&mut w, &loss(2 * MSS, LossKind::FastRetransmit));
        assert_eq!(f64::from(w.ssthresh), 20_000.0 * beta);
        // From then on nothing is known.
        algorithm.on_loss(&mut w, &loss(6 * MSS, LossKind::FastRetransmit));
        assert_eq!(f64::from(w.ssthresh), 6_000.0 * beta);
    }
}

#[test]
fn a_loss_in_a_used_window_is_answered_from_what_was_in_flight() {
    let mut v = Validation::default();
    let mut w = window(100_000, 50_000);
    assert_eq!(v.on_loss(&w, 3_000), 3_000);
    v.on_ack(&mut w, &round(1, 1, 50_000));
    assert_eq!(v.on_loss(&w, 3_000), 3_000);
}

#[test]
fn what_was_carried_is_forgotten_after_two_sampling_periods() {
    let mut v = Validation::default();
    let mut w = window(100_000, 50_000);
    for (n, second, octets, most) in [
        (1, 1, 30_000, 30_000),
        (2, 3, 2_000, 30_000),
        (3, 5, 1_000, 2_000),
        (4, 7, 500, 1_000),
    ] {
        v.on_ack(&mut w, &round(n, second, octets));
        assert_eq!(v.pipe_ack(), Some(most), "{second} s");
    }
}

#[test]
fn after_five_minutes_an_unused_window_is_halved_down_to_the_initial_one() {
    let mut v = Validation::default();
    let mut w = window(100_000, 20_000);
    let mut n = 0;
    for (second, cwnd, ssthresh) in [
        (1, 100_000, 20_000),
        (301, 100_000, 20_000),
        (302, 50_000, 75_000),
        (602, 50_000, 75_000),
        (603, 25_000, 75_000),
        (904, 12_500, 75_000),
        (1_205, 10_000, 75_000),
        (1_506, 10_000, 75_000),
    ] {
        n += 1;
        v.on_ack(&mut w, &round(n, second, 1_000));
        assert_eq!((w.cwnd, w.ssthresh), (cwnd, ssthresh), "{second} s");
    }
    // One that is used stays.
    let mut w = window(100_000, 20_000);
    for second in (2_000..4_000).step_by(100) {
        n += 1;
        v.on_ack(&mut w, &round(n, second, 60_000));
    }
    assert_eq!(w.cwnd, 100_000);
}
