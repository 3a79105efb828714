//! What a connection says of its own reasons, against what it does.

use super::bench::{Bench, prompt};
use super::harness::*;
use crate::{Config, Connection, Decision, DecisionEvent, Hold, RecoveryPhase, State};
use alloc::string::ToString;
use alloc::vec::Vec;
use alloc::{format, vec};
use handfast_base::{Duration, Rng};

const MINUTE: Duration = Duration::from_secs(60);

fn drain(c: &mut Connection) -> Vec<Decision> {
    core::iter::from_fn(|| c.poll_decision()).collect()
}

fn holds(b: &mut Bench) -> Vec<Hold> {
    let held = |d: &Decision| match d.event {
        DecisionEvent::Held { by, .. } => Some(by),
        _ => None,
    };
    drain(&mut b.c).iter().filter_map(held).collect()
}

fn traced(config: Config, more: &str) -> Bench {
    let mut b = Bench::established(config, more);
    b.c.set_trace(1000);
    b
}

#[test]
fn a_lossy_transfer_gives_a_reason_for_all_it_does() {
    let newreno = Config {
        sack: false,
        ..Config::default()
    };
    for (config, seed) in [(Config::default(), 1), (newreno, 2), (Config::default(), 3)] {
        let plain = |trace: usize| {
            let mut w = Wire::new(config.clone(), config.clone());
            w.client().set_trace(trace);
            let mut rng = Rng::new(seed);
            w.fault = alloc::boxed::Box::new(move |_, slot, _| match rng.below(20) {
                0 if !slot.payload.is_empty() => Verdict::Drop,
                1 => Verdict::Late(25_000),
                _ => Verdict::Pass,
            });
            w.establish();
            assert!(w.transfer(0, &pattern(400_000, seed), 10 * MINUTE));
            let now = w.now;
            w.client().close(now).unwrap();
            assert!(w.run(10 * MINUTE, |w| w.hosts[0].state() == State::FinWait2));
            w
        };
        let (untold, mut told) = (plain(0), plain(100_000));
        assert_eq!(format!("{:?}", untold.log), format!("{:?}", told.log));
        let all = drain(told.client());
        assert!(all.is_sorted_by_key(|d| d.at));
        // Every segment has its reason, in order.
        let sent: Vec<_> = (all.iter())
            .filter_map(|d| match d.event {
                DecisionEvent::Sent { octets, reason, .. } => Some((d.at, octets, reason)),
                _ => None,
            })
            .collect();
        let log = told.log.iter().filter(|l| l.1 == 0);
        assert_eq!(sent, log.map(|l| (l.0, l.3, l.4)).collect::<Vec<_>>());
        // No window changes by itself: each change goes on from the one before.
        let mut at = None;
        let mut lost = 0;
        let mut phase = RecoveryPhase::Open;
        for d in &all {
            match d.event {
                DecisionEvent::Window { cwnd, ssthresh, .. } => {
                    assert!(at.is_none_or(|at| at == (cwnd.0, ssthresh.0)), "{d}");
                    at = Some((cwnd.1, ssthresh.1));
                }
                DecisionEvent::Sent { cwnd, .. } => {
                    assert!(at.is_none_or(|at| at.0 == cwnd), "{d}");
                }
                DecisionEvent::Recovery { from, to } => {
                    assert_eq!(from, phase, "{d}");
                    phase = to;
                }
                DecisionEvent::Lost { octets, .. } => lost += octets,
                _ => {}
            }
        }
        let info = told.hosts[0].connection().info(told.now);
        assert_eq!(at, Some((info.cwnd, info.ssthresh)));
        assert!(u64::from(lost) >= info.octets_retransmitted, "{lost}");
        assert!(lost > 0 && told.hosts[0].connection().decisions_lost() == 0);
        // And each state.
        let states = all.iter().filter_map(|d| match d.event {
            DecisionEvent::State { from, to } => Some((from, to)),
            _ => None,
        });
        let lived = [
            (State::SynSent, State::Established),
            (State::Established, State::FinWait1),
            (State::FinWait1, State::FinWait2),
        ];
        assert_eq!(states.collect::<Vec<_>>(), lived);
    }
}

/// Not with what is unacknowledged, if that is on its way again.
#[test]
fn what_is_found_lost_is_told_with_where_it_begins() {
    let mut b = traced(prompt(), "mss=1000 sackok");
    b.send(9_000);
    b.arrive("ACK sack=1000..4000");
    b.arrive("ACK sack=5000..8000 sack=1000..4000");
    let found: Vec<_> = drain(&mut b.c)
        .iter()
        .filter_map(|d| match d.event {
            DecisionEvent::Lost { from, octets, .. } => Some((from, octets)),
            _ => None,
        })
        .collect();
    assert_eq!(found, [(1, 1_000), (4_001, 1_000)]);
}

#[test]
fn what_holds_text_back_has_a_name() {
    // Three segments of initial window.
    let three = Config {
        initial_window: 3,
        ..prompt()
    };
    let mut b = traced(three, "win=60000 mss=1000");
    b.send(10_000);
    assert_eq!(holds(&mut b), [Hold::CongestionWindow]);
    let mut b = traced(prompt(), "win=2000 mss=1000");
    b.send(10_000);
    assert_eq!(holds(&mut b), [Hold::PeerWindow]);
    b.arrive("ACK ack=2000 win=300");
    assert_eq!(holds(&mut b), [Hold::SillyWindow]);
    let nagle = Config {
        nodelay: false,
        ..prompt()
    };
    let mut b = traced(nagle, "mss=1000");
    b.send(100);
    assert_eq!(holds(&mut b), []);
    b.send(100);
    b.send(100);
    assert_eq!(holds(&mut b), [Hold::Nagle], "once, until something leaves");
    let cork = Config {
        cork: true,
        ..prompt()
    };
    let mut b = traced(cork, "mss=1000");
    b.send(100);
    assert_eq!(holds(&mut b), [Hold::Cork]);
    let paced = Config {
        congestion: crate::congestion::Congestion::CUBIC_PACED,
        ..prompt()
    };
    let mut b = traced(paced, "mss=1000");
    b.now += Duration::from_millis(50);
    b.send(1000);
    b.now += Duration::from_millis(50);
    b.arrive("ACK ack=1000");
    b.send(20_000);
    assert_eq!(holds(&mut b), [Hold::Pacing]);
    b.c.held_by_memory(b.now);
    assert_eq!(holds(&mut b), [Hold::Memory]);
}

#[test]
fn round_trips_are_told_as_they_were_measured() {
    let mut b = traced(prompt(), "mss=1000");
    let mut told = vec![];
    for millis in [50, 61, 20, 333] {
        b.send(1000);
        b.now += Duration::from_millis(millis);
        let ack = 1000 * (told.len() + 1);
        b.arrive(&format!("ACK ack={ack}"));
        for d in drain(&mut b.c) {
            if let DecisionEvent::Rtt { sample, rto, .. } = d.event {
                told.push(sample.as_millis() as u64);
                assert_eq!(rto, b.c.rto());
            }
        }
    }
    assert_eq!(told, [50, 61, 20, 333]);
}

#[test]
fn a_lost_segment_reads_like_a_story() {
    let config = Config {
        initial_window: 4,
        ..prompt()
    };
    let mut b = Bench::new(config);
    b.drain();
    b.advance(Duration::from_millis(40));
    b.arrive("SYN ACK seq=-1 mss=1000 sackok");
    b.c.set_trace(1000);
    b.send(4000);
    b.advance(Duration::from_millis(40));
    b.arrive("ACK ack=0 sack=1000..4000");
    b.advance(Duration::from_millis(40));
    b.arrive("ACK ack=4000");
    let story: Vec<_> = drain(&mut b.c)
        .iter()
        .map(|d| d.event.to_string())
        .collect();
    assert_eq!(
        story.join("\n"),
        "\
sends 1..1001: new data; 1000 in flight, window 4000
waits 80 ms for the probe for a lost tail
sends 1001..2001: new data; 2000 in flight, window 4000
sends 2001..3001: new data; 3000 in flight, window 4000
sends 3001..4001: new data; 4000 in flight, window 4000
hears of 3000 beyond the gap at 1
measures a round trip of 40 ms: smoothed 40 ms, variation 15 ms, timeout 240 ms
counts 1000 octets from 1 on as lost: later ones have arrived, and they are overdue
begins fast recovery
window 4000 -> 2000, threshold none -> 2000: a loss
waits 240 ms for the retransmission timeout
sends 1..1001: RACK; 1000 in flight, window 2000
hears that all before 4001 has arrived, 4000 new
ends fast recovery"
    );
}

#[test]
fn the_newest_decisions_are_kept_and_the_others_counted() {
    let mut b = Bench::established(prompt(), "mss=1000");
    b.c.set_trace(3);
    b.send(8000);
    assert!(b.c.decisions_lost() > 4);
    let kept = drain(&mut b.c);
    assert_eq!(kept.len(), 3);
    assert!(kept[2].at == b.now);
    b.c.set_trace(0);
    b.arrive("ACK ack=8000");
    assert_eq!(b.c.poll_decision(), None);
}
