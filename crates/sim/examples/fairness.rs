//! Who gets what of a bottleneck. Markdown comes out.
//!
//! `cargo run --release -p handfast-sim --example fairness -- [seeds] [algorithms] [Mbit/s x ms]`,
//! algorithms and links separated by commas; or `trace A,B 100x50 gap-ms seed`: one run of two flows,
//! second by second.
//!
//! Two bulk flows share a drop-tail bottleneck whose queue holds one bandwidth-delay product. The
//! second begins after 0, 0.1, 1 or 5 seconds, and up to 0.1 more, which the seed decides; what counts
//! are the 60 seconds from then on, all of them. Which algorithm begins alternates. Figures are a
//! median and, in brackets, the least of all seeds.

use handfast_sim::handfast::base::{Duration, Rng};
use handfast_sim::handfast::congestion::Congestion;
use handfast_sim::rivals::{Bottleneck, Rival, Rivalry, jain};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const LIFE: Duration = Duration::from_secs(60);
/// Milliseconds between the starts.
const GAPS: [u64; 4] = [0, 100, 1_000, 5_000];
const SPREAD: Duration = Duration::from_millis(100);
/// Simulations at a time: each is single-threaded.
const THREADS: usize = 2;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |i: usize, default| args.get(i).map_or(default, String::as_str);
    if arg(0, "") == "trace" {
        return trace(&args[1..]);
    }
    let seeds: u64 = arg(0, "8").parse().expect("seeds");
    let algorithms = algorithms(arg(1, "reno,cubic,bbr"));
    let links = arg(2, "20x20,20x50,100x20,100x50").split(',').map(link);
    let links: Vec<Bottleneck> = links.collect();
    for &algorithm in &algorithms {
        let title = format!("two of {}, Jain's index", algorithm.name());
        table(&title, &links, seeds, [algorithm; 2], jain);
    }
    for &algorithm in &algorithms {
        if algorithm.name() != Congestion::CUBIC.name() {
            let title = format!("CUBIC beside {}, CUBIC's part", algorithm.name());
            let pair = [Congestion::CUBIC, algorithm];
            table(&title, &links, seeds, pair, |s| s[0] / (s[0] + s[1]));
        }
    }
}

fn algorithms(names: &str) -> Vec<Congestion> {
    let named = |name: &str| name.parse().expect("an algorithm's name");
    names.split(',').map(named).collect()
}

/// `100x50`: 100 Mbit/s and 50 ms.
fn link(name: &str) -> Bottleneck {
    let (rate, ms) = name.split_once('x').expect("Mbit/s x ms");
    Bottleneck {
        bits_per_second: rate.parse::<u64>().expect("Mbit/s") * 1_000_000,
        round_trip: Duration::from_millis(ms.parse().expect("ms")),
        queue: 100,
    }
}

fn table(
    title: &str,
    links: &[Bottleneck],
    seeds: u64,
    pair: [Congestion; 2],
    figure: impl Fn(&[f64]) -> f64 + Sync,
) {
    print!("\n| {title} |");
    for gap in GAPS {
        print!(" {gap} ms |");
    }
    println!(" all | both together |");
    println!("|---{}|", "|---".repeat(GAPS.len() + 2));
    for link in links {
        let runs = runs(link, seeds, pair);
        let (rate, ms) = (
            link.bits_per_second / 1_000_000,
            link.round_trip.as_millis(),
        );
        print!("| {rate} Mbit/s, {ms} ms |");
        for of_gap in &runs {
            print!(" {} |", show(of_gap.iter().map(|s| figure(s)).collect()));
        }
        let all = runs.concat();
        print!(" {} |", show(all.iter().map(|s| figure(s)).collect()));
        println!(" {} |", show(all.iter().map(|s| s.iter().sum()).collect()));
    }
}

/// The shares of every run, by the gap between the starts.
fn runs(link: &Bottleneck, seeds: u64, pair: [Congestion; 2]) -> [Vec<Vec<f64>>; GAPS.len()] {
    let next = AtomicUsize::new(0);
    let out = Mutex::new([const { Vec::new() }; GAPS.len()]);
    let work = || {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let (gap, seed) = (n % GAPS.len(), (n / GAPS.len()) as u64);
            if seed >= seeds {
                return;
            }
            let spread = Rng::new(seed).below(SPREAD.as_nanos() as u64);
            let late = Duration::from_millis(GAPS[gap]) + Duration::from_nanos(spread);
            let mut starts = [Duration::ZERO, late];
            if seed % 2 == 1 {
                starts.reverse();
            }
            let rivals = [0, 1].map(|i| Rival {
                congestion: pair[i],
                start: starts[i],
            });
            let shares = Rivalry::new(seed, *link, &rivals).shares(LIFE);
            out.lock().expect("no run panics")[gap].push(shares);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
    out.into_inner().expect("no run panics")
}

/// Median and least.
fn show(mut figures: Vec<f64>) -> String {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    let median = match figures.len() % 2 {
        0 => (figures[middle - 1] + figures[middle]) / 2.0,
        _ => figures[middle],
    };
    format!("{median:.3} ({:.3})", figures[0])
}

/// Second by second: the share of each, and what its sender knows.
fn trace(args: &[String]) {
    let pair = algorithms(&args[0]);
    let link = link(&args[1]);
    let number = |i: usize| args[i].parse::<u64>().expect("a number");
    let starts = [Duration::ZERO, Duration::from_millis(number(2))];
    let rivals = [0, 1].map(|i| Rival {
        congestion: pair[i],
        start: starts[i],
    });
    let rivalry = Rivalry::new(number(3), link, &rivals);
    let mut before = [0; 2];
    for second in 1..=60 {
        rivalry.sim().run_for(Duration::from_secs(1));
        print!("{second:3}");
        for (flow, before) in rivalry.flows().iter().zip(&mut before) {
            let octets = flow.received() - std::mem::replace(before, flow.received());
            let share = octets as f64 * 8.0 / link.bits_per_second as f64;
            print!(" | {share:.3}");
            if let Some(info) = flow.info() {
                let mss = u32::from(info.snd_mss).max(1);
                print!(
                    " cwnd {:4} ssthresh {:7} rtt {:5.1} ms sent again {:4}",
                    info.cwnd / mss,
                    info.ssthresh / mss,
                    info.rtt.as_secs_f64() * 1e3,
                    info.retransmissions
                );
            }
        }
        println!();
    }
}
