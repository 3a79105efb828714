//! Our TCP and the kernel's over a TUN, in network namespaces of the test's own: every value of
//! every feature with every value of every other, both ways, octets compared, and what each end
//! says was agreed beside what should have been.
//!
//! `cargo test --release -p handfast --test interop -- --nocapture` prints the table as Markdown.
//! `HANDFAST_INTEROP_MORE` is how many cells there are by chance beyond those (default 40), of
//! `HANDFAST_INTEROP_SEED`; `HANDFAST_INTEROP_ONLY` is the number of the one cell to run.
#![cfg(all(feature = "tun", feature = "tokio", target_os = "linux"))]
#![expect(
    clippy::disallowed_methods,
    reason = "a kernel's TCP lives in real time"
)]

mod cell;
mod content;
mod expected;
mod kernel;
#[path = "../namespace/mod.rs"]
mod namespace;
mod ours;
mod plan;
mod wire;

use plan::{Cell, Value};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// In processes that have a namespace, their share is which of all cells are theirs.
const NAME: &str = "all_features_meet_the_kernels";

/// Cells under way at once. Most wait most of the time.
const AT_ONCE: usize = 6;

/// What a cell needs of the machine.
const NEEDS: &str = "ip tuntap add name needed mode tun && test -w /proc/sys/net/ipv4/tcp_ecn";

#[test]
fn every_value_of_every_factor_meets_every_other() {
    for refused in [
        &[][..],
        &[
            ("kernel's ECN", "3"),
            ("kernel's congestion control", "bbr"),
        ],
    ] {
        let cells = plan::cells(refused, 1, 0);
        assert!(plan::uncovered(plan::all_pairs(refused), &cells).is_empty());
        assert!(cells.len() < 120, "{}", cells.len());
    }
}

/// Values of factors that are settings of the kernel which it `takes` or does not know.
fn refused(takes: impl Fn(&str, &str) -> bool) -> Vec<Value> {
    let settings = [
        ("kernel's ECN", "tcp_ecn"),
        ("kernel's congestion control", "tcp_congestion_control"),
    ];
    let mut refused = Vec::new();
    for (name, setting) in settings {
        let factor = plan::FACTORS.iter().find(|(factor, _)| *factor == name);
        let values = factor.expect("a factor").1.iter();
        refused.extend(
            values
                .filter(|v| !takes(setting, v))
                .map(|value| (name, *value)),
        );
    }
    refused
}

fn cells(refused: &[Value]) -> Vec<Cell> {
    let number = |name, default| {
        let set = std::env::var(name).ok();
        set.map_or(default, |n| n.parse().expect("a number"))
    };
    let seed = number("HANDFAST_INTEROP_SEED", 1);
    plan::cells(refused, seed, number("HANDFAST_INTEROP_MORE", 40) as usize)
}

#[test]
fn all_features_meet_the_kernels() {
    if let Some(share) = namespace::share() {
        return inside(&share);
    }
    let Some(flags) = namespace::available(NEEDS) else {
        eprintln!(
            "SKIPPED: all {} cells: no right to a network namespace, or in it this fails: {NEEDS}",
            cells(&[]).len()
        );
        return;
    };
    let refused = refused(|setting, value| {
        let set = format!("echo {value} >/proc/sys/net/ipv4/{setting}");
        namespace::succeeds(flags, &set)
    });
    for (name, value) in &refused {
        eprintln!("SKIPPED: all cells with {name} {value}, which this kernel does not know");
    }
    let cells = cells(&refused);
    let children: Vec<_> = (0..AT_ONCE)
        .map(|share| {
            let mut child = namespace::again(flags, NAME, &share.to_string());
            let child = child.stdout(Stdio::piped()).spawn();
            let mut child = child.expect("unshare runs");
            let out = BufReader::new(child.stdout.take().expect("piped"));
            let reader = std::thread::spawn(move || {
                let lines = out.lines().map_while(Result::ok);
                lines
                    .filter_map(|l| Some(l.split_once('\t')?.1.to_owned()))
                    .collect()
            });
            (child, reader)
        })
        .collect();
    let mut lines: Vec<String> = Vec::new();
    for (mut child, reader) in children {
        let said: Vec<String> = reader.join().expect("no panic");
        lines.extend(said);
        assert!(
            child.wait().is_ok_and(|s| s.success()),
            "a namespace's process failed"
        );
    }
    let of =
        |what: &str| -> Vec<&str> { lines.iter().filter_map(|l| l.strip_prefix(what)).collect() };
    let (mut rows, failed) = (of("row\t"), of("failed\t"));
    rows.sort_unstable();
    println!("{}", cell::HEADINGS);
    for row in &rows {
        println!("| {row}");
    }
    println!(
        "\n{} cells of {} factors, in which all {} pairs of values that can meet do: {} passed, {} failed; {} values refused by the kernel",
        cells.len(),
        plan::FACTORS.len(),
        plan::all_pairs(&refused).len(),
        rows.len(),
        failed.len(),
        refused.len()
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    if std::env::var_os("HANDFAST_INTEROP_ONLY").is_none() {
        assert_eq!(rows.len(), cells.len());
    }
}

/// The cells of this share, one after the other.
fn inside(share: &str) {
    let share: usize = share.parse().expect("a number");
    let only = std::env::var("HANDFAST_INTEROP_ONLY").ok();
    let only: Option<usize> = only.map(|n| n.parse().expect("a number"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let refused = refused(|setting, value| kernel::set(setting, value).is_ok());
    for (number, cell) in cells(&refused).into_iter().enumerate() {
        if number % AT_ONCE != share || only.is_some_and(|only| only != number) {
            continue;
        }
        match runtime.block_on(cell::run(number, &cell)) {
            Ok(row) => println!("=\trow\t{number:3} | {row}"),
            Err(why) => println!("=\tfailed\t{number:3}, {cell:?}: {why}"),
        }
    }
}
