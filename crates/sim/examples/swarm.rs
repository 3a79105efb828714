//! Plays many seeds and says what came of them; exits with 1 if any shows a fault.
//!
//! `cargo run --release -p handfast-sim --example swarm -- [--seeds 0..10000] [--jobs N]`
//!
//! With `--replay SEED`, plays one seed and tells what came of it; with `--ladder N`, too, the whole
//! ladder of its N-th connection.

use handfast_sim::handfast::trace::Ladder;
use handfast_sim::handfast::trace::ladder::{LadderOptions, TerminalOptions};
use handfast_sim::swarm;
use std::process::ExitCode;
use std::thread;

fn main() -> ExitCode {
    let mut seeds = 0..1000;
    let mut jobs = thread::available_parallelism().map_or(1, usize::from);
    let (mut replay, mut ladder) = (None, None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value = args.next().unwrap_or_default();
        let is_known = match &*arg {
            "--seeds" => value
                .split_once("..")
                .and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?))
                .map(|range| seeds = range),
            "--replay" => value.parse().ok().map(|seed: u64| replay = Some(seed)),
            "--ladder" => value.parse().ok().map(|n: usize| ladder = Some(n)),
            "--jobs" => value.parse().ok().map(|n| jobs = n),
            _ => None,
        };
        if is_known.is_none() {
            eprintln!("swarm [--seeds FROM..TO] [--jobs N] | --replay SEED [--ladder N]");
            return ExitCode::from(2);
        }
    }
    if let Some(seed) = replay {
        let replay = swarm::replay(seed);
        println!("{}", replay.text);
        if let Some(n) = ladder {
            replay.recorder.with_log(|log| {
                if let Some(connection) = log.connections().get(n) {
                    let options = TerminalOptions {
                        width: 132,
                        ..TerminalOptions::default()
                    };
                    let whole = LadderOptions {
                        band_at_least: usize::MAX,
                        max_rows: usize::MAX,
                        ..LadderOptions::default()
                    };
                    print!(
                        "{}",
                        Ladder::with(log, connection, &whole).terminal(&options)
                    );
                }
            });
        }
        return ExitCode::from(u8::from(!replay.is_good));
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "how long it took in this world is printed, and changes nothing"
    )]
    let began = std::time::Instant::now();
    let summary = swarm::run(seeds, jobs, |seed, failure| {
        eprintln!("seed {seed}: {failure}");
        eprintln!("  HANDFAST_SEED={seed} cargo test -p handfast-sim replay -- --nocapture");
    });
    println!("{summary}");
    println!(
        "wall time             {:.1?} on {jobs} threads",
        began.elapsed()
    );
    ExitCode::from(u8::from(!summary.failures.is_empty()))
}
