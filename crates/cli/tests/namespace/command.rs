//! `handfast run` as a process among others: its streams, the signals to it, its violent end.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::mount::MsFlags;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::place::{Place, bind};
use crate::support::{NOBODY, apart, built, is_gone, may_unshare, skipped, within};
use crate::trial::marked;

const LIMIT: Duration = Duration::from_secs(60);

/// Whether `handfast run` can run a program here.
pub(crate) fn works() -> bool {
    let doctor = Command::new(built()).args(["doctor", "--quiet"]).status();
    let works = doctor.unwrap().success();
    if !works {
        skipped("`handfast run` does not work here: see `handfast doctor`");
    }
    works
}

#[test]
fn what_is_interrupted_before_it_starts_does_not() {
    if !works() {
        return;
    }
    // Sent while it is held back from the beginning.
    let output = Command::new("env")
        .args(["--block-signal=TERM", "sh", "-c"])
        .arg("kill -TERM $$; exec $HANDFAST -q run echo started")
        .env("HANDFAST", built())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(143));
    assert_eq!(output.stdout, b"");
}

/// `handfast run` with a script, whose processes have `mark` among their arguments.
fn run(program: &Path, script: &str, mark: &str) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--quiet", "run", "sh", "-c", script, mark])
        .env("MARK", mark)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

fn await_ready(child: &mut Child) {
    let mut line = [0; 6];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut line)
        .unwrap();
    assert_eq!(&line, b"ready\n");
}

#[test]
fn signals_to_the_command_alone_are_passed_on() {
    if !works() {
        return;
    }
    for (signal, code) in [
        (Signal::TERM, 11),
        (Signal::INT, 12),
        (Signal::HUP, 13),
        (Signal::USR1, 14),
    ] {
        let script = "trap 'exit 11' TERM; trap 'exit 12' INT; trap 'exit 13' HUP; \
             trap 'exit 14' USR1; echo ready; while :; do sleep 0.05; done";
        // Deaf as background jobs of a script are, they would not hear it.
        let mut command = Command::new("env");
        let inner = run(&built(), script, "0");
        command
            .arg("--default-signal=INT,HUP")
            .arg(inner.get_program())
            .args(inner.get_args());
        command.stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        await_ready(&mut child);
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal:?}");
    }
}

const FAMILY: &str = "trap '' TERM INT HUP; setsid sleep $MARK & \
     (setsid sh -c 'sleep $MARK; sleep $MARK' $MARK &); \
     sleep 0.2; echo ready; sleep $MARK; sleep $MARK";

#[test]
fn nothing_is_left_when_the_command_is_killed() {
    if !works() {
        return;
    }
    let mark = format!("3601.{}", std::process::id());
    let mut child = run(&built(), FAMILY, &mark).spawn().unwrap();
    await_ready(&mut child);
    let workers = marked(&mark);
    assert!(workers.len() >= 5, "{workers:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    within(LIMIT, "all to end", || marked(&mark).is_empty());
}

#[test]
fn nothing_is_left_either_without_a_pid_namespace_or_privilege() {
    if !may_unshare() {
        return;
    }
    apart(|| {
        let place = Place::new();
        place.put_tun(Some(0o666));
        bind(
            Path::new("/dev/null"),
            Path::new("/proc/meminfo"),
            MsFlags::empty(),
        );
        let mark = format!("3602.{}", std::process::id());
        let mut command = run(&place.program(), FAMILY, &mark);
        command.uid(NOBODY).gid(NOBODY);
        let mut child = command.spawn().unwrap();
        await_ready(&mut child);
        assert!(marked(&mark).len() >= 5);
        let command = child.id();
        kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
        child.wait().unwrap();
        assert!(is_gone(command));
        within(LIMIT, "all to end", || marked(&mark).is_empty());
    });
}

#[test]
fn standard_streams_are_the_programs() {
    if !works() {
        return;
    }
    let handfast = built();
    let shell = |script: &str| {
        let output = Command::new("sh")
            .args(["-c", script])
            .env("HANDFAST", &handfast)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
        (
            text(output.stdout),
            text(output.stderr),
            output.status.code(),
        )
    };
    let none = String::new;
    let said = shell("echo hello | $HANDFAST -q run cat");
    assert_eq!(said, ("hello\n".to_owned(), none(), Some(0)));
    let said = shell("$HANDFAST -q run sh -c 'cat; echo out; echo err >&2; exit 3'");
    assert_eq!(said, ("out\n".to_owned(), "err\n".to_owned(), Some(3)));
    // What is closed is /dev/null for the program, and not the next file that is opened.
    let list = "x=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2); echo \"$x\" >&9";
    let said = shell(&format!(
        "exec 9>&1; $HANDFAST -q run sh -c '{list}' <&- >&- 2>&-"
    ));
    assert_eq!(said.0, "/dev/null\n".repeat(3));
    // Half a pipeline goes when the other does.
    let said = shell("$HANDFAST -q run yes | head -n 1");
    assert_eq!((said.0, said.2), ("y\n".to_owned(), Some(0)));
}
