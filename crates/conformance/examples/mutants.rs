//! How many small faults in the heart of TCP its tests notice: a random sample of the mutants that
//! `cargo mutants` makes of the code, each built and tested in a copy of the tree.
//!
//! `cargo run -p handfast-conformance --example mutants -- --seed 1 --count 300` writes
//! `docs/mutants.md`; with `--minutes 60` as much of it as the time allows. It needs `cargo install cargo-mutants --locked`. What the tests of
//! `handfast-tcp` miss is tried again with those of `handfast-stack`.

use handfast_conformance::{root, tree};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// Where the mutants are made.
const PLACES: [&str; 5] = [
    "crates/tcp/src/segment_arrives/**",
    "crates/tcp/src/recovery/**",
    "crates/tcp/src/window/**",
    "crates/tcp/src/ack/**",
    "crates/tcp/src/congestion/**",
];
/// The crates whose tests are asked, one after the other.
const JUDGES: [&str; 2] = ["handfast-tcp", "handfast-stack"];
/// Files of tests hold no code to break.
const NOT: &str = "**/tests.rs";
/// So many between two looks at the clock.
const CHUNK: usize = 10;
const PAGE: &str = "docs/mutants.md";
/// From here on the page is written by hand.
const BY_HAND: &str = "## What the survivors are";

fn main() -> ExitCode {
    let (mut seed, mut count, mut minutes) = (1u64, 300usize, u64::MAX / 60);
    let mut arguments = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
        let value: u64 = value.parse().unwrap_or(0);
        match name.as_str() {
            "--seed" => seed = value,
            "--count" => count = value as usize,
            "--minutes" => minutes = value,
            _ => {}
        }
    }
    match run(seed, count, Duration::from_secs(60 * minutes)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn run(seed: u64, count: usize, limit: Duration) -> Result<(), String> {
    let root = root();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let bench = Bench {
        tree: target.join("mutants/tree"),
        target: target.join("mutants/target"),
    };
    tree::copy(&root, &bench.tree)?;
    let mut names = bench.list()?;
    let all = names.len();
    tree::shuffle(&mut names, seed);
    names.truncate(count);
    println!("seed {seed}: {} of {all} mutants", names.len());
    let (start, mut tally) = (Instant::now(), Tally::default());
    for some in names.chunks(CHUNK) {
        if start.elapsed() > limit {
            break;
        }
        let mut left = some.to_vec();
        for judge in JUDGES {
            if !left.is_empty() {
                let part = bench.test(judge, &left)?;
                tally.caught += part.caught;
                tally.unviable += part.unviable;
                left = part.missed;
            }
        }
        tally.missed.append(&mut left);
        let tried = tally.caught + tally.unviable + tally.missed.len();
        let (caught, missed) = (tally.caught, tally.missed.len());
        println!("{tried} tried: {caught} caught, {missed} missed");
        let path = root.join(PAGE);
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        let by_hand = old.find(BY_HAND).map_or("", |at| &old[at..]);
        tree::write(&path, &page(seed, tried, all, &tally, by_hand))?;
    }
    Ok(())
}

/// What became of the mutants.
#[derive(Default)]
struct Tally {
    /// A test failed, or never ended.
    caught: usize,
    /// They do not build.
    unviable: usize,
    missed: Vec<String>,
}

struct Bench {
    tree: PathBuf,
    target: PathBuf,
}

impl Bench {
    fn cargo_mutants(&self) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
        let mut command = Command::new(cargo);
        command
            .args(["mutants", "--in-place", "--exclude", NOT])
            .args(PLACES.iter().flat_map(|place| ["--file", place]))
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// The names of all mutants there are.
    fn list(&self) -> Result<Vec<String>, String> {
        let out = self.cargo_mutants().args(["--list", "--json"]).output();
        let out = out.map_err(|e| format!("cargo mutants: {e}"))?;
        let list: Vec<serde_json::Value> = serde_json::from_slice(&out.stdout).map_err(|e| {
            let said = String::from_utf8_lossy(&out.stderr);
            format!("cargo mutants --list: {e}: {said} (cargo install cargo-mutants --locked)")
        })?;
        let name = |m: &serde_json::Value| m["name"].as_str().map(str::to_string);
        Ok(list.iter().filter_map(name).collect())
    }

    /// Lets one crate's tests judge these mutants.
    fn test(&self, judge: &str, names: &[String]) -> Result<Tally, String> {
        let out = self.tree.join("mutants.out");
        let _ = std::fs::remove_dir_all(&out);
        let mut command = self.cargo_mutants();
        // The tree as it is passes: that is for others to see to.
        command.args([
            "--test-package",
            judge,
            "--baseline",
            "skip",
            "--timeout",
            "90",
        ]);
        command.stdout(std::process::Stdio::null());
        for name in names {
            command.arg("--re").arg(format!("^{}$", escaped(name)));
        }
        // Its exit code says whether any was missed, which is no failure here.
        let ended = command
            .status()
            .map_err(|e| format!("cargo mutants: {e}"))?;
        let lines = |file: &str| -> Vec<String> {
            let text = std::fs::read_to_string(out.join(file)).unwrap_or_default();
            text.lines().map(str::to_string).collect()
        };
        let tally = Tally {
            caught: lines("caught.txt").len() + lines("timeout.txt").len(),
            unviable: lines("unviable.txt").len(),
            missed: lines("missed.txt"),
        };
        if tally.caught + tally.unviable + tally.missed.len() == 0 {
            return Err(format!("cargo mutants tested nothing: {ended}"));
        }
        Ok(tally)
    }
}

/// The name as a regular expression that matches nothing else.
fn escaped(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        // Not `<` and `>`: escaped they are the ends of words.
        if r"\.+*?()|[]{}^$#&-~".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn page(seed: u64, tried: usize, all: usize, tally: &Tally, by_hand: &str) -> String {
    let viable = tally.caught + tally.missed.len();
    let rate = 100.0 * tally.caught as f64 / viable.max(1) as f64;
    let places = PLACES.map(|p| {
        format!(
            "`{}`",
            Path::new(p).parent().unwrap_or(Path::new(p)).display()
        )
    });
    let mut out = format!(
        "# What breaks and is noticed\n\nSmall faults made by `cargo mutants` in {}: {tried} of \
         {all}, taken at random with seed {seed}, each judged by the tests of `handfast-tcp` and, \
         where those noticed nothing, of `handfast-stack`. Made by `cargo run -p \
         handfast-conformance --example mutants -- --seed {seed} --count {tried}`.\n\n\
         **{rate:.1} % were noticed**: {} of the {viable} that build ({} do not).\n\n",
        places.join(", "),
        tally.caught,
        tally.unviable,
    );
    if !tally.missed.is_empty() {
        out.push_str("## Not noticed\n\n");
        for name in &tally.missed {
            let _ = writeln!(out, "* `{name}`");
        }
        out.push('\n');
    }
    out.push_str(by_hand);
    out
}
