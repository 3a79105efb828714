//! Text on its way: what is delivered, what is acknowledged and when, what Nagle holds.

use super::bench::*;
use crate::{Config, Connection, QuickAck, Segment, State};
use alloc::format;
use alloc::vec::Vec;
use bytes::Bytes;
use handfast_base::Duration;
use handfast_wire::Payload;

const MS: Duration = Duration::from_millis(1);

#[test]
fn an_ack_for_data_never_sent_is_answered_and_removes_nothing() {
    let mut b = Bench::established(prompt(), "mss=100");
    b.send(250);
    b.sent();
    b.arrive("ACK ack=251");
    b.expect("ACK seq=250 ack=0");
    assert_eq!(b.c.unacknowledged(), 250);
    b.arrive("ACK ack=250");
    assert_eq!(b.c.unacknowledged(), 0);
}

#[test]
fn end_of_file_appears_only_after_every_byte_before_the_fin_was_read() {
    let mut b = Bench::established(prompt(), "");
    b.arrive("FIN ACK seq=5 len=5");
    assert!(!b.c.is_read_closed());
    b.arrive("ACK len=5");
    assert_eq!(b.c.state(), State::CloseWait);
    assert!(b.c.has_unread());
    assert_eq!(b.read().len(), 10);
    assert!(b.c.receive(1).is_none() && b.c.is_read_closed());
}

#[test]
fn with_our_window_at_zero_the_ack_and_window_of_a_data_segment_are_still_processed() {
    let mut b = Bench::established(
        Config {
            receive_buffer: 1_000.into(),
            ..prompt()
        },
        "mss=100",
    );
    b.arrive("ACK len=1000");
    b.send(300);
    b.arrive("ACK seq=1000 len=1 ack=300 win=777");
    let info = b.c.info(b.now);
    assert_eq!((info.in_flight, info.snd_wnd, info.unread), (0, 777, 1_000));
}

#[test]
fn where_out_of_order_data_overlaps_the_bytes_received_first_win() {
    let mut b = Bench::established(prompt(), "");
    let text = |c: &mut Connection, at: u32, octet: u8, len: usize, now| {
        let mut seg = Segment {
            payload: Payload::from(Bytes::from(alloc::vec![octet; len])),
            ..segment(&format!("ACK seq={at}"), ISS + 1, IRS + 1)
        };
        c.segment_arrives(&mut seg, now);
    };
    text(&mut b.c, 10, b'1', 10, b.now); // 10..20
    text(&mut b.c, 5, b'2', 10, b.now); // 5..10
    text(&mut b.c, 15, b'3', 15, b.now); // 20..30
    text(&mut b.c, 40, b'4', 5, b.now); // 40..45
    text(&mut b.c, 0, b'5', 50, b.now); // what was missing, in order
    let read = b.read();
    // Text in order replaces nothing that was delivered, but it does pass what was only held.
    assert_eq!(read.len(), 50);
    assert_eq!(&read[..5], b"55555");
    let held = |from: usize, to: usize| read[from..to].iter().all(|o| b"12345".contains(o));
    assert!(held(5, 50));

    let mut b = Bench::established(prompt(), "");
    text(&mut b.c, 10, b'1', 10, b.now);
    text(&mut b.c, 5, b'2', 25, b.now);
    text(&mut b.c, 0, b'3', 5, b.now);
    assert_eq!(b.read(), b"333332222211111111112222222222");
}

#[test]
fn one_byte_alternating_segments_keep_memory_and_time_bounded() {
    let config = Config {
        receive_buffer: 200_000.into(),
        window_scaling: true,
        ..prompt()
    };
    let mut b = Bench::established(config, "ws=7");
    b.arrive("ACK len=1"); // our whole window is told
    let (mut held, mut acks) = (0, 0);
    for i in 0..60_000u32 {
        let seq = 3 + 2 * i;
        b.log.clear();
        b.arrive(&format!("ACK seq={seq} len=1"));
        held = held.max(b.c.memory());
        acks += b.log.len();
    }
    assert!(held <= 500_000, "{held} octets for 60000");
    // Each has its acknowledgment all the same.
    assert_eq!(acks, 60_000);
}

#[test]
fn out_of_order_and_gap_filling_segments_and_every_second_full_one_are_acked_at_once() {
    let slow = Config {
        delayed_ack: Duration::from_secs(10),
        quick_ack: QuickAck::Never,
        ..prompt()
    };
    let mut b = Bench::established(slow, "");
    b.sent();
    b.arrive("ACK len=1000");
    b.expect("");
    b.arrive("ACK seq=1000 len=1000");
    b.expect("ACK seq=0 ack=2000");
    b.arrive("ACK seq=2000 len=1000");
    b.expect("");
    b.arrive("ACK seq=4000 len=1000");
    b.expect("ACK seq=0 ack=3000");
    b.arrive("ACK seq=6000 len=1000");
    b.expect("ACK seq=0 ack=3000");
    b.arrive("ACK seq=3000 len=1000");
    b.expect("ACK seq=0 ack=5000");
    b.arrive("ACK seq=5000 len=1000");
    b.expect("ACK seq=0 ack=7000");
    // A full one and a little are not two.
    b.arrive("ACK seq=7000 len=1000");
    b.arrive("ACK seq=8000 len=900");
    b.expect("");
    b.arrive("ACK seq=8900 len=100");
    b.expect("ACK seq=0 ack=9000");
    // None waits half a second, whatever was configured.
    b.arrive("ACK seq=9000 len=1000");
    b.advance(400 * MS);
    b.expect("");
    b.advance(99 * MS);
    b.expect("ACK seq=0 ack=10000");
}

/// Segments merged on their way are judged by what crossed the wire.
#[test]
fn merged_segments_count_as_what_they_were() {
    let slow = Config {
        delayed_ack: 40 * MS,
        ..prompt()
    };
    let mut b = Bench::established(slow, "");
    b.sent();
    let mut merged = segment("ACK len=2000", b.ours, b.theirs);
    merged.gso_size = 1000;
    b.take(merged);
    b.expect("ACK seq=0 ack=2000");
}

/// Each out-of-order segment has an acknowledgment of its own also when many come at once; those
/// of text in order are merged.
#[test]
fn duplicate_acks_are_never_merged() {
    let mut b = Bench::established(prompt(), "");
    b.sent();
    for i in [2, 4, 6, 7] {
        b.arrive_quietly(&format!("ACK seq={} len=100", i * 100));
    }
    b.drain();
    assert_eq!(b.sent(), ["ACK seq=0 ack=0"; 4]);
    for i in 0..4 {
        b.arrive_quietly(&format!("ACK seq={} len=100", i * 100));
    }
    b.drain();
    b.expect("ACK seq=0 ack=500");
}

#[test]
fn a_delayed_ack_rides_on_data_and_its_timer_stops() {
    let slow = Config {
        delayed_ack: 40 * MS,
        ..prompt()
    };
    let mut b = Bench::established(slow, "");
    b.sent();
    b.arrive("ACK len=10");
    b.advance(10 * MS);
    b.send(5);
    b.expect("PSH,ACK seq=0 ack=10 len=5");
    b.arrive("ACK seq=10 ack=5");
    b.advance(Duration::from_secs(60));
    b.expect("");
}

fn nagle() -> Config {
    Config {
        nodelay: false,
        ..prompt()
    }
}

#[test]
fn with_nagle_at_most_one_small_segment_is_unacknowledged() {
    let mut b = Bench::established(nagle(), "mss=1000");
    b.sent();
    b.send(100);
    b.expect("PSH,ACK seq=0 ack=0 len=100");
    b.send(100);
    b.send(100);
    b.expect("");
    // Also when an ACK is due.
    b.arrive("ACK len=10");
    b.expect("ACK seq=100 ack=10");
    // A full segment leaves at once, what is left of it is held.
    b.send(900);
    b.expect("ACK seq=100 ack=10 len=1000");
    b.arrive("ACK seq=10 ack=100");
    b.expect("PSH,ACK seq=1100 ack=10 len=100");
}

/// Minshall: the tail of a large write need not wait for the peer's delayed ACK.
#[test]
fn the_tail_of_a_large_write_waits_for_small_segments_only() {
    let mut b = Bench::established(nagle(), "mss=1000");
    b.sent();
    b.send(2_500);
    b.expect(
        "ACK seq=0 ack=0 len=1000; ACK seq=1000 ack=0 len=1000; PSH,ACK seq=2000 ack=0 len=500",
    );
    b.send(2_500);
    b.expect("ACK seq=2500 ack=0 len=1000; ACK seq=3500 ack=0 len=1000");
    b.arrive("ACK ack=2500");
    b.expect("PSH,ACK seq=4500 ack=0 len=500");
}

#[test]
fn closing_and_urgency_pass_nagle() {
    let mut b = Bench::established(nagle(), "mss=1000");
    b.sent();
    b.send(100);
    b.send(100);
    b.sent();
    b.close();
    b.expect("FIN,PSH,ACK seq=100 ack=0 len=100");
    let mut b = Bench::established(nagle(), "mss=1000");
    b.send(100);
    b.sent();
    b.c.send_urgent(&mut Bytes::from_static(b"!")).unwrap();
    b.drain();
    b.expect("PSH,URG,ACK seq=100 ack=0 len=1 up=1");
}

#[test]
fn a_super_segment_is_whole_segments_but_for_the_tail_of_the_queue() {
    let path = crate::Path {
        gso_max: 65_535,
        ..PATH
    };
    let mut b = Bench::on(
        Config {
            initial_window: 200,
            ..nagle()
        },
        path,
        ISS,
    );
    b.drain();
    b.arrive("SYN ACK seq=-1 mss=1000");
    b.sent();
    b.send(9_300);
    let sizes: Vec<_> = b
        .log
        .iter()
        .filter(|s| !s.text.is_empty())
        .map(|s| (s.text.len(), s.gso_size))
        .collect();
    // Half the window at most, so that acknowledgments keep the clock.
    assert_eq!(sizes, [(7_000, 1000), (2_300, 1000)]);
    b.arrive("ACK ack=9300");
    b.send(1_000);
    assert_eq!((b.last().text.len(), b.last().gso_size), (1_000, 0));
}
