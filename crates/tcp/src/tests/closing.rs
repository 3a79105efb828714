//! Closing: FINs, half-closed connections, what survives.

use super::bench::*;
use super::table::{At, PLAIN, Setup, bench_at};
use crate::{Config, ConnectionError, Readiness, State};
use alloc::format;
use handfast_base::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn data_received_but_unread_survives_time_wait_and_every_later_state() {
    // TIME-WAIT and beyond.
    let mut b = bench_at(At::FinWait2, PLAIN);
    b.arrive("FIN ACK ack=1 len=10");
    assert_eq!(b.c.state(), State::TimeWait);
    assert!(b.c.time_wait(b.now).is_some());
    b.advance(600 * SECOND);
    assert_eq!(b.read().len(), 10);
    assert!(b.c.is_read_closed());
    // LAST-ACK, CLOSED.
    let mut b = Bench::established(prompt(), "");
    b.arrive("FIN ACK len=10");
    b.close();
    b.arrive("ACK seq=11 ack=1");
    assert_eq!((b.c.state(), b.c.error()), (State::Closed, None));
    assert_eq!(b.read().len(), 10);
}

#[test]
fn a_repeated_fin_is_acked_every_time_without_rate_limit() {
    for at in [At::CloseWait, At::Closing, At::LastAck] {
        let mut b = bench_at(at, PLAIN);
        b.sent();
        for _ in 0..100 {
            b.arrive("FIN ACK seq=0 ack=0");
            assert_eq!(b.sent().len(), 1, "{at:?}");
        }
        assert_eq!(b.last().header.ack, b.theirs + 1);
    }
}

/// FIN-WAIT-1, CLOSING and LAST-ACK with text still queued behave as ESTABLISHED does.
#[test]
fn with_data_queued_at_close_windows_duplicates_and_partial_acks_are_handled_as_before() {
    for end in [State::FinWait1, State::Closing, State::LastAck] {
        let mut b = Bench::established(prompt(), "mss=1000 win=4000");
        let mut seq = 0;
        if end == State::LastAck {
            b.arrive("FIN ACK win=4000");
            seq = 1;
        }
        b.send(10_000);
        b.close();
        if end == State::Closing {
            b.arrive("FIN ACK win=4000");
            seq = 1;
        }
        assert_eq!(b.c.state(), end);
        b.sent();
        // Three duplicates: a fast retransmit.
        for _ in 0..3 {
            b.arrive(&format!("ACK seq={seq} ack=0 win=4000"));
        }
        assert_eq!(
            b.sent(),
            [format!("ACK seq=0 ack={seq} len=1000")],
            "{end:?}"
        );
        // A partial one, and a window update.
        b.arrive(&format!("ACK seq={seq} ack=2000 win=4000"));
        assert_eq!(
            b.sent()[0],
            format!("ACK seq=2000 ack={seq} len=1000"),
            "{end:?}"
        );
        b.arrive(&format!("ACK seq={seq} ack=4000 win=0"));
        b.arrive(&format!("ACK seq={seq} ack=4000 win=60000"));
        // A timeout, too.
        b.advance(SECOND);
        for ack in [5_000, 6_000, 8_000, 9_000, 10_000] {
            b.arrive(&format!("ACK seq={seq} ack={ack}"));
        }
        assert_eq!(b.c.state(), end, "the FIN is not acknowledged");
        b.arrive(&format!("ACK seq={seq} ack=10001"));
        let after = match end {
            State::FinWait1 => State::FinWait2,
            State::Closing => State::TimeWait,
            _ => State::Closed,
        };
        assert_eq!((b.c.state(), b.c.error()), (after, None));
    }
}

#[test]
fn a_fin_goes_out_again_at_the_same_number_after_a_closure_an_rto_or_a_split() {
    let mut b = Bench::established(prompt(), "mss=1000 win=2000");
    b.send(2_500);
    b.close();
    b.sent();
    b.arrive("ACK ack=2000 win=0");
    b.advance(SECOND);
    // Probes: an octet, again and again.
    assert!(b.sent().iter().all(|s| s == "ACK seq=2000 ack=0 len=1"));
    b.arrive("ACK ack=2000 win=5000");
    b.expect("ACK seq=2000 ack=0 len=1; FIN,PSH,ACK seq=2001 ack=0 len=499");
    b.advance(SECOND);
    b.arrive("ACK ack=2200");
    b.arrive("ACK ack=2300");
    b.advance(2 * SECOND);
    let last = b.sent();
    assert_eq!(
        last.last().unwrap(),
        "FIN,PSH,ACK seq=2300 ack=0 len=200",
        "{last:?}"
    );
    // The path narrows, and the timer confirms it: the text splits, the FIN stays where it was.
    b.c.icmp_error(crate::IcmpError::TooBig { mtu: 140 }, b.ours + 2_300, b.now);
    b.advance(10 * SECOND);
    b.arrive("ACK ack=2400");
    b.advance(10 * SECOND);
    assert!(
        b.sent()
            .iter()
            .any(|s| s == "PSH,ACK seq=2400 ack=0 len=100")
    );
    b.arrive("ACK ack=2500");
    b.advance(10 * SECOND);
    assert_eq!(b.sent().last().unwrap(), "FIN,ACK seq=2500 ack=0");
    b.arrive("ACK ack=2501");
    assert_eq!(b.c.state(), State::FinWait2);
}

#[test]
fn a_fully_closed_connection_in_fin_wait_2_times_out_and_a_half_closed_one_goes_on() {
    let mut b = bench_at(
        At::FinWait2,
        Setup {
            orphan: true,
            ..PLAIN
        },
    );
    b.sent();
    b.advance(59 * SECOND);
    assert_eq!(b.c.state(), State::FinWait2);
    b.advance(SECOND);
    assert_eq!((b.c.state(), b.c.error()), (State::Closed, None));
    b.expect("");
    // Also when it is let go first and gets there later.
    let mut b = bench_at(
        At::FinWait1,
        Setup {
            orphan: true,
            ..PLAIN
        },
    );
    b.arrive("ACK ack=1");
    b.advance(61 * SECOND);
    assert_eq!(b.c.state(), State::Closed);

    let mut b = bench_at(At::FinWait2, PLAIN);
    for i in 0..50 {
        b.advance(100 * SECOND);
        b.arrive(&format!("ACK seq={} ack=1 len=10", i * 10));
        assert_eq!(b.read().len(), 10);
    }
    assert_eq!(b.c.state(), State::FinWait2);
}

#[test]
fn sending_after_close_and_on_the_dead_is_refused() {
    use crate::{CloseError, SendError};
    let data = || bytes::Bytes::from_static(b"x");
    for at in [At::FinWait1, At::FinWait2, At::Closing, At::LastAck] {
        let mut b = bench_at(at, PLAIN);
        assert_eq!(b.c.send(&mut data()), Err(SendError::Closing), "{at:?}");
        assert_eq!(b.c.close(b.now), Err(CloseError::Closing), "{at:?}");
    }
    let mut b = bench_at(At::Established, PLAIN);
    b.arrive("RST");
    assert_eq!(
        b.c.send(&mut data()),
        Err(SendError::Dead(Some(ConnectionError::Reset)))
    );
    assert_eq!(b.c.close(b.now), Err(CloseError::Dead));
    b.c.abort();
    assert_eq!(b.c.error(), Some(ConnectionError::Reset));
    b.drain();
    let mut b = bench_at(At::TimeWait, PLAIN);
    assert_eq!(b.c.send(&mut data()), Err(SendError::Dead(None)));
    assert_eq!(b.c.close(b.now), Err(CloseError::Closing));
}

#[test]
fn aborting_resets_a_peer_that_knows_of_us() {
    for at in At::SYNCHRONIZED {
        let mut b = bench_at(
            at,
            Setup {
                in_flight: 200,
                ..PLAIN
            },
        );
        b.sent();
        b.c.abort();
        b.drain();
        let sent = b.sent();
        assert_eq!(sent.len(), 1, "{at:?}");
        assert!(sent[0].starts_with("RST,ACK"), "{at:?}");
        assert_eq!(
            (b.c.state(), b.c.memory(), b.c.poll_timeout()),
            (State::Closed, 0, None)
        );
    }
    for at in [At::SynSent, At::TimeWait] {
        let mut b = bench_at(at, PLAIN);
        b.sent();
        b.c.abort();
        b.drain();
        b.expect("");
    }
}

/// Each edge is told once, and nothing is lost between two polls.
#[test]
fn readiness_tells_every_end() {
    let mut b = bench_at(At::Established, PLAIN);
    b.c.poll_readiness();
    b.arrive("FIN ACK len=3");
    let readable = Readiness::READABLE | Readiness::READ_CLOSED;
    assert!(b.c.poll_readiness().contains(readable));
    assert!(b.c.poll_readiness().is_empty());
    b.read();
    assert!(
        b.c.readiness().contains(readable),
        "end of stream is there to be read"
    );
    b.close();
    b.c.poll_readiness();
    b.arrive("ACK seq=4 ack=1");
    assert!(
        b.c.poll_readiness()
            .contains(Readiness::CLOSED | Readiness::WRITE_CLOSED)
    );

    let mut b = bench_at(At::FinWait1, PLAIN);
    b.c.poll_readiness();
    b.arrive("ACK ack=1");
    assert!(b.c.poll_readiness().contains(Readiness::WRITE_CLOSED));
    b.arrive("RST ack=1");
    let dead = Readiness::CLOSED | Readiness::ERROR | Readiness::READABLE | Readiness::WRITABLE;
    assert!(b.c.poll_readiness().contains(dead));
    assert!(b.c.readiness().contains(dead));
}

#[test]
fn a_full_send_buffer_is_told_when_it_has_room_again() {
    let mut b = Bench::established(
        Config {
            send_buffer: 1_000.into(),
            ..prompt()
        },
        "mss=500",
    );
    let mut data = bytes::Bytes::from(alloc::vec![1; 3_000]);
    assert_eq!(b.c.send(&mut data), Ok(1_000));
    assert_eq!(b.c.send(&mut data), Ok(0));
    b.drain();
    b.c.poll_readiness();
    assert!(!b.c.readiness().contains(Readiness::WRITABLE));
    b.arrive("ACK ack=500");
    assert!(b.c.poll_readiness().contains(Readiness::WRITABLE));
    assert_eq!(b.c.send(&mut data), Ok(500));
}
