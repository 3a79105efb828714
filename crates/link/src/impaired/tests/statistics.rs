use super::*;
use handfast_wire::Loss;

const TOTAL: u32 = 100_000;

/// Within five standard deviations of the mean of so many independent trials.
fn assert_share(hits: u64, of: u64, probability: f64) {
    let mean = of as f64 * probability;
    let deviation = (mean * (1.0 - probability)).sqrt();
    assert!(
        (hits as f64 - mean).abs() <= 5.0 * deviation,
        "{hits} of {of}, expected {mean} +- {deviation}"
    );
}

fn everything() -> Impairment {
    Impairment {
        loss: 0.02,
        delay: millis(10),
        jitter: millis(2),
        reorder: 0.01,
        duplicate: 0.01,
        corrupt: 0.005,
        ..Impairment::default()
    }
}

#[test]
fn each_chance_comes_true_as_often_as_asked_and_nothing_vanishes() {
    let all = everything();
    let run = run(all, 1, TOTAL, 40, Duration::from_micros(100));
    let c = run.counters;
    assert_eq!(c.sent, u64::from(TOTAL));
    assert_share(c.lost, c.sent, all.loss);
    let survivors = c.sent - c.lost;
    assert_share(c.reordered, survivors, all.reorder);
    assert_share(c.duplicated, survivors, all.duplicate);
    assert_share(c.corrupted, survivors, all.corrupt);
    assert_eq!(c.queue_full, 0);
    assert_eq!(c.sent + c.duplicated, c.lost + c.delivered);
    assert_eq!((c.under_way(), c.sent_octets), (0, c.sent * 40));
    assert_eq!(c.delivered_octets, c.delivered * 40);
    // Uniform within the jitter; the reordered are held back longer.
    assert!(c.delay.least >= millis(8) && c.delay.most <= millis(13));
    let mean = c.mean_delay().unwrap();
    assert!(mean > Duration::from_micros(9_900) && mean < Duration::from_micros(12_100));
    assert_eq!(c.delivered, run.arrived.len() as u64);

    // The observer was told the same, in the order of sending, and the truth about arrivals.
    assert!(run.seen.is_sorted_by_key(|s| s.at));
    let told = |fate| run.seen.iter().filter(|s| s.fate == fate).count() as u64;
    assert_eq!(told(Fate::Lost(Loss::Random)), c.lost);
    assert_eq!(told(Fate::Duplicate), c.duplicated);
    assert_eq!(told(Fate::Corrupted), c.corrupted);
    assert!(told(Fate::Reordered) <= c.reordered);
    let mut promised: Vec<_> = run.seen.iter().filter_map(|s| s.arrival).collect();
    promised.sort();
    assert!(promised.iter().eq(run.arrived.iter().map(|(at, _)| at)));
}

#[test]
fn the_same_seed_gives_the_same_nanoseconds_and_another_does_not() {
    let outcome = |seed| {
        let run = run(everything(), seed, 20_000, 40, Duration::from_micros(100));
        (run.seen, run.arrived)
    };
    assert!(outcome(5) == outcome(5));
    assert!(outcome(5) != outcome(6));
}

/// Losing more packets changes which arrive, but not which of those are late, doubled or broken.
#[test]
fn a_changed_probability_shifts_no_other_dice() {
    let fates = |loss| {
        let impairment = Impairment {
            loss,
            ..everything()
        };
        let seen = run(impairment, 3, 20_000, 40, Duration::from_micros(100)).seen;
        seen.into_iter()
            .map(|s| (s.number, s.fate))
            .collect::<Vec<_>>()
    };
    let is_lost = |fate: &Fate| matches!(fate, Fate::Lost(_));
    let (few, many) = (fates(0.0), fates(0.3));
    assert!(many.iter().filter(|(_, fate)| is_lost(fate)).count() > 5_000);
    let lost: Vec<u32> = many
        .iter()
        .filter_map(|(n, fate)| is_lost(fate).then_some(*n))
        .collect();
    // A flipped bit can be one of the number: follow only intact packets.
    let intact = |f: &&(u32, Fate)| f.1 != Fate::Corrupted && !is_lost(&f.1);
    assert!(
        few.iter()
            .filter(intact)
            .filter(|(n, _)| lost.binary_search(n).is_err())
            .eq(many.iter().filter(intact))
    );
}

#[test]
fn bursts_have_the_asked_mean_length_and_the_asked_share() {
    for (loss, burst) in [(0.02, 3.0), (0.05, 8.0), (0.5, 2.0), (0.9, 1.0)] {
        let impairment = Impairment {
            loss,
            burst,
            ..Impairment::default()
        };
        let run = run(impairment, 11, 4 * TOTAL, 40, Duration::from_micros(1));
        let lost: Vec<bool> = run.seen.iter().map(|s| s.arrival.is_none()).collect();
        let runs = lost.chunk_by(|a, b| a == b).filter(|run| run[0]).count();
        let share = run.counters.lost as f64 / run.counters.sent as f64;
        let mean = run.counters.lost as f64 / runs as f64;
        assert!(
            (share / loss - 1.0).abs() < 0.06,
            "share {share} for {loss}"
        );
        // A share of 0.9 cannot be had from single losses: runs of 9 are the shortest that do.
        let expected = burst.max(loss / (1.0 - loss));
        assert!((mean / expected - 1.0).abs() < 0.06, "{mean} for {burst}");
        assert!(
            run.seen
                .iter()
                .all(|s| matches!(s.fate, Fate::Passed | Fate::Lost(Loss::Burst)))
        );
    }
}

#[test]
fn jitter_is_uniform_within_its_bounds_and_keeps_the_order() {
    let impairment = Impairment {
        delay: millis(20),
        jitter: millis(5),
        ..Impairment::default()
    };
    // So far apart that none has to wait for the one before.
    let run = run(impairment, 2, 20_000, 40, millis(11));
    let delays: Vec<f64> = run
        .seen
        .iter()
        .map(|s| (s.arrival.unwrap() - s.at).as_secs_f64() * 1e3)
        .collect();
    assert!(delays.iter().all(|d| (15.0..=25.0).contains(d)));
    let mean = delays.iter().sum::<f64>() / delays.len() as f64;
    assert!((mean - 20.0).abs() < 0.1, "{mean}");
    let low = delays.iter().filter(|d| **d < 16.0).count() as u64;
    assert_share(low, 20_000, 0.1);

    let close = super::run(impairment, 2, 20_000, 40, Duration::from_micros(10));
    assert!(close.arrived.iter().map(|a| a.1).eq(0..20_000));
    // More jitter than delay never brings a packet back before it was sent.
    let wild = Impairment {
        delay: millis(1),
        ..impairment
    };
    let run = super::run(wild, 2, 1000, 40, millis(11));
    assert!(run.seen.iter().all(|s| s.arrival.unwrap() >= s.at));
}
