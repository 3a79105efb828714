//! Loss recovery of a sender whose peer reports what has arrived (RFC 2018, 8985, 9937), and what
//! is undone when nothing had been lost (RFC 3522, 3708, 5682).

use super::bench::*;
use crate::recovery::Phase;
use crate::{Config, TcpInfo};
use alloc::format;
use handfast_base::Duration;
use handfast_wire::SendReason;

const MS: Duration = Duration::from_millis(1);

/// `flight` segments of 1000 octets in flight, window full, a round trip of 100 ms measured.
fn in_flight_of(config: Config, more: &str, flight: u32) -> Bench {
    let config = Config {
        initial_window: 20,
        ..config
    };
    let mut b = Bench::established(config, &format!("mss=1012 sackok {more}"));
    b.c.tcb.snd_mss = 1000;
    measure(&mut b, 100 * MS);
    b.c.tcb.cwnd = flight * 1000;
    b.send(40_000);
    b.sent();
    b.advance(100 * MS);
    assert_eq!(b.c.info(b.now).in_flight, flight * 1000);
    b
}

/// All that is known of the path is this round trip.
fn measure(b: &mut Bench, rtt: Duration) {
    b.c.tcb.rtt = Default::default();
    b.c.tcb.rtt.sample(rtt);
}

fn in_flight(flight: u32) -> Bench {
    in_flight_of(prompt(), "", flight)
}

fn info(b: &Bench) -> TcpInfo {
    b.c.info(b.now)
}

fn phase(b: &Bench) -> Phase {
    b.c.active.as_ref().unwrap().recovery.phase
}

#[test]
fn a_report_of_three_segments_above_a_hole_repairs_it_at_once() {
    let mut b = in_flight(10);
    b.arrive("ACK sack=1000..2000");
    b.arrive("ACK sack=1000..3000");
    // What has left the network lets new data out.
    b.expect("ACK seq=10000 ack=0 len=1000; ACK seq=11000 ack=0 len=1000");
    assert_eq!((info(&b).sacked, info(&b).lost), (2_000, 0));
    b.arrive("ACK sack=1000..4000");
    assert_eq!(b.sent()[0], "ACK seq=0 ack=0 len=1000");
    assert_eq!(b.log[b.log.len() - 1].reason, SendReason::RackLoss);
    assert_eq!(phase(&b), Phase::Fast);
    assert_eq!(info(&b).ssthresh, 5_000);
    b.arrive("ACK ack=12000");
    // RFC 5681, 3.1: five segments of which nobody had heard make a window of growth.
    assert_eq!((phase(&b), info(&b).cwnd), (Phase::Open, 6_000));
    assert_eq!((info(&b).retransmissions, info(&b).timeouts), (1, 0));
}

/// What was reported in recovery has let out what it could: only the rest counts once it is over.
#[test]
fn the_acknowledgment_that_ends_recovery_counts_as_far_as_it_is_news() {
    let mut b = in_flight(10);
    b.arrive("ACK sack=1000..10000");
    b.sent();
    // The hole alone, of ten segments acknowledged.
    b.arrive("ACK ack=10000");
    assert_eq!((phase(&b), info(&b).cwnd), (Phase::Open, 5_000));
    // With four more it is a window.
    for end in [11, 12, 13] {
        b.arrive(&format!("ACK ack={end}000"));
        assert_eq!(info(&b).cwnd, 5_000);
    }
    b.arrive("ACK ack=14000");
    assert_eq!(info(&b).cwnd, 6_000);
}

/// RFC 9937: CEIL(prr_delivered * ssthresh / RecoverFS), in segments: of one that may leave in part
/// the whole does, and what it is ahead the next has to wait.
#[test]
fn in_recovery_a_whole_segment_leaves_as_soon_as_a_part_of_it_may() {
    let mut b = in_flight(9);
    b.arrive("ACK sack=1000..4000");
    b.expect("ACK seq=0 ack=0 len=1000; ACK seq=9000 ack=0 len=1000");
    b.arrive("ACK sack=1000..5000");
    b.expect("");
    b.arrive("ACK sack=1000..6000");
    b.expect("ACK seq=10000 ack=0 len=1000");
}

#[test]
fn several_holes_are_repaired_within_one_round_trip_and_nothing_else_is_sent_again() {
    let mut b = in_flight(20);
    // 0, 2, 4, 6 and 8 are lost; the rest is reported, as far as it fits.
    b.arrive("ACK sack=1000..2000");
    b.sent();
    b.arrive("ACK sack=9000..20000 sack=7000..8000 sack=5000..6000 sack=3000..4000");
    let again: alloc::vec::Vec<_> = b.sent();
    for hole in [0, 2_000, 4_000, 6_000, 8_000] {
        let repaired = format!("ACK seq={hole} ack=0 len=1000");
        assert_eq!(
            again.iter().filter(|s| **s == repaired).count(),
            1,
            "{again:?}"
        );
    }
    assert_eq!(info(&b).retransmissions, 5);
    assert_eq!(
        info(&b).ssthresh,
        10_000,
        "one window of loss is one reduction"
    );
}

/// Only new information counts: the same report again says nothing.
#[test]
fn a_report_that_says_nothing_new_is_no_duplicate_acknowledgment() {
    let mut b = in_flight(10);
    for _ in 0..10 {
        b.arrive("ACK sack=1000..2000");
        b.arrive("ACK");
    }
    assert_eq!(
        (info(&b).duplicate_acks_in, info(&b).retransmissions),
        (1, 0)
    );
    assert_eq!(phase(&b), Phase::Open);
}

#[test]
fn blocks_that_cannot_be_are_ignored_and_octets_split_no_segment() {
    let mut b = in_flight(10);
    for blocks in [
        "sack=3000..3000",
        "sack=3000..2000",
        "sack=9000..11000",
        "sack=50000..51000",
        "sack=-2000000000..5000",
        "sack=-5000..-4000",
        "sack=2001..2999",
        "sack=1500..2500 sack=3001..3002 sack=4001..4999 sack=6500..6501",
    ] {
        b.arrive(&format!("ACK {blocks}"));
        assert_eq!(info(&b).sacked, 0, "{blocks}");
    }
    // A block that cuts segments reports the whole ones between its edges.
    b.arrive("ACK sack=1500..4500");
    assert_eq!(info(&b).sacked, 2_000);
}

/// A super-segment is known by its segments once a part of it befalls something; reports that
/// split ever finer end at these.
#[test]
fn the_scoreboard_has_no_more_records_than_segments_in_flight_and_merges_what_was_reported() {
    let path = crate::Path {
        gso_max: 65_535,
        ..PATH
    };
    let mut b = Bench::on(prompt(), path, ISS);
    b.drain();
    b.arrive("SYN ACK seq=-1 mss=1000 sackok");
    b.c.tcb.cwnd = 40_000;
    b.send(40_000);
    let records = |b: &Bench| b.c.active.as_ref().unwrap().board.transmissions();
    assert!(records(&b) < 10);
    for left in (333..40_000).step_by(333) {
        b.arrive_quietly(&format!("ACK sack={left}..{}", left + 1_000));
    }
    assert!(records(&b) <= 40);
    for left in (1_000..40_000).step_by(2_000) {
        b.arrive_quietly(&format!("ACK sack={left}..{}", left + 1_000));
        assert!(records(&b) <= 40);
    }
    b.arrive_quietly("ACK sack=1000..40000");
    assert_eq!(records(&b), 2, "what was reported is one record");
    assert_eq!(info(&b).sacked, 39_000);
}

/// RFC 2018, 8: after a timeout nothing that was reported is relied on.
#[test]
fn a_peer_that_reneges_is_sent_everything_again_after_a_timeout() {
    let mut b = in_flight(5);
    b.arrive("ACK sack=1000..5000");
    assert_eq!(info(&b).sacked, 4_000);
    b.sent();
    // The retransmission is lost as well, and the peer has thrown the rest away.
    b.advance(Duration::from_secs(1));
    assert_eq!((info(&b).sacked, phase(&b)), (0, Phase::Loss));
    b.sent();
    b.arrive("ACK ack=1000");
    assert!(b.sent().contains(&"ACK seq=1000 ack=0 len=1000".into()));
}

#[test]
fn a_peer_without_the_option_is_served_by_new_reno() {
    let mut b = Bench::established(prompt(), "mss=1000");
    b.c.tcb.cwnd = 10_000;
    b.send(10_000);
    b.sent();
    // Blocks that were not negotiated mean nothing.
    b.arrive("ACK sack=1000..9000");
    assert_eq!((info(&b).sacked, info(&b).sack), (0, false));
    b.arrive("ACK");
    b.arrive("ACK");
    b.expect("ACK seq=0 ack=0 len=1000");
    assert_eq!(b.last().reason, SendReason::FastRetransmit);
}

/// RFC 8985, 6.2: a lone report waits a quarter of the smallest round trip for what it overtook.
#[test]
fn fewer_than_three_reports_wait_for_the_reordering_window() {
    let mut b = in_flight(10);
    b.advance(MS);
    b.arrive("ACK sack=1000..2000");
    b.sent();
    b.advance(20 * MS);
    b.expect("");
    b.advance(6 * MS);
    assert_eq!(b.sent()[0], "ACK seq=0 ack=0 len=1000");
    assert_eq!(b.last().reason, SendReason::RackLoss);
}

#[test]
fn what_is_overtaken_within_the_window_is_not_sent_again() {
    let mut b = in_flight(10);
    // Seen once: the first segment arrives after the second.
    b.arrive("ACK sack=1000..2000");
    b.arrive("ACK ack=2000");
    assert!(info(&b).reordering);
    // From now on three reports alone are no reason.
    b.arrive("ACK ack=2000 sack=3000..7000");
    b.advance(10 * MS);
    b.arrive("ACK ack=7000");
    assert_eq!((info(&b).retransmissions, phase(&b)), (0, Phase::Open));
}

#[test]
fn a_lost_retransmission_is_found_by_time_and_sent_again_without_a_timeout() {
    let mut b = in_flight(10);
    b.arrive("ACK sack=1000..4000");
    assert_eq!(b.sent()[0], "ACK seq=0 ack=0 len=1000");
    b.advance(50 * MS);
    b.arrive("ACK sack=1000..7000");
    b.advance(50 * MS);
    b.arrive("ACK sack=1000..10000");
    b.sent();
    b.advance(60 * MS);
    // What left together with the retransmission says nothing, what left after it does.
    b.arrive("ACK sack=1000..11000");
    assert_eq!((info(&b).ssthresh, info(&b).retransmissions), (5_000, 1));
    b.arrive("ACK sack=1000..12000");
    assert!(b.sent().contains(&"ACK seq=0 ack=0 len=1000".into()));
    assert_eq!(info(&b).timeouts, 0);
    // RFC 5681, 4.3: that is a second indication of congestion, and more of it is none.
    assert_eq!(info(&b).ssthresh, 2_500);
    b.advance(MS);
    b.arrive("ACK sack=1000..13000");
    assert_eq!((phase(&b), info(&b).ssthresh), (Phase::Fast, 2_500));
}

/// RFC 8985, 6.2, step 5: what was sent again left later, and hides nothing behind it.
#[test]
fn a_hole_behind_one_that_was_sent_again_is_found_by_what_left_with_it() {
    let mut b = in_flight(10);
    b.arrive("ACK sack=1000..4000");
    assert_eq!(b.sent()[0], "ACK seq=0 ack=0 len=1000");
    b.advance(10 * MS);
    b.arrive("ACK sack=5000..8000 sack=1000..4000");
    assert!(b.sent().contains(&"ACK seq=4000 ack=0 len=1000".into()));
    assert_eq!((info(&b).retransmissions, info(&b).timeouts), (2, 0));
}

/// Delivered is what arrived for the first time, by the number and by each of the blocks
/// (draft-ietf-ccwg-bbr, 4.1.2.3).
#[test]
fn each_block_counts_once_as_delivered() {
    let mut b = in_flight(10);
    let delivered = |b: &Bench| b.c.active.as_ref().unwrap().board.rate.total();
    let before = delivered(&b);
    b.arrive("ACK ack=1000 sack=2000..3000 sack=4000..6000");
    assert_eq!(delivered(&b) - before, 4_000);
    b.arrive("ACK ack=2000 sack=2000..3000 sack=4000..6000");
    assert_eq!(delivered(&b) - before, 5_000);
}

/// RFC 8985, 9.3; RFC 5681, 4.3: while most of the flight is lost, proportional rate reduction lets
/// out less than the window it is on its way to; what is lost once more halves that window.
#[test]
fn a_lost_retransmission_halves_the_window_that_recovery_was_on_its_way_to() {
    let mut b = in_flight(10);
    b.arrive("ACK sack=7000..10000");
    b.advance(30 * MS);
    assert_eq!((info(&b).retransmissions, info(&b).ssthresh), (3, 5_000));
    b.advance(100 * MS);
    b.arrive("ACK sack=1000..2000 sack=7000..10000");
    b.advance(100 * MS);
    assert!(info(&b).cwnd < 5_000 && info(&b).ssthresh == 5_000);
    b.arrive("ACK sack=3000..4000 sack=1000..2000 sack=7000..10000");
    assert_eq!((info(&b).ssthresh, info(&b).timeouts), (2_500, 0));
}

/// RFC 8985, 7: two round trips after the last segment.
#[test]
fn a_lost_tail_is_probed_once_with_the_last_segment() {
    let mut b = Bench::established(prompt(), "mss=1000 sackok");
    measure(&mut b, 50 * MS);
    b.send(5_000);
    b.sent();
    b.advance(99 * MS);
    b.expect("");
    b.advance(2 * MS);
    b.expect("PSH,ACK seq=4000 ack=0 len=1000");
    assert_eq!(b.last().reason, SendReason::LossProbe);
    assert_eq!(info(&b).timeouts, 0);
    // One probe an episode: what follows is the timeout.
    b.advance(300 * MS);
    assert_eq!(info(&b).timeouts, 1);
}

/// RFC 8985, 7.2, and RFC 9293, 3.8.6.1: a window that was shut since is probed by the timeout.
#[test]
fn a_tail_is_not_probed_once_the_peer_has_shut_its_window() {
    let mut b = Bench::established(prompt(), "mss=1000 sackok");
    measure(&mut b, 50 * MS);
    b.send(5_000);
    b.sent();
    b.advance(60 * MS);
    b.arrive("ACK win=0");
    b.advance(60 * MS);
    b.expect("");
    b.advance(300 * MS);
    b.expect("ACK seq=0 ack=0 len=1000");
    assert_eq!(b.last().reason, SendReason::WindowProbe);
}

#[test]
fn a_probe_carries_new_data_where_there_is_any() {
    let mut b = in_flight(3);
    // The window is full; the probe goes beyond it.
    b.advance(150 * MS);
    let sent = b.sent();
    assert_eq!(sent[0], "ACK seq=3000 ack=0 len=1000", "{sent:?}");
    assert_eq!(b.last().reason, SendReason::LossProbe);
    assert_eq!((info(&b).retransmissions, info(&b).timeouts), (0, 0));
    // Its report names what was lost: no timeout.
    b.arrive("ACK sack=3000..4000");
    b.advance(30 * MS);
    assert_eq!(phase(&b), Phase::Fast);
    assert_eq!(info(&b).timeouts, 0);
}

#[test]
fn a_probe_that_repairs_the_only_loss_reduces_the_window_and_one_that_came_twice_does_not() {
    for (answer, reduced) in [
        ("ACK ack=4000", true),
        ("ACK ack=4000 sack=3000..4000", false),
    ] {
        let mut b = Bench::established(prompt(), "mss=1000 sackok");
        measure(&mut b, 50 * MS);
        b.send(4_000);
        b.sent();
        b.advance(102 * MS);
        b.expect("PSH,ACK seq=3000 ack=0 len=1000");
        let before = info(&b).cwnd;
        if reduced {
            // An acknowledgment beyond the probe's end comes with what was sent since.
            b.send(500);
            b.arrive("ACK ack=4500");
        } else {
            b.arrive(answer);
        }
        assert_eq!(info(&b).cwnd < before, reduced);
        assert_eq!(phase(&b), Phase::Open);
    }
}

#[test]
fn a_lone_segment_allows_for_the_peers_delayed_acknowledgment() {
    let mut b = Bench::established(
        Config {
            rto_min: Duration::from_secs(1),
            ..prompt()
        },
        "mss=1000 sackok",
    );
    measure(&mut b, 50 * MS);
    b.send(1_000);
    b.sent();
    b.advance(299 * MS);
    b.expect("");
    b.advance(2 * MS);
    b.expect("PSH,ACK seq=0 ack=0 len=1000");
}

/// RFC 9937, 6.1 and 6.4.
#[test]
fn a_recovery_counts_from_what_was_in_flight_and_ends_with_ssthresh() {
    let mut b = in_flight(20);
    b.arrive("ACK sack=1000..2000");
    b.arrive("ACK sack=1000..3000");
    b.sent();
    assert_eq!(info(&b).in_flight, 22_000);
    b.arrive("ACK sack=1000..4000");
    // Two segments had arrived before this acknowledgment, the third with it.
    let prr = |b: &Bench| b.c.active.as_ref().unwrap().recovery.prr;
    assert_eq!(prr(&b).recover_fs, 20_000);
    assert_eq!(b.sent()[0], "ACK seq=0 ack=0 len=1000");
    b.arrive("ACK ack=21000");
    assert_eq!(phase(&b), Phase::Fast);
    b.sent();
    let all = info(&b).in_flight + 21_000;
    b.arrive(&format!("ACK ack=21000 sack=22000..{all}"));
    let all = info(&b).in_flight + 21_000;
    b.arrive(&format!("ACK ack={all}"));
    assert_eq!(phase(&b), Phase::Open);
    let i = info(&b);
    assert_eq!(i.cwnd, i.ssthresh);
}

/// RFC 9937, 6.2: as much as ssthresh is in flight already.
#[test]
fn the_first_retransmission_leaves_whatever_the_window_says() {
    let mut b = in_flight(10);
    b.arrive_quietly("ACK sack=1000..5000");
    let i = info(&b);
    let pipe = i.in_flight - i.sacked - i.lost;
    assert_eq!((pipe, i.ssthresh, i.cwnd), (5_000, 5_000, 5_000), "no room");
    b.drain();
    b.expect("ACK seq=0 ack=0 len=1000");
}

/// RFC 9937: per acknowledgment in proportion, down to ssthresh, and never a stop.
#[test]
fn recovery_sends_one_segment_for_every_two_delivered_until_ssthresh() {
    let mut b = in_flight(20);
    b.arrive("ACK sack=1000..4000");
    b.sent();
    let mut out = 0;
    for end in (5..20).map(|n| n * 1_000) {
        b.arrive(&format!("ACK sack=1000..{end}"));
        let now = b.sent().len();
        assert!(now <= 1, "no burst");
        out += now;
    }
    assert!((6..=8).contains(&out), "{out} for fifteen delivered");
    let i = info(&b);
    let pipe = i.in_flight - i.sacked - i.lost;
    assert!(pipe.abs_diff(i.ssthresh) <= 2_000, "{i:?}");
}

/// RFC 3522, 4015: the acknowledgment of what was sent again echoes the original's time.
#[test]
fn a_retransmission_that_was_not_needed_is_undone_once_by_its_timestamp() {
    let mut b = in_flight_of(stamped(), "ts=1", 10);
    let first = b.log.iter().rev().nth(9).unwrap().header.options.timestamps;
    let echo = first.unwrap().value;
    let before = info(&b);
    b.arrive("ACK sack=1000..4000 ts=2");
    assert_eq!(phase(&b), Phase::Fast);
    b.advance(5 * MS);
    b.arrive(&format!("ACK ack=4000 ts=3 echo={echo}"));
    assert_eq!(phase(&b), Phase::Open);
    // Slow start goes on, by the one segment that had not been reported.
    assert_eq!(
        (info(&b).cwnd, info(&b).ssthresh),
        (before.cwnd + 1_000, before.ssthresh)
    );
    assert_eq!(info(&b).lost, 0);
    assert!(
        info(&b).reordering,
        "the path reorders: patience from now on"
    );
    // An echo of the retransmission proves nothing.
    let mut b = in_flight_of(stamped(), "ts=1", 10);
    b.arrive("ACK sack=1000..4000 ts=2");
    b.advance(5 * MS);
    let again = b
        .log
        .iter()
        .rev()
        .find(|s| s.reason == SendReason::RackLoss);
    let echo = again.unwrap().header.options.timestamps.unwrap().value;
    b.arrive(&format!("ACK ack=4000 ts=3 echo={echo}"));
    assert_eq!((phase(&b), info(&b).ssthresh), (Phase::Fast, 5_000));
}

/// What is reported above a hole, and what fills it, come together: nothing was lost.
#[test]
fn a_recovery_in_which_all_arrives_before_anything_is_sent_again_is_undone() {
    let mut b = in_flight(10);
    let before = info(&b);
    b.arrive_quietly("ACK sack=1000..4000");
    assert_eq!((phase(&b), info(&b).lost), (Phase::Fast, 1_000));
    b.arrive_quietly("ACK ack=4000");
    assert_eq!(phase(&b), Phase::Open);
    b.drain();
    let after = info(&b);
    assert_eq!(
        (after.retransmissions, after.ssthresh),
        (0, before.ssthresh)
    );
    assert!(after.cwnd >= before.cwnd && after.reordering);
    // One of two holes alone proves nothing for the other.
    let mut b = in_flight(10);
    b.arrive_quietly("ACK sack=1000..2000 sack=3000..7000");
    assert_eq!(info(&b).lost, 2_000);
    b.arrive_quietly("ACK ack=2000 sack=3000..7000");
    assert_eq!((phase(&b), info(&b).lost), (Phase::Fast, 1_000));
    b.drain();
    assert_eq!(info(&b).retransmissions, 1);
    assert_eq!(info(&b).ssthresh, 5_000);
}

/// RFC 3708: every segment that was sent again is reported to have come twice.
#[test]
fn duplicates_reported_for_all_that_was_sent_again_undo_the_reduction() {
    let mut b = in_flight(10);
    let before = info(&b);
    b.arrive("ACK sack=2000..5000");
    b.arrive("ACK sack=2000..9000");
    assert_eq!(info(&b).retransmissions, 2);

    b.arrive("ACK ack=9000");
    b.arrive("ACK ack=9000 sack=0..1000");
    assert_eq!(info(&b).ssthresh, 5_000, "one of two says nothing yet");
    b.arrive("ACK ack=9000 sack=1000..2000");
    let after = info(&b);
    assert_eq!((after.cwnd, after.ssthresh), (before.cwnd, before.ssthresh));
    // Duplicates of what was sent once are the network's.
    let mut b = in_flight(10);
    b.arrive("ACK sack=1000..4000");
    b.arrive("ACK ack=0 sack=-1000..0");
    assert_eq!(info(&b).ssthresh, 5_000);
}

/// RFC 5682, 3: without timestamps, new data after the first acknowledgment tells.
#[test]
fn a_spurious_timeout_is_found_by_new_data_and_undone() {
    let mut b = in_flight(10);
    let before = info(&b);
    b.advance(500 * MS);
    assert_eq!(phase(&b), Phase::Loss);
    b.sent();
    // The delay is over: the acknowledgments of the originals come.
    b.arrive("ACK ack=1000");
    let sent = b.sent();
    assert_eq!(sent[0], "ACK seq=11000 ack=0 len=1000", "new data, not old");
    b.arrive("ACK ack=2000");
    assert_eq!(phase(&b), Phase::Open);
    let after = info(&b);
    assert!(after.cwnd >= before.cwnd && after.ssthresh == before.ssthresh);
    assert_eq!(after.lost, 0);
}

#[test]
fn a_timeout_that_was_right_goes_on_with_the_old_data() {
    let mut b = in_flight(10);
    b.advance(500 * MS);
    b.sent();
    b.arrive("ACK ack=1000");
    b.sent();
    // Only the new data arrives.
    b.arrive("ACK ack=1000 sack=11000..12000");
    assert!(b.sent().contains(&"ACK seq=1000 ack=0 len=1000".into()));
    assert_eq!(phase(&b), Phase::Loss);
    assert!(info(&b).ssthresh <= 6_000);
}

/// RFC 3708: the reports may come when more than the recovery was about is acknowledged.
#[test]
fn duplicates_reported_late_undo_the_reduction_too() {
    let mut b = in_flight(10);
    let before = info(&b);
    b.arrive("ACK sack=1000..9000");
    assert_eq!(info(&b).retransmissions, 1);
    let end = info(&b).in_flight;
    assert!(end > 10_000, "new data left");
    b.arrive(&format!("ACK ack={end}"));
    assert_eq!((phase(&b), info(&b).ssthresh), (Phase::Open, 5_000));
    b.arrive(&format!("ACK ack={end} sack=0..1000"));
    assert_eq!(info(&b).ssthresh, before.ssthresh);
}

/// RFC 8985, 6.2, step 4: what was sent again in vain widens the reordering window.
#[test]
fn a_duplicate_reported_widens_the_reordering_window() {
    let mut b = in_flight(10);
    b.advance(MS);
    b.arrive("ACK ack=0 sack=-1000..0");
    b.arrive("ACK sack=1000..2000");
    b.sent();
    b.advance(45 * MS);
    b.expect("");
    b.advance(10 * MS);
    assert_eq!(b.sent()[0], "ACK seq=0 ack=0 len=1000");
}

/// RFC 5681, 3.1: however small the window was.
#[test]
fn a_loss_leaves_two_segments_as_ssthresh() {
    let mut b = in_flight(10);
    b.c.tcb.cwnd = 1_000;
    b.arrive("ACK sack=1000..5000");
    assert_eq!(info(&b).ssthresh, 2_000);
}
