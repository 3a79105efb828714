//! The tests there are, read from the sources: so their names cost no build.

use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One test.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Test {
    /// File, from the root of the repository.
    pub file: String,
    /// Line of its name, counted from 1.
    pub line: usize,
    /// Whether a usual run leaves it out.
    pub ignored: bool,
}

/// All tests of all crates by name: `tcp::tests::windows::name` is a unit test,
/// `stack/stack::connect::name` one of the integration test `stack`.
///
/// # Errors
/// A file that cannot be read or parsed.
pub fn all(root: &Path) -> Result<BTreeMap<String, Test>, String> {
    let mut found = BTreeMap::new();
    for krate in list(&root.join("crates")) {
        let Some(name) = krate.file_name().and_then(|n| n.to_str()) else {
            continue;
        };
        for top in ["src/lib.rs", "src/main.rs"].map(|f| krate.join(f)) {
            if top.is_file() {
                file(root, &top, name, &mut found)?;
            }
        }
        for target in list(&krate.join("tests")) {
            let stem = target.file_stem().and_then(|n| n.to_str()).unwrap_or("");
            let top = if target.is_dir() {
                target.join("main.rs")
            } else {
                target.clone()
            };
            if top.is_file() && top.extension().is_some_and(|e| e == "rs") {
                file(root, &top, &format!("{name}/{stem}"), &mut found)?;
            }
        }
    }
    Ok(found)
}

/// The arguments of `cargo test` that run the test `name` and no other.
pub fn arguments(name: &str) -> Vec<String> {
    let (target, path) = name.split_once("::").unwrap_or((name, ""));
    let (krate, integration) = match target.split_once('/') {
        Some((krate, integration)) => (krate, Some(integration)),
        None => (target, None),
    };
    let package = if krate == "handfast" {
        krate.to_string()
    } else {
        format!("handfast-{krate}")
    };
    let mut out = vec!["-p".to_string(), package];
    match integration {
        Some(target) => out.extend(["--test".to_string(), target.to_string()]),
        None => out.push("--lib".to_string()),
    }
    out.extend(["--", "--exact", path].map(String::from));
    out
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|e| e.path()).collect();
    paths.sort();
    paths
}

fn file(
    root: &Path,
    path: &Path,
    module: &str,
    found: &mut BTreeMap<String, Test>,
) -> Result<(), String> {
    let told = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let source = std::fs::read_to_string(path).map_err(|e| told(&e))?;
    let parsed = syn::parse_file(&source).map_err(|e| told(&e))?;
    items(root, path, &parsed.items, module, found)
}

fn items(
    root: &Path,
    path: &Path,
    items_: &[syn::Item],
    module: &str,
    found: &mut BTreeMap<String, Test>,
) -> Result<(), String> {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let relative = relative.to_string_lossy().into_owned();
    for item in items_ {
        match item {
            syn::Item::Fn(f) if has(&f.attrs, "test") => {
                let test = Test {
                    file: relative.clone(),
                    line: f.sig.ident.span().start().line,
                    ignored: has(&f.attrs, "ignore"),
                };
                found.insert(format!("{module}::{}", f.sig.ident), test);
            }
            syn::Item::Mod(m) => {
                let inner = format!("{module}::{}", m.ident);
                match &m.content {
                    Some((_, content)) => items(root, path, content, &inner, found)?,
                    None => {
                        if let Some(at) = module_file(path, &m.ident.to_string()) {
                            file(root, &at, &inner, found)?;
                        }
                    }
                }
            }
            // `proptest! { #[test] fn name(..) }`
            syn::Item::Macro(m) => {
                for (name, line, ignored) in in_macro(m.mac.tokens.clone()) {
                    let test = Test {
                        file: relative.clone(),
                        line,
                        ignored,
                    };
                    found.insert(format!("{module}::{name}"), test);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn module_file(parent: &Path, name: &str) -> Option<PathBuf> {
    let folder = parent.parent()?;
    let stem = parent.file_stem()?.to_str()?;
    let own = match stem {
        "mod" | "lib" | "main" => folder.to_path_buf(),
        _ => folder.join(stem),
    };
    // The top of an integration test of one file keeps its modules beside it.
    [own, folder.to_path_buf()]
        .iter()
        .flat_map(|f| [f.join(format!("{name}.rs")), f.join(name).join("mod.rs")])
        .find(|p| p.is_file())
}

fn has(attributes: &[syn::Attribute], name: &str) -> bool {
    attributes.iter().any(|a| a.path().is_ident(name))
}

fn in_macro(tokens: TokenStream) -> Vec<(String, usize, bool)> {
    let (mut out, mut test, mut ignored) = (Vec::new(), false, false);
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        match &token {
            TokenTree::Group(g) => {
                let text = g.stream().to_string();
                test |= text == "test";
                ignored |= text == "ignore" || text.starts_with("ignore =");
            }
            TokenTree::Ident(word) if word == "fn" => {
                if let Some(TokenTree::Ident(name)) = rest.peek()
                    && test
                {
                    out.push((name.to_string(), name.span().start().line, ignored));
                }
                (test, ignored) = (false, false);
            }
            _ => {}
        }
    }
    out
}
