//! Resets, challenges and ICMP errors: what a stranger can do (RFC 5961, 5927; RFC 9293, 3.9.2.2).

use super::bench::*;
use super::table::{At, PLAIN, Setup, bench_at};
use crate::{Config, ConnectionError, IcmpError, NetError, Path, Readiness, State};
use handfast_base::Duration;

#[test]
fn challenges_are_throttled_per_connection() {
    let mut b = Bench::established(prompt(), "");
    b.sent();
    for _ in 0..1_000 {
        b.arrive("RST seq=5");
        b.arrive("SYN seq=5");
        b.arrive("ACK ack=5");
        b.arrive("ACK seq=9000000");
    }
    let at_once = b.sent().len();
    assert!((1..10).contains(&at_once), "{at_once}");
    b.advance(Duration::from_secs(1));
    b.arrive("RST seq=5");
    b.expect("ACK seq=0 ack=0");
}

#[test]
fn throttling_never_swallows_acks_of_repeated_data_fins_probes_or_keep_alives() {
    let mut b = Bench::established(prompt(), "");
    b.arrive("ACK len=10");
    for _ in 0..1_000 {
        b.arrive("RST seq=15");
    }
    b.sent();
    for text in [
        "ACK seq=0 len=10",
        "ACK seq=0 len=5",
        "ACK seq=9",
        "ACK seq=9 len=1",
        "ACK seq=9000000 len=1",
    ] {
        b.arrive(text);
        b.expect("ACK seq=0 ack=10");
    }
    b.arrive("FIN ACK seq=10");
    b.sent();
    for _ in 0..10 {
        b.arrive("FIN ACK seq=10");
        b.expect("ACK seq=0 ack=11");
    }
}

const SOFT: IcmpError = IcmpError::Soft(NetError::HostUnreachable);
const HARD: IcmpError = IcmpError::Hard(NetError::Prohibited);

#[test]
fn an_icmp_error_acts_only_if_the_quoted_sequence_is_in_flight() {
    let mut b = Bench::established(prompt(), "mss=100");
    b.send(300);
    b.arrive("ACK ack=100");
    let hit = |b: &mut Bench, at: i32| b.c.icmp_error(SOFT, b.ours + at as u32, b.now);
    for (at, acts) in [
        (-1, false),
        (99, false),
        (100, true),
        (299, true),
        (300, false),
        (i32::MAX, false),
    ] {
        assert_eq!(hit(&mut b, at), acts, "{at}");
        assert_eq!(b.c.soft_error().is_some(), acts, "{at}");
    }
    b.arrive("ACK ack=300");
    assert!(!hit(&mut b, 300), "nothing is in flight");
    b.c.abort();
    assert!(!hit(&mut b, 299), "nobody is there");
}

#[test]
fn soft_errors_are_noted_and_retried_even_in_syn_sent() {
    for at in [
        At::SynSent,
        At::ActiveSynReceived,
        At::Established,
        At::FinWait1,
    ] {
        let mut b = bench_at(
            at,
            Setup {
                in_flight: 0,
                ..PLAIN
            },
        );
        if at == At::Established {
            b.send(10);
        }
        let state = b.c.state();
        let quoted = b.c.tcb.snd_una;
        assert!(b.c.icmp_error(SOFT, quoted, b.now));
        assert!(b.c.poll_readiness().contains(Readiness::ERROR));
        assert_eq!(b.c.soft_error(), Some(NetError::HostUnreachable));
        assert_eq!((b.c.state(), b.c.error()), (state, None), "{at:?}");
        assert!(b.c.poll_timeout().is_some(), "it goes on trying");
    }
}

#[test]
fn hard_errors_fail_only_a_handshake() {
    let unreachable = ConnectionError::Unreachable(NetError::Prohibited);
    for (at, error) in [
        (At::SynSent, Some(unreachable)),
        (At::ActiveSynReceived, Some(unreachable)),
        (At::FinWait1, None),
        (At::LastAck, None),
    ] {
        let mut b = bench_at(at, PLAIN);
        let quoted = b.c.tcb.snd_una;
        assert!(b.c.icmp_error(HARD, quoted, b.now));
        assert_eq!(b.c.error(), error, "{at:?}");
        assert_eq!(b.c.state() == State::Closed, error.is_some());
    }
    // Nobody at that port is a refusal.
    let mut b = bench_at(At::SynSent, PLAIN);
    b.c.icmp_error(IcmpError::Hard(NetError::PortUnreachable), ISS, b.now);
    assert_eq!(b.c.error(), Some(ConnectionError::Refused));
}

#[test]
fn too_big_shrinks_the_very_next_packet_and_repeats_what_was_lost() {
    let mut b = Bench::established(stamped(), "mss=1460");
    b.send(4_000);
    b.sent();
    b.c.icmp_error(IcmpError::TooBig { mtu: 1_052 }, b.ours, b.now);
    b.drain();
    b.expect("ACK seq=0 ack=0 len=1000; ACK seq=1000 ack=0 len=448; ACK seq=1448 ack=0 len=1000; \
              ACK seq=2448 ack=0 len=448; ACK seq=2896 ack=0 len=1000; PSH,ACK seq=3896 ack=0 len=104");
    b.send(1_000);
    b.expect("PSH,ACK seq=4000 ack=0 len=1000");
    b.arrive("ACK ack=5000 ts=1");
    assert_eq!((b.c.path().pmtu(), b.c.info(b.now).in_flight), (1_052, 0));
}

#[test]
fn an_absurd_mtu_changes_nothing_or_little() {
    let claim = |b: &mut Bench, mtu| b.c.icmp_error(IcmpError::TooBig { mtu }, b.ours, b.now);
    let mut b = Bench::established(prompt(), "mss=1460");
    b.send(100);
    for mtu in [1_500, 9_000, u32::MAX] {
        claim(&mut b, mtu);
        assert_eq!(b.c.path().pmtu(), 1_500);
    }
    // Hardly any path is so narrow: it waits for the timer.
    claim(&mut b, 0);
    assert_eq!(b.c.path().pmtu(), 1_500);
    let v6 = Path {
        ip_header: 40,
        ..PATH
    };
    let mut b = Bench::on(prompt(), v6, ISS);
    b.drain();
    b.arrive("SYN ACK seq=-1");
    b.send(1_300);
    claim(&mut b, 1_279);
    assert_eq!(b.c.path().pmtu(), 1_500);
    claim(&mut b, 1_280);
    assert_eq!(b.c.path().pmtu(), 1_280);
}

/// Hundreds of claims cost no more than the segments in flight.
#[test]
fn a_flood_of_too_big_is_bounded() {
    let mut b = Bench::established(Config::default(), "mss=1460 ts=0 ws=7");
    b.send(14_000);
    for mtu in (68..1_500).rev() {
        b.c.icmp_error(IcmpError::TooBig { mtu }, b.ours, b.now);
    }
    b.log.clear();
    b.drain();
    assert!(b.log.len() < 14_000 / 16 + 20, "{}", b.log.len());
}
