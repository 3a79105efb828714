//! The congestion window, as far as Reno sizes it (RFC 5681, 6928, 3465, 7661).

use super::bench::*;
use crate::{Config, IcmpError, Path};
use alloc::format;
use handfast_base::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn cwnd_and_ssthresh_use_the_size_of_segments_really_sent() {
    let b = Bench::established(stamped(), "mss=1000");
    let info = b.c.info(b.now);
    assert_eq!((info.snd_mss, info.cwnd), (988, 9_880));
    // The path is narrower than what the peer takes.
    let b = Bench::established(prompt(), "mss=9000");
    assert_eq!(
        (b.c.info(b.now).snd_mss, b.c.info(b.now).cwnd),
        (1460, 14_600)
    );
}

#[test]
fn they_are_converted_when_the_size_changes() {
    let mut b = Bench::established(prompt(), "mss=1200");
    b.c.tcb.cwnd = 20_000;
    b.c.tcb.ssthresh = 10_000;
    b.send(6_000);
    b.sent();
    assert!(b.c.icmp_error(IcmpError::TooBig { mtu: 640 }, ISS + 1, b.now));
    let info = b.c.info(b.now);
    assert_eq!(
        (info.snd_mss, info.cwnd, info.ssthresh),
        (600, 10_000, 5_000)
    );
    // All of it is gone, and goes out again in the new size.
    b.drain();
    let sent = b.sent();
    assert_eq!(sent.len(), 10);
    assert_eq!(sent[0], "ACK seq=0 ack=0 len=600");
    assert_eq!(b.c.info(b.now).ssthresh, 5_000, "no congestion");
    b.c.set_path(PATH);
    assert_eq!(b.c.info(b.now).cwnd, 20_000);
}

#[test]
fn the_initial_window_is_ten_segments_at_most_and_follows_the_mss() {
    for (mss, window) in [
        (536, 5_360),
        (1_000, 10_000),
        (1_460, 14_600),
        (2_000, 14_600),
        (9_000, 17_920),
    ] {
        let path = Path { mtu: 9_000, ..PATH };
        let mut b = Bench::on(prompt(), path, ISS);
        b.drain();
        b.arrive(&format!("SYN ACK seq=-1 mss={mss}"));
        assert_eq!(b.c.info(b.now).cwnd, window, "{mss}");
    }
}

/// Acknowledges everything in flight, segment by segment.
fn acknowledge(b: &mut Bench, segment: u32) {
    let una = b.c.tcb.snd_una.offset_from(b.ours);
    let end = b.c.tcb.snd_nxt.offset_from(b.ours);
    let mut at = una;
    while at < end {
        at = (at + segment).min(end);
        b.arrive(&format!("ACK ack={at}"));
    }
}

#[test]
fn slow_start_doubles_and_congestion_avoidance_adds_one_segment_a_window() {
    let mut b = Bench::established(prompt(), "mss=1000");
    b.send(1_000_000);
    for round in 1..=2 {
        let end = b.c.tcb.snd_nxt;
        let before = b.c.info(b.now).cwnd;
        while b.c.tcb.snd_una.before(end) {
            let ack = b.c.tcb.snd_una.offset_from(b.ours) + 1000;
            b.arrive(&format!("ACK ack={ack}"));
        }
        assert_eq!(b.c.info(b.now).cwnd, 2 * before, "round {round}");
    }
    b.c.tcb.ssthresh = 40_000;
    let end = b.c.tcb.snd_nxt;
    while b.c.tcb.snd_una.before(end) {
        let ack = b.c.tcb.snd_una.offset_from(b.ours) + 1000;
        b.arrive(&format!("ACK ack={ack}"));
    }
    assert_eq!(b.c.info(b.now).cwnd, 41_000);
}

/// Octets are counted: dividing one acknowledgment into many gains nothing.
#[test]
fn ack_division_gains_nothing() {
    let mut b = Bench::established(prompt(), "mss=1000");
    b.send(1_000_000);
    for i in 1..=100 {
        b.arrive(&format!("ACK ack={}", i * 10));
    }
    assert_eq!(b.c.info(b.now).cwnd, 11_000);
}

#[test]
fn cwnd_does_not_grow_while_application_or_receive_window_is_the_limit() {
    let mut b = Bench::established(prompt(), "mss=1000 win=60000");
    for _ in 0..100 {
        b.send(3_000);
        acknowledge(&mut b, 1000);
    }
    assert_eq!(b.c.info(b.now).cwnd, 10_000);
    let mut b = Bench::established(prompt(), "mss=1000 win=5000");
    b.send(200_000);
    for i in 1..=150 {
        b.arrive(&format!("ACK ack={} win=5000", i * 1000));
    }
    assert_eq!(b.c.info(b.now).cwnd, 10_000);
}

#[test]
fn cwnd_falls_to_the_restart_window_after_idling_for_an_rto() {
    let mut b = Bench::established(prompt(), "mss=1000");
    b.c.tcb.cwnd = 50_000;
    b.send(1_000);
    b.arrive("ACK ack=1000");
    b.advance(Duration::from_millis(100));
    b.send(1_000);
    b.arrive("ACK ack=2000");
    assert_eq!(b.c.info(b.now).cwnd, 50_000);
    b.advance(Duration::from_millis(201));
    b.send(40_000);
    let info = b.c.info(b.now);
    assert_eq!((info.cwnd, info.in_flight), (10_000, 10_000));
    // And from a smaller one it does not rise.
    while b.c.info(b.now).in_flight > 0 {
        acknowledge(&mut b, 10_000);
    }
    b.c.tcb.cwnd = 4_000;
    b.advance(100 * SECOND);
    b.send(40_000);
    assert_eq!(b.c.info(b.now).cwnd, 4_000);
}

#[test]
fn a_repeated_rto_for_the_same_data_does_not_lower_ssthresh_again() {
    let mut b = Bench::established(prompt(), "mss=1000");
    b.send(10_000);
    b.advance(Duration::from_millis(250));
    assert_eq!(b.c.info(b.now).ssthresh, 5_000);
    b.advance(20 * SECOND);
    let info = b.c.info(b.now);
    assert_eq!((info.ssthresh, info.cwnd), (5_000, 1_000));
    // Other data: another loss.
    b.arrive("ACK ack=10000");
    b.send(4_000);
    b.advance(60 * SECOND);
    assert_eq!(b.c.info(b.now).ssthresh, 2_000);
}

/// RFC 3465, 2.3: one acknowledgment after a timeout may cover what had arrived long before.
#[test]
fn after_a_timeout_slow_start_grows_by_one_segment_an_ack() {
    let mut b = Bench::established(prompt(), "mss=1000");
    b.send(10_000);
    b.advance(Duration::from_millis(250));
    b.arrive("ACK ack=4000");
    assert_eq!(b.c.info(b.now).cwnd, 2_000);
}

#[test]
fn congestion_arithmetic_overflows_nowhere() {
    let config = Config {
        window_scaling: true,
        send_buffer: u32::MAX.into(),
        ..prompt()
    };
    let mut b = Bench::established(config, "mss=1460 ws=14 win=65535");
    for (cwnd, ssthresh) in [
        (1 << 30, u32::MAX),
        (u32::MAX, u32::MAX),
        (u32::MAX, 2),
        (1, u32::MAX),
    ] {
        b.c.tcb.cwnd = cwnd;
        b.c.tcb.ssthresh = ssthresh;
        b.send(3_000);
        let una = b.c.tcb.snd_nxt.offset_from(b.ours);
        for _ in 0..5 {
            b.arrive("ACK ack=0");
        }
        b.advance(10 * SECOND);
        b.arrive(&format!("ACK ack={una}"));
        for mtu in [68, 65_535, 1_500] {
            b.c.set_path(Path { mtu, ..PATH });
        }
        let info = b.c.info(b.now);
        assert!(
            info.cwnd <= 1 << 30 && info.cwnd >= u32::from(info.snd_mss),
            "{info:?}"
        );
    }
}

#[test]
fn a_connection_idle_for_25_or_50_days_still_grows_its_window_afterwards() {
    for days in [24u32, 25, 49, 50, 100] {
        let mut b = Bench::established(stamped(), "mss=1012");
        b.send(1_000);
        b.arrive("ACK ack=1000 ts=1");
        b.advance(days * 86_400 * SECOND);
        let ts = u64::from(days) * 86_400_000;
        b.send(30_000);
        let before = b.c.info(b.now).cwnd;
        for i in 2..=8 {
            b.arrive(&format!("ACK ack={} ts={ts}", i * 1000));
        }
        let info = b.c.info(b.now);
        assert!(info.cwnd > before, "{days} days: {info:?}");
        assert_eq!(info.timeouts, 0);
    }
}

/// Leaves what it hears of the newest acknowledgment in ssthresh: the octets delivered eightfold,
/// and what held the sender back.
fn listener() -> crate::congestion::Congestion {
    use crate::congestion::*;
    #[derive(Debug)]
    struct Listener;
    impl CongestionControl for Listener {
        fn name(&self) -> &'static str {
            "listener"
        }
        fn models_the_path(&self) -> bool {
            true
        }
        fn on_ack(&mut self, _: &mut CongestionWindow, _: &AckEvent) {}
        fn on_loss(&mut self, _: &mut CongestionWindow, _: &LossEvent) {}
        fn on_recovery_exit(&mut self, _: &mut CongestionWindow, _: u32) {}
        fn on_sample(&mut self, w: &mut CongestionWindow, s: &RateSample) {
            let held = u32::from(s.cwnd_limited) + 2 * u32::from(s.app_limited);
            w.ssthresh = 8 * s.newly_acked + held;
        }
    }
    Congestion::custom(|| alloc::boxed::Box::new(Listener))
}

/// draft-ietf-ccwg-bbr, 4.1.2.4.
#[test]
fn an_algorithm_that_models_the_path_hears_what_held_the_sender_back() {
    let config = Config {
        congestion: listener(),
        initial_window: 10,
        ..prompt()
    };
    let mut b = Bench::established(config, "mss=1000");
    let heard = |b: &Bench| b.c.info(b.now).ssthresh;
    // Exactly the window: neither was short.
    b.send(10_000);
    b.arrive("ACK ack=1000");
    assert_eq!(heard(&b), 8_000);
    // Now there is room, and nothing to send.
    b.arrive("ACK ack=3000");
    assert_eq!(heard(&b), 16_000 + 2);
    b.send(20_000);
    b.arrive("ACK ack=4000");
    assert_eq!(heard(&b), 8_000 + 2 + 1);
    b.arrive("ACK ack=11000");
    assert_eq!(heard(&b), 56_000 + 1, "the gap has gone by");
    // Room for all that waits is no want of room.
    let used = |b: &mut Bench, unsent, room| {
        b.c.active.as_mut().unwrap().window_used = false;
        crate::recovery::model::ran_dry(&mut b.c, unsent, 10_000, room);
        b.c.active.as_ref().unwrap().window_used
    };
    assert_eq!(
        (used(&mut b, 500, 500), used(&mut b, 501, 500)),
        (false, true)
    );
    assert!(!used(&mut b, 5_000, 1_000), "a segment's room");
    let active = b.c.active.as_ref().unwrap();
    assert!(!active.board.rate.is_app_limited(), "something waits");
}
