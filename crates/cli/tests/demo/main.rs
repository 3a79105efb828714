//! `handfast demo` for real: as root, without privilege, amid obstacles, interrupted and killed; and
//! its captures before the eyes of tshark.
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod tshark;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use support::place::{Place, mount_tmpfs};
use support::{NOBODY, apart, built, is_gone, may_unshare, skipped, within};

/// The whole demo takes no longer, in any build.
const LIMIT: Duration = Duration::from_secs(20);

/// The demo by that program, with output of a width that does not depend on the caller.
fn demo(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .arg("demo")
        .args(arguments)
        .env("COLUMNS", "100")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null());
    command
}

/// A directory of a test's own, where anybody may write; it goes with the value.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let name = format!("handfast-demo-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        Directory(path)
    }

    fn str(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn capture(&self) -> PathBuf {
        self.0.join("handfast-demo.pcapng")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap()
}

/// What a demo that ended well said.
fn good(output: &Output) -> &str {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}: {err}\n{out}", output.status);
    assert_eq!(err, "");
    out
}

/// The ladder that follows the heading which starts so, row by row without the times.
fn ladder<'a>(report: &'a str, heading: &str) -> Vec<&'a str> {
    let lines = report.lines().skip_while(|l| !l.starts_with(heading));
    let lines = lines.skip_while(|l| !l.starts_with("       ms "));
    let rows = lines.skip(1).take_while(|l| !l.is_empty());
    let rows: Vec<_> = rows.filter_map(|l| l.get(10..)).map(str::trim).collect();
    assert!(!rows.is_empty(), "no ladder {heading:?} in\n{report}");
    rows
}

/// Whether the rows begin and end so somewhere, in that order.
fn assert_rows(rows: &[&str], expected: &[(&str, &str, &str)]) {
    let mut rest = rows.iter();
    for (left, label, right) in expected {
        let found = rest.any(|row| {
            row.starts_with(left) && row.contains(&format!("{label} ")) && row.ends_with(right)
        });
        assert!(
            found,
            "no {left:?} {label:?} {right:?} in\n{}",
            rows.join("\n")
        );
    }
}

/// The whole life of both connections, with the states of both ends.
fn assert_ladders(report: &str) {
    for heading in ["1  ", "2  "] {
        let rows = ladder(report, heading);
        assert_rows(
            &rows,
            &[
                ("SYN-SENT", "SYN", "SYN-RECEIVED"),
                ("ESTABLISHED", "SYN,ACK", "┤"),
                ("├", "ACK", "ESTABLISHED"),
                // The request, unless the acknowledgment rode on it, and the answer.
                ("├", "PSH,ACK", "┤"),
                ("FIN-WAIT-1", "FIN,ACK", "CLOSE-WAIT"),
                ("TIME-WAIT", "FIN,ACK", "LAST-ACK"),
                ("├", "ACK", "CLOSED"),
            ],
        );
        let again = rows.iter().filter(|row| row.contains(" R "));
        assert_eq!(again.count(), 0, "{}", rows.join("\n"));
    }
}

#[test]
fn as_root_both_stacks_talk_and_agree() {
    if !may_unshare() {
        return;
    }
    let directory = Directory::new("root");
    let begin = Instant::now();
    let output = demo(
        &built(),
        &["--size", "4MiB", "-v", "--out", directory.str()],
    )
    .output();
    let output = output.unwrap();
    assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
    let report = good(&output);
    assert!(report.contains("backend     root + TUN"), "{report}");
    assert!(
        report.contains("TCP segmentation and checksums offloaded both ways"),
        "{report}"
    );
    assert_ladders(report);
    assert!(report.contains("The kernel asks, handfast answers: POST /login over IPv4"));
    assert!(report.contains("Handfast asks, the kernel answers: GET / over IPv6"));
    for kernel in [
        "Asked itself (sock_diag), the kernel now says TIME-WAIT for 60 s more ✓",
        "the kernel said ESTABLISHED before the close and now says that there is no such connection, \
         so CLOSED ✓",
    ] {
        let words = report.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(kernel), "{kernel:?} in\n{report}");
    }
    assert_eq!(report.matches("(states derived)").count(), 2, "{report}");
    // Eight kinds over two families, and two sums of each family.
    assert_eq!(report.matches(" ✓").count(), 16 + 2, "{report}");
    assert!(report.matches("B/s").count() > 8 + 4, "{report}");
    assert!(
        report.contains("16 of 16 transfers came through whole, 32 MiB in"),
        "{report}"
    );
    assert!(
        report.contains("no segment of ours was sent twice"),
        "{report}"
    );
    assert!(report.contains("Discarded packets: none."), "{report}");
    assert!(report.contains("congestion control is "), "{report}");
    assert!(!report.contains('\x1b'), "colours without a terminal");
    let wide = report.lines().filter(|l| l.chars().count() > 100);
    let wide: Vec<_> = wide.filter(|l| !l.contains(directory.str())).collect();
    assert!(wide.is_empty(), "{wide:#?}");
    tshark::finds_nothing_wrong(&directory.capture(), 8);
}

#[test]
fn without_privilege_a_readable_device_is_enough() {
    if !may_unshare() {
        return;
    }
    apart(|| {
        let place = Place::new();
        place.put_tun(Some(0o666));
        let directory = Directory::new("readable");
        let arguments = ["--size", "1MiB", "--out", directory.str()];
        let output = demo(&place.program(), &arguments)
            .uid(NOBODY)
            .gid(NOBODY)
            .output();
        let output = output.unwrap();
        let report = good(&output);
        assert!(
            report.contains("backend     user namespace + TUN"),
            "{report}"
        );
        assert_ladders(report);
        tshark::finds_nothing_wrong(&directory.capture(), 8);
    });
}

#[test]
fn without_a_device_two_stacks_of_our_own_talk() {
    if !may_unshare() {
        return;
    }
    apart(|| {
        let place = Place::new();
        place.put_tun(Some(0o600));
        let directory = Directory::new("closed");
        let begin = Instant::now();
        let arguments = ["--size", "4MiB", "--out", directory.str()];
        let output = demo(&place.program(), &arguments)
            .uid(NOBODY)
            .gid(NOBODY)
            .output();
        let output = output.unwrap();
        assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
        let report = good(&output);
        let why = "  not with the kernel here: cannot open /dev/net/tun: Permission denied (EACCES): \
                   its mode is 0600 and the user is 4242; fix: sudo chmod 0666 /dev/net/tun\n";
        assert!(report.contains(why), "{report}");
        assert_in_memory(report);
        tshark::finds_nothing_wrong(&directory.capture(), 8);

        // Unless the kernel is asked for.
        let output = demo(&place.program(), &["--backend", "tun"])
            .uid(NOBODY)
            .output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(1));
        let err = text(&output.stderr);
        assert!(
            err.ends_with("; fix: sudo chmod 0666 /dev/net/tun\n"),
            "{err}"
        );
        assert_eq!(err.lines().count(), 1, "{err}");
    });
}

fn assert_in_memory(report: &str) {
    assert!(
        report.contains("backend     memory: two stacks in this process"),
        "{report}"
    );
    assert_ladders(report);
    assert!(!report.contains("derived"), "{report}");
    assert!(
        report.contains("The states of both ends are real"),
        "{report}"
    );
    assert!(
        report.contains("16 of 16 transfers came through whole"),
        "{report}"
    );
}

#[test]
fn in_memory_nothing_is_needed() {
    let directory = Directory::new("memory");
    let arguments = [
        "--backend",
        "memory",
        "--size",
        "1MiB",
        "--out",
        directory.str(),
    ];
    let output = demo(&built(), &arguments).output().unwrap();
    assert_in_memory(good(&output));
    tshark::finds_nothing_wrong(&directory.capture(), 8);
}

#[test]
fn one_family_alone_is_one_family_alone() {
    for (option, other, mine) in [
        ("--ipv4", "IPv6", "192.0.2.2"),
        ("-6", "IPv4", "2001:db8::2"),
    ] {
        let directory = Directory::new(mine.split(['.', ':']).next().unwrap());
        let arguments = ["--size", "100kB", "--out", directory.str(), option];
        let output = demo(&built(), &arguments).output().unwrap();
        let report = good(&output);
        assert!(report.contains(mine) && !report.contains(other), "{report}");
        assert!(
            report.contains("8 of 8 transfers came through whole"),
            "{report}"
        );
        tshark::finds_nothing_wrong(&directory.capture(), 4);
    }
}

#[test]
fn files_that_exist_are_left_alone() {
    let directory = Directory::new("existing");
    fs::write(directory.capture(), "precious").unwrap();
    let arguments = [
        "--backend",
        "memory",
        "-4",
        "--size",
        "1kB",
        "--out",
        directory.str(),
    ];
    let report = demo(&built(), &arguments).output().unwrap();
    let second = directory.0.join("handfast-demo-2.pcapng");
    assert!(good(&report).contains(second.to_str().unwrap()));
    assert_eq!(fs::read(directory.capture()).unwrap(), b"precious");
    assert!(fs::metadata(second).unwrap().len() > 1000);
}

#[test]
fn ascii_is_ascii_and_eighty_columns_are_enough() {
    let directory = Directory::new("ascii");
    let arguments = ["--ascii", "--size", "1MiB", "--out", directory.str()];
    let output = demo(&built(), &arguments)
        .env("COLUMNS", "80")
        .output()
        .unwrap();
    let report = good(&output);
    assert!(report.is_ascii(), "{report}");
    let wide = report
        .lines()
        .filter(|l| l.len() > 80 && !l.contains(directory.str()));
    // The one line about an obstacle, if there is one.
    let wide: Vec<_> = wide.filter(|l| !l.contains("fix: ")).collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

#[test]
fn a_full_disk_is_told_and_not_hidden() {
    if !may_unshare() {
        return;
    }
    apart(|| {
        let place = Place::new();
        // Room for the beginning of a capture, and no room at all.
        for (name, size, blocks) in [("small", "8k", 0), ("full", "4k", 4096)] {
            let directory = place.path.join(name);
            fs::create_dir(&directory).unwrap();
            mount_tmpfs(&directory, &format!("size={size}"));
            fs::write(directory.join("other"), vec![1; blocks]).unwrap();
            let arguments = ["--size", "1kB", "--out", directory.to_str().unwrap()];
            let output = demo(&built(), &arguments).output().unwrap();
            let (out, err) = (text(&output.stdout), text(&output.stderr));
            assert_eq!(output.status.code(), Some(1), "{err}\n{out}");
            assert!(err.contains("No space left on device"), "{err}");
            assert!(err.contains("fix: make room there"), "{err}");
            assert!(err.contains(directory.to_str().unwrap()), "{err}");
            assert_eq!(err.lines().count(), 1, "{err}");
            // All else is as it should be.
            assert_ladders(out);
            assert!(
                out.contains("✗ 16 of 16 transfers came through whole"),
                "{out}"
            );
        }
    });
}

#[test]
fn a_place_that_cannot_be_written_to_is_told() {
    let file = Directory::new("file");
    fs::write(file.0.join("file"), "").unwrap();
    let path = file.0.join("file");
    let arguments = ["-q", "--backend", "memory", "-4", "--size", "1kB", "--out"];
    let mut command = demo(&built(), &arguments);
    let output = command.arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "", "quiet");
    let path = path.display();
    assert_eq!(
        text(&output.stderr),
        format!(
            "handfast: cannot create a capture in {path}: not a directory; fix: name a directory \
             that you may write to with --out DIR\n"
        )
    );
}

#[test]
fn a_report_that_cannot_be_written_is_an_error() {
    let directory = Directory::new("report");
    let arguments = [
        "--backend",
        "memory",
        "-4",
        "--size",
        "1kB",
        "--out",
        directory.str(),
    ];
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = demo(&built(), &arguments).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let err = text(&output.stderr);
    assert!(
        err.contains("cannot write the report: No space left"),
        "{err}"
    );

    // Whoever reads no further is no error worth a word.
    let mut command = demo(&built(), &arguments);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(text(&output.stderr), "");
}

/// A demo at work on more than it can do in a test's time, with its worker if it has one.
struct Running {
    child: Child,
    worker: Option<u32>,
}

impl Running {
    /// Starts it and waits until it is at its bulk transfers.
    fn start(program: &Path, arguments: &[&str]) -> Running {
        let mut command = demo(program, arguments);
        command.args(["--size", "1GiB"]);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let bulk = lines.find(|line| line.as_ref().unwrap().starts_with("3  "));
        assert!(bulk.is_some(), "it ended early");
        // Its further output goes nowhere, but must go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        let worker = child_of(child.id());
        Running { child, worker }
    }

    /// Sends a signal; returns how it ended and what it said of that.
    fn signal(mut self, signal: Signal) -> (std::process::ExitStatus, String) {
        let begin = Instant::now();
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let status = self.child.wait().unwrap();
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "{:?}",
            begin.elapsed()
        );
        let mut err = String::new();
        let mut pipe = self.child.stderr.take().unwrap();
        pipe.read_to_string(&mut err).unwrap();
        if let Some(worker) = self.worker {
            within(Duration::from_secs(5), "the worker to end", || {
                is_gone(worker)
            });
        }
        (status, err)
    }
}

/// A child of that process.
fn child_of(parent: u32) -> Option<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find(|pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
            after_name.split(' ').nth(1) == Some(&parent.to_string())
        })
}

#[test]
fn interrupted_it_leaves_a_whole_capture_and_nothing_else() {
    for (signal, name, code) in [
        (Signal::INT, "SIGINT", 130),
        (Signal::TERM, "SIGTERM", 143),
        (Signal::HUP, "SIGHUP", 129),
    ] {
        let directory = Directory::new(name);
        let running = Running::start(&built(), &["--out", directory.str()]);
        if running.worker.is_none() {
            skipped("no worker to leave behind: there is no namespace here");
        }
        let (status, err) = running.signal(signal);
        assert_eq!(status.code(), Some(code), "{err}");
        let path = directory.capture();
        let start = format!(
            "handfast: interrupted by {name}; {} ends early, with ",
            path.display()
        );
        assert!(err.starts_with(&start), "{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
        // All connections of the ladders were over.
        tshark::finds_nothing_wrong(&path, 8);
    }
}

#[test]
fn killed_it_leaves_no_process_behind() {
    let directory = Directory::new("killed");
    let running = Running::start(&built(), &["--out", directory.str()]);
    if running.worker.is_none() {
        skipped("no worker to leave behind: there is no namespace here");
    }
    let (status, _) = running.signal(Signal::KILL);
    assert_eq!(status.signal(), Some(9));
}

#[test]
fn the_command_line_teaches() {
    let run = |arguments: &[&str]| Command::new(built()).args(arguments).output().unwrap();
    let help = run(&[]);
    assert!(good(&help).contains("handfast run --help"));
    let demo = run(&["demo", "--help"]);
    assert!(good(&demo).contains("Examples:"));
    for wrong in [
        &["demo", "--size", "much"][..],
        &["nothing"],
        &["demo", "-v", "-q"],
    ] {
        let output = run(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert_eq!(text(&output.stdout), "");
    }
}
