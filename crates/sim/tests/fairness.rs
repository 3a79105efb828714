//! Two flows that share a bottleneck with a queue of one bandwidth-delay product, for a minute from
//! the start of the later one: what each gets.

use handfast_sim::handfast::base::Duration;
use handfast_sim::handfast::congestion::Congestion;
use handfast_sim::rivals::{Bottleneck, Rival, Rivalry, jain};

/// Starts of the second flow, in milliseconds after the first.
const STARTS: [u64; 4] = [20, 150, 1_050, 5_000];

/// So many Mbit/s, and 50 ms.
fn link(megabits: u64) -> Bottleneck {
    Bottleneck {
        bits_per_second: megabits * 1_000_000,
        round_trip: Duration::from_millis(50),
        queue: 100,
    }
}

/// The shares of a minute at so many Mbit/s.
fn run(megabits: u64, seed: u64, pair: [Congestion; 2], late: u64) -> Vec<f64> {
    let starts = [Duration::ZERO, Duration::from_millis(late)];
    let rivals = [0, 1].map(|i| Rival {
        congestion: pair[i],
        start: starts[i],
    });
    Rivalry::new(seed, link(megabits), &rivals).shares(Duration::from_secs(60))
}

/// The shares at 20 Mbit/s, one entry for each of [`STARTS`].
fn shares(pair: [Congestion; 2]) -> Vec<Vec<f64>> {
    let run = |(seed, late)| run(20, seed, pair, late);
    (0..).zip(STARTS).map(run).collect()
}

/// Least and median of some figures.
fn least_and_median(mut figures: Vec<f64>) -> (f64, f64) {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    (figures[0], (figures[middle - 1] + figures[middle]) / 2.0)
}

fn two_of(algorithm: Congestion) -> (f64, f64) {
    let runs = shares([algorithm; 2]);
    for shares in &runs {
        println!(
            "{} {shares:.3?}, Jain {:.3}",
            algorithm.name(),
            jain(shares)
        );
        assert!(shares.iter().sum::<f64>() > 0.93, "{shares:?}");
    }
    least_and_median(runs.iter().map(|shares| jain(shares)).collect())
}

#[test]
fn two_flows_of_reno_share_alike() {
    let (least, median) = two_of(Congestion::RENO);
    assert!(least > 0.98 && median > 0.99, "{least} {median}");
}

#[test]
fn two_flows_of_cubic_share_alike() {
    let (least, median) = two_of(Congestion::CUBIC);
    assert!(least > 0.95 && median > 0.98, "{least} {median}");
}

#[test]
fn two_flows_of_bbr_share_alike() {
    let (least, median) = two_of(Congestion::BBR);
    assert!(least > 0.95 && median > 0.99, "{least} {median}");
}

/// A third of what both have, for either of them.
fn assert_a_third(shares: &[f64], cubic: usize) {
    let part = shares[cubic] / (shares[0] + shares[1]);
    println!("CUBIC's part {part:.3} of {shares:.3?}");
    assert!(part > 1.0 / 3.0 && part < 2.0 / 3.0, "{shares:?}");
}

/// Whoever of them comes first.
#[test]
fn cubic_keeps_a_third_beside_bbr() {
    for pair in [
        [Congestion::CUBIC, Congestion::BBR],
        [Congestion::BBR, Congestion::CUBIC],
    ] {
        for shares in shares(pair) {
            let cubic = usize::from(pair[1].name() == Congestion::CUBIC.name());
            assert_a_third(&shares, cubic);
        }
    }
}

/// What slow starts leave takes CUBIC's windows minutes to level.
#[test]
fn two_slow_starts_leave_either_flow_its_part_of_a_path_of_hundreds_of_segments() {
    for (algorithm, least) in [(Congestion::RENO, 0.98), (Congestion::CUBIC, 0.96)] {
        for late in [20, 1_050] {
            let shares = run(100, 1, [algorithm; 2], late);
            let jain = jain(&shares);
            println!("{} {shares:.3?}, Jain {jain:.3}", algorithm.name());
            assert!(shares.iter().sum::<f64>() > 0.95, "{shares:?}");
            assert!(jain > least, "{shares:?}");
        }
    }
}

/// The path is full, and nothing has been lost for it.
#[test]
fn a_slow_start_ends_between_the_path_and_its_queue() {
    for algorithm in [Congestion::RENO, Congestion::CUBIC] {
        let alone = Rival {
            congestion: algorithm,
            start: Duration::ZERO,
        };
        let rivalry = Rivalry::new(0, link(100), &[alone]);
        rivalry.sim().run_for(Duration::from_secs(1));
        let before = rivalry.flows()[0].received();
        rivalry.sim().run_for(Duration::from_secs(1));
        let rate = (rivalry.flows()[0].received() - before) * 8;
        assert!(rate > 96_000_000, "{} {rate} bit/s", algorithm.name());
        let info = rivalry.flows()[0].info().expect("it has written");
        assert_eq!(info.retransmissions, 0, "{}", algorithm.name());
    }
}

#[test]
fn two_flows_of_bbr_share_nearly_alike_on_a_path_of_hundreds_of_segments() {
    let shares = run(100, 1, [Congestion::BBR; 2], 100);
    println!("{shares:.3?}, Jain {:.3}", jain(&shares));
    assert!(shares.iter().sum::<f64>() > 0.93, "{shares:?}");
    assert!(jain(&shares) > 0.95, "{shares:?}");
}

/// Windows of hundreds of segments take CUBIC seconds to regain.
#[test]
fn cubic_keeps_a_third_beside_bbr_on_a_path_of_hundreds_of_segments() {
    // The second seed is one whose Startup sees a longer round trip than the full queue makes.
    for (seed, late) in [(0, 1_050), (5, 129)] {
        let shares = run(100, seed, [Congestion::BBR, Congestion::CUBIC], late);
        assert_a_third(&shares, 1);
    }
}
