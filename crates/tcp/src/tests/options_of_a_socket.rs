//! What an application may set on a connection: cork, quick acknowledgments, the user timeout
//! option, the MSS. Keep-alive has `deadlines`, Nagle `data_transfer`.

use super::bench::*;
use crate::{Config, ConnectionError, QuickAck, SynReceived, UserTimeoutOption};
use alloc::sync::Arc;
use handfast_base::Duration;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn corked() -> Config {
    Config {
        cork: true,
        ..prompt()
    }
}

#[test]
fn a_cork_lets_full_segments_out_and_the_rest_after_200_ms() {
    let mut b = Bench::established(corked(), "mss=1000");
    b.send(1_500);
    b.expect("ACK seq=0 ack=0 len=1000");
    b.arrive("ACK ack=1000");
    b.advance(150 * MS);
    // What comes later does not prolong the time of what waits, nor does it end it.
    b.send(100);
    b.expect("");
    b.advance(49 * MS);
    b.expect("");
    b.advance(MS);
    b.expect("PSH,ACK seq=1000 ack=0 len=600");
    // The next has 200 ms of its own.
    b.arrive("ACK ack=1600");
    b.send(10);
    b.advance(199 * MS);
    b.expect("");
    b.advance(MS);
    b.expect("PSH,ACK seq=1600 ack=0 len=10");
}

#[test]
fn what_fills_a_segment_leaves_at_once_and_the_rest_begins_to_wait_then() {
    let mut b = Bench::established(corked(), "mss=1000");
    b.send(900);
    b.advance(150 * MS);
    b.send(150);
    b.expect("ACK seq=0 ack=0 len=1000");
    b.advance(199 * MS);
    b.expect("");
    b.advance(MS);
    b.expect("PSH,ACK seq=1000 ack=0 len=50");
}

#[test]
fn pulling_the_cork_closing_and_urgent_data_let_out_what_waits() {
    let mut b = Bench::established(corked(), "");
    b.send(10);
    b.c.configure(|k| k.cork = false);
    b.drain();
    b.expect("PSH,ACK seq=0 ack=0 len=10");
    let mut b = Bench::established(corked(), "");
    b.send(10);
    b.close();
    b.expect("FIN,PSH,ACK seq=0 ack=0 len=10");
    let mut b = Bench::established(corked(), "");
    b.c.send_urgent(&mut bytes::Bytes::from_static(b"!"))
        .unwrap();
    b.drain();
    b.expect("PSH,URG,ACK seq=0 ack=0 len=1 up=1");
}

/// A cork and a shut window, one after the other: the window is still probed.
#[test]
fn a_corked_connection_probes_a_shut_window() {
    let mut b = Bench::established(corked(), "mss=1000 win=500");
    b.send(100);
    b.arrive("ACK win=0");
    b.advance(10 * SECOND);
    let probes = b.sent();
    assert!(probes.len() >= 2, "{probes:?}");
    b.arrive("ACK ack=1 win=60000");
    b.advance(SECOND);
    assert_eq!(b.c.tcb.snd_nxt, b.ours + 100);
    // Closing takes the cork out even while nothing can be sent.
    let mut b = Bench::established(corked(), "mss=1000 win=500");
    b.send(100);
    b.arrive("ACK win=0");
    b.close();
    b.advance(5 * SECOND);
    assert!(!b.sent().is_empty());
}

#[test]
fn the_first_full_segments_are_acknowledged_at_once_and_later_ones_every_second() {
    let slow = Config {
        delayed_ack: 40 * MS,
        ..prompt()
    };
    let mut b = Bench::established(slow, "");
    b.sent();
    // The SYN,ACK was the first segment.
    for i in 0..15 {
        b.arrive(&alloc::format!("ACK seq={} len=1000", i * 1_000));
        assert_eq!(b.sent().len(), 1, "segment {i}");
    }
    b.arrive("ACK seq=15000 len=1000");
    b.expect("");
    b.arrive("ACK seq=16000 len=1000");
    b.expect("ACK seq=0 ack=17000");
}

#[test]
fn once_requests_are_answered_acknowledgments_wait_for_the_answer() {
    let slow = Config {
        delayed_ack: 40 * MS,
        ..prompt()
    };
    let mut b = Bench::established(slow, "");
    b.sent();
    b.arrive("ACK len=1000");
    b.expect("ACK seq=0 ack=1000");
    b.send(10);
    b.arrive("ACK seq=1000 ack=10 len=1000");
    b.send(10);
    b.expect("PSH,ACK seq=0 ack=1000 len=10; PSH,ACK seq=10 ack=2000 len=10");
}

#[test]
fn quick_ack_can_be_always_and_never() {
    let slow = |quick_ack| Config {
        delayed_ack: 40 * MS,
        quick_ack,
        ..prompt()
    };
    let mut b = Bench::established(slow(QuickAck::Never), "");
    b.sent();
    b.arrive("ACK len=1000");
    b.expect("");
    b.c.configure(|k| k.quick_ack = QuickAck::Always);
    for i in 1..50 {
        b.arrive(&alloc::format!("ACK seq={} len=1", 999 + i));
        assert_eq!(b.sent().len(), 1);
    }
}

fn telling(seconds: u64) -> Config {
    Config {
        user_timeout_option: Some(UserTimeoutOption {
            advertise: Duration::from_secs(seconds),
            least: 100 * SECOND,
            most: 1_000 * SECOND,
        }),
        ..prompt()
    }
}

/// RFC 5482, 3: on the SYN, on the first segment that is none, and when it changes.
#[test]
fn the_user_timeout_is_told_on_the_syn_on_the_first_segment_and_when_it_changes() {
    let mut b = Bench::established(telling(500), "");
    let told = |b: &Bench| -> alloc::vec::Vec<Option<u16>> {
        let options = b.log.iter().map(|s| s.header.options.user_timeout);
        options.collect()
    };
    assert_eq!(told(&b), [Some(500), Some(500)]);
    b.send(10);
    b.c.configure(|k| k.user_timeout = Some(Duration::from_secs(10 * 60 * 60)));
    b.drain();
    // Ten hours are told in minutes.
    assert_eq!(told(&b)[2..], [None, Some(1 << 15 | 600)]);
    // Who has not enabled it says nothing.
    let b = Bench::established(prompt(), "");
    assert_eq!(told(&b), [None, None]);
}

#[test]
fn a_full_segment_has_no_room_for_the_user_timeout() {
    let mut b = Bench::new(telling(500));
    b.c.send(&mut bytes::Bytes::from(alloc::vec![0; 5_000]))
        .unwrap();
    b.drain();
    b.arrive("SYN ACK seq=-1 mss=1460");
    for sent in b.log.iter().skip(1) {
        assert!(20 + sent.header.header_len() + sent.text.len() <= 1_500);
    }
    assert!(
        b.log
            .iter()
            .skip(1)
            .any(|s| s.header.options.user_timeout.is_some())
    );
}

/// RFC 5482, 3.1: min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT)).
#[test]
fn the_user_timeout_in_force_is_the_longer_of_both_within_the_limits() {
    let dies_after = |config: Config, uto: &str| {
        let mut b = Bench::established(config, uto);
        b.send(10);
        let start = b.now;
        while b.c.error().is_none() {
            assert!(b.next_deadline());
        }
        assert_eq!(b.c.error(), Some(ConnectionError::TimedOut));
        b.now.since(start).as_secs()
    };
    assert_eq!(dies_after(telling(200), ""), 200);
    assert_eq!(dies_after(telling(200), "uto=400"), 400);
    assert_eq!(dies_after(telling(200), "uto=50"), 200);
    assert_eq!(dies_after(telling(20), "uto=50"), 100, "lower limit");
    assert_eq!(dies_after(telling(200), "uto=32773"), 300, "five minutes");
    assert_eq!(dies_after(telling(200), "uto=65535"), 1_000, "upper limit");
    assert_eq!(dies_after(telling(200), "uto=0"), 200, "reserved");
    assert_eq!(dies_after(telling(200), "uto=32768"), 200, "reserved");
    // What the application has set stands, and who has not enabled the option ignores it.
    let fixed = Config {
        user_timeout: Some(30 * SECOND),
        ..telling(200)
    };
    assert_eq!(dies_after(fixed, "uto=400"), 30);
    assert_eq!(dies_after(prompt(), "uto=400"), 300, "R2");
}

#[test]
fn a_passive_open_tells_its_user_timeout_and_hears_the_peers() {
    let config = Arc::new(telling(200));
    let now = handfast_base::Instant::from_secs(5);
    let syn = segment("SYN seq=-1 uto=400", ISS, IRS);
    let mut record = SynReceived::new(&syn.header, ISS, 0, &config, PATH, now);
    let mut slot = crate::SegmentSlot::default();
    record.write_syn_ack(now, &config, PATH, &mut slot);
    assert_eq!(slot.header.options.user_timeout, Some(200));
    let c = record.into_connection(config, PATH, now);
    let mut b = Bench::adopt(c, now);
    assert_eq!(crate::user_timeout::limit(&b.c), Some(400 * SECOND));
    // A later word replaces the earlier one.
    b.arrive("ACK seq=0 uto=600");
    assert_eq!(crate::user_timeout::limit(&b.c), Some(600 * SECOND));
}

#[test]
fn an_mss_that_is_set_later_holds_for_what_is_sent_from_then_on() {
    let mut b = Bench::established(prompt(), "mss=1460");
    b.c.configure(|k| k.mss = Some(500));
    b.send(1_200);
    let sizes: alloc::vec::Vec<usize> = b.log[2..].iter().map(|s| s.text.len()).collect();
    assert_eq!(sizes, [500, 500, 200]);
}
