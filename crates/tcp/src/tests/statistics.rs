//! What `TcpInfo` tells, each figure against what was seen on the wire.

use super::bench::*;
use crate::Config;
use handfast_base::Duration;

const MS: Duration = Duration::from_millis(1);

#[test]
fn segments_and_octets_are_counted_as_they_cross_the_wire() {
    let mut b = Bench::established(prompt(), "mss=1000");
    b.send(2_500);
    b.advance(5_000 * MS);
    let i = b.c.info(b.now);
    let text = || b.log.iter().filter(|s| !s.text.is_empty());
    let sent: usize = text().map(|s| s.text.len()).sum();
    assert!(sent > 2_500, "something went out again");
    assert_eq!(i.octets_sent, sent as u64);
    assert_eq!(i.octets_retransmitted, sent as u64 - 2_500);
    assert_eq!(i.data_segments_out as usize, text().count());
    assert_eq!((i.octets_acked, i.in_flight), (1, 2_500));
    b.arrive("ACK ack=2500 len=10");
    b.arrive("ACK ack=2500 len=10");
    b.arrive("ACK seq=10 ack=2500");
    let i = b.c.info(b.now);
    assert_eq!(i.data_segments_in, 2);
    assert_eq!(i.duplicate_segments_in, 1);
    assert_eq!((i.octets_received, i.octets_acked), (10, 2_501));
}

#[test]
fn super_segments_count_as_what_crosses_the_wire() {
    let mut b = Bench::established(prompt(), "");
    let mut merged = segment("ACK len=2500", b.ours, b.theirs);
    merged.gso_size = 1_000;
    b.take(merged);
    assert_eq!(b.c.info(b.now).data_segments_in, 3);
}

#[test]
fn it_tells_how_long_ago_text_and_acknowledgments_came_and_went() {
    let mut b = Bench::established(prompt(), "");
    let i = b.c.info(b.now);
    assert_eq!((i.last_data_sent, i.last_data_received), (None, None));
    b.send(10);
    b.advance(10 * MS);
    b.arrive("ACK ack=10");
    b.advance(20 * MS);
    b.arrive("ACK ack=10 len=5");
    b.advance(5 * MS);
    let i = b.c.info(b.now);
    assert_eq!(i.last_data_sent, Some(35 * MS));
    assert_eq!(i.last_data_received, Some(5 * MS));
    assert_eq!(i.last_ack_received, Some(5 * MS));
}

#[test]
fn time_is_told_apart_by_what_the_sender_waits_for() {
    let config = Config {
        send_buffer: 3_000.into(),
        ..prompt()
    };
    let mut b = Bench::established(config, "mss=1000 win=2000");
    b.advance(1_000 * MS);
    assert_eq!(b.c.info(b.now).busy_time, Duration::ZERO, "nothing to send");
    // Two segments fill the peer's window; the third waits for it.
    b.send(3_000);
    b.advance(30 * MS);
    let i = b.c.info(b.now);
    assert_eq!((i.busy_time, i.receive_window_limited), (30 * MS, 30 * MS));
    // The window opens: all is in flight, and the buffer is full.
    b.arrive("ACK win=60000");
    b.advance(50 * MS);
    let i = b.c.info(b.now);
    assert_eq!(i.receive_window_limited, 30 * MS);
    assert_eq!(i.send_buffer_limited, 50 * MS);
    // There is room again, and something in flight.
    b.arrive("ACK ack=1000 win=60000");
    b.advance(7 * MS);
    b.arrive("ACK ack=3000 win=60000");
    b.advance(1_000 * MS);
    let i = b.c.info(b.now);
    assert_eq!(i.send_buffer_limited, 50 * MS);
    assert_eq!(i.busy_time, 87 * MS);
}

#[test]
fn what_was_negotiated_and_what_is_in_force_is_told() {
    let mut b = Bench::established(
        Config {
            delayed_ack: 10_000 * MS,
            ..prompt()
        },
        "mss=1000",
    );
    b.send(2_500);
    let i = b.c.info(b.now);
    assert_eq!(
        (i.snd_mss, i.announced_mss, i.path_mtu),
        (1_000, 1_460, 1_500)
    );
    assert_eq!((i.unacknowledged, i.lost), (3, 0));
    assert!(i.ack_timeout < Duration::from_millis(500), "cut (MUST-40)");
    assert!(i.app_limited && !i.sack);
    assert_eq!(i.congestion, Some(b.c.config().congestion.build().name()));
    b.send(1_000_000);
    assert!(!b.c.info(b.now).app_limited);
}
