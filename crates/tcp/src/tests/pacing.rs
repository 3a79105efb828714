//! A connection whose congestion control paces.

use super::bench::*;
use crate::congestion::Congestion;
use crate::{Config, Path};
use handfast_base::Duration;
use std::vec::Vec;

/// A connection that has measured 100 ms and has a window of ten segments.
fn paced(gso_max: u32) -> Bench {
    let config = Config {
        congestion: Congestion::CUBIC_PACED,
        ..prompt()
    };
    let path = Path { gso_max, ..PATH };
    let mut b = Bench::on(config, path, ISS);
    b.drain();
    b.advance(Duration::from_millis(100));
    b.arrive("SYN ACK seq=-1 mss=1000");
    b.send(10_000);
    b.advance(Duration::from_millis(100));
    b.arrive("ACK ack=10000");
    b.drain();
    b.sent();
    b
}

#[test]
fn a_connection_sends_at_the_rate_that_its_algorithm_asks_for() {
    let mut b = paced(0);
    // Slow start: twice ten segments in 100 ms, one each 5 ms (the millisecond before is free).
    b.send(100_000);
    let start = b.now;
    b.advance(Duration::from_millis(40));
    let count = b.sent().len();
    let sent = &b.log[b.log.len() - count..];
    let at: Vec<u128> = sent.iter().map(|s| s.at.since(start).as_micros()).collect();
    assert_eq!(at.len(), 9, "{at:?}");
    for (i, at) in at.iter().enumerate().skip(1) {
        let due = i as u128 * 5_000 - 1_000;
        assert!(at.abs_diff(due) <= 1, "{i}: {at} {due}");
    }
    assert_eq!(at[0], 0);
}

/// 1 ms of the rate, half a window, the link's limit; and two segments at least.
#[test]
fn super_segments_are_cut_to_a_millisecond_of_the_rate() {
    for (rate, cwnd, gso_max, largest) in [
        (5_000_000, 100_000, 65_535, 5_000),
        (50_000_000, 100_000, 65_535, 50_000),
        (50_000_000, 20_000, 65_535, 10_000),
        (50_000_000, 100_000, 9_000, 8_000),
        (100_000, 100_000, 65_535, 2_000),
        (50_000_000, 2_000, 65_535, 2_000),
    ] {
        let mut b = paced(gso_max);
        b.c.tcb.cwnd = cwnd;
        b.c.parts().1.pacer.set_rate(Some(rate));
        b.log.clear();
        b.send(200_000);
        let first = b.log.first().map(|s| s.text.len());
        assert_eq!(first, Some(largest), "{rate} {cwnd} {gso_max}");
    }
}
