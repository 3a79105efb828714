use std::process::{Command, Stdio};

/// Set in the child that runs a test's body.
const INSIDE: &str = "HANDFAST_TEST_NAMESPACE";

/// Runs the body of the test `name` (its full path) in a child in a network namespace of its own.
/// Without the privileges or the device it is skipped, and says so.
pub(super) fn run(name: &str, body: fn()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let Some(unshare) = available() else {
        eprintln!("SKIPPED {name}: no /dev/net/tun, no `ip`, or no right to a network namespace");
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
fn available() -> Option<&'static str> {
    let script = "exec 3<>/dev/net/tun && ip link set lo up";
    ["-n", "-rn"].into_iter().find(|flags| {
        Command::new("unshare")
            .args([flags, "--", "sh", "-c", script])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

/// `ip` with these arguments.
pub(super) fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(status.unwrap().success(), "ip {arguments}");
}
