//! The retransmission timer, and what it repeats (RFC 6298; RFC 9293, 3.8.1 and 3.8.3).

use super::bench::*;
use super::table::{At, PLAIN, bench_at};
use crate::{Config, ConnectionError, NetError, Readiness, State};
use alloc::format;
use alloc::vec::Vec;
use handfast_base::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// An established connection with a round trip of 100 ms and `more` in the SYN,ACK.
fn at_100_ms(config: Config, more: &str) -> Bench {
    let ts = if config.timestamps { "ts=0" } else { "" };
    let mut b = Bench::new(config);
    b.drain();
    b.advance(100 * MS);
    b.arrive(&format!("SYN ACK seq=-1 {more} {ts}"));
    b.sent();
    b
}

#[test]
fn an_rto_sends_one_segment_and_grows_from_there() {
    let mut b = at_100_ms(prompt(), "mss=1000");
    b.send(8_000);
    b.sent();
    // RTO = SRTT + max(4 RTTVAR, 200 ms) = 100 + 200.
    b.advance(299 * MS);
    b.expect("");
    b.advance(2 * MS);
    b.expect("ACK seq=0 ack=0 len=1000");
    b.arrive("ACK ack=1000");
    b.expect("ACK seq=1000 ack=0 len=1000; ACK seq=2000 ack=0 len=1000");
    b.arrive("ACK ack=2000");
    b.expect("ACK seq=3000 ack=0 len=1000; ACK seq=4000 ack=0 len=1000");
    // What had arrived all the same is not repeated.
    b.arrive("ACK ack=8000");
    b.expect("");
    assert_eq!(b.c.info(b.now).in_flight, 0);
}

#[test]
fn data_is_repeated_in_doubling_intervals_until_r2_and_the_application_sees_a_timeout() {
    let mut b = at_100_ms(prompt(), "mss=1000");
    let start = b.now;
    b.send(100);
    b.advance(600 * SECOND);
    let at: Vec<u128> = b.log[2..]
        .iter()
        .map(|s| s.at.since(start).as_millis())
        .collect();
    assert_eq!(at[..7], [0, 300, 900, 2_100, 4_500, 9_300, 18_900]);
    assert_eq!(
        (b.c.state(), b.c.error()),
        (State::Closed, Some(ConnectionError::TimedOut))
    );
    // R2, to the moment; and the peer is told.
    assert_eq!(*at.last().unwrap(), 300_000);
    assert_eq!(b.sent().last().unwrap(), "RST,ACK seq=100 ack=0");
}

#[test]
fn r1_is_told_once_and_is_not_fatal() {
    let mut b = at_100_ms(prompt(), "");
    b.send(100);
    b.c.poll_readiness();
    b.advance(SECOND);
    assert_eq!(b.c.soft_error(), None);
    b.advance(2 * SECOND);
    assert!(b.c.poll_readiness().contains(Readiness::ERROR));
    assert_eq!(b.c.soft_error(), Some(NetError::HostUnreachable));
    b.advance(20 * SECOND);
    assert!(!b.c.poll_readiness().contains(Readiness::ERROR));
    assert_eq!(b.c.state(), State::Established);
    b.arrive("ACK ack=100");
    assert_eq!(b.c.error(), None);
}

/// A closed window is no trouble on the way.
#[test]
fn r1_says_nothing_of_a_peer_that_only_keeps_its_window_closed() {
    let mut b = at_100_ms(prompt(), "win=0");
    b.send(100);
    for _ in 0..100 {
        b.advance(SECOND);
        b.arrive("ACK ack=0 win=0");
    }
    assert_eq!(b.c.soft_error(), None);
}

#[test]
fn a_fast_retransmit_with_only_the_fin_in_flight_resends_it_and_leaves_the_timer_armed() {
    let mut b = bench_at(At::FinWait1, PLAIN);
    b.sent();
    for _ in 0..3 {
        b.arrive("ACK ack=0");
    }
    b.expect("FIN,ACK seq=0 ack=0");
    assert!(b.c.poll_timeout().is_some());
    b.advance(SECOND / 2);
    assert_eq!(b.sent()[0], "FIN,ACK seq=0 ack=0");
}

#[test]
fn with_timestamps_acks_of_retransmitted_data_collapse_a_backed_off_rto() {
    let mut b = at_100_ms(stamped(), "mss=1000");
    b.send(3_000);
    b.advance(5 * SECOND);
    assert!(b.c.info(b.now).backoff >= 4);
    // The echo is that of the last retransmission.
    b.advance(b.c.poll_timeout().unwrap().since(b.now));
    b.advance(100 * MS);
    b.arrive("ACK ack=1000 ts=1");
    let info = b.c.info(b.now);
    assert_eq!(info.backoff, 0);
    assert!(info.rto < 400 * MS, "{info:?}");
}

/// An echo of the original: its acknowledgment was lost, and this one says nothing about time.
#[test]
fn an_echo_older_than_the_last_retransmission_is_no_sample() {
    let mut b = at_100_ms(stamped(), "mss=1000");
    b.send(1_000);
    let first = b.last().header.options.timestamps.unwrap().value;
    b.advance(20 * SECOND);
    let backoff = b.c.info(b.now).backoff;
    b.arrive(&format!("ACK ack=1000 ts=1 echo={first}"));
    let info = b.c.info(b.now);
    assert_eq!((info.backoff, info.rtt), (backoff, 100 * MS));
}

/// Karn: without timestamps the back-off stays until new data was acknowledged.
#[test]
fn without_timestamps_the_backoff_stays_until_new_data_is_acknowledged() {
    let mut b = at_100_ms(prompt(), "mss=1000");
    b.send(1_000);
    b.advance(SECOND);
    b.arrive("ACK ack=1000");
    assert_eq!(b.c.info(b.now).backoff, 2);
    assert_eq!(b.c.info(b.now).rtt, 100 * MS);
    b.send(1_000);
    b.advance(120 * MS);
    b.arrive("ACK ack=2000");
    assert_eq!(b.c.info(b.now).backoff, 0);
}

#[test]
fn user_timeout_counts_while_data_is_unacknowledged_and_retransmission_never_restarts_it() {
    let ten = Config {
        user_timeout: Some(10 * SECOND),
        ..prompt()
    };
    // Idle never trips it.
    let mut b = at_100_ms(ten.clone(), "");
    b.advance(3_600 * SECOND);
    b.send(100);
    b.advance(9_999 * MS);
    assert_eq!(b.c.state(), State::Established);
    b.advance(MS);
    assert_eq!(b.c.error(), Some(ConnectionError::TimedOut));
    // Nor do acknowledgments that say nothing new restart it, while new ones do.
    let mut b = at_100_ms(ten.clone(), "mss=100");
    b.send(500);
    for i in 0..4 {
        b.advance(9 * SECOND);
        b.arrive(&format!("ACK ack={}", (i + 1) * 100));
    }
    b.advance(5 * SECOND);
    b.arrive("ACK ack=400");
    b.advance(6 * SECOND);
    assert_eq!(b.c.error(), Some(ConnectionError::TimedOut));
    // Shorter than the RTO.
    let mut b = Bench::established(
        Config {
            user_timeout: Some(50 * MS),
            ..prompt()
        },
        "",
    );
    b.send(1);
    b.advance(50 * MS);
    assert_eq!(b.c.error(), Some(ConnectionError::TimedOut));
}

#[test]
fn user_timeout_counts_while_data_is_stuck_behind_a_zero_window() {
    let ten = Config {
        user_timeout: Some(10 * SECOND),
        ..prompt()
    };
    let mut b = at_100_ms(ten, "win=0");
    b.advance(3_600 * SECOND);
    b.send(100);
    for _ in 0..9 {
        b.advance(SECOND);
        b.arrive("ACK ack=0 win=0");
        assert_eq!(b.c.state(), State::Established);
    }
    b.advance(SECOND);
    assert_eq!(b.c.error(), Some(ConnectionError::TimedOut));
}

/// Whatever stood still before: R2 counts from when something was sent.
#[test]
fn idle_for_hours_then_a_closed_or_narrow_window_is_no_timeout() {
    for win in [0, 300] {
        let mut b = at_100_ms(prompt(), "mss=1000 win=3000");
        b.send(3_000);
        b.arrive(&format!("ACK ack=3000 win={win}"));
        b.advance(7_200 * SECOND);
        b.send(2_000);
        b.advance(5 * SECOND);
        assert_eq!(b.c.state(), State::Established, "{win}");
        b.arrive("ACK ack=3000 win=5000");
        assert!(b.c.info(b.now).in_flight > 0);
    }
}

#[test]
fn a_syn_user_timeout_is_shorter_than_r2_if_asked() {
    let mut b = Bench::new(Config {
        user_timeout: Some(5 * SECOND),
        ..prompt()
    });
    b.drain();
    b.advance(4_999 * MS);
    assert_eq!(b.c.state(), State::SynSent);
    b.advance(MS);
    assert_eq!(b.c.error(), Some(ConnectionError::TimedOut));
}

/// A peer whose window takes a part of what is repeated is sent the rest, not left to the timer.
#[test]
fn what_a_window_cut_off_a_retransmission_goes_out_again_at_once() {
    let mut b = at_100_ms(prompt(), "mss=1000");
    b.send(1_000);
    b.advance(SECOND);
    b.sent();
    b.arrive("ACK ack=300 win=50");
    b.expect("PSH,ACK seq=300 ack=0 len=700");
    b.arrive("ACK ack=350 win=0");
    b.expect("");
    b.arrive("ACK ack=350 win=900");
    b.expect("PSH,ACK seq=350 ack=0 len=650");
}

/// Only the piece that was lost goes out again, however large the segment that carried it.
#[test]
fn a_super_segment_is_repeated_piece_by_piece() {
    let path = crate::Path {
        gso_max: 65_535,
        ..PATH
    };
    let mut b = Bench::on(prompt(), path, ISS);
    b.drain();
    b.arrive("SYN ACK seq=-1 mss=1000");
    b.send(5_000);
    b.close();
    b.sent();
    for _ in 0..3 {
        b.arrive("ACK ack=1000");
    }
    b.arrive("ACK ack=1000");
    b.expect("ACK seq=1000 ack=0 len=1000");
    // A partial acknowledgment inside of it: the next hole.
    b.arrive("ACK ack=3000");
    b.expect("ACK seq=3000 ack=0 len=1000");
    b.arrive("ACK ack=4000");
    b.expect("PSH,ACK seq=4000 ack=0 len=1000");
    b.arrive("ACK ack=5000");
    b.expect("FIN,ACK seq=5000 ack=0");
    b.arrive("ACK ack=5001");
    assert_eq!(b.c.state(), State::FinWait2);
}

/// Every pure acknowledgment is lost, both ways: what each end repeats tells the other of its own.
#[test]
fn two_ends_that_repeat_old_text_to_each_other_learn_what_has_arrived() {
    let mut b = Bench::established(prompt(), "mss=1000");
    b.send(3_000);
    b.arrive("ACK seq=0 len=1000");
    b.arrive("ACK seq=1000 len=1000");
    b.sent();
    // The peer has heard of neither, and repeats the first, with two of ours acknowledged.
    b.arrive("ACK seq=0 len=1000 ack=2000");
    assert_eq!(b.c.info(b.now).in_flight, 1_000);
    b.expect("ACK seq=3000 ack=2000");
    // RFC 5961, 5.2: what was never sent changes nothing; nor does what is no news.
    for ack in [1_000, 2_000, 3_001] {
        b.arrive(&format!("ACK seq=0 len=1000 ack={ack}"));
        assert_eq!(b.c.info(b.now).in_flight, 1_000, "{ack}");
    }
    b.arrive("ACK seq=0 len=1000 ack=3000");
    assert_eq!(b.c.info(b.now).in_flight, 0);
}
