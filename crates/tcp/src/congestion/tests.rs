//! The algorithms by themselves: events in, window out.

use super::*;

pub(super) const MSS: u32 = 1_000;

pub(super) fn window(cwnd: u32, ssthresh: u32) -> CongestionWindow {
    CongestionWindow {
        cwnd,
        ssthresh,
        mss: MSS,
    }
}

pub(super) fn ack(acked: u32) -> AckEvent {
    AckEvent {
        now: Instant::from_secs(1),
        acked,
        in_flight: 10 * MSS,
        rtt: None,
        min_rtt: Duration::from_millis(10),
        smoothed_rtt: Duration::from_millis(10),
        snd_una: SeqNumber(0),
        snd_nxt: SeqNumber(0),
        cwnd_limited: true,
        after_timeout: false,
    }
}

pub(super) fn loss(in_flight: u32, kind: LossKind) -> LossEvent {
    LossEvent {
        now: Instant::from_secs(1),
        in_flight,
        kind,
    }
}

#[test]
fn slow_start_stops_at_ssthresh_and_leaves_the_rest_to_congestion_avoidance() {
    for (cwnd, ssthresh, acked, limit, grown, rest) in [
        (10_000, u32::MAX, 3_000, u32::MAX, 13_000, 0),
        (10_000, 12_000, 3_000, u32::MAX, 12_000, 1_000),
        (12_000, 12_000, 3_000, u32::MAX, 12_000, 3_000),
        (13_000, 12_000, 3_000, u32::MAX, 13_000, 3_000),
        (10_000, u32::MAX, 3_000, MSS, 11_000, 0),
        (u32::MAX - 5, u32::MAX, 3_000, u32::MAX, u32::MAX, 2_995),
    ] {
        let mut w = window(cwnd, ssthresh);
        let left = slow_start::grow(&mut w, acked, limit);
        assert_eq!(
            (w.cwnd, left),
            (grown, rest),
            "{cwnd} {ssthresh} {acked} {limit}"
        );
    }
}

#[test]
fn congestion_avoidance_adds_one_segment_for_each_window_acknowledged() {
    let mut reno = Reno::default();
    let mut w = window(10_000, 10_000);
    for _ in 0..9 {
        reno.on_ack(&mut w, &ack(MSS));
        assert_eq!(w.cwnd, 10_000);
    }
    reno.on_ack(&mut w, &ack(MSS));
    assert_eq!(w.cwnd, 11_000);
    for _ in 0..11 {
        reno.on_ack(&mut w, &ack(MSS));
    }
    assert_eq!(w.cwnd, 12_000);
    // One acknowledgment of more than a window is one segment, too.
    reno.on_ack(&mut w, &ack(200_000));
    assert_eq!(w.cwnd, 13_000);
}

#[test]
fn a_window_with_half_a_segment_grows_with_every_round_trip_too() {
    let mut reno = Reno::default();
    let mut w = window(4_500, 4_500);
    for in_flight in 4..10 {
        for _ in 0..in_flight {
            reno.on_ack(&mut w, &ack(MSS));
        }
        assert_eq!(w.cwnd, (in_flight + 1) * MSS + MSS / 2);
    }
}

#[test]
fn nothing_grows_unless_the_window_was_the_limit() {
    let mut reno = Reno::default();
    for ssthresh in [u32::MAX, 2_000] {
        let mut w = window(10_000, ssthresh);
        for _ in 0..100 {
            reno.on_ack(
                &mut w,
                &AckEvent {
                    cwnd_limited: false,
                    ..ack(MSS)
                },
            );
        }
        assert_eq!(w.cwnd, 10_000);
    }
}

#[test]
fn a_loss_halves_and_a_timeout_begins_again_with_one_segment() {
    for (in_flight, half) in [(20_000, 10_000), (5_000, 2_500), (3_000, 2_000), (0, 2_000)] {
        let mut w = window(20_000, u32::MAX);
        Reno::default().on_loss(&mut w, &loss(in_flight, LossKind::FastRetransmit));
        assert_eq!((w.cwnd, w.ssthresh), (half, half), "{in_flight}");
        let mut w = window(20_000, u32::MAX);
        let timeout = LossKind::Timeout { repeated: false };
        Reno::default().on_loss(&mut w, &loss(in_flight, timeout));
        assert_eq!((w.cwnd, w.ssthresh), (MSS, half), "{in_flight}");
        let again = LossKind::Timeout { repeated: true };
        Reno::default().on_loss(&mut w, &loss(MSS, again));
        assert_eq!((w.cwnd, w.ssthresh), (MSS, half), "{in_flight}");
    }
}

#[test]
fn algorithms_are_had_by_name() {
    for known in Congestion::NAMED {
        let parsed: Congestion = known.name().parse().unwrap();
        assert_eq!(parsed.name(), known.name());
    }
    assert_eq!(Congestion::default().name(), "cubic");
    let error = "CUBIC".parse::<Congestion>().unwrap_err();
    assert_eq!(
        std::string::ToString::to_string(&error),
        "no such congestion control; there are cubic reno cubic-paced bbr"
    );
}

/// RFC 6582, 3.2, step 3: min(ssthresh, max(FlightSize, SMSS) + SMSS).
#[test]
fn leaving_recovery_sends_no_burst_into_an_empty_pipe() {
    for (in_flight, cwnd) in [(0, 2_000), (500, 2_000), (4_000, 5_000), (30_000, 10_000)] {
        let mut w = window(20_000, 10_000);
        Reno::default().on_recovery_exit(&mut w, in_flight);
        assert_eq!(w.cwnd, cwnd, "{in_flight}");
    }
}

#[test]
fn idling_falls_to_the_restart_window_and_never_rises_to_it() {
    for known in [Congestion::CUBIC, Congestion::RENO, Congestion::CUBIC_PACED] {
        for (cwnd, after) in [(50_000, (10_000, 37_500)), (4_000, (4_000, 7_000))] {
            let mut w = window(cwnd, 7_000);
            known.build().on_idle_restart(&mut w, 10_000);
            assert_eq!((w.cwnd, w.ssthresh), after);
        }
    }
}

#[test]
fn the_initial_window_is_that_of_rfc_6928() {
    for (mss, segments, window) in [
        (1_460, 10, 14_600),
        (536, 10, 5_360),
        (2_190, 10, 14_600),
        (8_960, 10, 17_920),
        (1_460, 3, 4_380),
        (1_460, 1, 1_460),
        (1_460, 0, 1_460),
        (65_495, 255, 130_990),
        (64, 255, 14_600),
    ] {
        assert_eq!(initial_window(mss, segments), window, "{mss} {segments}");
    }
}

#[test]
fn an_algorithm_of_ones_own_takes_its_place() {
    #[derive(Debug)]
    struct Fixed;
    impl CongestionControl for Fixed {
        fn name(&self) -> &'static str {
            "fixed"
        }
        fn on_ack(&mut self, w: &mut CongestionWindow, _: &AckEvent) {
            w.cwnd = 3_000;
        }
        fn on_loss(&mut self, _: &mut CongestionWindow, _: &LossEvent) {}
        fn on_recovery_exit(&mut self, _: &mut CongestionWindow, _: u32) {}
    }
    let mut built = Congestion::custom(|| Box::new(Fixed)).build();
    let mut w = window(10_000, u32::MAX);
    built.on_ack(&mut w, &ack(1));
    assert_eq!((built.name(), w.cwnd), ("fixed", 3_000));
    assert_eq!(built.pacing_rate(&w, Duration::from_millis(10)), None);
    assert_eq!(Congestion::RENO.build().name(), "reno");
}
