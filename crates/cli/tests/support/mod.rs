//! What tests with processes, namespaces and obstacles share.
#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod place;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};

/// A user that owns nothing.
pub(crate) const NOBODY: u32 = 4242;

pub(crate) fn built() -> PathBuf {
    env!("CARGO_BIN_EXE_handfast").into()
}

/// Whether this process is root enough to set up obstacles.
pub(crate) fn may_unshare() -> bool {
    let attempt = || unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET);
    // In a thread, for it holds for that alone.
    let outcome = thread::spawn(attempt).join().expect("no panic");
    if let Err(e) = outcome {
        skipped(&format!("needs root: {e}"));
    }
    outcome.is_ok()
}

/// Says so past the capture of output, which hides what a passing test prints.
pub(crate) fn skipped(why: &str) {
    writeln!(std::io::stderr(), "SKIPPED: {why}").expect("standard error");
}

/// Runs a test in a thread of its own, which the namespaces that it enters end with.
pub(crate) fn apart(test: impl FnOnce() + Send + 'static) {
    if let Err(panic) = thread::spawn(test).join() {
        std::panic::resume_unwind(panic);
    }
}

pub(crate) fn within(limit: Duration, what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < limit, "waited {limit:?} for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the process has ended; whether it has been reaped is up to its new parent.
pub(crate) fn is_gone(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return true;
    };
    let state = stat
        .rsplit_once(") ")
        .map(|(_, rest)| rest.starts_with(['Z', 'X']));
    state.unwrap_or(true)
}
