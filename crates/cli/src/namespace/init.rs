//! The process between the worker and the program: PID 1 of a pid namespace where there is one,
//! else the subreaper of all that the program starts. It starts the program, adopts orphans, passes
//! signals on, and leaves nothing behind: neither when the program has ended nor when the command
//! has, of which it hears by the end of its lifeline.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::CloneFlags;
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitStatus, getpid, kill_process};
use rustix::process::{set_child_subreaper, set_parent_process_death_signal};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::descendants::{self, reap};
use super::descriptor::{receive, send};
use super::error::Failure;
use super::keeper::Refused;
use super::program::{News, PASSED_ON, Program, Status};
use super::{Supervision, exec};

/// The exit code of an init process that could not mount its /proc, plus the error number.
const NO_PROC: i32 = 64;

/// How long processes that the program has left behind may take to end by themselves.
const GRACE: Duration = Duration::from_secs(2);
/// A signal passed on is one that also came to the group when both are no further apart.
const SAME_SIGNAL: Duration = Duration::from_millis(500);

/// The whole life of the init process.
pub fn main() -> ExitCode {
    // Before anything else: Ctrl-C and Ctrl-Z are for the program, not for its keeper.
    let outcome = SigSet::all().thread_block().map_err(io::Error::from);
    let supervision = match std::env::args().nth(2).as_deref() {
        Some("pid-namespace") => Supervision::PidNamespace,
        _ => Supervision::Subreaper,
    };
    if supervision == Supervision::PidNamespace
        && let Err(e) = own_proc()
    {
        let errno = e.raw_os_error().unwrap_or(0).min(60);
        return ExitCode::from((NO_PROC + errno) as u8);
    }
    let refused = std::env::args().nth(3);
    let refused = refused.and_then(|text| serde_json::from_str::<Refused>(&text).ok());
    match outcome.and_then(|()| Init::new(supervision)?.run(refused)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("handfast: keeper of the program: {e}");
            ExitCode::from(125)
        }
    }
}

/// The error number by which such an init process says that it could not mount its /proc.
pub(super) fn refusal_of_proc(status: ExitStatus) -> Option<i32> {
    let code = status.code()?;
    (NO_PROC..NO_PROC + 61)
        .contains(&code)
        .then_some(code - NO_PROC)
}

/// Mounts the /proc of this pid namespace, in a mount namespace of its own: the worker goes on
/// with the other one.
fn own_proc() -> io::Result<()> {
    nix::sched::unshare(CloneFlags::CLONE_NEWNS)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>)?;
    Ok(())
}

/// Gives up every capability that the program should not have.
fn drop_capabilities() -> io::Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    rustix::thread::clear_ambient_capability_set()?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    Ok(rustix::thread::set_capabilities(None, none)?)
}

struct Init {
    lifeline: UnixStream,
    signals: SignalFd,
    supervision: Supervision,
    /// When a signal came to the whole process group.
    to_the_group: BTreeMap<i32, Instant>,
}

/// What the command has to say.
enum Word {
    Nothing,
    /// A signal's number, maybe with [`PASSED_ON`].
    Signal(u8),
    /// It is gone.
    End,
}

impl Init {
    fn new(supervision: Supervision) -> io::Result<Init> {
        match supervision {
            Supervision::PidNamespace => {
                // All below ends with this process, so that may go the shortest way.
                set_parent_process_death_signal(Some(Signal::KILL))?;
            }
            _ => set_child_subreaper(Some(getpid()))?,
        }
        drop_capabilities()?;
        let lifeline = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Init {
            lifeline,
            signals: SignalFd::with_flags(&SigSet::all(), flags)?,
            supervision,
            to_the_group: BTreeMap::new(),
        })
    }

    fn run(&mut self, refused: Option<Refused>) -> io::Result<()> {
        let (program, streams): (Program, _) = receive(&self.lifeline)?;
        let mortal = self.supervision == Supervision::Subreaper;
        let main = match exec::start(&program, &streams, mortal) {
            Ok(pid) => pid,
            Err(e) => {
                let errno = e.raw_os_error().unwrap_or(0);
                return send(&self.lifeline, &News::NotStarted(errno), &[]);
            }
        };
        let refusal = refused.map(|(step, errno)| {
            let error = io::Error::from_raw_os_error(errno);
            Failure::new(step, &error, "")
        });
        self.tell(&News::Started {
            supervision: self.supervision,
            refusal,
        });
        let status = self.until_end_of(main);
        if let Some(status) = status {
            self.tell(&News::Ended(status));
        }
        let left_behind = self.end_all(status.is_some());
        self.tell(&News::Over { left_behind });
        Ok(())
    }

    /// Without the command there is nobody to tell, and its end is noticed where it is waited for.
    fn tell(&self, news: &News) {
        let _ = send(&self.lifeline, news, &[]);
    }

    /// How the program ends; `None` when the command ends first.
    fn until_end_of(&mut self, main: Pid) -> Option<Status> {
        loop {
            if let Some(status) = reap(Some(main)) {
                return Some(status_of(status));
            }
            match self.listen(None) {
                Word::Nothing => {}
                Word::Signal(octet) => self.pass(octet, main),
                Word::End => return None,
            }
        }
    }

    fn pass(&mut self, octet: u8, main: Pid) {
        let number = i32::from(octet & !PASSED_ON);
        let came = self.to_the_group.remove(&number);
        let has_it = came.is_some_and(|at| at.elapsed() < SAME_SIGNAL) && is_in_our_group(main);
        if has_it && octet & PASSED_ON != 0 {
            return;
        }
        if let Some(signal) = Signal::from_named_raw(number) {
            // It has just ended otherwise, which is seen next.
            let _ = kill_process(main, signal);
        }
    }

    /// Ends whatever there is below, in peace first if `gently`. Returns how many there were.
    fn end_all(&mut self, gently: bool) -> u32 {
        let grace = if gently { GRACE } else { Duration::ZERO };
        descendants::end_all(grace, |glance| match self.listen(Some(glance)) {
            Word::Nothing => false,
            // Whoever is in a hurry presses Ctrl-C again.
            Word::Signal(_) => true,
            Word::End => {
                // Nothing but its end will ever come from there, and at once.
                std::thread::sleep(Duration::from_millis(1));
                true
            }
        })
    }

    /// Waits for the command or a signal; signals to the group are noted on the way.
    fn listen(&mut self, limit: Option<Duration>) -> Word {
        let limit = limit.map(|limit| Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(limit.subsec_nanos()),
        });
        let mut waiting = [
            PollFd::new(&self.lifeline, PollFlags::IN),
            PollFd::new(&self.signals, PollFlags::IN),
        ];
        // What fails here shows in what is read.
        let _ = poll(&mut waiting, limit.as_ref());
        let spoken = !waiting[0].revents().is_empty();
        while let Ok(Some(info)) = self.signals.read_signal() {
            self.to_the_group
                .insert(info.ssi_signo as i32, Instant::now());
        }
        if !spoken {
            return Word::Nothing;
        }
        let mut octet = [0];
        match rustix::io::read(&self.lifeline, &mut octet) {
            Ok(1) => Word::Signal(octet[0]),
            _ => Word::End,
        }
    }
}

/// Not so an interactive shell, which makes a group of its own.
fn is_in_our_group(program: Pid) -> bool {
    let program = nix::unistd::Pid::from_raw(program.as_raw_pid());
    // Our group is the command's, whose number is 0 in a pid namespace.
    nix::unistd::getpgid(Some(program)) == Ok(nix::unistd::getpgrp())
}

fn status_of(status: WaitStatus) -> Status {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Status::Code(code),
        (None, Some(signal)) => Status::Signal(signal),
        (None, None) => Status::Lost,
    }
}
