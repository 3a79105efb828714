//! Tests in network namespaces of their own, where the machine's kernel is the other end.
#![allow(dead_code, reason = "no test needs all of it")]

#[cfg(all(feature = "tun", feature = "tokio"))]
pub(crate) mod tun;

use std::process::{Command, Stdio};

/// Set in a process that has a namespace.
const INSIDE: &str = "HANDFAST_TEST_NAMESPACE";

/// Runs `body`, which is all there is to the test `name`, in a child in a namespace of its own.
/// Where the shell command `needs` fails in such a one, the test is skipped, and says so.
pub(crate) fn run(name: &str, needs: &str, body: impl FnOnce()) {
    if share().is_some() {
        return body();
    }
    let Some(flags) = available(needs) else {
        eprintln!("SKIPPED {name}: no right to a network namespace, or in it this fails: {needs}");
        return;
    };
    let out = again(flags, name, "1").output().expect("unshare runs");
    let [stdout, stderr] = [&out.stdout, &out.stderr].map(|o| String::from_utf8_lossy(o));
    print!("{stdout}");
    // There may be parts of it that it has skipped.
    eprint!("{stderr}");
    assert!(
        out.status.success() && stdout.contains("1 passed"),
        "{name} failed in its namespace\n{stdout}\n{stderr}"
    );
}

/// In a child of [`again`]: what was given to it.
pub(crate) fn share() -> Option<String> {
    std::env::var(INSIDE).ok()
}

/// This test `name` once more, in a namespace of its own; `share` is for it.
pub(crate) fn again(flags: &str, name: &str, share: &str) -> Command {
    let mut child = Command::new("unshare");
    child
        .args([flags, "--"])
        .arg(std::env::current_exe().expect("this test is a file"))
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, share);
    child
}

/// What to give to `unshare`, tried with all that a test needs.
pub(crate) fn available(needs: &str) -> Option<&'static str> {
    ["-n", "-rn"]
        .into_iter()
        .find(|flags| succeeds(flags, needs))
}

/// Whether a shell command succeeds in a namespace of its own.
pub(crate) fn succeeds(flags: &str, command: &str) -> bool {
    let mut tried = Command::new("unshare");
    tried.args([flags, "--", "sh", "-c", command]);
    tried.stdout(Stdio::null()).stderr(Stdio::null());
    tried.status().is_ok_and(|status| status.success())
}

/// A shell command, which must succeed.
pub(crate) fn sh(command: &str) {
    let status = Command::new("sh").args(["-c", command]).status();
    assert!(status.is_ok_and(|s| s.success()), "{command}");
}
