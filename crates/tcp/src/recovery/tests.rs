//! The scoreboard against a model that knows every octet by itself.

use super::scoreboard::Scoreboard;
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
