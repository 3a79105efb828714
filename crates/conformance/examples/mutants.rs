//! How many small faults in the heart of TCP its tests notice: a random sample of the mutants that
//! `cargo mutants` lists, each judged by the tests of `handfast-tcp` and, where those notice
//! nothing, by those of `handfast-stack`.
//!
//! `cargo run -p handfast-conformance --example mutants -- --seed 1 --count 300` writes
//! `docs/mutants.md`; with `--minutes 60` as much of it as the time allows. What has been judged is
//! kept beside the target directory, and a later run with the same seed goes on from there;
//! `--again 1` asks today's tests about those that were missed, and the page tells of both. It
//! needs `cargo install cargo-mutants --locked`.
//!
//! All faults of a sample are built at once, each behind a switch
//! ([`handfast_conformance::switch`]): a build for each took ten times as long as its tests.

use handfast_conformance::switch::{self, Fault, Kind};
use handfast_conformance::{root, tree};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Where the mutants are made.
const PLACES: [&str; 5] = [
    "crates/tcp/src/segment_arrives/**",
    "crates/tcp/src/recovery/**",
    "crates/tcp/src/window/**",
    "crates/tcp/src/ack/**",
    "crates/tcp/src/congestion/**",
];
/// The crate that is broken, and where its root is.
const BROKEN: (&str, &str) = ("handfast-tcp", "crates/tcp/src/lib.rs");
/// The crates whose tests are asked, one after the other.
const JUDGES: [&str; 2] = ["handfast-tcp", "handfast-stack"];
/// Files of tests hold no code to break.
const NOT: &str = "**/tests.rs";
/// Processor time, in seconds, and memory, in KiB, after which tests have noticed: they never end.
const LIMITS: &str = "ulimit -t 60; ulimit -v 4000000; exec \"$0\" \"$@\"";
/// Time on the clock after which they wait for something that never comes.
const PATIENCE: Duration = Duration::from_secs(1200);
const PAGE: &str = "docs/mutants.md";
/// From here on the page is written by hand.
const BY_HAND: &str = "## What the survivors are";

fn main() -> ExitCode {
    let (mut seed, mut count, mut minutes, mut again) = (1u64, 300usize, u64::MAX / 60, 0u64);
    let mut arguments = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
        let value: u64 = value.parse().unwrap_or(0);
        match name.as_str() {
            "--seed" => seed = value,
            "--count" => count = value as usize,
            "--minutes" => minutes = value,
            "--again" => again = value,
            _ => {}
        }
    }
    match run(seed, count, Duration::from_secs(60 * minutes), again > 0) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn run(seed: u64, count: usize, limit: Duration, again: bool) -> Result<(), String> {
    let (root, start) = (root(), Instant::now());
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let mut bench = Bench {
        tree: target.join("mutants/tree"),
        target: target.join("mutants/target"),
        whole: BTreeMap::new(),
    };
    tree::copy(&root, &bench.tree)?;
    let mut mutants = bench.list(seed)?;
    // The tree that is copied may change while this runs.
    bench.whole = bench.read(&mutants)?;
    let all = mutants.len();
    mutants.truncate(count);
    println!("seed {seed}: {} of {all} mutants", mutants.len());
    let mut journal = Journal::open(&target.join(format!("mutants/seed-{seed}.txt")))?;
    let pending: Vec<&Mutant> = mutants
        .iter()
        .filter(|m| match journal.judged.get(&m.key) {
            None => true,
            Some(rounds) => again && rounds.last() == Some(&Outcome::Missed),
        })
        .collect();
    let tell = |journal: &Journal| {
        let path = root.join(PAGE);
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        let by_hand = old.find(BY_HAND).map_or("", |at| &old[at..]);
        tree::write(&path, &page(seed, count, all, &mutants, journal, by_hand))
    };
    let alone = bench.switch(&pending)?;
    let judges = bench.build()?;
    // Without a fault all tests pass, or nothing would be said by one that fails.
    if bench.judge(&judges, 0)? != Outcome::Missed {
        return Err("the tests fail without any fault".to_string());
    }
    println!(
        "{} are built after {:?}",
        pending.len() - alone.len(),
        start.elapsed()
    );
    let switched = pending.iter().filter(|m| !alone.contains(&m.fault.id));
    for (n, mutant) in switched.enumerate() {
        if start.elapsed() > limit {
            return tell(&journal);
        }
        journal.add(&mutant.key, bench.judge(&judges, mutant.fault.id)?)?;
        if n % 10 == 9 {
            tell(&journal)?;
        }
    }
    tell(&journal)?;
    // What could not stand beside the others: much of it builds in no company.
    for mutant in pending.iter().filter(|m| alone.contains(&m.fault.id)) {
        if start.elapsed() > limit {
            break;
        }
        bench.restore()?;
        let broken = mutant.fault.apply(&bench.whole[&mutant.file]);
        tree::write(&bench.tree.join(&mutant.file), &broken)?;
        let outcome = match bench.complaints()? {
            Some(_) => Outcome::Unviable,
            // The crate builds, but its tests may not.
            None => match bench.build() {
                Ok(judges) => bench.judge(&judges, 0)?,
                Err(_) => Outcome::Unviable,
            },
        };
        journal.add(&mutant.key, outcome)?;
    }
    bench.restore()?;
    tell(&journal)
}

/// One that `cargo mutants` lists.
struct Mutant {
    /// Its name without its place, and which it is of those with the same name: lines may move.
    key: String,
    /// What `cargo mutants` calls it.
    name: String,
    file: String,
    fault: Fault,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    /// A test failed, or never ended.
    Caught,
    /// It does not build.
    Unviable,
    Missed,
}

/// What has become of the mutants, round for round, on the disk.
struct Journal {
    judged: BTreeMap<String, Vec<Outcome>>,
    file: std::fs::File,
    start: Instant,
}

impl Journal {
    fn open(path: &Path) -> Result<Journal, String> {
        let told = |e: std::io::Error| format!("{}: {e}", path.display());
        let mut judged: BTreeMap<String, Vec<Outcome>> = BTreeMap::new();
        for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
            let (word, key) = line.split_once(' ').unwrap_or((line, ""));
            let outcome = match word {
                "Caught" => Outcome::Caught,
                "Unviable" => Outcome::Unviable,
                _ => Outcome::Missed,
            };
            judged.entry(key.to_string()).or_default().push(outcome);
        }
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path);
        Ok(Journal {
            judged,
            file: file.map_err(told)?,
            start: Instant::now(),
        })
    }

    fn add(&mut self, key: &str, outcome: Outcome) -> Result<(), String> {
        println!("{:>5} s {outcome:?} {key}", self.start.elapsed().as_secs());
        let rounds = self.judged.entry(key.to_string()).or_default();
        rounds.push(outcome);
        writeln!(self.file, "{outcome:?} {key}").map_err(|e| format!("the journal: {e}"))
    }
}

struct Bench {
    tree: PathBuf,
    target: PathBuf,
    /// The files to be broken, as they were.
    whole: BTreeMap<String, String>,
}

impl Bench {
    /// All mutants there are, in the order in which this seed takes them: by a hash of each, so
    /// that a change of the code moves none but its own.
    fn list(&self, seed: u64) -> Result<Vec<Mutant>, String> {
        let out = Command::new(cargo())
            .args(["mutants", "--list", "--json", "--exclude", NOT])
            .args(PLACES.iter().flat_map(|place| ["--file", place]))
            .current_dir(&self.tree)
            .output();
        let out = out.map_err(|e| format!("cargo mutants: {e}"))?;
        let list: Vec<Value> = serde_json::from_slice(&out.stdout).map_err(|e| {
            let said = String::from_utf8_lossy(&out.stderr);
            format!("cargo mutants --list: {e}: {said} (cargo install cargo-mutants --locked)")
        })?;
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        let mut mutants: Vec<Mutant> = list
            .iter()
            .zip(1..)
            .filter_map(|(listed, id)| mutant(listed, id, &mut seen))
            .collect();
        mutants.sort_by_key(|m| hash(seed, &m.key));
        Ok(mutants)
    }

    /// The files that these are in.
    fn read(&self, mutants: &[Mutant]) -> Result<BTreeMap<String, String>, String> {
        let files: BTreeSet<&str> = mutants.iter().map(|m| m.file.as_str()).collect();
        let read = |file: &str| {
            let text = std::fs::read_to_string(self.tree.join(file));
            let text = text.map_err(|e| format!("{file}: {e}"))?;
            Ok((file.to_string(), text))
        };
        files.into_iter().map(read).collect()
    }

    /// The tree as it was.
    fn restore(&self) -> Result<(), String> {
        for (file, text) in &self.whole {
            tree::write(&self.tree.join(file), text)?;
        }
        Ok(())
    }

    /// Puts these behind their switches, all that build; says which must stand alone.
    fn switch(&self, mutants: &[&Mutant]) -> Result<BTreeSet<u32>, String> {
        let lib = self.tree.join(BROKEN.1);
        let text = std::fs::read_to_string(&lib).map_err(|e| format!("{}: {e}", lib.display()))?;
        tree::write(&lib, &format!("{text}{}", switch::ROOT))?;
        let mut alone = BTreeSet::new();
        loop {
            for (file, source) in &self.whole {
                let here = mutants.iter().filter(|m| m.file == *file);
                let here: Vec<Fault> = here
                    .filter(|m| !alone.contains(&m.fault.id))
                    .map(|m| m.fault.clone())
                    .collect();
                let (text, lost) = switch::switched(source, &here);
                alone.extend(lost);
                tree::write(&self.tree.join(file), &text)?;
            }
            let Some(complaints) = self.complaints()? else {
                return Ok(alone);
            };
            let before = alone.len();
            for (file, at) in &complaints {
                let path = self.tree.join(file);
                let text = std::fs::read_to_string(&path).map_err(|e| format!("{file}: {e}"))?;
                alone.extend(switch::whose(&text, *at));
            }
            println!("{} do not build beside the others", alone.len());
            if alone.len() == before {
                return Err(format!("what is switched does not build: {complaints:?}"));
            }
        }
    }

    fn cargo(&self, what: &[&str]) -> Result<std::process::Output, String> {
        let out = Command::new(cargo())
            .args(what)
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "2")
            .env("CARGO_INCREMENTAL", "0")
            .output();
        out.map_err(|e| format!("cargo: {e}"))
    }

    /// Files and octets in them that the compiler complains of; `None`: it builds.
    fn complaints(&self) -> Result<Option<Vec<(String, usize)>>, String> {
        let out = self.cargo(&["check", "-p", BROKEN.0, "--message-format", "json"])?;
        if out.status.success() {
            return Ok(None);
        }
        let mut found = Vec::new();
        for line in String::from_utf8_lossy(&out.stdout).lines() {
            let told: Value = serde_json::from_str(line).unwrap_or_default();
            let message = &told["message"];
            let spans = message["spans"].as_array().into_iter().flatten();
            for span in spans.filter(|_| message["level"] == "error") {
                if let (Some(file), Some(at)) =
                    (span["file_name"].as_str(), span["byte_start"].as_u64())
                {
                    found.push((file.to_string(), at as usize));
                }
            }
        }
        Ok(Some(found))
    }

    /// The programs that judge, in their order.
    fn build(&self) -> Result<Vec<(PathBuf, PathBuf)>, String> {
        let mut what = vec![
            "test",
            "--no-run",
            "--lib",
            "--tests",
            "--message-format",
            "json",
        ];
        what.extend(JUDGES.iter().flat_map(|judge| ["-p", judge]));
        let out = self.cargo(&what)?;
        let mut judges = Vec::new();
        for line in String::from_utf8_lossy(&out.stdout).lines() {
            let told: Value = serde_json::from_str(line).unwrap_or_default();
            let manifest = told["manifest_path"].as_str().map(Path::new);
            if let (Some(program), Some(home)) =
                (told["executable"].as_str(), manifest.and_then(Path::parent))
            {
                judges.push((PathBuf::from(program), home.to_path_buf()));
            }
        }
        // The broken crate's own tests come first.
        let own = |home: &Path| !home.ends_with("crates/tcp");
        judges.sort_by_key(|(_, home)| own(home));
        match out.status.success() && judges.len() >= JUDGES.len() {
            true => Ok(judges),
            false => Err(format!(
                "no tests: {}",
                String::from_utf8_lossy(&out.stderr)
            )),
        }
    }

    /// What the tests say with this switch on.
    fn judge(&self, judges: &[(PathBuf, PathBuf)], id: u32) -> Result<Outcome, String> {
        for (program, home) in judges {
            if !passes(program, home, id).map_err(|e| format!("{}: {e}", program.display()))? {
                return Ok(Outcome::Caught);
            }
        }
        Ok(Outcome::Missed)
    }
}

/// Whether all tests of this program pass; the first that does not ends it.
fn passes(program: &Path, home: &Path, id: u32) -> std::io::Result<bool> {
    let mut child = Command::new("sh")
        .args(["-c", LIMITS])
        .arg(program)
        .current_dir(home)
        .env("SWITCH", id.to_string())
        .env("PROPTEST_FAILURE_PERSISTENCE", "off")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let out = child.stdout.take();
    let failed = std::thread::spawn(move || {
        let lines = BufReader::new(out?).lines().map_while(Result::ok);
        lines.into_iter().find(|line| line.ends_with("FAILED"))
    });
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if failed.is_finished() || start.elapsed() > PATIENCE {
            // It failed, or it has said its last word and is about to end.
            if start.elapsed() <= PATIENCE && !matches!(failed.join(), Ok(Some(_))) {
                return Ok(child.wait()?.success());
            }
            child.kill()?;
            child.wait()?;
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or("cargo".into())
}

fn mutant(listed: &Value, id: u32, seen: &mut BTreeMap<String, u32>) -> Option<Mutant> {
    let kind = match listed["genre"].as_str()? {
        "FnValue" => Kind::Body,
        "BinaryOperator" => Kind::Binary,
        "UnaryOperator" => Kind::Unary,
        "MatchArm" => Kind::Arm,
        "MatchArmGuard" => Kind::Guard,
        "StructField" => Kind::Field,
        _ => return None,
    };
    let place = |at: &Value| {
        let number = |name: &str| at[name].as_u64().map(|n| n as usize);
        Some((number("line")?, number("column")? - 1))
    };
    let (name, file) = (listed["name"].as_str()?, listed["file"].as_str()?);
    // "file:line:column: what is done"
    let what = name.splitn(4, ':').nth(3)?.trim();
    let same = seen.entry(format!("{file}: {what}")).or_default();
    *same += 1;
    Some(Mutant {
        key: format!("{file}: {what} ({same})"),
        name: name.to_string(),
        file: file.to_string(),
        fault: Fault {
            id,
            kind,
            start: place(&listed["span"]["start"])?,
            end: place(&listed["span"]["end"])?,
            with: listed["replacement"].as_str()?.to_string(),
        },
    })
}

/// FNV-1a of the seed and the text, stirred once more.
fn hash(seed: u64, text: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = text.bytes().fold(start, |h, octet| {
        (h ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

fn page(
    seed: u64,
    count: usize,
    all: usize,
    mutants: &[Mutant],
    journal: &Journal,
    by_hand: &str,
) -> String {
    let judged = |m: &Mutant| {
        journal
            .judged
            .get(&m.key)
            .filter(|rounds| !rounds.is_empty())
    };
    let tried: Vec<(&Mutant, Outcome, Outcome)> = mutants
        .iter()
        .filter_map(|m| judged(m).map(|r| (m, r[0], r[r.len() - 1])))
        .collect();
    let unviable = tried.iter().filter(|t| t.1 == Outcome::Unviable).count();
    let viable = tried.len() - unviable;
    let first = tried.iter().filter(|t| t.1 == Outcome::Caught).count();
    let last = tried.iter().filter(|t| t.2 == Outcome::Caught).count();
    let rate = |n: usize| 100.0 * n as f64 / viable.max(1) as f64;
    let places = PLACES.map(|p| format!("`{}`", p.trim_end_matches("/**")));
    let mut out = format!(
        "# What breaks and is noticed\n\nSmall faults that `cargo mutants` lists for {}: {} of \
         {all}, taken at random with seed {seed}, each judged by the tests of `handfast-tcp` and, \
         where those noticed nothing, of `handfast-stack`. Made by `cargo run -p \
         handfast-conformance --example mutants -- --seed {seed} --count {count}`.\n\n\
         **{:.1} % are noticed**: {last} of the {viable} that build ({unviable} do not).\n\n",
        places.join(", "),
        tried.len(),
        rate(last),
    );
    if last > first {
        let _ = writeln!(
            out,
            "Of the same sample the tests noticed {first}, {:.1} %, before some were written for what \
             they had missed.\n",
            rate(first)
        );
    }
    let mut list = |title: &str, wanted: fn(&(&Mutant, Outcome, Outcome)) -> bool| {
        let mut some = tried.iter().filter(|t| wanted(t)).peekable();
        if some.peek().is_some() {
            let _ = write!(out, "## {title}\n\n");
            for (m, ..) in some {
                let _ = writeln!(out, "* `{}`", m.name);
            }
            out.push('\n');
        }
    };
    list("Not noticed", |t| t.2 == Outcome::Missed);
    list("Noticed by tests written since", |t| {
        t.1 == Outcome::Missed && t.2 == Outcome::Caught
    });
    out.push_str(by_hand);
    out
}
