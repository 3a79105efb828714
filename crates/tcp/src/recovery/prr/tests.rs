//! RFC 9937, section 6.

use super::Prr;

const MSS: u32 = 1_000;
const SSTHRESH: u32 = 10_000;

#[test]
fn above_ssthresh_its_share_of_what_is_delivered_leaves() {
    // 10,000 of 30,000: a third of what is delivered, rounded up to whole segments.
    let mut prr = Prr::new(30_000);
    let mut out = 0;
    for (delivered, total) in [(1_000, 1_000), (2_000, 1_000), (1_000, 2_000), (0, 2_000)] {
        let room = prr.acknowledged(delivered, 20_000, SSTHRESH, MSS, true);
        assert_eq!(out + room, total);
        prr.sent(room);
        out += room;
    }
    // What left beyond that is waited for.
    prr.sent(1_000);
    let room = prr.acknowledged(5_000, 20_000, SSTHRESH, MSS, true);
    assert_eq!(room, 0);
    let room = prr.acknowledged(1, SSTHRESH + 1, SSTHRESH, MSS, false);
    assert_eq!(room, 1_000);
}

#[test]
fn below_ssthresh_no_more_leaves_than_is_delivered_and_a_segment_where_all_goes_well() {
    for (safe, more) in [(false, 0), (true, MSS)] {
        let mut prr = Prr::new(20_000);
        let room = prr.acknowledged(3_000, 4_000, SSTHRESH, MSS, safe);
        assert_eq!(room, 3_000 + more);
        // What did not leave then may leave now.
        prr.sent(1_000);
        let room = prr.acknowledged(500, 4_000, SSTHRESH, MSS, safe);
        assert_eq!(room, 2_500 + more);
        // What left beyond that is not held against what is delivered now.
        prr.sent(9_000);
        let room = prr.acknowledged(2_000, 4_000, SSTHRESH, MSS, safe);
        assert_eq!(room, 2_000 + more);
        // Never beyond ssthresh.
        let room = prr.acknowledged(2_000, 9_500, SSTHRESH, MSS, safe);
        assert_eq!(room, 500);
        assert_eq!(prr.acknowledged(2_000, SSTHRESH, SSTHRESH, MSS, safe), 0);
    }
}

#[test]
fn with_nothing_in_flight_a_segment_leaves() {
    let mut prr = Prr::new(0);
    assert_eq!(prr.acknowledged(0, 0, SSTHRESH, MSS, false), MSS);
    assert_eq!(prr.acknowledged(0, 1, SSTHRESH, MSS, false), 0);
    // One octet was in flight, or none: no division by nothing.
    let room = Prr::new(0).acknowledged(u32::MAX, u32::MAX, SSTHRESH, MSS, true);
    assert!((1 << 30..(1 << 30) + MSS).contains(&room));
}
