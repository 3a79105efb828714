//! Timers, and what `poll_timeout` promises. That nothing is still due after a timeout and all
//! output is asserted by every test that lets time pass.

use super::bench::*;
use super::table::{At, PLAIN, Setup, bench_at};
use crate::{Config, ConnectionError, KeepAlive, State};
use alloc::format;
use alloc::vec::Vec;
use handfast_base::Duration;
use handfast_wire::SendReason;

const SECOND: Duration = Duration::from_secs(1);

fn keep_alive(idle: u32, interval: u32, count: u8) -> Option<KeepAlive> {
    Some(KeepAlive {
        idle: idle * SECOND,
        interval: interval * SECOND,
        count,
        garbage_octet: false,
    })
}

/// In every state: wherever the deadline says, there something happens.
#[test]
fn polling_exactly_at_the_returned_deadline_makes_progress() {
    let setups = [
        PLAIN,
        Setup {
            in_flight: 300,
            ..PLAIN
        },
        Setup {
            orphan: true,
            ..PLAIN
        },
    ];
    let states = [At::SynSent, At::ActiveSynReceived];
    for at in states.into_iter().chain(At::SYNCHRONIZED) {
        for setup in setups {
            let mut b = bench_at(at, setup);
            let mut steps = 0;
            while b.next_deadline() {
                steps += 1;
                assert!(steps < 40, "{at:?} {setup:?} {:?}", b.c);
            }
            // Whoever waits for an answer gives up; who does not, stays.
            let stays = match at {
                At::Established | At::CloseWait => setup.in_flight == 0,
                At::FinWait2 => !setup.orphan,
                _ => false,
            };
            let end = if stays { b.c.state() } else { State::Closed };
            assert_eq!(b.c.state(), end, "{at:?} {setup:?}");
        }
    }
}

#[test]
fn doing_only_what_the_deadline_says_never_sleeps_past_work() {
    let waiting = |b: &Bench, since| b.c.poll_timeout().map(|at| at.since(since));
    let mut b = Bench::established(prompt(), "win=0");
    b.advance(60 * SECOND);
    assert_eq!(b.c.poll_timeout(), None);
    // Every call that queues work moves the deadline, even just after a poll.
    b.send(10);
    let first = waiting(&b, b.now).expect("a probe");
    assert!(first <= SECOND);
    let mut b = Bench::established(prompt(), "");
    b.advance(60 * SECOND);
    b.send(10);
    assert!(waiting(&b, b.now).unwrap() <= SECOND);
    let slow = Config {
        delayed_ack: 40 * SECOND / 1000,
        ..prompt()
    };
    let mut b = Bench::established(slow, "");
    b.arrive("ACK len=1");
    assert_eq!(waiting(&b, b.now), Some(Duration::from_millis(40)));
}

/// No timer runs for its own sake.
#[test]
fn an_idle_connection_wakes_nobody() {
    let mut b = Bench::established(Config::default(), "ts=0 ws=7");
    b.send(1_000);
    b.arrive("ACK ack=1000 len=1000 ts=1");
    b.read();
    b.advance(10 * SECOND);
    assert_eq!(b.c.poll_timeout(), None);
    assert!(b.c.active.is_none(), "its buffers went back");
    assert_eq!(b.c.memory(), 0);
    // With keep-alive as often as that needs.
    b.c.configure(|k| k.keep_alive = keep_alive(3_600, 10, 3));
    b.c.timeout(b.now);
    let mut wakes = 0;
    let end = b.now + 24 * 3_600 * SECOND;
    while b.c.poll_timeout().is_some_and(|at| at < end) {
        let asked = b.log.len();
        assert!(b.next_deadline());
        if b.log.len() > asked {
            b.arrive("ACK seq=1000 ack=1000 ts=2");
        }
        wakes += 1;
    }
    assert!(wakes <= 2 * 24 + 1, "{wakes}");
    assert!(b.c.active.is_none());
}

/// What comes back to life remembers what matters.
#[test]
fn buffers_that_went_back_come_again() {
    let mut b = Bench::established(prompt(), "mss=1000");
    b.send(3_000);
    b.arrive("ACK ack=3000 len=10");
    b.read();
    b.advance(10 * SECOND);
    assert!(b.c.active.is_none());
    b.sent();
    b.arrive("ACK seq=10 ack=3000 len=10");
    b.expect("ACK seq=3000 ack=20");
    b.send(10);
    b.expect("PSH,ACK seq=3000 ack=20 len=10");
    b.arrive("ACK seq=20 ack=3010");
    b.close();
    b.expect("FIN,ACK seq=3010 ack=20");
    b.arrive("ACK seq=20 ack=3011");
    b.advance(10 * SECOND);
    assert!(b.c.active.is_some(), "unread data keeps them");
    assert_eq!(b.read().len(), 10);
    b.drain();
    b.advance(10 * SECOND);
    assert!(b.c.active.is_none() && b.c.state() == State::FinWait2);
    b.sent();
    b.arrive("FIN ACK seq=20 ack=3011 len=5");
    b.expect("ACK seq=3011 ack=26");
    assert_eq!(b.read().len(), 5);
}

#[test]
fn keep_alive_probes_carry_no_octet_and_have_a_limit() {
    let mut b = Bench::established(
        Config {
            keep_alive: keep_alive(100, 10, 3),
            ..prompt()
        },
        "",
    );
    let start = b.now;
    b.sent();
    b.advance(129 * SECOND);
    assert_eq!(b.sent(), ["ACK seq=-1 ack=0"; 3]);
    assert!(
        b.log
            .iter()
            .skip(2)
            .all(|s| s.reason == SendReason::KeepAlive)
    );
    let at: Vec<u64> = b.log[2..]
        .iter()
        .map(|s| s.at.since(start).as_secs())
        .collect();
    assert_eq!(at, [100, 110, 120]);
    b.advance(SECOND);
    assert_eq!(
        (b.c.state(), b.c.error()),
        (State::Closed, Some(ConnectionError::TimedOut))
    );
    b.expect("RST,ACK seq=0 ack=0");
}

#[test]
fn any_sign_of_the_peer_puts_keep_alive_off() {
    let mut b = Bench::established(
        Config {
            keep_alive: keep_alive(100, 10, 3),
            ..prompt()
        },
        "",
    );
    b.sent();
    b.advance(121 * SECOND);
    assert_eq!(b.sent().len(), 3);
    b.arrive("ACK");
    b.advance(99 * SECOND);
    b.expect("");
    b.arrive("ACK len=1");
    b.sent();
    b.advance(99 * SECOND);
    b.expect("");
    b.advance(SECOND);
    b.expect("ACK seq=-1 ack=1");
}

#[test]
fn enabling_or_shortening_keep_alive_on_an_idle_connection_acts_at_once() {
    let mut b = Bench::established(prompt(), "");
    b.advance(500 * SECOND);
    b.sent();
    b.c.configure(|k| k.keep_alive = keep_alive(600, 10, 3));
    b.c.timeout(b.now);
    b.drain();
    b.expect("");
    b.advance(99 * SECOND);
    b.expect("");
    b.advance(SECOND);
    b.expect("ACK seq=-1 ack=0");
    b.arrive("ACK");
    b.advance(50 * SECOND);
    b.c.configure(|k| k.keep_alive = keep_alive(20, 10, 3));
    b.c.timeout(b.now);
    b.drain();
    b.expect("ACK seq=-1 ack=0");
    b.c.configure(|k| k.keep_alive = None);
    b.c.timeout(b.now);
    b.advance(10_000 * SECOND);
    b.expect("");
    assert_eq!(b.c.state(), State::Established);
}

/// Retransmission finds out by itself, and nothing spins meanwhile.
#[test]
fn keep_alive_is_silent_while_data_is_outstanding() {
    for k in [keep_alive(1, 1, 3), keep_alive(0, 0, 200)] {
        let config = Config {
            keep_alive: k,
            retransmission_limit: 30 * SECOND,
            ..prompt()
        };
        let mut b = Bench::established(config, "");
        b.send(10);
        let mut steps = 0;
        while b.c.state() != State::Closed {
            b.next_deadline();
            steps += 1;
            assert!(steps < 60_000);
        }
        let probes = b.log.iter().filter(|s| s.reason == SendReason::KeepAlive);
        assert_eq!(probes.count(), 0);
        assert_eq!(b.c.error(), Some(ConnectionError::TimedOut));
    }
}

/// A probe of garbage must never take the place of an octet in flight.
#[test]
fn a_keep_alive_gives_way_to_whatever_else_is_sent() {
    let k = keep_alive(10, 10, 9).map(|k| KeepAlive {
        garbage_octet: true,
        ..k
    });
    let mut b = Bench::established(
        Config {
            keep_alive: k,
            ..prompt()
        },
        "",
    );
    b.sent();
    let at = b.now + 10 * SECOND;
    b.now = at;
    b.c.timeout(at);
    b.send(1);
    b.expect("PSH,ACK seq=0 ack=0 len=1");
    b.arrive("ACK ack=1");
    b.advance(10 * SECOND);
    b.expect("ACK seq=0 ack=0 len=1");
}

#[test]
fn a_timeout_before_its_time_does_nothing() {
    let states = At::SYNCHRONIZED
        .into_iter()
        .chain([At::SynSent, At::ActiveSynReceived]);
    for at in states {
        let mut b = bench_at(
            at,
            Setup {
                in_flight: 100,
                ..PLAIN
            },
        );
        let (before, due) = (format!("{:?}", b.c.tcb), b.c.poll_timeout());
        b.c.timeout(b.now);
        assert_eq!(
            (format!("{:?}", b.c.tcb), b.c.poll_timeout()),
            (before, due),
            "{at:?}"
        );
        assert!(!b.c.poll_transmit(b.now, &mut Default::default()));
    }
}
