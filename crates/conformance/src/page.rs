//! The page `docs/conformance.md`.

use crate::citation;
use crate::table::{Level, Requirement, Rfc, Status};
use crate::tests::Test;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Where the page stands.
pub const PAGE: &str = "docs/conformance.md";

/// Writes the page.
pub fn write(root: &Path, tables: &[Rfc], tests: &BTreeMap<String, Test>) -> String {
    let mut out = String::from(
        "# Conformance\n\nEvery requirement of the RFCs that this TCP follows: where the code meets \
         it and the tests that prove it, or why not. Made by `cargo run -p handfast-conformance` \
         from `conformance/*.toml`; the test of that crate fails when a row lacks its citation, \
         its test or its reason. What the tests do when that code is broken is in \
         [conformance-bite.md](conformance-bite.md). A MAY that is not taken counts as an \
         exception.\n\n",
    );
    out += "| RFC | | met | exception | open |\n|---|---|--:|--:|--:|\n";
    for t in tables {
        let count = |s| t.requirements.iter().filter(|r| r.status() == s).count();
        let (met, exception) = (count(Status::Met), count(Status::Exception));
        let open = count(Status::Open);
        let (rfc, title) = (t.rfc, &t.title);
        let _ = writeln!(
            out,
            "| [{rfc}](#rfc-{rfc}) | {title} | {met} | {exception} | {open} |"
        );
    }
    for t in tables {
        let _ = write!(out, "\n## RFC {}\n\n{}.", t.rfc, t.title);
        if let Some(why) = &t.not_there_yet {
            let _ = write!(out, " Not there yet: {why}.");
        }
        if let Some(note) = &t.note {
            let _ = write!(out, " {note}.");
        }
        out += "\n\n| | requirement | section | where | tests |\n|---|---|---|---|---|\n";
        for row in &t.requirements {
            line(&mut out, root, t.rfc, row, tests);
        }
    }
    out
}

fn line(
    out: &mut String,
    root: &Path,
    rfc: u32,
    row: &Requirement,
    tests: &BTreeMap<String, Test>,
) {
    let citation = row.citation(rfc);
    let mut places = Vec::new();
    for file in &row.code {
        let source = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        let short = file.strip_prefix("crates/").unwrap_or(file);
        for n in citation::lines(&source, &citation) {
            places.push(format!("[{short}:{n}](../{file}#L{n})"));
        }
    }
    let proofs: Vec<String> = row
        .tests
        .iter()
        .map(|name| match tests.get(name) {
            Some(t) => format!("[{name}](../{}#L{})", t.file, t.line),
            None => name.clone(),
        })
        .collect();
    let level = match row.level() {
        Level::Must => "MUST",
        Level::Should => "SHOULD",
        Level::May => "MAY",
    };
    let id = if row.id.starts_with(level) || row.id.starts_with("SHLD") {
        row.id.clone()
    } else {
        format!("{} ({level})", row.id)
    };
    let mut text = row.text.clone();
    if let Some(why) = &row.exception {
        let _ = write!(text, " **Exception**: {why}");
    }
    if let Some(what) = &row.open {
        let _ = write!(text, " **Open**: {what}");
    }
    let _ = writeln!(
        out,
        "| {id} | {} | {} | {} | {} |",
        text.replace('|', "\\|"),
        row.section,
        places.join("<br>"),
        proofs.join("<br>"),
    );
}

/// The page without its line numbers: they move with every edit of a file, and mean nothing.
pub fn without_lines(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    let mut rest = page;
    while let Some(at) = rest.find([':', '#']) {
        let mark = if rest[at..].starts_with("#L") { 2 } else { 1 };
        out += &rest[..at + mark];
        rest = rest[at + mark..].trim_start_matches(|c: char| c.is_ascii_digit());
    }
    out + rest
}
