//! Every requirement of the RFCs that this TCP follows, where the code meets it, and the tests
//! that prove it.
//!
//! The tables are `conformance/*.toml`. A row names files, and each of them must hold the row's
//! citation in a comment: `MUST-34` for a requirement that RFC 9293 labels, `RFC 7323, 2.3` for
//! any other. A row names tests by crate and path, `tcp::tests::windows::name`, or
//! `stack/stack::connect::name` for the integration test `stack` of the crate `stack`.
#![forbid(unsafe_code)]

pub mod check;
pub mod citation;
pub mod mutate;
pub mod page;
pub mod switch;
pub mod table;
pub mod tests;
pub mod tree;

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}
