//! Buffers that grow with what the path takes.

use super::bench::*;
use crate::{Buffer, Config, Readiness};
use alloc::format;
use bytes::Bytes;
use handfast_base::Duration;

const RTT: Duration = Duration::from_millis(100);
const KIB: u32 = 1024;

fn growing(config: Config) -> Config {
    let auto = Buffer::Auto {
        least: 64 * KIB,
        most: 1024 * KIB,
    };
    Config {
        send_buffer: auto,
        receive_buffer: auto,
        window_scaling: true,
        ..config
    }
}

/// The peer sends `len` octets in segments of 1,000 from `seq` on; the application reads if `reads`.
fn round(b: &mut Bench, seq: &mut u32, len: u32, reads: bool) {
    let end = *seq + len;
    while *seq < end {
        b.arrive(&format!("ACK ts=1 seq={seq} len=1000"));
        *seq += 1000;
        if reads {
            b.read();
        }
    }
    b.advance(RTT);
}

#[test]
fn the_window_grows_with_what_is_read_within_a_round_trip() {
    let mut b = Bench::established(growing(stamped()), "ws=7");
    assert_eq!(b.c.receive_capacity(), 64 * KIB);
    let mut seq = 0;
    // What stays far below the window asks for no more.
    for _ in 0..10 {
        round(&mut b, &mut seq, 14_000, true);
    }
    assert_eq!(b.c.receive_capacity(), 64 * KIB);
    // 60 kB in a round trip, after 14: twice that must fit, and what it has grown by.
    for _ in 0..3 {
        round(&mut b, &mut seq, 60_000, true);
    }
    assert_eq!(b.c.receive_capacity(), 256 * KIB);
    assert!(b.c.info(b.now).rcv_wnd > 250 * KIB);
    // Up to the maximum, and no further.
    for _ in 0..10 {
        let wnd = b.c.info(b.now).rcv_wnd / 1000 * 1000;
        round(&mut b, &mut seq, wnd, true);
    }
    assert_eq!(b.c.receive_capacity(), 1024 * KIB);
}

#[test]
fn without_timestamps_the_measured_round_trip_tells_the_time() {
    let mut b = Bench::new(growing(prompt()));
    b.drain();
    b.advance(RTT);
    b.arrive("SYN ACK seq=-1 ws=7");
    let (mut seq, slow) = (0, Duration::from_millis(10));
    // 14 kB a round trip: the window has passed by three times.
    for _ in 0..200 {
        b.arrive(&format!("ACK seq={seq} len=1400"));
        seq += 1400;
        b.read();
        b.advance(slow);
    }
    assert_eq!(b.c.receive_capacity(), 64 * KIB);
    for _ in 0..4 {
        for _ in 0..60 {
            b.arrive(&format!("ACK seq={seq} len=1000"));
            seq += 1000;
            b.read();
        }
        b.advance(RTT);
    }
    assert_eq!(b.c.receive_capacity(), 256 * KIB);
}

#[test]
fn a_window_for_an_application_that_does_not_read_stays() {
    let mut b = Bench::established(growing(stamped()), "ws=7");
    let mut seq = 0;
    for _ in 0..6 {
        round(&mut b, &mut seq, 10_000, false);
    }
    assert_eq!(b.c.receive_capacity(), 64 * KIB);
}

#[test]
fn short_memory_stops_growth_and_takes_back_nothing_that_was_promised() {
    let mut b = Bench::established(growing(stamped()), "ws=7");
    let mut seq = 0;
    // Room, but not for twice as much.
    b.c.set_memory_room(60_000);
    for _ in 0..4 {
        round(&mut b, &mut seq, 60_000, true);
    }
    assert_eq!(b.c.receive_capacity(), 64 * KIB);
    b.c.set_memory_room(1 << 30);
    for _ in 0..4 {
        round(&mut b, &mut seq, 60_000, true);
    }
    let grown = b.c.receive_capacity();
    assert!(grown > 64 * KIB);
    let promised = seq + b.c.info(b.now).rcv_wnd;
    b.c.set_memory_room(0);
    for _ in 0..3 {
        round(&mut b, &mut seq, 20_000, true);
        assert!(seq + b.c.info(b.now).rcv_wnd >= promised);
    }
    assert_eq!(b.c.receive_capacity(), 64 * KIB);
    round(&mut b, &mut seq, 60_000, true);
    assert!(
        b.c.info(b.now).rcv_wnd < 66 * KIB,
        "reached by what arrived"
    );
}

#[test]
fn the_send_buffer_is_two_congestion_windows() {
    let mut b = Bench::established(growing(prompt()), "ws=7 win=65000 mss=1460");
    assert_eq!(b.c.send_room(), 64 * KIB);
    let mut acked = 0;
    for _ in 0..12 {
        let room = b.c.send_room() as usize;
        b.send(room);
        while acked < b.c.tcb.snd_nxt.offset_from(b.ours) {
            acked = (acked + 1460).min(b.c.tcb.snd_nxt.offset_from(b.ours));
            b.arrive(&format!("ACK ack={acked}"));
        }
    }
    let (send, _) = b.c.info(b.now).buffers;
    assert_eq!(send, (2 * b.c.info(b.now).cwnd).min(1024 * KIB));
    assert!(send > 256 * KIB, "{send}");
    b.c.set_memory_room(0);
    assert_eq!(b.c.info(b.now).buffers.0, 64 * KIB);
}

#[test]
fn an_application_is_asked_for_more_only_when_little_waits_unsent() {
    let config = Config {
        notsent_lowat: Some(4_000),
        ..prompt()
    };
    let mut b = Bench::established(config, "mss=1000 win=60000");
    b.c.poll_readiness();
    // Ten segments leave at once, and 4,000 octets wait.
    b.send(4_000);
    b.send(4_000);
    b.send(2_000);
    b.send(4_000);
    let mut more = Bytes::from_static(&[0; 100]);
    assert_eq!(b.c.send(&mut more), Ok(0));
    assert!(!b.c.readiness().contains(Readiness::WRITABLE));
    b.c.poll_readiness();
    // The acknowledgment lets two out; only when they have left is there room.
    b.arrive_quietly("ACK ack=1000");
    assert!(!b.c.poll_readiness().contains(Readiness::WRITABLE));
    b.drain();
    assert!(b.c.poll_readiness().contains(Readiness::WRITABLE));
    assert_eq!(b.c.send_room(), 2_000);
}

#[test]
fn a_mark_below_a_segment_makes_no_small_segments() {
    let config = Config {
        notsent_lowat: Some(1),
        ..prompt()
    };
    let mut b = Bench::established(config, "mss=1000 win=60000");
    assert_eq!(b.c.send_room(), 1_000);
    let mut text = Bytes::from_static(&[0; 2_500]);
    for left in [1_500, 500, 0] {
        assert!(b.c.send(&mut text).is_ok_and(|taken| taken > 0));
        assert_eq!((text.len(), b.c.send_room()), (left, 0));
        b.drain();
    }
}
