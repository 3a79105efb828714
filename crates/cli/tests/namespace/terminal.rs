//! `handfast run` at a terminal, under an interactive shell.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::command::works;
use crate::support::{built, is_gone, within};
use crate::trial::marked;

const LIMIT: Duration = Duration::from_secs(60);

/// An interactive shell that has a terminal of its own.
struct Shell {
    child: Child,
    terminal: File,
    said: Arc<Mutex<Vec<u8>>>,
    /// How much of that has been read.
    read: usize,
}

impl Shell {
    fn start() -> Shell {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC);
        let master = master.unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = File::options()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        let end = |slave: &File| Stdio::from(slave.try_clone().unwrap());
        // Whatever the tests themselves are deaf to.
        let child = Command::new("env")
            .args(["--default-signal", "setsid", "--ctty"])
            .args(["bash", "--norc", "--noprofile", "-i"])
            .env("PS1", "OUTER> ")
            .env("HANDFAST", built())
            .env("TERM", "dumb")
            .stdin(end(&slave))
            .stdout(end(&slave))
            .stderr(end(&slave))
            .spawn()
            .unwrap();
        let terminal = File::from(master);
        let said = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, sink) = (terminal.try_clone().unwrap(), Arc::clone(&said));
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            // A terminal that nobody has open any more cannot be read.
            while let Ok(n @ 1..) = reader.read(&mut chunk) {
                sink.lock().unwrap().extend_from_slice(&chunk[..n]);
            }
        });
        let mut shell = Shell {
            child,
            terminal,
            said,
            read: 0,
        };
        shell.expect("OUTER> ");
        shell
    }

    fn press(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }

    /// Types a line and waits for its echo.
    fn type_line(&mut self, line: &str) {
        self.press(line);
        // Where the line is broken is up to the shell.
        let tail: String = line.chars().rev().take(8).collect();
        self.expect(&tail.chars().rev().collect::<String>());
        self.press("\n");
    }

    /// Waits for `text`, from where the last of these ended; returns what came until then.
    fn expect(&mut self, text: &str) -> String {
        let begin = Instant::now();
        loop {
            let said = self.said.lock().unwrap();
            let new = String::from_utf8_lossy(&said[self.read..]).into_owned();
            drop(said);
            if let Some(at) = new.find(text) {
                let end = at + text.len();
                self.read += end;
                return new[..end].to_owned();
            }
            assert!(begin.elapsed() < LIMIT, "no {text:?} in {new:?}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Presses Ctrl-C until it is heard: the terminal changes hands a moment after the shell says so.
    fn interrupt(&mut self, prompt: &str) {
        let begin = Instant::now();
        let from = self.read;
        while !String::from_utf8_lossy(&self.said.lock().unwrap()[from..]).contains(prompt) {
            assert!(begin.elapsed() < LIMIT, "Ctrl-C is not heard");
            self.press("\x03");
            thread::sleep(Duration::from_millis(500));
        }
        self.expect(prompt);
    }

    /// The exit code of what ran, once the prompt is back.
    fn code(&mut self) -> String {
        self.expect("OUTER> ");
        self.type_line("echo co''de=$?=");
        self.expect("code=");
        self.expect("=").trim_end_matches('=').to_owned()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // It sends that on to its jobs, wherever they are.
        let _ = kill_process(Pid::from_child(&self.child), Signal::HUP);
        thread::sleep(Duration::from_millis(100));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn ctrl_c_is_the_programs() {
    if !works() {
        return;
    }
    let mut shell = Shell::start();
    shell.type_line("$HANDFAST -q run sh -c 'echo rea''dy; exec sleep 1000'");
    shell.expect("ready");
    await_sleep("1000");
    shell.press("\x03");
    assert_eq!(shell.code(), "130");
    // Who handles it goes on, and has it once.
    shell.type_line(
        "$HANDFAST -q run sh -c 'n=0; trap \"n=\\$((n+1)); echo i\"\"nt\\$n\" INT; \
         trap \"exit \\$n\" QUIT; echo rea''dy; while :; do sleep 0.1; done'",
    );
    shell.expect("ready");
    shell.press("\x03");
    shell.expect("int1");
    thread::sleep(Duration::from_secs(1));
    shell.press("\x03");
    shell.expect("int2");
    shell.press("\x1c");
    assert_eq!(shell.code(), "2");
}

/// Waits until a `sleep` of that duration is one.
fn await_sleep(duration: &str) {
    within(LIMIT, "sleep", || {
        marked(duration).iter().any(|pid| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| name == "sleep\n")
        })
    });
}

#[test]
fn an_interactive_shell_has_the_terminal_and_gives_it_back() {
    if !works() {
        return;
    }
    let mut shell = Shell::start();
    shell.type_line("$HANDFAST -q run env PS1='INN''ER> ' bash --norc --noprofile -i");
    let greeting = shell.expect("INNER> ");
    assert!(!greeting.contains("no job control"), "{greeting}");
    shell.type_line("sleep 1001");
    await_sleep("1001");
    shell.interrupt("INNER> ");
    shell.type_line("echo code=$?=");
    shell.expect("code=130=");
    shell.expect("INNER> ");
    // Job control of its own.
    shell.type_line("sleep 1002");
    await_sleep("1002");
    shell.press("\x1a");
    shell.expect("Stopped");
    shell.expect("INNER> ");
    shell.type_line("fg");
    shell.expect("sleep 1002");
    shell.interrupt("INNER> ");
    shell.type_line("exit 4");
    assert_eq!(shell.code(), "4");
    // The terminal is the outer shell's: what reads from it is not stopped.
    shell.type_line("read -r line; echo got=$line=");
    shell.press("words\n");
    shell.expect("got=words=");
}

#[test]
fn a_terminal_that_is_closed_takes_all_along() {
    if !works() {
        return;
    }
    for (number, script) in [
        (4, "sh -c 'echo rea''dy; sleep $MARK' $MARK"),
        (
            5,
            "bash --norc --noprofile -ic 'echo rea''dy; sleep $MARK; true' $MARK",
        ),
        (6, "setsid sh -c 'echo rea''dy; sleep $MARK' $MARK"),
    ] {
        let mut shell = Shell::start();
        let mark = format!("360{number}.{}", std::process::id());
        shell.type_line(&format!("export MARK={mark}"));
        shell.expect("OUTER> ");
        shell.type_line(&format!("$HANDFAST -q run {script}"));
        shell.expect("ready");
        await_sleep(&mark);
        // A terminal emulator does this to the shell in it when its window is closed.
        drop(shell);
        within(LIMIT, "all to end", || marked(&mark).is_empty());
    }
}

#[test]
fn a_job_is_stopped_and_goes_on() {
    if !works() {
        return;
    }
    let mut shell = Shell::start();
    let script = "echo rea''dy; until [ -e $OUT ]; do sleep 0.1; done; echo fin''ished";
    let out = std::env::temp_dir().join(format!("handfast-job-{}", std::process::id()));
    shell.type_line(&format!("export OUT={}", out.display()));
    shell.expect("OUTER> ");
    shell.type_line(&format!(
        "$HANDFAST -q run sh -c '{}'",
        script.replace('\'', "\"")
    ));
    shell.expect("ready");
    shell.press("\x1a");
    shell.expect("Stopped");
    shell.expect("OUTER> ");
    fs::write(&out, "").unwrap();
    shell.type_line("fg");
    shell.expect("finished");
    fs::remove_file(&out).unwrap();
    assert_eq!(shell.code(), "0");
}

#[test]
fn a_job_in_the_background_leaves_the_terminal_alone() {
    if !works() {
        return;
    }
    let mut shell = Shell::start();
    let out = std::env::temp_dir().join(format!("handfast-background-{}", std::process::id()));
    shell.type_line(&format!("export OUT={}", out.display()));
    shell.expect("OUTER> ");
    let script = "echo rea\"\"dy; until [ -e $OUT ]; do sleep 0.1; done";
    let mark = format!("3603.{}", std::process::id());
    shell.type_line(&format!("$HANDFAST -q run sh -c '{script}' {mark}"));
    shell.expect("ready");
    shell.press("\x1a");
    shell.expect("Stopped");
    shell.expect("OUTER> ");
    shell.type_line("bg");
    shell.expect("OUTER> ");
    // Something else has the foreground when the program ends.
    shell.type_line("sed -u 's/.*/<&>/'; echo en''d=$?");
    shell.press("first\n");
    shell.expect("<first>");
    let command = marked(&mark);
    assert!(command.len() >= 2, "{command:?}");
    fs::write(&out, "").unwrap();
    within(LIMIT, "the job to end", || {
        command.iter().all(|pid| is_gone(*pid as u32))
    });
    shell.press("second\n");
    shell.expect("<second>");
    shell.press("\x04");
    shell.expect("end=0");
    fs::remove_file(&out).unwrap();
}
