//! W5: congestion control over an impaired path, in virtual time. Markdown comes out.
//!
//! `cargo run --release -p handfast-bench --bin w5 [seeds] [rows] [algorithms]`: only rows with this
//! in their name, and only these algorithms, separated by commas.
//!
//! The path: 100 Mbit/s of IP packets, 50 ms round trip, a drop-tail queue of one
//! bandwidth-delay product (unless the row says otherwise), 1,500 octets; impairments are those
//! of the sender's direction. Four tables: the share of the link that one bulk transfer gets in
//! 60 s, the first 5 discarded, and what that is of the most that there can be, which is the rate
//! without what is lost and without headers; 20 MiB from SYN to last octet; two flows of one
//! algorithm that begin within a second of each other; and CUBIC beside another. Every octet is
//! compared. Figures are a median and, in
//! brackets, the least and the most of all seeds; where nothing is left to chance, one run is all
//! runs.

use handfast::congestion::Congestion;
use handfast_bench::paths::{RATE, Row, rows, way_back};
use handfast_bench::spread;
use handfast_sim::LinkConfig;
use handfast_sim::handfast::Config;
use handfast_sim::handfast::base::{Duration, Instant};
use handfast_sim::handfast::link::impaired::Impairment;
use handfast_sim::rivals::{Flow, Rival, Rivalry, jain};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const DISCARDED: Duration = Duration::from_secs(5);
const END: Duration = Duration::from_secs(60);
const FILE: u64 = 20 << 20;
/// Only for readers that wait in vain: nothing here takes so long.
const HORIZON: Duration = Duration::from_secs(3_600);

fn main() {
    let mut args = std::env::args().skip(1);
    let seeds = args.next().map_or(20, |a| a.parse().expect("seeds"));
    let only = args.next().unwrap_or_default();
    let rows: Vec<Row> = rows().into_iter().filter(|r| r.0.contains(&only)).collect();
    println!(
        "100 Mbit/s, 50 ms, queue 1 BDP, 1,500 octets, timestamps, delayed ACKs, receive buffer \
         {} KiB; {seeds} seeds; median (least..most)",
        Config::default().receive_buffer.most() >> 10
    );
    let algorithms = algorithms(args.next());
    bulk(&rows, seeds, &algorithms);
    file(&rows, seeds, &algorithms);
    fairness(&rows, seeds, &algorithms);
    rivals(&rows, seeds, &algorithms);
}

/// Those with these names, separated by commas; all that have one.
fn algorithms(names: Option<String>) -> Vec<Congestion> {
    match names {
        Some(names) => names
            .split(',')
            .map(|name| name.parse().expect("an algorithm's name"))
            .collect(),
        None => Congestion::NAMED.to_vec(),
    }
}

/// One bulk transfer for a minute.
fn bulk(rows: &[Row], seeds: u64, algorithms: &[Congestion]) {
    println!("\n### Bulk: share of the link, 5 s to 60 s\n");
    println!("| path | algorithm | share | of the limit | sent again | timeouts |");
    println!("|---|---|---|---|---|---|");
    for (name, path, chance) in rows {
        for &algorithm in algorithms {
            let runs = all_seeds(seeds, *chance, |seed| {
                let mut world = world(seed, *path);
                let flow = flow(&mut world, algorithm, Duration::ZERO, u64::MAX);
                let [share] = shares(&world);
                // See `Flow::has_given_up`: not one SYN has arrived.
                let Some(info) = flow.info() else {
                    return [0.0; 4];
                };
                let again = f64::from(info.retransmissions);
                let limit = (1.0 - path.loss) * f64::from(info.snd_mss) / f64::from(info.path_mtu);
                [share, share / limit, again, f64::from(info.timeouts)]
            });
            println!(
                "| {name} | {} | {} | {} | {} | {} |",
                algorithm.name(),
                figure(&runs, 0, 3),
                figure(&runs, 1, 3),
                figure(&runs, 2, 0),
                figure(&runs, 3, 0),
            );
        }
    }
}

/// 20 MiB from SYN to last octet.
fn file(rows: &[Row], seeds: u64, algorithms: &[Congestion]) {
    println!("\n### 20 MiB, from SYN to last octet\n");
    println!("| path | algorithm | seconds | share | sent again |\n|---|---|---|---|---|");
    for (name, path, chance) in rows {
        for &algorithm in algorithms {
            let runs = all_seeds(seeds, *chance, |seed| {
                let mut world = world(seed, *path);
                let flow = flow(&mut world, algorithm, Duration::ZERO, FILE);
                let end = world.sim().run();
                assert!(end.is_ok() || flow.has_given_up(), "{end:?}");
                let done = flow.done_at().map(|at| at.as_nanos() as f64 / 1e9);
                let seconds = done.unwrap_or(f64::INFINITY);
                let share = FILE as f64 * 8.0 / seconds / RATE as f64;
                let again = flow.info().map_or(0, |info| info.retransmissions);
                [seconds, share, f64::from(again)]
            });
            println!(
                "| {name} | {} | {} | {} | {} |",
                algorithm.name(),
                figure(&runs, 0, 2),
                figure(&runs, 1, 3),
                figure(&runs, 2, 0),
            );
        }
    }
}

/// Two flows of one algorithm.
fn fairness(rows: &[Row], seeds: u64, algorithms: &[Congestion]) {
    println!("\n### Two flows of one algorithm, 5 s to 60 s\n");
    println!("| path | algorithm | Jain index | both together | smaller share |");
    println!("|---|---|---|---|---|");
    for (name, path, _) in rows {
        for &algorithm in algorithms {
            let runs = all_seeds(seeds, true, |seed| {
                let mut world = world(seed, *path);
                let later = Duration::from_millis(1 + world.sim().rng().below(1_000));
                for start in [Duration::ZERO, later] {
                    flow(&mut world, algorithm, start, u64::MAX);
                }
                let [a, b] = shares(&world);
                [jain(&[a, b]), a + b, a.min(b)]
            });
            println!(
                "| {name} | {} | {} | {} | {} |",
                algorithm.name(),
                figure(&runs, 0, 3),
                figure(&runs, 1, 3),
                figure(&runs, 2, 3),
            );
        }
    }
}

/// A flow of CUBIC, and one of another algorithm that begins within a second of it.
fn rivals(rows: &[Row], seeds: u64, algorithms: &[Congestion]) {
    println!("\n### CUBIC beside another, 5 s to 60 s\n");
    println!("| path | other | CUBIC's part | CUBIC's share | both together |");
    println!("|---|---|---|---|---|");
    for (name, path, _) in rows {
        for &algorithm in algorithms {
            if algorithm.name() == Congestion::CUBIC.name() {
                continue;
            }
            let runs = all_seeds(seeds, true, |seed| {
                let mut world = world(seed, *path);
                let later = [(); 2].map(|()| Duration::from_millis(world.sim().rng().below(1_000)));
                for (congestion, start) in [Congestion::CUBIC, algorithm].into_iter().zip(later) {
                    flow(&mut world, congestion, start, u64::MAX);
                }
                let [cubic, other] = shares(&world);
                [cubic / (cubic + other), cubic, cubic + other]
            });
            println!(
                "| {name} | {} | {} | {} | {} |",
                algorithm.name(),
                figure(&runs, 0, 3),
                figure(&runs, 1, 3),
                figure(&runs, 2, 3),
            );
        }
    }
}

/// The figures of all seeds, two at a time: each simulation is single-threaded.
fn all_seeds<const N: usize>(
    seeds: u64,
    chance: bool,
    run: impl Fn(u64) -> [f64; N] + Sync,
) -> Vec<[f64; N]> {
    let seeds = if chance { seeds.max(1) } else { 1 };
    let next = AtomicUsize::new(0);
    let runs = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed) as u64;
                    if seed >= seeds {
                        return;
                    }
                    let figures = run(seed);
                    runs.lock().expect("no run panics").push(figures);
                }
            });
        }
    });
    runs.into_inner().expect("no run panics")
}

/// One figure of all runs: `median (least..most)`.
fn figure<const N: usize>(runs: &[[f64; N]], which: usize, digits: usize) -> String {
    let mut figures: Vec<f64> = runs.iter().map(|run| run[which]).collect();
    figures.sort_by(f64::total_cmp);
    let (least, median, most) = spread(&figures);
    match figures.len() {
        1 => format!("{median:.digits$}"),
        _ => format!("{median:.digits$} ({least:.digits$}..{most:.digits$})"),
    }
}

/// The path, and nothing on it yet.
fn world(seed: u64, up: Impairment) -> Rivalry {
    let link = LinkConfig {
        up,
        down: way_back(&up),
        checksum: true,
        ..LinkConfig::default()
    };
    let world = Rivalry::over(seed, link, RATE);
    world.sim().set_horizon(Instant::ZERO + HORIZON);
    world
}

/// A flow of so many octets that begins at `start`.
fn flow(world: &mut Rivalry, congestion: Congestion, start: Duration, octets: u64) -> Flow {
    world.add(Rival { congestion, start }, octets)
}

/// The share of the link that each flow had, once the beginning is over.
fn shares<const N: usize>(world: &Rivalry) -> [f64; N] {
    let shares = world.shares_between(Instant::ZERO + DISCARDED, Instant::ZERO + END);
    shares.try_into().expect("as many flows")
}
