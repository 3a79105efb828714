//! Writes `docs/conformance.md`, and says what is wrong with the tables.

use handfast_conformance::{check, page, root, table, tests};
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = root();
    let loaded = table::load(&root).and_then(|t| Ok((t, tests::all(&root)?)));
    let (tables, tests) = match loaded {
        Ok(loaded) => loaded,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let wrong = check::check(&root, &tables, &tests);
    for sentence in &wrong {
        eprintln!("{sentence}");
    }
    let text = page::write(&root, &tables, &tests);
    if let Err(e) = std::fs::write(root.join(page::PAGE), text) {
        eprintln!("{}: {e}", page::PAGE);
        return ExitCode::FAILURE;
    }
    if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
