//! Flow control: the windows of both directions, their probes, and the silly-window syndrome.

use super::bench::*;
use super::harness::Wire;
use crate::{Config, State};
use alloc::format;
use alloc::vec::Vec;
use handfast_base::Duration;
use handfast_wire::SendReason;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn edge(b: &Bench) -> u32 {
    let h = &b.last().header;
    let end = h.ack + (u32::from(h.window) << b.c.tcb.rcv_scale);
    end.offset_from(b.theirs)
}

#[test]
fn the_offered_right_edge_never_moves_left_not_even_by_scale_rounding() {
    for size in [1_448, 1_000, 999, 1_447] {
        let config = Config {
            receive_buffer: (1 << 20).into(),
            window_scaling: true,
            ..prompt()
        };
        let mut b = Bench::established(config, "ws=7");
        let (mut seq, mut highest) = (0, edge(&b));
        b.arrive("ACK");
        while seq + size <= highest {
            b.arrive(&format!("ACK seq={seq} len={size}"));
            seq += size;
            assert!(
                edge(&b) >= highest,
                "{size} at {seq}: {} < {highest}",
                edge(&b)
            );
            highest = edge(&b);
        }
        // Everything inside any edge ever offered is accepted.
        b.arrive(&format!("ACK seq={seq} len={}", highest - seq));
        assert_eq!(b.c.rcv_nxt(), b.theirs + highest, "{size}");
        assert_eq!(b.read().len(), highest as usize);
    }
}

/// A peer that hears nothing takes us for dead; one that hears of a shut window probes it.
#[test]
fn text_without_memory_is_answered_with_a_shut_window_until_there_is_room() {
    let mut b = Bench::established(prompt(), "");
    b.arrive("ACK len=1000");
    let open = edge(&b);
    b.c.refuse_text();
    b.drain();
    assert_eq!((edge(&b), b.last().header.window), (1000, 0));
    // The probe finds memory: the window is what it was.
    b.arrive("ACK seq=1000 len=1");
    assert!(edge(&b) >= open, "{} < {open}", edge(&b));
    b.c.refuse_text();
    b.drain();
    assert_eq!(b.last().header.window, 0);
    // Or the application makes room, and the peer hears of it at once.
    assert_eq!(b.read().len(), 1001);
    b.drain();
    assert_eq!(b.last().reason, SendReason::WindowUpdate);
    assert!(edge(&b) >= open);
    // Whoever has closed refuses nothing: there is nothing to come.
    b.arrive("FIN,ACK seq=1001");
    b.sent();
    b.c.refuse_text();
    b.expect("");
}

/// Less memory takes back nothing that was promised.
#[test]
fn a_smaller_receive_buffer_is_reached_by_what_arrives() {
    let config = Config {
        receive_buffer: (1 << 20).into(),
        window_scaling: true,
        ..prompt()
    };
    let mut b = Bench::established(config, "ws=7");
    b.arrive("ACK len=1000");
    let promised = edge(&b);
    b.c.configure(|k| k.receive_buffer = 4_000.into());
    b.c.timeout(b.now);
    b.arrive("ACK seq=1000 len=1000");
    assert!(edge(&b).abs_diff(promised) < 1 << b.c.tcb.rcv_scale);
    let rest = promised - 2_000;
    b.arrive(&format!("ACK seq=2000 len={rest}"));
    assert_eq!(b.read().len(), promised as usize);
    b.arrive(&format!("ACK seq={promised} len=100"));
    assert!(b.c.info(b.now).rcv_wnd <= 4_500);
}

/// A peer that pushes the rounded edge octet by octet: an eighth beyond the buffer it ends.
#[test]
fn the_rounded_edge_does_not_creep_for_ever() {
    let config = Config {
        receive_buffer: (1 << 17).into(),
        window_scaling: true,
        ..prompt()
    };
    let mut b = Bench::established(config, "ws=7");
    b.arrive("ACK len=1");
    let mut seq = 1;
    while seq < edge(&b) {
        b.log.truncate(1);
        b.arrive(&format!("ACK seq={seq} len=1"));
        seq += 1;
        assert!(seq < 1 << 18, "it never ends");
    }
    assert!(seq <= (1 << 17) * 9 / 8 + 4, "{seq}");
}

#[test]
fn a_zero_window_with_data_or_fin_waiting_always_has_a_timer_running() {
    // From the first on.
    let mut b = Bench::established(prompt(), "win=0");
    assert!(b.c.poll_timeout().is_some(), "buffers to give back");
    b.advance(10 * SECOND);
    assert_eq!(b.c.poll_timeout(), None);
    b.send(1000);
    assert!(b.c.poll_timeout().is_some());
    // A FIN behind a zero window.
    let mut b = Bench::established(prompt(), "win=0");
    b.advance(10 * SECOND);
    b.sent();
    b.close();
    b.expect("");
    assert!(b.c.poll_timeout().is_some());
    b.advance(3 * SECOND);
    assert_eq!(b.sent().first().unwrap(), "FIN,ACK seq=0 ack=0");
    b.arrive("ACK ack=1 win=0");
    assert_eq!(b.c.state(), State::FinWait2);
    // It closes with data in flight, and a timeout can send nothing new.
    let mut b = Bench::established(prompt(), "mss=1000");
    b.send(5_000);
    b.arrive("ACK ack=0 win=0");
    for _ in 0..6 {
        assert!(b.next_deadline());
        assert!(b.c.poll_timeout().is_some());
    }
}

#[test]
fn probes_start_after_an_rto_double_and_never_end_while_they_are_answered() {
    let mut b = Bench::established(prompt(), "win=0 mss=1000");
    let start = b.now;
    b.send(100);
    let mut answered = b.log.len();
    for _ in 0..3_000 {
        b.advance(SECOND);
        if b.log.len() > answered {
            answered = b.log.len();
            b.arrive("ACK ack=0 win=0");
        }
    }
    assert_eq!(b.c.state(), State::Established);
    let probes: Vec<_> = b
        .log
        .iter()
        .filter(|s| s.reason == SendReason::WindowProbe)
        .collect();
    let at: Vec<u64> = probes
        .iter()
        .map(|s| s.at.since(start).as_millis() as u64)
        .collect();
    assert_eq!(at[..6], [200, 600, 1_400, 3_000, 6_200, 12_600]);
    let gaps: Vec<u64> = at.windows(2).map(|w| w[1] - w[0]).collect();
    assert_eq!(*gaps.last().unwrap(), 120_000);
    assert!(
        probes
            .iter()
            .all(|s| s.text.len() == 1 && s.header.seq == b.ours)
    );
    // A peer that is gone is found out (R2), counted from its last sign.
    b.advance(500 * SECOND);
    assert_eq!(b.c.error(), Some(crate::ConnectionError::TimedOut));
}

#[test]
fn probes_ignore_cwnd_stop_when_the_queue_empties_and_leave_keep_alive_working() {
    let config = Config {
        keep_alive: Some(crate::KeepAlive {
            idle: 100 * SECOND,
            interval: 10 * SECOND,
            count: 3,
            garbage_octet: false,
        }),
        ..prompt()
    };
    let mut b = Bench::established(config, "win=0");
    b.c.tcb.cwnd = 0;
    b.send(1);
    b.sent();
    b.advance(SECOND / 4);
    b.expect("PSH,ACK seq=0 ack=0 len=1");
    b.arrive("ACK ack=1 win=0");
    b.sent();
    b.advance(99 * SECOND);
    b.expect("");
    b.advance(2 * SECOND);
    b.expect("ACK seq=0 ack=0");
}

#[test]
fn when_the_window_reopens_with_data_in_flight_a_timer_runs_even_if_nothing_new_is_queued() {
    let mut b = Bench::established(prompt(), "mss=1000");
    b.send(1_000);
    b.arrive("ACK ack=0 win=0");
    b.advance(10 * SECOND);
    b.sent();
    b.arrive("ACK ack=0 win=5000");
    // What went into the closed window goes out again at once.
    b.expect("PSH,ACK seq=0 ack=0 len=1000");
    let rto = b.c.poll_timeout().unwrap().since(b.now);
    assert_eq!(rto.as_millis(), 200);
}

/// The probe's octet was thrown away; it does not wait for a timer that is backed off.
#[test]
fn the_octet_of_a_probe_goes_out_again_when_the_window_opens() {
    let mut b = Bench::established(prompt(), "win=0 mss=1000");
    b.send(3_000);
    b.advance(60 * SECOND);
    b.arrive("ACK ack=0 win=0");
    b.sent();
    b.arrive("ACK ack=0 win=5000");
    let sent = b.sent();
    assert_eq!(
        sent[..2],
        ["ACK seq=0 ack=0 len=1", "ACK seq=1 ack=0 len=1000"]
    );
    b.arrive("ACK ack=3000");
    assert_eq!(b.c.info(b.now).in_flight, 0);
}

#[test]
fn only_segments_that_pass_the_wl1_wl2_test_change_the_send_window() {
    let mut b = Bench::established(prompt(), "win=1000 mss=100");
    let wnd = |b: &Bench| b.c.info(b.now).snd_wnd;
    b.arrive("ACK seq=0 len=10 win=2000");
    assert_eq!(wnd(&b), 2000);
    // Delayed: before WL1, and at WL1 with an older ACK.
    b.arrive("ACK seq=-1 win=77");
    assert_eq!(wnd(&b), 2000);
    b.send(300);
    b.arrive("ACK seq=10 ack=300 win=3000");
    b.arrive("ACK seq=10 ack=200 win=77");
    assert_eq!(wnd(&b), 3000);
    b.arrive("ACK seq=10 ack=300 win=500");
    assert_eq!(wnd(&b), 500);
    b.arrive("ACK seq=10 ack=301 win=77");
    assert_eq!(wnd(&b), 500, "the unsent");
}

/// RFC 9293, 3.10.7.4: WL1 and WL2 are there "to prevent using old segments to update the window".
/// One that acknowledges more than any before is none of them.
#[test]
fn the_window_of_a_repeated_segment_counts_if_it_acknowledges_something_new() {
    let mut b = Bench::established(prompt(), "win=3000 mss=1000");
    b.send(6_000);
    assert_eq!(b.sent().len(), 3);
    // The peer's text is lost, and from behind it comes news of its window.
    b.arrive("ACK seq=500 ack=1000 win=3000");
    b.sent();
    assert_eq!(b.c.info(b.now).in_flight, 3_000);
    // What was lost comes again. Its right edge is where it was: nothing more may leave.
    b.arrive("ACK seq=0 ack=2000 len=500 win=2000");
    assert_eq!(b.c.info(b.now).snd_wnd, 2_000);
    b.expect("ACK seq=4000 ack=500");
    // What has arrived before and comes again tells as much.
    b.arrive("ACK seq=0 ack=3000 len=500 win=1000");
    assert_eq!(b.c.info(b.now).snd_wnd, 1_000);
    b.expect("ACK seq=4000 ack=500");
    b.arrive("ACK seq=500 ack=3000 win=2000");
    b.expect("ACK seq=4000 ack=500 len=1000");
}

#[test]
fn every_probe_and_keep_alive_is_answered_outside_any_limit() {
    let full = Config {
        receive_buffer: 1_000.into(),
        ..prompt()
    };
    let mut b = Bench::established(full, "");
    b.arrive("ACK len=1000");
    b.sent();
    let each = [
        "ACK seq=999",
        "ACK seq=999 len=1",
        "ACK seq=1000 len=1",
        "ACK seq=0 len=1000",
        "ACK seq=1000 len=500",
    ];
    for _ in 0..50 {
        for text in each {
            b.arrive(text);
            b.expect("ACK seq=0 ack=1000");
        }
    }
}

#[test]
fn a_peer_that_shrinks_its_window_gets_no_new_data_and_is_still_sent_the_old() {
    let mut b = Bench::established(prompt(), "mss=1000");
    b.send(13_000);
    b.sent();
    b.arrive("ACK ack=1000 win=500");
    b.expect("");
    let info = b.c.info(b.now);
    assert_eq!((info.in_flight, info.unsent), (9_000, 3_000), "{info:?}");
    b.advance(300 * MS);
    b.expect("ACK seq=1000 ack=0 len=1000");
    b.arrive("ACK ack=1500 win=0");
    b.advance(3 * SECOND);
    assert!(
        b.sent()
            .iter()
            .all(|s| s.starts_with("ACK seq=1500 ack=0 len="))
    );
    b.arrive("ACK ack=10000 win=10000");
    assert_eq!(b.sent()[0], "ACK seq=10000 ack=0 len=1000");
}

#[test]
fn reading_one_byte_opens_no_one_byte_window_and_draining_sends_an_update() {
    let mut b = Bench::established(
        Config {
            receive_buffer: 5_000.into(),
            ..prompt()
        },
        "",
    );
    b.arrive("ACK len=1000");
    for i in 1..5 {
        b.arrive(&format!("ACK seq={} len=1000", i * 1000));
    }
    assert_eq!(b.last().header.window, 0);
    b.sent();
    let byte = b.c.receive(1).unwrap();
    b.c.release(byte.len() as u32);
    b.drain();
    b.expect("");
    b.arrive("ACK seq=4999");
    assert_eq!(b.last().header.window, 0);
    b.sent();
    b.read();
    b.expect("ACK seq=0 ack=5000");
    assert_eq!(
        (b.last().header.window, b.last().reason),
        (5_000, SendReason::WindowUpdate)
    );
}

#[test]
fn a_runt_waits_for_more_window_but_never_for_one_the_peer_cannot_offer() {
    let mut b = Bench::established(prompt(), "mss=1000 win=3000");
    b.send(5_000);
    b.arrive("ACK ack=3000 win=300");
    b.sent();
    // 300 of 3000: silly. It waits, even with nothing in flight, until the override timeout.
    b.advance(100 * MS);
    b.expect("");
    b.advance(200 * MS);
    b.expect("ACK seq=3000 ack=0 len=300");
    b.arrive("ACK ack=3300 win=1000");
    b.expect("ACK seq=3300 ack=0 len=1000");
    // 300 is the most this peer ever offered: no waiting.
    let mut b = Bench::established(prompt(), "mss=1000 win=300");
    b.sent();
    b.send(700);
    b.expect("ACK seq=0 ack=0 len=300");
    b.arrive("ACK ack=300 win=300");
    b.expect("ACK seq=300 ack=0 len=300");
    b.arrive("ACK ack=600 win=300");
    b.expect("PSH,ACK seq=600 ack=0 len=100");
}

#[test]
fn after_shutdown_of_reading_the_window_stays_open_and_data_is_acked_and_thrown_away() {
    let mut b = Bench::established(
        Config {
            receive_buffer: 3_000.into(),
            ..prompt()
        },
        "",
    );
    b.arrive("ACK len=1000");
    b.c.shutdown_read();
    b.drain();
    for i in 1..50 {
        b.arrive(&format!("ACK seq={} len=1000", i * 1000));
        assert!(b.last().header.window >= 2_000);
        assert_eq!(b.last().header.ack, b.theirs + (i + 1) * 1000);
    }
    assert!(b.c.receive(10).is_none() && b.c.is_read_closed());
    assert!(b.c.memory() == 0 && b.c.state() == State::Established);
    b.arrive("FIN ACK seq=50000");
    assert_eq!(b.c.state(), State::CloseWait);
}

#[test]
fn data_at_the_very_edge_and_a_fin_beyond_it() {
    let mut b = Bench::established(
        Config {
            receive_buffer: 1_000.into(),
            ..prompt()
        },
        "",
    );
    b.arrive("FIN ACK len=1000");
    assert_eq!(
        (b.c.state(), b.c.rcv_nxt()),
        (State::CloseWait, b.theirs + 1_001)
    );
    assert_eq!(b.last().header.window, 0);
}

/// However small the buffers.
#[test]
fn a_receiver_of_one_octet_gets_everything() {
    let mut b = Bench::established(
        Config {
            receive_buffer: 1.into(),
            ..prompt()
        },
        "",
    );
    for i in 0..20 {
        b.arrive(&format!("ACK seq={i} len=5"));
        assert_eq!(
            (b.last().header.ack, b.last().header.window),
            (b.theirs + i + 1, 0)
        );
        assert_eq!(b.read(), [octet(i)]);
        assert_eq!(b.last().header.window, 1);
    }
}

#[test]
fn a_request_read_at_once_draws_no_segment_before_its_answer() {
    let mut w = Wire::new(Config::default(), Config::default());
    w.establish();
    let opened = w.log.len();
    assert!(w.transfer(0, &[7; 185], Duration::from_millis(20)));
    assert!(w.transfer(1, &[8; 200], Duration::from_millis(20)));
    let answers: Vec<u32> = w.log[opened..]
        .iter()
        .filter(|l| l.1 == 1)
        .map(|l| l.3)
        .collect();
    assert_eq!(answers, [200], "the ACK and the window ride on the answer");
}

#[test]
fn after_the_peers_fin_nobody_is_told_of_room() {
    let mut b = Bench::established(
        Config {
            receive_buffer: 10_000.into(),
            ..prompt()
        },
        "",
    );
    b.arrive("ACK len=9000");
    b.arrive("FIN ACK seq=9000");
    b.sent();
    assert_eq!(b.read().len(), 9_000);
    b.expect("");
}
