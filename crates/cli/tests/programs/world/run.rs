//! A program under the runner, by a user without privilege.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::World;
use crate::support::within;

/// What carries the program's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runner {
    /// `handfast run`.
    Handfast,
    /// The world's kernel, nothing between.
    Direct,
    /// Another program of the kind.
    Pasta,
}

impl Runner {
    /// As the environment says; what is under test by default.
    pub(crate) fn chosen() -> Runner {
        match std::env::var("HANDFAST_RUNNER").as_deref() {
            Err(_) | Ok("handfast") => Runner::Handfast,
            Ok("direct") => Runner::Direct,
            Ok("pasta") => Runner::Pasta,
            Ok(other) => panic!("HANDFAST_RUNNER={other}: handfast, direct or pasta"),
        }
    }
}

/// A program about to run.
pub(crate) struct Run<'w> {
    world: &'w World,
    flags: Vec<String>,
    argv: Vec<String>,
    input: Stdio,
}

impl<'w> Run<'w> {
    pub(super) fn new(world: &'w World, argv: &[&str]) -> Run<'w> {
        Run {
            world,
            flags: Vec::new(),
            argv: argv.iter().map(|&argument| argument.into()).collect(),
            input: Stdio::null(),
        }
    }

    /// With flags of `handfast run`, which the stand-ins do not know.
    pub(crate) fn flags(mut self, flags: &[&str]) -> Run<'w> {
        self.flags.extend(flags.iter().map(|&flag| flag.into()));
        self
    }

    pub(crate) fn input(mut self, input: impl Into<Stdio>) -> Run<'w> {
        self.input = input.into();
        self
    }

    /// With a file from the user's home as standard input.
    pub(crate) fn input_file(self, name: &str) -> Run<'w> {
        let file = File::open(self.world.path(name)).unwrap();
        self.input(file)
    }

    pub(crate) fn start(self) -> Running {
        let handfast = self.world.handfast();
        let front: &[&str] = match Runner::chosen() {
            Runner::Handfast => &[handfast.to_str().unwrap(), "run"],
            Runner::Direct => &[],
            Runner::Pasta => &["pasta", "--config-net", "--quiet"],
        };
        let mut words: Vec<_> = front.iter().map(|&word| word.to_owned()).collect();
        words.extend(self.flags);
        if !front.is_empty() {
            words.push("--".into());
        }
        words.extend(self.argv);
        // Without ambient capabilities, which a user namespace gave the tests themselves.
        let drop = ["--ambient-caps=-all", "--inh-caps=-all", &words[0]];
        let command = Command::new("setpriv");
        let command = self.world.in_environment(command, &drop[..2], drop[2]);
        let mut command = self.world.by_user(command);
        command.args(&words[1..]);
        // Hears Ctrl-C even where the tests do not, and alone.
        command.process_group(0);
        Running::start(command.stdin(self.input))
    }

    /// Runs it to its end.
    pub(crate) fn finish(self, limit: Duration) -> Finished {
        self.start().finish(limit)
    }

    /// Runs it to its good end; its output.
    pub(crate) fn output(self) -> String {
        self.finish(Duration::from_secs(120)).good()
    }
}

/// A program at work; dropping it kills the runner.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: Stream,
    errors: Stream,
    command: String,
}

impl Running {
    /// Starts a command whose standard input is chosen already.
    pub(crate) fn start(command: &mut Command) -> Running {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
        Running {
            input: child.stdin.take(),
            output: Stream::new(child.stdout.take().unwrap()),
            errors: Stream::new(child.stderr.take().unwrap()),
            child,
            command: words.join(" "),
        }
    }

    /// The runner's process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn type_in(&mut self, text: &str) {
        let input = self.input.as_mut().expect("input(Stdio::piped())");
        input.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until the program's output has that text; the output so far.
    pub(crate) fn expect(&mut self, text: &str, limit: Duration) -> String {
        let begin = Instant::now();
        loop {
            // Looked at before the output, so that none can come after it.
            let over = self.child.try_wait().unwrap();
            if over.is_some() {
                self.output.end();
            }
            let output = self.output.text();
            if output.contains(text) {
                return output;
            }
            assert!(
                over.is_none() && begin.elapsed() < limit,
                "{}: no {text:?} (ended: {over:?})\n{output}\n{}",
                self.command,
                self.errors.text()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self, limit: Duration) -> Finished {
        self.input = None;
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                begin.elapsed() < limit,
                "{}: not over after {limit:?}\n{}\n{}",
                self.command,
                self.output.text(),
                self.errors.text()
            );
            std::thread::sleep(Duration::from_millis(2));
        };
        // The pipes end with the last process that holds them.
        for stream in [&mut self.output, &mut self.errors] {
            stream.end();
        }
        Finished {
            status,
            took: begin.elapsed(),
            output: self.output.text(),
            errors: self.errors.text(),
            command: std::mem::take(&mut self.command),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What comes out of a pipe.
struct Stream {
    seen: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn new(mut from: impl Read + Send + 'static) -> Stream {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = seen.clone();
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                into.lock().unwrap().extend_from_slice(&buffer[..n]);
            }
        });
        Stream {
            seen,
            reader: Some(reader),
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// Waits for the pipe's end, which a process left behind would put off for ever.
    fn end(&mut self) {
        if let Some(reader) = self.reader.take() {
            within(Duration::from_secs(20), "the end of output", || {
                reader.is_finished()
            });
        }
    }
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) took: Duration,
    pub(crate) output: String,
    pub(crate) errors: String,
    command: String,
}

impl Finished {
    /// The output of a success.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        self.ended(0).output
    }

    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Finished {
        let Finished {
            status,
            output,
            errors,
            command,
            ..
        } = &self;
        assert!(
            status.code() == Some(code),
            "{command}: {status}, not {code}\n{output}\n{errors}"
        );
        self
    }
}
