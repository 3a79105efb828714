//! The program inside, seen from outside: what to start, how it goes on, how it ended.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, BufRead, BufReader};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::SendFlags;
use serde::{Deserialize, Serialize};

use super::Supervision;
use super::descriptor;
use super::error::{Failure, NamespaceError, diagnose};
use super::foreground::Foreground;
use super::signals::Signals;

/// What to start inside. Standard streams, working directory, environment, terminal and process
/// group are the caller's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The program, looked for in `PATH` when it has no slash, and its arguments.
    pub argv: Vec<OsString>,
    /// Variables to set beyond the caller's environment, or to change.
    pub env: Vec<(OsString, OsString)>,
    /// Whom to be, with no supplementary groups; only root can be somebody else.
    pub identity: Option<Identity>,
}

/// A user and a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The user's number.
    pub uid: u32,
    /// The number of the user's group.
    pub gid: u32,
}

impl Identity {
    /// Who called `sudo`, if this process is root by that: `SUDO_UID` and `SUDO_GID`.
    pub fn of_sudo_caller() -> Option<Identity> {
        let number = |name| std::env::var(name).ok()?.parse().ok();
        let caller = || {
            Some(Identity {
                uid: number("SUDO_UID")?,
                gid: number("SUDO_GID")?,
            })
        };
        let root = rustix::process::geteuid().is_root();
        caller().filter(|identity| root && identity.uid != 0)
    }
}

/// Why the program did not start. Its `Display` is one line with a fix.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// There is no such program.
    NotFound(String),
    /// There is one, and the kernel does not execute it.
    NotExecutable {
        /// The program as it was asked for.
        program: String,
        /// The error number of `execve`.
        errno: i32,
    },
    /// This signal came before the program was started.
    Interrupted(i32),
    /// The namespace could not start anything.
    Failed(String),
}

impl StartError {
    /// The conventional exit code: 127 not found, 126 not executable, 128 + the signal's number,
    /// 125 for what is no fault of the program.
    pub fn exit_code(&self) -> u8 {
        match self {
            StartError::NotFound(_) => 127,
            StartError::NotExecutable { .. } => 126,
            StartError::Interrupted(signal) => signal_code(*signal),
            StartError::Failed(_) => 125,
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::NotFound(program) => write!(
                f,
                "cannot run {program}: there is no such program; fix: look for it with \
                 `command -v {program}`"
            ),
            StartError::NotExecutable { program, errno } => {
                let errno = nix::errno::Errno::from_raw(*errno);
                write!(
                    f,
                    "cannot run {program}: {} ({errno:?}); fix: look at it with \
                     `ls -l {program}` and `file {program}`",
                    errno.desc()
                )
            }
            StartError::Interrupted(signal) => {
                write!(
                    f,
                    "interrupted by signal {signal} before the program started"
                )
            }
            StartError::Failed(why) => write!(f, "cannot start the program: {why}"),
        }
    }
}

impl std::error::Error for StartError {}

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Status {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Somebody killed the process that kept watch over it, and it with that.
    Lost,
}

/// The end of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// How the program itself ended.
    pub status: Status,
    /// Descendants that outlived it and were ended.
    pub left_behind: u32,
}

impl Exit {
    /// The conventional exit code: the program's own, 128 + the signal's number, 125 when it is
    /// not known.
    pub fn code(&self) -> u8 {
        match self.status {
            Status::Code(code) => code as u8,
            Status::Signal(signal) => signal_code(signal),
            Status::Lost => 125,
        }
    }
}

fn signal_code(signal: i32) -> u8 {
    128_u8.saturating_add(signal as u8)
}

/// What the init process says, a line each. The first is `Started` or `NotStarted`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum News {
    Started {
        supervision: Supervision,
        /// Why there is no pid namespace, if one was asked for.
        refusal: Option<Failure>,
    },
    NotStarted(i32),
    Ended(Status),
    Over {
        left_behind: u32,
    },
}

/// The program at work. Dropping it ends the program at once, and whatever descends from it.
#[derive(Debug)]
pub struct Running {
    lifeline: Arc<Lifeline>,
    news: Mutex<Hearing>,
    signals: Option<Signals>,
    supervision: Supervision,
    shortfall: Option<NamespaceError>,
}

#[derive(Debug)]
struct Hearing {
    reader: BufReader<UnixStream>,
    foreground: Option<Foreground>,
    status: Option<Status>,
    exit: Option<Exit>,
}

impl Running {
    pub(super) fn start(
        lifeline: Arc<Lifeline>,
        program: &Program,
        signals: Option<Signals>,
    ) -> Result<Running, StartError> {
        let failed = |e: io::Error| StartError::Failed(e.to_string());
        if let Some(signal) = signals.as_ref().and_then(Signals::next) {
            return Err(StartError::Interrupted(signal));
        }
        let name = program.argv.first();
        let name = name.ok_or_else(|| StartError::Failed("no program is named".to_owned()))?;
        let foreground = Foreground::observe();
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let streams = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
        descriptor::send(&lifeline.0, program, &streams).map_err(failed)?;
        // A short program has ended by now, and the news of that may come together.
        let mut reader = BufReader::new(lifeline.0.try_clone().map_err(failed)?);
        let mut line = String::new();
        reader.read_line(&mut line).map_err(failed)?;
        let news = serde_json::from_str(&line).map_err(|e| failed(e.into()))?;
        let (supervision, refusal) = match news {
            News::Started {
                supervision,
                refusal,
            } => (supervision, refusal),
            News::NotStarted(errno) => {
                let program = name.to_string_lossy().into_owned();
                return Err(match Errno::from_raw_os_error(errno) {
                    Errno::NOENT => StartError::NotFound(program),
                    Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE => {
                        failed(io::Error::from_raw_os_error(errno))
                    }
                    _ => StartError::NotExecutable { program, errno },
                });
            }
            other => return Err(StartError::Failed(format!("unexpected news: {other:?}"))),
        };
        Ok(Running {
            lifeline,
            news: Mutex::new(Hearing {
                reader,
                foreground,
                status: None,
                exit: None,
            }),
            signals,
            supervision,
            shortfall: refusal.as_ref().map(diagnose),
        })
    }

    /// How the processes of the program are kept together.
    pub fn supervision(&self) -> Supervision {
        self.supervision
    }

    /// Why they are not in a pid namespace, if they were to be.
    pub fn shortfall(&self) -> Option<&NamespaceError> {
        self.shortfall.as_ref()
    }

    /// Sends the program a signal. Once it has ended, any signal ends at once what it left behind.
    /// Does nothing when all of that is over.
    pub fn signal(&self, number: i32) {
        self.lifeline.write(number as u8);
    }

    /// The next of the [`Signals`] that has come since the program ended.
    pub fn interrupted(&self) -> Option<i32> {
        self.signals.as_ref().and_then(Signals::next)
    }

    /// Waits until the program and all that descends from it have ended; meanwhile passes on the
    /// [`Signals`] that the program has not had itself. When the program ends, this process has
    /// the terminal's foreground back if it had it when the program started.
    ///
    /// Blocks; another thread may call [`Running::signal`] meanwhile.
    pub fn wait(&self) -> Exit {
        let mut hearing = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(exit) = hearing.exit {
                return exit;
            }
            if hearing.reader.buffer().is_empty() {
                self.pass_signals_until_readable();
            }
            hearing.next();
        }
    }

    /// Returns when there may be news.
    fn pass_signals_until_readable(&self) {
        let Some(signals) = &self.signals else {
            return;
        };
        loop {
            let mut waiting = [
                PollFd::new(&self.lifeline.0, PollFlags::IN),
                PollFd::new(signals, PollFlags::IN),
            ];
            if !matches!(poll(&mut waiting, None), Ok(_) | Err(Errno::INTR)) {
                return;
            }
            while let Some(signal) = signals.next() {
                self.lifeline.write(signal as u8 | PASSED_ON);
            }
            if !waiting[0].revents().is_empty() {
                return;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.lifeline.end();
    }
}

impl Hearing {
    /// Takes one line of news.
    fn next(&mut self) {
        let mut line = String::new();
        // Whatever goes wrong here means that nothing more will come.
        let read = self.reader.read_line(&mut line).unwrap_or(0);
        match serde_json::from_str(&line).ok().filter(|_| read > 0) {
            Some(News::Ended(status)) => {
                self.status = Some(status);
                self.take_foreground();
            }
            Some(News::Over { left_behind }) => self.over(left_behind),
            Some(News::Started { .. } | News::NotStarted(_)) => {}
            None => self.over(0),
        }
    }

    fn over(&mut self, left_behind: u32) {
        self.take_foreground();
        self.exit = Some(Exit {
            status: self.status.unwrap_or(Status::Lost),
            left_behind,
        });
    }

    fn take_foreground(&self) {
        if let Some(foreground) = &self.foreground {
            foreground.take_back();
        }
    }
}

/// Marks a signal that came to the command, as against one that it sends by itself.
pub(super) const PASSED_ON: u8 = 0x80;

/// Our end of the socket to the init process, which ends with all below it when this is closed,
/// be it by our own death.
#[derive(Debug)]
pub(super) struct Lifeline(pub(super) UnixStream);

impl Lifeline {
    fn write(&self, octet: u8) {
        // Full or closed: then it has more than enough to do, or nothing.
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let _ = rustix::net::send(&self.0, &[octet], flags);
    }

    /// Has everything ended, and waits for that.
    pub(super) fn end(&self) {
        if self.0.shutdown(std::net::Shutdown::Write).is_err() {
            return;
        }
        let patience = std::time::Duration::from_secs(10);
        let _ = self.0.set_read_timeout(Some(patience));
        let _ = io::copy(&mut &self.0, &mut io::sink());
    }
}

impl AsFd for Lifeline {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
