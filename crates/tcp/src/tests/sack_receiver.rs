//! Selective acknowledgments as a receiver sends them (RFC 2018), and duplicates (RFC 2883).

use super::bench::*;
use crate::{Config, ListenVerdict, State, SynReceived, listen};
use alloc::sync::Arc;

fn receiver() -> Bench {
    Bench::established(prompt(), "mss=1000 sackok")
}

#[test]
fn the_option_is_offered_and_used_only_if_both_ends_offer_it() {
    let mut b = Bench::new(prompt());
    b.drain();
    assert!(b.last().header.options.sack_permitted);
    b.arrive("SYN ACK seq=-1");
    b.arrive("ACK seq=1000 len=1000");
    b.expect("SYN seq=-1; ACK seq=0 ack=0; ACK seq=0 ack=0");
    let off = Config {
        sack: false,
        ..prompt()
    };
    let mut b = Bench::new(off);
    b.drain();
    assert!(!b.last().header.options.sack_permitted);
    b.arrive("SYN ACK seq=-1 sackok");
    b.arrive("ACK seq=1000 len=1000");
    b.expect("SYN seq=-1; ACK seq=0 ack=0; ACK seq=0 ack=0");
    let mut b = receiver();
    b.arrive("ACK seq=1000 len=1000");
    b.expect("ACK seq=0 ack=0 sack=1000..2000");
}

#[test]
fn a_passive_open_answers_the_offer_and_hands_it_on() {
    for (word, ours) in [("sackok", true), ("", true), ("sackok", false)] {
        let config = Config {
            sack: ours,
            ..prompt()
        };
        let syn = segment(&alloc::format!("SYN seq=-1 {word}"), ISS + 1, IRS + 1);
        let both = ours && !word.is_empty();
        let now = handfast_base::Instant::from_secs(1);
        let mut record = SynReceived::new(&syn.header, ISS, TS_OFFSET, &config, PATH, now);
        let mut out = crate::SegmentSlot::default();
        record.write_syn_ack(now, &config, PATH, &mut out);
        assert_eq!(out.header.options.sack_permitted, both);
        let c = record.into_connection(Arc::new(config), PATH, now);
        let mut b = Bench::adopt(c, now);
        b.arrive("ACK");
        b.arrive("ACK seq=1000 len=1000");
        assert_eq!(b.last().header.options.sack.is_empty(), !both);
    }
    let syn = segment("SYN seq=-1 sackok", ISS + 1, IRS + 1);
    let mut out = crate::SegmentSlot::default();
    assert_eq!(listen(&syn, &mut out), ListenVerdict::Syn);
}

#[test]
fn a_simultaneous_open_negotiates_it_too() {
    let mut b = Bench::new(prompt());
    b.drain();
    b.arrive("SYN seq=-1 sackok");
    assert!(b.last().header.options.sack_permitted);
    b.arrive("SYN ACK seq=-1 sackok");
    assert_eq!(b.c.state(), State::Established);
    b.arrive("ACK seq=1000 len=1000");
    assert!(!b.last().header.options.sack.is_empty());
}

/// RFC 2018, 4: the first block holds the segment that triggered the ACK, then the most recent.
#[test]
fn the_block_that_grew_last_comes_first_and_others_in_order_of_time() {
    let mut b = receiver();
    b.arrive("ACK seq=1000 len=1000");
    b.arrive("ACK seq=5000 len=1000");
    b.arrive("ACK seq=3000 len=1000");
    b.arrive("ACK seq=2000 len=500");
    b.expect(
        "ACK seq=0 ack=0 sack=1000..2000; \
         ACK seq=0 ack=0 sack=5000..6000 sack=1000..2000; \
         ACK seq=0 ack=0 sack=3000..4000 sack=5000..6000 sack=1000..2000; \
         ACK seq=0 ack=0 sack=1000..2500 sack=3000..4000 sack=5000..6000",
    );
    // The gap before the first closes: the acknowledgment advances, and tells of the rest.
    b.arrive("ACK seq=0 len=1000");
    b.expect("ACK seq=0 ack=2500 sack=3000..4000 sack=5000..6000");
    b.arrive("ACK seq=2500 len=500");
    b.arrive("ACK seq=4000 len=1000");
    b.expect("ACK seq=0 ack=4000 sack=5000..6000; ACK seq=0 ack=6000");
}

#[test]
fn as_many_blocks_as_fit_beside_the_timestamps() {
    for (config, more, blocks) in [(prompt(), "", 4), (stamped(), "ts=1", 3)] {
        let mut b = Bench::established(config, "mss=1000 sackok");
        for i in 0..6 {
            b.arrive(&alloc::format!(
                "ACK seq={} len=100 {more}",
                1_000 + 200 * i
            ));
        }
        let header = &b.last().header;
        assert_eq!(header.options.sack.as_slice().len(), blocks);
        assert!(header.header_len() <= 60);
        assert_eq!(header.options.sack.as_slice()[0].left, b.theirs + 2_000);
    }
}

#[test]
fn acknowledgments_of_one_batch_each_report_another_island() {
    let mut b = receiver();
    for i in 0..6 {
        b.arrive_quietly(&alloc::format!("ACK seq={} len=100", 1_000 + 200 * i));
    }
    b.drain();
    let firsts: alloc::vec::Vec<_> = b.log[b.log.len() - 6..]
        .iter()
        .map(|s| s.header.options.sack.as_slice()[0].left.distance(b.theirs))
        .collect();
    assert_eq!(firsts, [1_000, 1_200, 1_400, 1_600, 1_800, 2_000]);
}

/// RFC 2018, 8: data that was reported may be thrown away, and is not reported again.
#[test]
fn what_is_thrown_away_is_reported_no_longer_and_comes_again() {
    let mut b = receiver();
    assert!(!b.c.renege());
    b.arrive("ACK seq=1000 len=1000");
    b.arrive("ACK seq=3000 len=1000");
    assert!(b.c.receive_memory() >= 2_000);
    assert!(b.c.renege());
    assert_eq!(b.c.receive_memory(), 0);
    b.arrive("ACK seq=0 len=1000");
    b.arrive("ACK seq=2000 len=1000");
    b.arrive("ACK seq=1000 len=1000");
    b.expect(
        "ACK seq=0 ack=0 sack=1000..2000; \
         ACK seq=0 ack=0 sack=3000..4000 sack=1000..2000; \
         ACK seq=0 ack=1000; \
         ACK seq=0 ack=1000 sack=2000..3000; \
         ACK seq=0 ack=3000",
    );
}

#[test]
fn a_fin_ahead_of_a_gap_is_reported() {
    let mut b = receiver();
    b.arrive("FIN ACK seq=1000 len=1000");
    b.expect("ACK seq=0 ack=0 sack=1000..2001");
    b.arrive("ACK seq=0 len=1000");
    b.expect("ACK seq=0 ack=2001");
    let mut b = receiver();
    b.arrive("FIN ACK seq=1000");
    b.expect("ACK seq=0 ack=0 sack=1000..1001");
}

#[test]
fn what_there_is_to_report_leaves_ahead_of_full_segments() {
    let mut b = receiver();
    b.arrive_quietly("ACK seq=2000 len=1000");
    b.arrive_quietly("ACK seq=0 len=1000");
    b.send(1_000);
    b.expect(
        "ACK seq=0 ack=1000 sack=2000..3000; \
         PSH,ACK seq=0 ack=1000 len=1000",
    );
}

/// RFC 2883, 4.1: what is repeated, in full or in part, below or above the acknowledgment.
#[test]
fn what_arrives_twice_is_reported_once_as_the_first_block() {
    let mut b = receiver();
    b.arrive("ACK seq=0 len=1000");
    b.sent();
    b.arrive("ACK seq=0 len=1000");
    b.expect("ACK seq=0 ack=1000 sack=0..1000");
    // Only once.
    b.arrive("ACK seq=2000 len=1000");
    b.expect("ACK seq=0 ack=1000 sack=2000..3000");
    // Partly old, partly new.
    b.arrive("ACK seq=500 len=1000");
    b.expect("ACK seq=0 ack=1500 sack=500..1000 sack=2000..3000");
    // Beyond the gap: the island that holds it comes second.
    b.arrive("ACK seq=2000 len=500");
    b.expect("ACK seq=0 ack=1500 sack=2000..2500 sack=2000..3000");
    b.arrive("ACK seq=2500 len=1000");
    b.expect("ACK seq=0 ack=1500 sack=2500..3000 sack=2000..3500");
}

/// RFC 2883, 4: at most one block for each contiguous sequence of duplicates.
#[test]
fn duplicates_that_touch_are_reported_in_one_block() {
    let mut b = receiver();
    b.arrive("ACK seq=0 len=1000");
    b.arrive("ACK seq=1000 len=1000");
    b.sent();
    b.arrive_quietly("ACK seq=0 len=1000");
    b.arrive_quietly("ACK seq=1000 len=1000");
    b.drain();
    b.expect("ACK seq=0 ack=2000 sack=0..2000");
}

#[test]
fn a_duplicate_that_paws_turns_away_is_reported() {
    let mut b = Bench::established(stamped(), "mss=1000 sackok");
    b.arrive("ACK seq=0 len=1000 ts=50");
    b.sent();
    b.arrive("ACK seq=0 len=1000 ts=40");
    b.expect("ACK seq=0 ack=1000 sack=0..1000");
}

#[test]
fn what_there_is_to_report_leaves_ahead_of_a_stream() {
    let mut b = receiver();
    b.send(1_000);
    b.arrive("ACK seq=4000 len=1000");
    b.sent();
    b.arrive_quietly("ACK seq=0 len=1000");
    b.send(5_000);
    let sent = b.sent();
    assert_eq!(sent[0], "ACK seq=1000 ack=1000 sack=4000..5000");
    assert_eq!(sent[1], "ACK seq=1000 ack=1000 len=1000");
}
