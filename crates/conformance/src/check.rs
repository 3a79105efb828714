//! What must be true of the tables.

use crate::citation;
use crate::table::{Level, Rfc, Status};
use crate::tests::Test;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Everything that is wrong, a sentence each; empty when all is well.
pub fn check(root: &Path, tables: &[Rfc], tests: &BTreeMap<String, Test>) -> Vec<String> {
    let mut wrong = Vec::new();
    for table in tables {
        let mut seen = BTreeSet::new();
        for row in &table.requirements {
            let who = format!("RFC {} {}", table.rfc, row.id);
            if !seen.insert(row.id.as_str()) {
                wrong.push(format!("{who}: it has two rows"));
            }
            let said = |s: &Option<String>| s.as_ref().is_some_and(|s| s.trim().is_empty());
            if said(&row.exception) || said(&row.open) || row.text.trim().is_empty() {
                wrong.push(format!("{who}: nothing is said"));
            }
            let citation = row.citation(table.rfc);
            for file in &row.code {
                match std::fs::read_to_string(root.join(file)) {
                    Err(e) => wrong.push(format!("{who}: {file}: {e}")),
                    Ok(source) if citation::lines(&source, &citation).is_empty() => {
                        wrong.push(format!("{who}: {file} does not cite {citation}"));
                    }
                    Ok(_) => {}
                }
            }
            for name in &row.tests {
                match tests.get(name) {
                    None => wrong.push(format!("{who}: there is no test {name}")),
                    Some(test) if test.ignored => {
                        wrong.push(format!("{who}: the test {name} is ignored"));
                    }
                    Some(_) => {}
                }
            }
            match row.status() {
                Status::Met if row.code.is_empty() => {
                    wrong.push(format!("{who}: it is met nowhere, and no exception"));
                }
                Status::Met if row.tests.is_empty() => {
                    wrong.push(format!("{who}: no test proves it"));
                }
                Status::Open if row.level() == Level::Must && table.not_there_yet.is_none() => {
                    wrong.push(format!("{who}: a MUST cannot stay open"));
                }
                _ => {}
            }
        }
        for label in &table.labels {
            if !seen.contains(label.as_str()) {
                wrong.push(format!("RFC {} {label}: it has no row", table.rfc));
            }
        }
        if !table.labels.is_empty() {
            let known: BTreeSet<&str> = table.labels.iter().map(String::as_str).collect();
            for id in seen.difference(&known) {
                wrong.push(format!("RFC {} {id}: the RFC has no such label", table.rfc));
            }
            wrong.extend(cited_but_unknown(root, &known));
        }
    }
    wrong
}

/// Labels in the sources that the RFC does not have.
fn cited_but_unknown(root: &Path, known: &BTreeSet<&str>) -> Vec<String> {
    let mut wrong = Vec::new();
    for path in sources(&root.join("crates")) {
        let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy();
        if relative.starts_with("crates/conformance/") {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap_or_default();
        for (label, line) in citation::labels(&source) {
            if !known.contains(label.as_str()) {
                wrong.push(format!("{relative}:{line}: there is no {label}"));
            }
        }
    }
    wrong
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            out.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
    out.sort();
    out
}
