//! Fast retransmit and fast recovery as NewReno has them (RFC 5681, 6582, 3042).

use super::bench::*;
use crate::Config;
use alloc::format;
use alloc::vec::Vec;
use handfast_base::Duration;
use handfast_wire::SendReason;

/// `flight` segments of 1000 octets in flight, window full.
fn in_flight(flight: u32) -> Bench {
    let mut b = Bench::established(
        Config {
            initial_window: 20,
            ..prompt()
        },
        "mss=1000",
    );
    b.c.tcb.cwnd = flight * 1000;
    b.send(40_000);
    b.sent();
    assert_eq!(b.c.info(b.now).in_flight, flight * 1000);
    b
}

#[test]
fn fast_retransmit_sends_exactly_one_segment_even_with_cwnd_full() {
    let mut b = in_flight(10);
    b.arrive("ACK ack=0");
    b.arrive("ACK ack=0");
    // The first two let new data out.
    b.expect("ACK seq=10000 ack=0 len=1000; ACK seq=11000 ack=0 len=1000");
    assert_eq!(b.last().reason, SendReason::LimitedTransmit);
    assert_eq!(
        b.c.info(b.now).cwnd,
        10_000,
        "limited transmit leaves it alone"
    );
    b.arrive("ACK ack=0");
    b.expect("ACK seq=0 ack=0 len=1000");
    assert_eq!(b.last().reason, SendReason::FastRetransmit);
    // Half of what was in flight, without what limited transmit had let out.
    assert_eq!(b.c.info(b.now).ssthresh, 5_000);
}

#[test]
fn each_duplicate_ack_in_a_batch_handled_together_counts() {
    let mut b = in_flight(10);
    for _ in 0..3 {
        b.arrive_quietly("ACK ack=0");
    }
    b.drain();
    b.expect("ACK seq=0 ack=0 len=1000");
}

#[test]
fn in_recovery_duplicate_acks_inflate_the_window_and_full_acknowledgment_ends_it() {
    let mut b = in_flight(10);
    for _ in 0..9 {
        b.arrive("ACK ack=0");
    }
    // 2 by limited transmit, the hole, and then 12 in flight less 9 gone: 2 more fit 5.
    let sent = b.sent();
    assert_eq!(sent.len(), 5, "{sent:?}");
    b.arrive("ACK ack=10000");
    // RECOVER was 12000 at the third duplicate.
    assert_eq!(
        b.c.active.as_ref().unwrap().recovery.phase,
        crate::recovery::Phase::Fast
    );
    b.arrive("ACK ack=14000");
    let info = b.c.info(b.now);
    assert_eq!(
        b.c.active.as_ref().unwrap().recovery.phase,
        crate::recovery::Phase::Open
    );
    assert!(info.cwnd <= 5_000 && info.ssthresh == 5_000, "{info:?}");
}

#[test]
fn each_partial_ack_retransmits_the_next_hole_at_once_and_several_losses_need_no_rto() {
    let mut b = in_flight(10);
    for _ in 0..3 {
        b.arrive("ACK ack=0");
    }
    b.sent();
    for hole in [2_000, 5_000, 7_000] {
        b.arrive(&format!("ACK ack={hole}"));
        assert_eq!(b.sent()[0], format!("ACK seq={hole} ack=0 len=1000"));
    }
    assert_eq!(
        b.c.info(b.now).ssthresh,
        5_000,
        "one window of loss is one reduction"
    );
    assert_eq!(b.c.info(b.now).timeouts, 0);
}

#[test]
fn a_window_of_three_segments_recovers_without_an_rto() {
    let mut b = in_flight(3);
    // The first is lost: two duplicates, whose two new segments bring the third.
    for _ in 0..4 {
        b.arrive("ACK ack=0");
    }
    let sent = b.sent();
    assert_eq!(
        sent[..3],
        [
            "ACK seq=3000 ack=0 len=1000",
            "ACK seq=4000 ack=0 len=1000",
            "ACK seq=0 ack=0 len=1000",
        ]
    );
    b.arrive("ACK ack=5000");
    assert_eq!(b.c.info(b.now).timeouts, 0);
}

#[test]
fn segments_with_data_fin_or_another_window_are_no_duplicate_acks() {
    let mut b = in_flight(10);
    b.arrive("ACK len=10");
    b.arrive("ACK seq=10 len=10");
    b.arrive("ACK seq=20 win=59999");
    b.arrive("ACK seq=20 win=60000");
    b.arrive("ACK seq=20 win=59999");
    b.arrive("ACK seq=100 len=10 win=59999");
    b.arrive("FIN ACK seq=20 win=59999");
    b.arrive("FIN ACK seq=20 win=59999");
    b.arrive("ACK seq=21 ack=-1 win=59999");
    b.arrive("ACK seq=21 ack=-1 win=59999");
    let info = b.c.info(b.now);
    assert_eq!((info.duplicate_acks_in, info.retransmissions), (0, 0));
    // The peer's window probes into our closed window are none either.
    let mut b = Bench::established(
        Config {
            receive_buffer: 10.into(),
            ..prompt()
        },
        "mss=1000",
    );
    b.arrive("ACK len=10");
    b.send(5_000);
    for _ in 0..5 {
        b.arrive("ACK seq=10 len=1");
    }
    assert_eq!(b.c.info(b.now).duplicate_acks_in, 0);
}

/// Small segments count as segments, not as fractions of a full one.
#[test]
fn fast_retransmit_works_for_small_segments() {
    let mut b = Bench::established(prompt(), "mss=1000");
    for _ in 0..6 {
        b.send(10);
    }
    b.sent();
    for _ in 0..3 {
        b.arrive("ACK ack=0");
    }
    assert_eq!(b.sent(), ["ACK seq=0 ack=0 len=10"]);
}

/// Each lets out one segment at most, and all of them no more than the peer's window.
#[test]
fn forged_duplicate_acks_do_not_open_the_window_without_end() {
    let mut b = in_flight(5);
    for i in 1..1_000 {
        b.arrive("ACK ack=0");
        assert!(b.sent().len() <= if i == 3 { 2 } else { 1 }, "{i}");
    }
    assert!(b.c.info(b.now).in_flight <= 60_000);
}

/// RFC 6582, 3.2: what was in flight when a loss was found is not the reason for another.
#[test]
fn duplicates_for_what_a_timeout_repeated_start_no_recovery() {
    let mut b = in_flight(10);
    b.advance(Duration::from_millis(250));
    b.arrive("ACK ack=1000");
    b.arrive("ACK ack=2000");
    b.sent();
    let ssthresh = b.c.info(b.now).ssthresh;
    for _ in 0..2 {
        b.arrive("ACK ack=2000");
    }
    b.expect("");
    // The third says that the repeated one got lost: it alone goes out, nothing is halved.
    b.arrive("ACK ack=2000");
    b.arrive("ACK ack=2000");
    let again: Vec<_> = b.sent();
    assert_eq!(again, ["ACK seq=2000 ack=0 len=1000"]);
    assert_eq!(b.c.info(b.now).ssthresh, ssthresh);
}

/// RFC 6582, 3.2: nor is the last segment of a recovery, until something beyond it has arrived.
#[test]
fn duplicates_at_the_very_end_of_a_recovery_start_no_other() {
    let mut b = in_flight(10);
    for _ in 0..3 {
        b.arrive("ACK ack=0");
    }
    b.arrive("ACK ack=12000");
    b.sent();
    let ssthresh = b.c.info(b.now).ssthresh;
    for _ in 0..5 {
        b.arrive("ACK ack=12000");
    }
    let again = |sent: Vec<alloc::string::String>, seq: &str| {
        sent.iter()
            .filter(|s| s.contains(&format!("seq={seq} ")))
            .count()
    };
    assert_eq!(again(b.sent(), "12000"), 0);
    assert_eq!(b.c.info(b.now).ssthresh, ssthresh, "nothing is halved");
    b.arrive("ACK ack=13000");
    b.sent();
    for _ in 0..3 {
        b.arrive("ACK ack=13000");
    }
    assert_eq!(again(b.sent(), "13000"), 1, "this is another loss");
}

#[test]
fn an_rto_in_recovery_reduces_nothing_twice() {
    let mut b = in_flight(10);
    for _ in 0..3 {
        b.arrive("ACK ack=0");
    }
    assert_eq!(b.c.info(b.now).ssthresh, 5_000);
    b.advance(Duration::from_millis(250));
    let info = b.c.info(b.now);
    assert_eq!((info.ssthresh, info.cwnd, info.timeouts), (5_000, 1_000, 1));
    // And the next one for the same data neither.
    b.advance(Duration::from_secs(5));
    assert_eq!(b.c.info(b.now).ssthresh, 5_000);
}
