//! The scoreboard against a model that knows every octet by itself.

use super::scoreboard::{Delivered, Scoreboard};
use alloc::vec::Vec;
use handfast_base::{Duration, Instant, Rng};
use handfast_wire::SeqNumber;

/// One octet in flight.
#[derive(Clone, Copy, Debug)]
struct Octet {
    sent_at: Instant,
    resent: bool,
    lost: bool,
    /// Which transmission it was part of.
    piece: u64,
}

/// A transmission was cut in two at `at`: the second part is one of its own from now on.
fn split(model: &mut [Octet], at: usize, piece: u64) {
    if at > 0 && at < model.len() && model[at - 1].piece == model[at].piece {
        let old = model[at].piece;
        let rest = model[at..].iter_mut().take_while(|o| o.piece == old);
        rest.for_each(|o| o.piece = piece);
    }
}

#[test]
fn it_knows_of_every_octet_what_befell_it() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let start = SeqNumber(0u32.wrapping_sub(rng.below(10_000) as u32));
        let mut board = Scoreboard::default();
        let mut model: Vec<Octet> = Vec::new();
        let mut una = start;
        let mut now = Instant::from_secs(1);
        for piece in 0..300 {
            now += Duration::from_micros(1 + rng.below(1_000));
            let nxt = una + model.len() as u32;
            match rng.below(6) {
                0 | 1 => {
                    let len = 1 + rng.below(500) as u32;
                    board.sent(nxt, nxt + len, now);
                    if rng.chance(0.2) {
                        board.rate.mark_app_limited(board.in_flight());
                    }
                    let octet = Octet {
                        sent_at: now,
                        resent: false,
                        lost: false,
                        piece,
                    };
                    model.extend((0..len).map(|_| octet));
                }
                2 => {
                    let n = rng.below(model.len() as u64 + 1) as usize;
                    let cut = model
                        .get(n)
                        .filter(|o| o.resent && !o.lost)
                        .map(|o| o.piece);
                    let acked = board.acknowledge(una + n as u32, now);
                    let gone: Vec<Octet> = model.drain(..n).collect();
                    assert_eq!(acked.octets as usize, n);
                    let resent = gone.iter().filter(|o| o.resent).map(|o| o.sent_at).max();
                    assert_eq!(acked.resent_at, resent, "seed {seed}");
                    let clean = gone.last().filter(|_| resent.is_none());
                    assert_eq!(acked.sent_at, clean.map(|o| o.sent_at));
                    una += n as u32;
                    if let Some(piece) = cut.filter(|p| gone.last().is_some_and(|o| o.piece == *p))
                    {
                        let rest = model.iter_mut().take_while(|o| o.piece == piece);
                        rest.for_each(|o| o.lost = true);
                    }
                }
                3 => {
                    // One segment, but never more than was sent in one piece.
                    let len = 1 + rng.below(200) as u32;
                    board.mark_first_lost(len);
                    let lost = board.front().map_or(0, |r| r.len());
                    assert!(lost <= len && (lost > 0 || model.is_empty()));
                    model[..lost as usize]
                        .iter_mut()
                        .for_each(|o| o.lost = true);
                }
                4 => {
                    board.mark_all_lost();
                    model.iter_mut().for_each(|o| o.lost = true);
                }
                _ => {
                    let len = 1 + rng.below(200) as u32;
                    let first = model.iter().position(|o| o.lost);
                    let found = board.next_lost(len);
                    assert_eq!(found.map(|(s, _)| s.offset_from(una) as usize), first);
                    let Some((from, to)) = found else { continue };
                    assert!(to.offset_from(from) <= len);
                    board.retransmitted(now);
                    split(&mut model, to.offset_from(una) as usize, piece + 1_000);
                    let range = from.offset_from(una) as usize..to.offset_from(una) as usize;
                    for octet in &mut model[range] {
                        assert!(octet.lost, "seed {seed}: only what is lost goes out again");
                        *octet = Octet {
                            sent_at: now,
                            resent: true,
                            lost: false,
                            piece,
                        };
                    }
                }
            }
            board.check_invariants(una, una + model.len() as u32);
            let lost = model.iter().filter(|o| o.lost).count();
            assert_eq!(board.lost() as usize, lost, "seed {seed}");
            assert_eq!(board.in_flight() as usize, model.len() - lost);
        }
    }
}

/// What the acknowledgment of all before `una` makes of the delivery rate.
fn rate(board: &mut Scoreboard, una: SeqNumber, now: Instant) -> u64 {
    let acked = board.acknowledge(una, now);
    board.rate.sample(acked.delivered.newest.as_ref(), now);
    board.rate.last()
}

#[test]
fn the_delivery_rate_is_the_slower_of_both_sides() {
    let at = |ms| Instant::from_millis(1_000 + ms);
    let seq = SeqNumber;
    // 10,000 octets leave within 10 ms, and are acknowledged within 100 ms of the first.
    let mut board = Scoreboard::default();
    for i in 0..10 {
        board.sent(seq(i * 1_000), seq((i + 1) * 1_000), at(u64::from(i)));
    }
    assert_eq!(rate(&mut board, seq(10_000), at(100)), 100_000);
    // What the application limited says nothing about the network.
    board.rate.mark_app_limited(0);
    board.sent(seq(10_000), seq(11_000), at(200));
    assert_eq!(rate(&mut board, seq(11_000), at(201)), 100_000);
    assert!(!board.rate.is_app_limited());
    // A compressed run of acknowledgments is no bandwidth.
    for i in 11..21 {
        let left = at(300 + 10 * u64::from(i - 11));
        board.sent(seq(i * 1_000), seq((i + 1) * 1_000), left);
    }
    let mut highest = 0;
    for i in 11..21 {
        highest = highest.max(rate(&mut board, seq((i + 1) * 1_000), at(400)));
    }
    assert!(highest <= 111_112, "{highest}");
}

#[test]
fn an_acknowledgment_of_nothing_is_none() {
    let mut board = Scoreboard::default();
    let acked = board.acknowledge(SeqNumber(5), Instant::from_secs(1));
    assert_eq!(
        (acked.octets, acked.sent_at, board.rate.last()),
        (0, None, 0)
    );
    board.mark_first_lost(10);
    board.mark_all_lost();
    assert_eq!(board.next_lost(10), None);
    assert_eq!((board.lost(), board.transmissions()), (0, 0));
}

/// Ten segments of 1,000 octets from 0, a millisecond apart.
fn ten(at: impl Fn(u64) -> Instant) -> Scoreboard {
    let mut board = Scoreboard::default();
    for i in 0..10 {
        let start = SeqNumber(i * 1_000);
        board.sent(start, start + 1_000, at(u64::from(i)));
    }
    board
}

fn sack(board: &mut Scoreboard, left: u32, right: u32, now: Instant) -> Delivered {
    let mut d = Delivered::default();
    board.sack(SeqNumber(left), SeqNumber(right), 1_000, now, &mut d);
    board.check_invariants(SeqNumber(0), board.back().expect("something").end);
    d
}

#[test]
fn what_is_reported_or_lost_is_not_in_flight_and_reports_merge_with_both_neighbours() {
    let at = |ms| Instant::from_millis(1_000 + ms);
    let mut board = ten(at);
    assert_eq!(sack(&mut board, 2_000, 3_000, at(100)).octets, 1_000);
    assert_eq!((board.in_flight(), board.transmissions()), (9_000, 10));
    assert_eq!(board.rate.total(), 1_000, "reported is delivered");
    // Behind it, ahead of it, and between two.
    sack(&mut board, 3_000, 4_000, at(100));
    assert_eq!(board.transmissions(), 9);
    sack(&mut board, 1_000, 2_000, at(100));
    assert_eq!(board.transmissions(), 8);
    sack(&mut board, 5_000, 6_000, at(100));
    sack(&mut board, 4_000, 5_000, at(100));
    assert_eq!((board.in_flight(), board.transmissions()), (5_000, 6));
    assert_eq!((board.sacked(), board.sacked_segments()), (5_000, 5));
    // What is said again says nothing, also to the delivery rate.
    let delivered = board.rate.total();
    assert_eq!(sack(&mut board, 1_000, 6_000, at(200)).octets, 0);
    assert_eq!(board.rate.total(), delivered);
    board.mark_first_lost(1_000);
    assert_eq!((board.lost(), board.in_flight()), (1_000, 4_000));
    board.sent(SeqNumber(10_000), SeqNumber(11_000), at(200));
    let last = board.back().map(|r| r.departure.in_flight);
    assert_eq!(last, Some(5_000));
}

#[test]
fn the_last_segment_is_what_a_probe_repeats() {
    let at = |ms| Instant::from_millis(1_000 + ms);
    for (len, last) in [(2_500, 500), (3_000, 1_000), (400, 400)] {
        let mut board = Scoreboard::default();
        board.sent(SeqNumber(0), SeqNumber(len), at(0));
        board.mark_last_lost(1_000);
        board.check_invariants(SeqNumber(0), SeqNumber(len));
        let lost = board.next_lost(1_000);
        assert_eq!(lost, Some((SeqNumber(len - last), SeqNumber(len))));
    }
    // What the peer has is not repeated, and stays counted when it is cut.
    let mut board = ten(at);
    sack(&mut board, 7_000, 10_000, at(100));
    board.mark_last_lost(1_000);
    board.check_invariants(SeqNumber(0), SeqNumber(10_000));
    assert_eq!((board.lost(), board.sacked_segments()), (0, 3));
}

#[test]
fn a_timeout_tells_of_what_the_network_lost_and_nobody_had_told_of() {
    let at = |ms| Instant::from_millis(1_000 + ms);
    let mut board = ten(at);
    sack(&mut board, 2_000, 5_000, at(100));
    board.mark_first_lost(1_000);
    let mut told = Vec::new();
    board.lose_all(|packet| told.push((packet.start.0, packet.lost)));
    let wanted = [1_000, 5_000, 6_000, 7_000, 8_000, 9_000];
    let wanted: Vec<_> = wanted.into_iter().zip((2_000..).step_by(1_000)).collect();
    assert_eq!(told, wanted);
    assert_eq!((board.lost(), board.in_flight()), (10_000, 0));
}

#[test]
fn the_gap_an_application_leaves_lasts_until_what_was_in_flight_is_delivered() {
    let at = |ms| Instant::from_millis(1_000 + ms);
    let mut board = ten(at);
    assert!(!board.rate.is_app_limited());
    board.rate.mark_app_limited(board.in_flight());
    assert!(board.rate.is_app_limited());
    rate(&mut board, SeqNumber(10_000), at(100));
    assert!(
        board.rate.is_app_limited(),
        "no more than that is delivered"
    );
    board.sent(SeqNumber(10_000), SeqNumber(11_000), at(200));
    rate(&mut board, SeqNumber(11_000), at(300));
    assert!(!board.rate.is_app_limited());
}

#[test]
fn a_model_hears_what_was_delivered_and_lost_since_the_newest_left() {
    let at = |ms| Instant::from_millis(1_000 + ms);
    let mut board = ten(at);
    let acked = board.acknowledge(SeqNumber(3_000), at(100));
    let newest = acked.delivered.newest.expect("one");
    let d = board.rate.delivery(&newest, at(100));
    assert_eq!(
        (d.octets, d.prior_delivered, d.tx_in_flight),
        (3_000, 0, 3_000)
    );
    // From when the first of its flight left, and the acknowledgment before it.
    assert_eq!(d.interval, Duration::from_millis(100));
    board.mark_first_lost(1_000);
    board.sent(SeqNumber(10_000), SeqNumber(11_000), at(110));
    board.mark_lost_within(SeqNumber(4_000), SeqNumber(5_000));
    let acked = board.acknowledge(SeqNumber(11_000), at(210));
    let newest = acked.delivered.newest.expect("one");
    let d = board.rate.delivery(&newest, at(210));
    assert_eq!((d.octets, d.prior_delivered), (8_000, 3_000));
    assert_eq!((d.tx_in_flight, d.lost), (7_000, 0));
    assert_eq!(d.interval, Duration::from_millis(110));
}
