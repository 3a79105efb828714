//! The rules of the house that a compiler does not check: who may import whom, what the cores
//! promise, and under which licences everything comes.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Crate, and the crates of this house that it may import. Arrows never turn back.
const RULE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("checksum", &[]),
    ("wire", &["base", "checksum"]),
    ("tcp", &["base", "wire"]),
    ("stack", &["base", "wire", "tcp"]),
    ("trace", &["base", "wire", "tcp", "stack"]),
    ("link", &["base", "wire"]),
    (
        "handfast",
        &["base", "wire", "tcp", "stack", "link", "trace"],
    ),
    ("relay", &["handfast"]),
    ("sim", &["handfast"]),
    ("lab", &["sim", "trace", "handfast"]),
    ("cli", ANY),
    ("bench", ANY),
    ("drill", ANY),
    ("conformance", &[]),
];

const ANY: &[&str] = &[
    "base", "checksum", "wire", "tcp", "stack", "trace", "link", "handfast", "relay", "sim", "lab",
];

/// Without `std`, and without a line of unsafe code.
const CORES: &[&str] = &["base", "wire", "tcp", "stack"];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn metadata(arguments: &[&str]) -> Value {
    let out = cargo(&[&["metadata", "--format-version", "1"], arguments].concat());
    serde_json::from_slice(&out).expect("cargo prints JSON")
}

/// What cargo prints.
fn cargo(arguments: &[&str]) -> Vec<u8> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let out = Command::new(cargo)
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    out.stdout
}

fn short(name: &str) -> &str {
    name.strip_prefix("handfast-").unwrap_or(name)
}

#[test]
fn arrows_never_turn_back() {
    let rule: BTreeMap<&str, BTreeSet<&str>> = RULE
        .iter()
        .map(|(name, may)| (*name, may.iter().copied().collect()))
        .collect();
    let metadata = metadata(&["--no-deps"]);
    let packages = metadata["packages"].as_array().expect("packages");
    assert_eq!(
        packages.len(),
        rule.len(),
        "every crate has its row in the rule"
    );
    for package in packages {
        let name = short(package["name"].as_str().expect("a name"));
        let may = rule
            .get(name)
            .unwrap_or_else(|| panic!("{name} has no row in the rule"));
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let (other, kind) = (&dependency["name"], &dependency["kind"]);
            let other = other.as_str().expect("a name");
            if dependency["path"].is_string() && kind.is_null() {
                assert!(may.contains(short(other)), "{name} may not import {other}");
            }
        }
    }
}

#[test]
fn the_cores_forbid_unsafe_code_and_need_no_std() {
    for name in CORES {
        let lib = std::fs::read_to_string(root().join(format!("crates/{name}/src/lib.rs")));
        let lib = lib.expect("a lib.rs");
        assert!(
            lib.contains("#![forbid(unsafe_code)]"),
            "{name} must forbid unsafe code"
        );
        assert!(lib.contains("#![no_std]"), "{name} must be no_std");
    }
}

#[test]
fn everything_comes_under_a_licence_that_deny_toml_allows() {
    let deny = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    let list = deny
        .split("allow = [")
        .nth(1)
        .and_then(|s| s.split(']').next())
        .expect("a list");
    let allowed: BTreeSet<&str> = list.split('"').skip(1).step_by(2).collect();
    // What is built, and not what is locked: that holds packages of features that nobody asks for.
    let tree = cargo(&[
        "tree",
        "--locked",
        "--workspace",
        "--all-features",
        "--target=all",
        "--prefix=none",
        "--format={p}\t{l}",
    ]);
    let tree = String::from_utf8(tree).expect("text");
    let packages: BTreeSet<&str> = tree.lines().filter(|line| !line.is_empty()).collect();
    assert!(packages.len() > 20, "{tree}");
    for package in packages {
        let (name, licence) = package.split_once('\t').expect("a name and a licence");
        let licence = licence.trim_end_matches(" (*)");
        // "A OR B" needs one of them, "A AND B" each: all that appear here are of these forms.
        let ok = licence
            .replace(['(', ')'], "")
            .replace('/', " OR ")
            .split(" AND ")
            .all(|all| all.split(" OR ").any(|one| allowed.contains(one.trim())));
        assert!(ok, "{name}: {licence} is not allowed by deny.toml");
    }
}
