//! A program inside: what it inherits, how it ends, and that nothing of it is left.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use handfast_cli::namespace::{
    Backend, Identity, Namespace, NamespaceConfig, Program, Running, StartError, Status, Step,
    Supervision,
};
use nix::mount::MsFlags;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::place::{Place, bind};
use crate::support::{NOBODY, apart, built, may_unshare, skipped};
use crate::trial::Trial;
use crate::{config, create_or_skip};

const BOTH: [Supervision; 2] = [Supervision::PidNamespace, Supervision::Subreaper];
const NONE: [i32; 0] = [];

/// The children of a process.
fn children(parent: u32) -> Vec<i32> {
    let list = fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    let tasks = list.map(|task| task.unwrap().path().join("children"));
    let texts = tasks.filter_map(|path| fs::read_to_string(path).ok());
    let words = |text: String| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let pids = texts.flat_map(words);
    pids.map(|pid| pid.parse().unwrap()).collect()
}

fn supervised(supervision: Supervision) -> NamespaceConfig {
    NamespaceConfig {
        supervision,
        ..config(built())
    }
}

fn start(supervision: Supervision, program: &Program) -> Option<(Namespace, Running)> {
    let mut namespace = create_or_skip(&supervised(supervision))?;
    let running = namespace.start(program, None).expect("it exists");
    assert_eq!(
        running.supervision(),
        supervision,
        "{:?}",
        running.shortfall()
    );
    Some((namespace, running))
}

#[test]
fn it_ends_as_it_likes() {
    let trial = Trial::new();
    for (script, status, code) in [
        ("exit 0", Status::Code(0), 0),
        ("exit 7", Status::Code(7), 7),
        ("kill -KILL $$", Status::Signal(9), 137),
        ("kill -TERM $$", Status::Signal(15), 143),
    ] {
        for supervision in BOTH {
            let Some((_namespace, running)) = start(supervision, &trial.shell(script)) else {
                return;
            };
            let exit = running.wait();
            assert_eq!((exit.status, exit.code()), (status, code), "{script}");
            assert_eq!(exit.left_behind, 0, "{script}");
            assert_eq!(running.wait(), exit, "a second time");
        }
    }
}

#[test]
fn what_does_not_start_says_why() {
    let trial = Trial::new();
    let closed = trial.directory.join("closed");
    fs::write(&closed, "#!/bin/sh\n").unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    for (name, code) in [
        ("no-such-program-anywhere".to_owned(), 127),
        (path(&trial.directory.join("nothing")), 127),
        (path(&trial.directory), 126),
        (path(&closed), 126),
    ] {
        let config = supervised(Supervision::PidNamespace);
        let Some(mut namespace) = create_or_skip(&config) else {
            return;
        };
        let program = Program {
            argv: vec![name.clone().into()],
            ..Program::default()
        };
        let error = namespace.start(&program, None).expect_err(&name);
        assert_eq!(error.exit_code(), code, "{error}");
        let line = error.to_string();
        assert!(line.contains(&name) && line.contains("fix: "), "{line}");
        // It was to be the only one.
        let again = namespace.start(&trial.shell("true"), None);
        assert!(matches!(again, Err(StartError::Failed(_))));
    }
}

#[test]
fn arguments_and_variables_arrive_octet_by_octet() {
    use std::os::unix::ffi::OsStringExt;
    let trial = Trial::new();
    let script = r#"printf '%s|' "$@" "$ODD" > $OUT/said; printf %s "$BIG" | wc -c > $OUT/size"#;
    let mut program = trial.shell(script);
    let odd = std::ffi::OsString::from_vec(b"\xff\n\"'$x \xc3".to_vec());
    let empty = std::ffi::OsString::new();
    program.argv.extend([odd.clone(), empty]);
    program.env.push(("ODD".into(), odd.clone()));
    program.env.push(("BIG".into(), "b".repeat(120_000).into()));
    let Some((_namespace, running)) = start(Supervision::PidNamespace, &program) else {
        return;
    };
    assert_eq!(running.wait().code(), 0);
    let odd = odd.into_vec();
    let expected = [&odd[..], b"||", &odd, b"|"].concat();
    assert_eq!(fs::read(trial.directory.join("said")).unwrap(), expected);
    assert_eq!(trial.read("size").trim(), "120000");
}

#[test]
fn it_is_an_ordinary_process() {
    let trial = Trial::new();
    let script = "pwd > $OUT/cwd; grep ^Sig /proc/self/status > $OUT/signals; \
         grep ^Cap /proc/self/status > $OUT/capabilities; \
         echo $$ > $OUT/pid; ls /proc/self/fd | wc -l > $OUT/descriptors; \
         (sleep 0.1 &); sleep 0.5; cat /proc/[0-9]*/stat | grep -c ') Z ' > $OUT/zombies";
    for supervision in BOTH {
        let Some((namespace, running)) = start(supervision, &trial.shell(script)) else {
            return;
        };
        running.wait();
        let here = std::env::current_dir().unwrap();
        assert_eq!(trial.read("cwd").trim(), here.to_str().unwrap());
        let own = fs::read_to_string("/proc/self/status").unwrap();
        let ignored = |text: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix("SigIgn:\t"));
            // Beyond these are the C library's own.
            u64::from_str_radix(line.unwrap(), 16).unwrap() & 0x7fff_ffff
        };
        let signals = trial.read("signals");
        assert!(signals.contains("SigBlk:\t0000000000000000"), "{signals}");
        // This process ignores SIGPIPE, as every program in Rust; the program need not.
        let pipe = 1 << (Signal::PIPE.as_raw() - 1);
        assert_eq!(ignored(&signals), ignored(&own) & !pipe, "{signals}");
        if supervision == Supervision::PidNamespace {
            assert_ne!(trial.read("pid").trim(), "1");
            assert_eq!(trial.read("zombies").trim(), "0", "orphans are reaped");
        }
        if !namespace.backend().by_root() {
            let capabilities = trial.read("capabilities");
            assert!(capabilities.contains("CapEff:\t0000000000000000"));
            assert!(capabilities.contains("CapAmb:\t0000000000000000"));
        }
        // Its own three, and the directory that is listed; and what this process leaks.
        let leaked = fs::read_dir("/proc/self/fd").unwrap().filter(|fd| {
            let fd = fd.as_ref().unwrap().file_name();
            let info = fs::read_to_string(Path::new("/proc/self/fdinfo").join(&fd));
            let info = info.unwrap_or_default();
            let flags = info.lines().find_map(|l| l.strip_prefix("flags:\t"));
            let flags = flags.map(|f| u32::from_str_radix(f.trim_start_matches('0'), 8));
            let number: i32 = fd.to_str().unwrap().parse().unwrap();
            number > 2 && flags.is_some_and(|f| f.is_ok_and(|f| f & 0o2_000_000 == 0))
        });
        let expected = 4 + leaked.count();
        assert_eq!(trial.read("descriptors").trim(), expected.to_string());
    }
}

#[test]
fn daemons_are_ended_and_counted() {
    let trial = Trial::new();
    // One that takes its own session, an orphan of an orphan, one that is stopped, and one that does
    // not want to go.
    let script = r#"
        setsid sleep $MARK &
        (sh -c 'sleep $MARK & sleep $MARK & exit' $MARK &)
        (sleep $MARK & kill -STOP $!)
        (setsid sh -c 'trap "" TERM; echo > $OUT/stubborn; while :; do sleep 1; done' $MARK &)
        while ! [ -s $OUT/stubborn ]; do sleep 0.05; done
        sleep 0.2
        exit 5"#;
    for supervision in BOTH {
        let begin = Instant::now();
        let Some((_namespace, running)) = start(supervision, &trial.shell(script)) else {
            return;
        };
        let exit = running.wait();
        assert_eq!(exit.status, Status::Code(5));
        assert!(exit.left_behind >= 5, "{exit:?}");
        // Two seconds are for whom SIGTERM is not enough.
        assert!(begin.elapsed() > Duration::from_secs(2));
        assert_eq!(trial.processes(), NONE, "{supervision:?}");
        fs::remove_file(trial.directory.join("stubborn")).unwrap();
    }
}

#[test]
fn daemons_may_end_in_peace() {
    let trial = Trial::new();
    let script = r#"
        setsid sh -c 'trap "echo bye > $OUT/bye; exit" TERM; echo > $OUT/ready
                      while :; do sleep 0.05; done' $MARK &
        while ! [ -s $OUT/ready ]; do sleep 0.05; done"#;
    for supervision in BOTH {
        let Some((_namespace, running)) = start(supervision, &trial.shell(script)) else {
            return;
        };
        assert!(running.wait().left_behind >= 1);
        assert_eq!(trial.read("bye"), "bye\n");
        fs::remove_file(trial.directory.join("ready")).unwrap();
        fs::remove_file(trial.directory.join("bye")).unwrap();
    }
}

#[test]
fn a_signal_reaches_it() {
    let trial = Trial::new();
    let script = "trap 'exit 9' TERM; trap 'echo usr1 > $OUT/usr1' USR1; echo > $OUT/ready; \
         while :; do sleep 0.05; done";
    for supervision in BOTH {
        let Some((_namespace, running)) = start(supervision, &trial.shell(script)) else {
            return;
        };
        trial.await_file("ready");
        running.signal(Signal::USR1.as_raw());
        trial.await_file("usr1");
        running.signal(Signal::TERM.as_raw());
        assert_eq!(running.wait().code(), 9);
        fs::remove_file(trial.directory.join("ready")).unwrap();
        fs::remove_file(trial.directory.join("usr1")).unwrap();
        // Nobody is left to hear it.
        running.signal(Signal::TERM.as_raw());
    }
}

/// Starts processes in several sessions, which ignore what may be ignored.
const FAMILY: &str = r#"
    trap '' TERM INT HUP QUIT
    setsid sleep $MARK &
    (setsid sh -c 'sleep $MARK; sleep $MARK' $MARK &)
    sleep 0.2
    echo > $OUT/ready
    sleep $MARK; sleep $MARK"#;

#[test]
fn dropping_what_runs_ends_it() {
    let trial = Trial::new();
    for supervision in BOTH {
        for running_first in [true, false] {
            let Some((namespace, running)) = start(supervision, &trial.shell(FAMILY)) else {
                return;
            };
            trial.await_file("ready");
            assert!(trial.processes().len() >= 4);
            if running_first {
                drop(running);
                assert_eq!(trial.processes(), NONE, "{supervision:?}");
            } else {
                drop(namespace);
                assert_eq!(trial.processes(), NONE, "{supervision:?}");
                assert_eq!(running.wait().status, Status::Lost);
            }
            fs::remove_file(trial.directory.join("ready")).unwrap();
        }
    }
}

#[test]
fn the_end_of_its_keepers_is_its_own() {
    let trial = Trial::new();
    for supervision in BOTH {
        let Some((namespace, running)) = start(supervision, &trial.shell(FAMILY)) else {
            return;
        };
        trial.await_file("ready");
        let init = children(namespace.pid());
        assert_eq!(init.len(), 1, "the worker has one child");
        kill_process(Pid::from_raw(init[0]).unwrap(), Signal::KILL).unwrap();
        let exit = running.wait();
        assert_eq!((exit.status, exit.code()), (Status::Lost, 125));
        trial.nothing_is_left();
        fs::remove_file(trial.directory.join("ready")).unwrap();
    }
}

#[test]
fn the_end_of_the_worker_leaves_nothing() {
    let trial = Trial::new();
    for supervision in BOTH {
        let Some((namespace, running)) = start(supervision, &trial.shell(FAMILY)) else {
            return;
        };
        trial.await_file("ready");
        let worker = Pid::from_raw(namespace.pid() as i32).unwrap();
        kill_process(worker, Signal::KILL).unwrap();
        if supervision == Supervision::PidNamespace {
            assert_eq!(running.wait().status, Status::Lost);
        }
        drop((namespace, running));
        trial.nothing_is_left();
        fs::remove_file(trial.directory.join("ready")).unwrap();
    }
}

#[test]
fn root_can_be_somebody_else() {
    let trial = Trial::new();
    let identity = Identity {
        uid: NOBODY,
        gid: NOBODY,
    };
    let program = Program {
        identity: Some(identity),
        ..trial
            .shell("id -u > $OUT/user; id -G > $OUT/groups; grep ^Cap /proc/self/status > $OUT/c")
    };
    for supervision in BOTH {
        let Some(mut namespace) = create_or_skip(&supervised(supervision)) else {
            return;
        };
        if namespace.backend() != Backend::Root {
            skipped("needs root");
            return;
        }
        let running = namespace.start(&program, None).unwrap();
        assert_eq!(running.wait().code(), 0);
        assert_eq!(trial.read("user").trim(), NOBODY.to_string());
        assert_eq!(trial.read("groups").trim(), NOBODY.to_string());
        assert!(trial.read("c").contains("CapEff:\t0000000000000000"));
        fs::remove_file(trial.directory.join("user")).unwrap();
    }
}

#[test]
fn where_proc_cannot_be_had_a_subreaper_takes_over() {
    if !may_unshare() {
        return;
    }
    apart(|| {
        let trial = Trial::new();
        let _place = Place::new();
        // As a container engine does: in a user namespace, no /proc may show what is hidden here.
        bind(
            Path::new("/dev/null"),
            Path::new("/proc/meminfo"),
            MsFlags::empty(),
        );
        let config = NamespaceConfig {
            backends: vec![Backend::UserNamespace],
            ..supervised(Supervision::PidNamespace)
        };
        let Some(mut namespace) = create_or_skip(&config) else {
            return;
        };
        let running = namespace
            .start(&trial.shell("setsid sleep $MARK & exit 3"), None)
            .unwrap();
        assert_eq!(running.supervision(), Supervision::Subreaper);
        let shortfall = running.shortfall().expect("a reason");
        assert_eq!(shortfall.step, Step::Proc);
        assert!(
            shortfall.fix.contains("systempaths=unconfined"),
            "{shortfall}"
        );
        let exit = running.wait();
        assert_eq!((exit.code(), exit.left_behind), (3, 1));
        assert_eq!(trial.processes(), NONE);
    });
}
