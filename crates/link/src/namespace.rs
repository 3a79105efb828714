//! Tests that need a network namespace of their own.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Set in the child that runs a test's body.
const INSIDE: &str = "HANDFAST_TEST_NAMESPACE";

/// Runs the body of the test `name` (its full path) in a child in a network namespace of its own.
/// Where the shell command `needs` fails in such a one, the test is skipped, and says so.
pub(crate) fn run(name: &str, needs: &str, body: fn()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let Some(unshare) = available(needs) else {
        eprintln!("SKIPPED {name}: no right to a network namespace, or in it this fails: {needs}");
        return;
    };
    let test = std::env::current_exe().unwrap();
    let child = Command::new("unshare")
        .args([unshare, "--"])
        .arg(test)
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(
        child.status.success() && output.contains("1 passed"),
        "{name} failed in its namespace\n{output}\n{errors}"
    );
}

/// What to give to `unshare`, tried with all that a test needs.
fn available(needs: &str) -> Option<&'static str> {
    ["-n", "-rn"].into_iter().find(|flags| {
        Command::new("unshare")
            .args([flags, "--", "sh", "-c", needs])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

/// `ip` with these arguments.
pub(crate) fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(status.unwrap().success(), "ip {arguments}");
}

/// Waits until what `ip` with these arguments shows is as wanted: an address is usable, and a queue
/// takes packets, some time after the command that asked for it has returned.
pub(crate) fn wait(arguments: &str, wanted: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let shown = Command::new("ip").args(arguments.split(' ')).output();
        let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
        if wanted(&shown) {
            return;
        }
        assert!(Instant::now() < deadline, "ip {arguments}: {shown}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
