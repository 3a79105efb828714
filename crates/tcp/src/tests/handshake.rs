//! Opening a connection, from either side or both.

use super::bench::*;
use super::harness::*;
use super::table::{At, PLAIN, Setup, bench_at, passive};
use crate::{Config, Connection, ConnectionError, SegmentSlot, State, SynReceived};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use handfast_base::{Duration, Instant};
use handfast_wire::SeqNumber;

const SECOND: Duration = Duration::from_secs(1);

fn scaled() -> Config {
    Config {
        window_scaling: true,
        ..prompt()
    }
}

#[test]
fn the_window_of_a_syn_is_never_shifted() {
    let mut b = Bench::established(scaled(), "win=1000 ws=7 mss=100");
    assert_eq!(b.c.info(b.now).snd_wnd, 1000);
    b.arrive("ACK win=1000");
    assert_eq!(b.c.info(b.now).snd_wnd, 128_000);

    // Simultaneous open: neither that of the SYN nor that of the SYN,ACK.
    let mut b = Bench::new(scaled());
    b.drain();
    b.arrive("SYN seq=-1 win=900 ws=7");
    b.arrive("SYN ACK seq=-1 win=1000 ws=7");
    assert_eq!(
        (b.c.state(), b.c.info(b.now).snd_wnd),
        (State::Established, 1000)
    );

    // Passive: the third segment is the first whose window is shifted.
    let config = Arc::new(scaled());
    let now = Instant::from_secs(100);
    let syn = segment("SYN seq=-1 win=900 ws=7", ISS + 1, IRS + 1);
    let mut half = SynReceived::new(&syn.header, ISS, 0, &config, PATH, now);
    let mut slot = SegmentSlot::default();
    half.write_syn_ack(now, &config, PATH, &mut slot);
    assert_eq!(
        (slot.header.window, slot.header.options.window_scale),
        (0xffff, Some(7))
    );
    let mut b = Bench::adopt(half.into_connection(config, PATH, now), now);
    assert_eq!(b.c.info(now).snd_wnd, 900);
    // Nor is ours, when the right edge is computed from it.
    assert_eq!(b.c.info(now).rcv_wnd, 0xffff);
    b.arrive("ACK win=900");
    assert_eq!(b.c.info(now).snd_wnd, 900 << 7);
}

#[test]
fn scaling_is_on_only_when_both_syns_offered_it() {
    let scale = |config, more| {
        Bench::established(config, more)
            .c
            .info(Instant::ZERO)
            .window_scale
    };
    assert_eq!(scale(scaled(), "ws=3"), Some((3, 7)));
    assert_eq!(scale(scaled(), ""), None);
    assert_eq!(scale(prompt(), "ws=3"), None);
    // Our own field is not shifted either then.
    let mut b = Bench::established(scaled(), "");
    b.arrive("ACK len=10 win=1000");
    assert_eq!(
        (b.last().header.window, b.c.info(b.now).snd_wnd),
        (u16::MAX, 1000)
    );
}

#[test]
fn a_shift_above_14_is_read_as_14_and_never_sent() {
    for shift in [14, 15, 16, 31, 32, 255] {
        let huge = Config {
            receive_buffer: u32::MAX.into(),
            ..scaled()
        };
        let b = Bench::established(huge, &format!("ws={shift}"));
        assert_eq!(b.c.info(b.now).window_scale, Some((14, 14)), "{shift}");
        assert_eq!(b.log[0].header.options.window_scale, Some(14));
    }
}

#[test]
fn a_syn_is_repeated_for_three_minutes_in_doubling_intervals() {
    let mut b = Bench::new(Config {
        timestamps: true,
        ..prompt()
    });
    let start = b.now;
    b.drain();
    b.advance(200 * SECOND);
    let at: Vec<u64> = b.log.iter().map(|s| s.at.since(start).as_secs()).collect();
    assert_eq!(at, [0, 1, 3, 7, 15, 31, 63, 127]);
    // Nobody to reset.
    assert!(b.sent().iter().all(|s| s == "SYN seq=-1"));
    assert_eq!(
        (b.c.state(), b.c.error()),
        (State::Closed, Some(ConnectionError::TimedOut))
    );
}

#[test]
fn a_syn_ack_is_repeated_and_given_up() {
    let (mut half, config, start) = passive(PLAIN);
    let mut slot = SegmentSlot::default();
    let mut at = Vec::new();
    loop {
        let now = half.poll_timeout();
        at.push(now.since(start).as_secs());
        if half.timeout(now) {
            break;
        }
        half.write_syn_ack(now, &config, PATH, &mut slot);
    }
    assert_eq!(at, [1, 3, 7, 15, 31, 63, 127, 180]);
}

#[test]
fn after_a_retransmitted_syn_the_first_data_rto_is_3_s_and_ssthresh_is_high() {
    for stamped in [false, true] {
        let ts = if stamped { "ts=0" } else { "" };
        for (lost, window) in [(0, 10), (1, 10), (2, 1)] {
            let mut b = Bench::new(Config {
                timestamps: stamped,
                ..prompt()
            });
            b.drain();
            b.advance([Duration::ZERO, SECOND, 3 * SECOND][lost]);
            b.advance(Duration::from_millis(50));
            b.arrive(&format!("SYN ACK seq=-1 mss=1000 {ts}"));
            let info = b.c.info(b.now);
            assert_eq!(info.ssthresh, u32::MAX);
            assert_eq!(info.cwnd, window * u32::from(info.snd_mss), "{lost} lost");
            b.send(100);
            let wait = b.c.poll_timeout().unwrap().since(b.now);
            if lost == 0 {
                assert_eq!(wait, Duration::from_millis(250));
            } else {
                assert_eq!(wait, 3 * SECOND, "{lost} lost, {ts}");
            }
        }
    }
    // The same for a passive open.
    let (mut half, config, now) = passive(PLAIN);
    half.write_syn_ack(now, &config, PATH, &mut SegmentSlot::default());
    let c = half.into_connection(config, PATH, now + SECOND);
    assert_eq!(c.info(now).rto, 3 * SECOND);
}

#[test]
fn what_is_queued_in_syn_sent_leaves_with_the_third_segment() {
    let mut b = Bench::new(prompt());
    b.send(100);
    b.expect("SYN seq=-1");
    b.arrive("SYN ACK seq=-1");
    b.expect("PSH,ACK seq=0 ack=0 len=100");
}

#[test]
fn closing_before_the_peer_was_heard_forgets_the_attempt() {
    for abort in [false, true] {
        let mut b = bench_at(At::SynSent, PLAIN);
        b.sent();
        if abort {
            b.c.abort();
        } else {
            b.c.close(b.now).unwrap();
        }
        b.advance(600 * SECOND);
        b.expect("");
        assert_eq!(b.c.state(), State::Closed);
        assert_eq!(b.c.error().is_some(), abort);
    }
}

/// After it, the FIN follows what is queued.
#[test]
fn closing_before_the_third_segment_repeats_the_syn_ack_and_puts_the_fin_behind_it() {
    let mut b = bench_at(At::ActiveSynReceived, PLAIN);
    b.sent();
    b.send(10);
    b.close();
    assert!(b.c.send(&mut bytes::Bytes::from_static(b"late")).is_err());
    assert!(b.c.close(b.now).is_err());
    b.advance(SECOND);
    b.arrive("SYN seq=-1");
    b.expect("SYN,ACK seq=-1 ack=0; SYN,ACK seq=-1 ack=0");
    b.arrive("ACK ack=0");
    b.expect("FIN,PSH,ACK seq=0 ack=0 len=10");
}

#[test]
fn aborting_a_half_open_connection_resets_it() {
    let mut b = bench_at(At::ActiveSynReceived, PLAIN);
    b.sent();
    b.c.abort();
    b.drain();
    b.expect("RST,ACK seq=0 ack=0");
}

/// Whichever segment is lost on the way.
#[test]
fn simultaneous_open_ends_established_at_both_ends() {
    for stamped in [false, true] {
        for lost in 0..8 {
            let config = Arc::new(Config {
                timestamps: stamped,
                ..Config::default()
            });
            let now = Instant::from_secs(10);
            let host = |iss| {
                let c = Connection::open(config.clone(), PATH, iss, iss.0, now);
                Host::new(End::Open(c), config.clone(), PATH, iss)
            };
            let mut w = Wire::between([host(SeqNumber(77)), host(SeqNumber(u32::MAX))], now);
            w.fault = alloc::boxed::Box::new(move |_, _, n| {
                if n == lost {
                    Verdict::Drop
                } else {
                    Verdict::Pass
                }
            });
            w.establish();
            assert!(w.transfer(0, &pattern(5_000, 1), 60 * SECOND), "{lost}");
            assert!(w.transfer(1, &pattern(5_000, 2), 60 * SECOND), "{lost}");
        }
    }
}

/// A connection to itself is a simultaneous open with one end.
#[test]
fn a_connection_may_talk_to_itself() {
    let mut b = Bench::new(Config {
        timestamps: true,
        ..prompt()
    });
    let mut data = bytes::Bytes::from(pattern(5_000, 1));
    b.c.send(&mut data).unwrap();
    let mut slot = SegmentSlot::default();
    let mut received = Vec::new();
    let mut closed = false;
    for _ in 0..200 {
        let mut wire = Vec::new();
        while b.c.poll_transmit(b.now, &mut slot) {
            wire.push((slot.header, slot.payload.clone()));
        }
        b.now += Duration::from_millis(1);
        b.c.timeout(b.now);
        for (header, payload) in wire {
            let mut seg = crate::Segment {
                header,
                payload,
                ..Default::default()
            };
            b.c.segment_arrives(&mut seg, b.now);
        }
        while let Some(bytes) = b.c.receive(usize::MAX) {
            received.extend_from_slice(&bytes);
            b.c.release(bytes.len() as u32);
        }
        if received.len() == 5_000 && !closed {
            assert_eq!(b.c.state(), State::Established);
            closed = true;
            b.c.close(b.now).unwrap();
        }
    }
    assert_eq!(received, pattern(5_000, 1));
    assert_eq!(b.c.state(), State::TimeWait);
}

#[test]
fn a_peer_that_sends_text_with_its_syn_again_and_again_is_heard_once() {
    let mut b = Bench::new(prompt());
    b.drain();
    b.arrive("SYN ACK seq=-1 len=10");
    b.arrive("SYN ACK seq=-1 len=10");
    b.arrive("ACK seq=0 len=10");
    assert_eq!(b.read().len(), 10);
    assert_eq!(b.c.state(), State::Established);
}

#[test]
fn writable_and_connected_are_told_when_the_handshake_is_complete() {
    use crate::Readiness;
    let mut b = bench_at(At::SynSent, PLAIN);
    assert!(b.c.poll_readiness().is_empty());
    assert!(b.c.readiness().is_empty());
    b.arrive("SYN ACK seq=-1");
    let both = Readiness::CONNECTED | Readiness::WRITABLE;
    assert_eq!(b.c.poll_readiness(), both);
    assert_eq!(b.c.readiness(), both);
    let b = bench_at(
        At::ActiveSynReceived,
        Setup {
            timestamps: true,
            ..PLAIN
        },
    );
    assert!(b.c.readiness().is_empty());
}
