//! Shows that the tables bite: takes rows at random, breaks the code that a row cites, in a copy
//! of the tree, and looks whether the tests that the row names notice it.
//!
//! `cargo run -p handfast-conformance --example bite -- --seed 1 --rows 30` writes
//! `docs/conformance-bite.md`.

use handfast_conformance::mutate::{Mutant, mutants};
use handfast_conformance::table::{Requirement, Rfc, Status};
use handfast_conformance::{citation, root, table, tests, tree};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Changes tried for one row.
const TRIES: usize = 5;
/// Processor time, in seconds, after which a test has noticed: it never ends.
const LIMIT: &str = "ulimit -t 60; exec \"$0\" \"$@\"";
/// Time on the clock after which it waits for something that never comes.
const PATIENCE: Duration = Duration::from_secs(600);
const PAGE: &str = "docs/conformance-bite.md";

enum Outcome {
    /// This change made this test fail; so many changes before it went unnoticed.
    Bitten(String, Mutant, String, Vec<String>),
    /// Nobody noticed any of these.
    Survived(Vec<String>),
    /// Nothing there to be changed mechanically.
    NotApplicable,
}

fn main() -> ExitCode {
    let (mut seed, mut rows, mut minutes) = (1u64, 30usize, 60u64);
    let mut file = root().join(PAGE);
    let mut arguments = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
        if name == "--page" {
            file = value.into();
            continue;
        }
        let value: u64 = value.parse().unwrap_or(0);
        match name.as_str() {
            "--seed" => seed = value,
            "--rows" => rows = value as usize,
            "--minutes" => minutes = value,
            _ => {}
        }
    }
    match run(seed, rows, Duration::from_secs(60 * minutes), &file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn run(seed: u64, rows: usize, limit: Duration, file: &Path) -> Result<(), String> {
    let root = root();
    let tables = table::load(&root)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let copy = target.join("bite/tree");
    tree::copy(&root, &copy)?;
    let bench = Bench {
        tree: copy,
        target: target.join("bite/target"),
    };
    let mut all: Vec<(&Rfc, &Requirement)> = tables
        .iter()
        .flat_map(|t| t.requirements.iter().map(move |r| (t, r)))
        .filter(|(_, r)| r.status() == Status::Met)
        .collect();
    tree::shuffle(&mut all, seed);
    all.truncate(rows);
    // A test that fails whatever the code does notices nothing.
    for (t, row) in &all {
        if let Some(Some(test)) = bench.noticed(&row.tests) {
            return Err(format!("{} {}: {test} fails as things are", t.rfc, row.id));
        }
    }
    let (start, mut outcomes) = (Instant::now(), Vec::new());
    for (t, row) in all {
        if start.elapsed() > limit {
            break;
        }
        let outcome = bench.row(t, row)?;
        let word = match &outcome {
            Outcome::Bitten(_, m, test, _) => format!("{}: {test}", m.what),
            Outcome::Survived(_) => "SURVIVED".to_string(),
            Outcome::NotApplicable => "nothing to change".to_string(),
        };
        println!("{} {}: {word}", t.rfc, row.id);
        outcomes.push((t.rfc, row, outcome));
        let text = page(seed, &outcomes);
        tree::write(file, &text)?;
    }
    Ok(())
}

struct Bench {
    tree: PathBuf,
    target: PathBuf,
}

impl Bench {
    fn row(&self, t: &Rfc, row: &Requirement) -> Result<Outcome, String> {
        let mut survived = Vec::new();
        for file in &row.code {
            let path = self.tree.join(file);
            let read = std::fs::read_to_string(&path);
            let source = read.map_err(|e| format!("{}: {e}", path.display()))?;
            // The nearest to each citation first, and then the next nearest to each.
            let cited = citation::lines(&source, &row.citation(t.rfc));
            let places = cited.into_iter().map(|line| mutants(&source, line));
            let nearest = places.flat_map(|all| all.into_iter().enumerate());
            let mut candidates: Vec<(usize, Mutant)> = nearest.collect();
            candidates.sort_by_key(|c| c.0);
            for (_, mutant) in candidates {
                if survived.len() >= TRIES {
                    break;
                }
                tree::write(&path, &mutant.apply(&source))?;
                let noticed = self.noticed(&row.tests);
                tree::write(&path, &source)?;
                match noticed {
                    Some(Some(test)) => {
                        return Ok(Outcome::Bitten(file.clone(), mutant, test, survived));
                    }
                    Some(None) => survived.push(format!("{file}:{}: {}", mutant.line, mutant.what)),
                    // It does not build: no change at all.
                    None => {}
                }
            }
        }
        Ok(match survived.is_empty() {
            true => Outcome::NotApplicable,
            false => Outcome::Survived(survived),
        })
    }

    /// The first test that fails; the outer `None`: nothing could be built.
    fn noticed(&self, names: &[String]) -> Option<Option<String>> {
        for name in names {
            let binary = self.build(name)?;
            let arguments = tests::arguments(name);
            let path = arguments.last()?;
            let child = Command::new("sh")
                .args(["-c", LIMIT])
                .arg(binary)
                .args(["--exact", path])
                .current_dir(&self.tree)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            let mut child = child.ok()?;
            let start = Instant::now();
            let passed = loop {
                match child.try_wait() {
                    Ok(Some(status)) => break status.success(),
                    Ok(None) if start.elapsed() < PATIENCE => {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    _ => {
                        let _ = child.kill();
                        let _ = child.wait();
                        break false;
                    }
                }
            };
            if !passed {
                return Some(Some(name.clone()));
            }
        }
        Some(None)
    }

    fn build(&self, name: &str) -> Option<PathBuf> {
        let arguments = tests::arguments(name);
        let what = arguments.split(|a| a == "--").next()?;
        let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
        let out = Command::new(cargo)
            .args(["test", "--no-run"])
            .args(what)
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            // One test of a small part runs: it is the build that takes the time.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "0")
            .env("CARGO_INCREMENTAL", "1")
            .output()
            .ok()?;
        // "  Executable unittests src/lib.rs (/path/to/handfast_tcp-0123)"
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        let line = told.lines().find(|l| l.contains("Executable "))?;
        let path = line.rsplit_once('(')?.1.trim_end_matches(')');
        out.status.success().then(|| self.tree.join(path))
    }
}

fn page(seed: u64, outcomes: &[(u32, &Requirement, Outcome)]) -> String {
    let of = |f: fn(&Outcome) -> bool| outcomes.iter().filter(|o| f(&o.2)).count();
    let bitten = of(|o| matches!(o, Outcome::Bitten(..)));
    let survived = of(|o| matches!(o, Outcome::Survived(_)));
    let none = of(|o| matches!(o, Outcome::NotApplicable));
    let mut out = format!(
        "# Do the tests of the table bite?\n\nRows of [conformance.md](conformance.md), taken at \
         random. For each the code beside the citation was broken mechanically, in a copy of the \
         tree, and only the tests that the row names were run. Made by \
         `cargo run -p handfast-conformance --example bite -- --seed {seed} --rows {}`: {bitten} were \
         noticed, {survived} were not, and {none} have nothing that can be changed \
         mechanically.\n\n| row | change | test that failed | unnoticed before |\n|---|---|---|--:|\n",
        outcomes.len()
    );
    for (rfc, row, outcome) in outcomes {
        if let Outcome::Bitten(file, m, test, before) = outcome {
            let what = m.what.replace('|', "\\|");
            let (line, n) = (m.line, before.len());
            let _ = writeln!(
                out,
                "| {rfc} {} | {file}:{line}: {what} | {test} | {n} |",
                row.id
            );
        }
    }
    let mut list = |title: &str, wanted: fn(&Outcome) -> bool| {
        let mut any = false;
        for (rfc, row, outcome) in outcomes.iter().filter(|o| wanted(&o.2)) {
            if !any {
                let _ = write!(out, "\n## {title}\n\n");
                any = true;
            }
            let _ = writeln!(out, "* {rfc} {}: {}", row.id, row.text);
            if let Outcome::Survived(tried) = outcome {
                for one in tried {
                    let _ = writeln!(out, "  * {one}");
                }
            }
        }
    };
    list("Not noticed", |o| matches!(o, Outcome::Survived(_)));
    list("Nothing to change", |o| matches!(o, Outcome::NotApplicable));
    out
}
