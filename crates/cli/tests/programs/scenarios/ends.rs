//! How a run ends: exit codes, signals, what was left behind, files that are complete whatever
//! came.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{Scenario, web};
use crate::support::{is_gone, within};
use crate::world::{Finished, Run, Running, World, ZONE};

const PYTHON: &[(&str, &str)] = &[("python3", "python3")];
const WEB: &[(&str, &str)] = &[("nginx", "nginx-light"), ("curl", "curl")];

const SCRIPT: &[(&str, &str)] = &[("script", "bsdutils"), ("python3", "python3")];

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("ends_with_the_programs_code", &[], codes).ours(),
    Scenario::new("ends_with_125_for_what_is_wrong_with_us", &[], ours).ours(),
    Scenario::new("ends_with_the_same_surroundings", &[], surroundings).ours(),
    Scenario::new("ends_what_goes_into_the_background", PYTHON, background).ours(),
    Scenario::new("ends_by_interrupt", WEB, |w| by_signal(w, Signal::INT, 130)).ours(),
    Scenario::new("ends_by_termination", WEB, |w| {
        by_signal(w, Signal::TERM, 143)
    })
    .ours(),
    Scenario::new("ends_by_hangup", WEB, |w| by_signal(w, Signal::HUP, 129)).ours(),
    Scenario::new("ends_when_the_program_is_killed", WEB, program_killed).ours(),
    Scenario::new("ends_when_we_are_killed", WEB, we_are_killed).ours(),
    Scenario::new("ends_when_a_part_of_us_is_killed", WEB, part_killed).ours(),
    Scenario::new("ends_by_ctrl_c_once", SCRIPT, ctrl_c).ours(),
    Scenario::new("ends_without_overwriting_files", &[], overwriting).ours(),
];

const LIMIT: Duration = Duration::from_secs(60);

/// Nothing of the run is there any more: process, namespace or device.
fn nothing_left(world: &World, interfaces: &[String]) {
    // A namespace ends with the last process in it.
    let mut left = Vec::new();
    within(Duration::from_secs(10), "the last processes to end", || {
        left = world.processes();
        left.retain(|(_, line)| !line.contains("nginx"));
        left.is_empty()
    });
    assert_eq!(world.interfaces(), interfaces);
}

fn codes(world: &World) {
    let end = |argv: &[&str]| world.run(argv).finish(LIMIT);
    let interfaces = world.interfaces();
    end(&["true"]).ended(0);
    end(&["false"]).ended(1);
    end(&["sh", "-c", "exit 42"]).ended(42);
    end(&["sh", "-c", "kill -KILL $$"]).ended(137);
    end(&["sh", "-c", "kill -TERM $$"]).ended(143);
    end(&["sh", "-c", "kill -SEGV $$"]).ended(139);
    let missing = end(&["no-such-program"]).ended(127);
    assert!(missing.errors.contains("no-such-program"), "{missing:?}");
    let missing = end(&["/no/such/program"]).ended(127);
    assert!(missing.errors.contains("/no/such/program"), "{missing:?}");
    let plain = world.write("plain", "no program\n");
    let plain = plain.to_str().unwrap();
    let forbidden = end(&[plain]).ended(126);
    assert!(forbidden.errors.contains(plain), "{forbidden:?}");
    end(&["/"]).ended(126);
    nothing_left(world, &interfaces);
}

fn ours(world: &World) {
    let ran = world.path("ran");
    for (flags, named) in [
        (&["--no-such-flag"][..], "--no-such-flag"),
        (&["--loss", "2"], "2"),
        (&["--delay", "20"], "20"),
        (&["--allow", "not a rule!"], "not a rule!"),
        (&["-p", "80"], "80"),
        (&["--pcap", "/no/such/directory/file"], "/no/such/directory"),
        (&["--json", "/no/such/directory/file"], "/no/such/directory"),
        (&["--sysctl", "net.ipv4.no_such=1"], "no_such"),
        (&["--serve", "/no/such/directory"], "/no/such/directory"),
    ] {
        let run = world.run(&["touch", ran.to_str().unwrap()]).flags(flags);
        let end = run.finish(LIMIT).ended(125);
        assert!(end.errors.contains(named), "{end:?}");
        assert_eq!(end.output, "");
        assert!(!ran.exists(), "the program ran: {end:?}");
    }
    let none = world.run(&[]).finish(LIMIT).ended(125);
    assert!(!none.errors.is_empty());
}

/// Standard input, output and error, directory, user, arguments and environment are its own.
fn surroundings(world: &World) {
    world.write("input", "in\n");
    let script = "cat; pwd; id -u; echo \"$1|$2\"; echo to the other side >&2; echo $HOME";
    let argv = ["sh", "-c", script, "sh", "two words", "--flag"];
    let inside = world.run(&argv).input_file("input").finish(LIMIT);
    let mut outside = world.command_by_user("sh");
    let outside = outside
        .args(&argv[1..])
        .stdin(fs::File::open(world.path("input")).unwrap())
        .output()
        .unwrap();
    assert_eq!(inside.output, String::from_utf8(outside.stdout).unwrap());
    assert!(inside.errors.contains("to the other side\n"), "{inside:?}");
    let run = world
        .run(&["sh", "-c", "echo $GREETING"])
        .flags(&["--env", "GREETING=hello"]);
    assert_eq!(run.output(), "hello\n");
    // What reads nobody any more ends the program, not us alone.
    let many = world.run(&["sh", "-c", "seq 1000000 | head -n 1"]);
    assert_eq!(many.output(), "1\n");
}

fn background(world: &World) {
    let interfaces = world.interfaces();
    let daemon = "import os, signal, sys, time\n\
                  if os.fork(): sys.exit(5)\n\
                  os.setsid()\n\
                  if os.fork(): os._exit(0)\n\
                  for s in signal.SIGTERM, signal.SIGHUP, signal.SIGINT: signal.signal(s, signal.SIG_IGN)\n\
                  time.sleep(1000)\n";
    for (argv, code) in [
        (&["sh", "-c", "sleep 1000 & exit 3"][..], 3),
        (&["sh", "-c", "setsid sleep 1000 & sleep 0.1"], 0),
        (
            &[
                "sh",
                "-c",
                "trap '' TERM HUP INT; nohup sleep 1000 >/dev/null 2>&1 & exit 4",
            ],
            4,
        ),
        (&["python3", "-c", daemon], 5),
    ] {
        let end = world.run(argv).finish(LIMIT).ended(code);
        assert!(end.took < Duration::from_secs(20), "{end:?}");
        nothing_left(world, &interfaces);
    }
    // Many, none of which anybody waits for.
    let many = "for n in $(seq 200); do (sleep 1000 &) ; done; exit 6";
    world.run(&["sh", "-c", many]).finish(LIMIT).ended(6);
    nothing_left(world, &interfaces);
}

/// Files that a run writes.
struct Reports {
    pcap: PathBuf,
    json: PathBuf,
}

impl Reports {
    fn new(world: &World) -> Reports {
        Reports {
            pcap: world.path("run.pcapng"),
            json: world.path("run.json"),
        }
    }

    fn ask<'w>(&self, run: Run<'w>) -> Run<'w> {
        let [pcap, json] = [&self.pcap, &self.json].map(|path| path.to_str().unwrap());
        run.flags(&["--pcap", pcap, "--json", json])
    }

    /// Complete, with what was transferred.
    fn check(&self) {
        let json = fs::read(&self.json).unwrap();
        let report: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert!(report.is_object());
        assert!(blocks(&self.pcap) > 10, "packets of a transfer");
    }
}

/// The blocks of a pcapng file, each of which has its length at both ends.
fn blocks(path: &Path) -> usize {
    let file = fs::read(path).unwrap();
    let mut rest = &file[..];
    let mut count = 0;
    while !rest.is_empty() {
        let at = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap()) as usize;
        let length = at(4);
        assert!(length >= 12 && length <= rest.len(), "a block is cut off");
        assert_eq!(at(length - 4), length);
        rest = &rest[length..];
        count += 1;
    }
    count
}

/// In the midst of a download that takes very long.
fn amid_a_transfer(world: &World, reports: &Reports) -> Running {
    let url = format!("http://web.{ZONE}/large");
    let run = world.run(&["curl", "-s", "--limit-rate", "1M", "-o", "part", &url]);
    let run = reports.ask(run).start();
    within(LIMIT, "the first part of a download", || {
        fs::metadata(world.path("part")).is_ok_and(|part| part.len() > 100_000)
    });
    run
}

fn large_site(world: &World) -> web::Site {
    let site = web::Site::start(world);
    let file = fs::File::create(world.outside("www/large")).unwrap();
    file.set_len(1 << 30).unwrap();
    site
}

fn by_signal(world: &World, signal: Signal, code: i32) {
    let interfaces = world.interfaces();
    let _site = large_site(world);
    let reports = Reports::new(world);
    let run = amid_a_transfer(world, &reports);
    run.signal(signal);
    let end = run.finish(LIMIT).ended(code);
    assert!(end.took < Duration::from_secs(20), "{end:?}");
    reports.check();
    nothing_left(world, &interfaces);
}

/// The processes of this world whose command line begins so.
fn of_program(world: &World, name: &str) -> Vec<u32> {
    let all = world.processes().into_iter();
    all.filter(|(_, line)| line.starts_with(name))
        .map(|(pid, _)| pid)
        .collect()
}

fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
}

fn program_killed(world: &World) {
    let interfaces = world.interfaces();
    let _site = large_site(world);
    let reports = Reports::new(world);
    let run = amid_a_transfer(world, &reports);
    for pid in of_program(world, "curl") {
        kill(pid);
    }
    run.finish(LIMIT).ended(137);
    reports.check();
    nothing_left(world, &interfaces);
}

fn we_are_killed(world: &World) {
    let interfaces = world.interfaces();
    let _site = large_site(world);
    let reports = Reports::new(world);
    let run = amid_a_transfer(world, &reports);
    run.signal(Signal::KILL);
    nothing_left(world, &interfaces);
    drop(run);
}

fn part_killed(world: &World) {
    let interfaces = world.interfaces();
    let _site = large_site(world);
    let reports = Reports::new(world);
    let run = amid_a_transfer(world, &reports);
    let parts = world
        .processes()
        .into_iter()
        .map(|(pid, _)| pid)
        .filter(|&pid| {
            let executable = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
            pid != run.pid() && executable.ends_with("handfast")
        });
    let parts: Vec<_> = parts.collect();
    assert!(!parts.is_empty(), "{:?}", world.processes());
    for &pid in &parts {
        kill(pid);
    }
    let end: Finished = run.finish(LIMIT);
    assert!(!end.status.success(), "{end:?}");
    assert!(parts.into_iter().all(is_gone));
    nothing_left(world, &interfaces);
}

/// At a terminal the program and we are told at once; it must hear it once.
fn ctrl_c(world: &World) {
    let counter = "import signal, time\n\
                   heard = []\n\
                   signal.signal(signal.SIGINT, lambda *_: heard.append(1))\n\
                   print('ready', flush=True)\n\
                   while not heard: time.sleep(0.01)\n\
                   time.sleep(0.5)\n\
                   print('heard', len(heard))\n\
                   raise SystemExit(9)\n";
    world.write("counter.py", counter);
    let handfast = world.handfast();
    let line = format!("exec {} run python3 counter.py", handfast.display());
    let mut command = world.command_by_user("script");
    command.args(["-qefc", &line, "/dev/null"]);
    let mut run = Running::start(command.stdin(Stdio::piped()));
    run.expect("ready", LIMIT);
    run.type_in("\x03");
    let end = run.expect("heard", LIMIT);
    assert!(end.contains("heard 1"), "{end}");
    run.finish(LIMIT).ended(9);
}

fn overwriting(world: &World) {
    let file = world.write("run.json", "precious\n");
    let file = file.to_str().unwrap();
    let ran = world.path("ran");
    let argv = ["touch", ran.to_str().unwrap()];
    for flag in ["--json", "--pcap"] {
        let end = world
            .run(&argv)
            .flags(&[flag, file])
            .finish(LIMIT)
            .ended(125);
        assert!(end.errors.contains("--force"), "{end:?}");
        assert_eq!(fs::read_to_string(file).unwrap(), "precious\n");
        assert!(!ran.exists());
    }
    world
        .run(&argv)
        .flags(&["--json", file, "--force"])
        .finish(LIMIT)
        .ended(0);
    assert_ne!(fs::read_to_string(file).unwrap(), "precious\n");
}
