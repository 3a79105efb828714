//! The last step of a program's start, in the process that becomes the program: only there can the
//! signals be let in again that all before it hold back. What came meanwhile is the program's, too.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use nix::errno::Errno;
use nix::sys::signal::SigSet;
use rustix::process::{Pid, Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use super::descriptor::{receive, send};
use super::program::Program;

/// The hidden subcommand of that process.
pub const EXEC_SUBCOMMAND: &str = "__exec";

/// What to execute.
#[derive(Debug, Serialize, Deserialize)]
struct Order<P> {
    program: P,
    /// Whether it is to end when the init process is killed.
    mortal: bool,
}

/// Starts `program` with those standard streams, an empty signal mask and default dispositions (what
/// the caller ignored stays ignored), in the process group of the command.
///
/// # Errors
/// That of `execve`; those on the way there.
pub(super) fn start(program: &Program, streams: &[OwnedFd], mortal: bool) -> io::Result<Pid> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut child = Command::new("/proc/self/exe")
        .arg0("handfast")
        .arg(EXEC_SUBCOMMAND)
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .spawn()?;
    let streams: Vec<_> = streams.iter().map(AsFd::as_fd).collect();
    let errno = send(&ours, &Order { program, mortal }, &streams)
        .and_then(|()| receive::<i32>(&ours).map(|(errno, _)| errno));
    match errno {
        Ok(errno) => {
            child.wait()?;
            Err(io::Error::from_raw_os_error(errno))
        }
        // Executed, or ended by a signal: in either case it is the program now.
        Err(_) => Ok(Pid::from_child(&child)),
    }
}

/// The whole life of that process.
pub fn main() -> ExitCode {
    let stdin = io::stdin();
    // Closed by executing something: so its end tells that from a failure.
    let Ok(report) = stdin.as_fd().try_clone_to_owned().map(UnixStream::from) else {
        return ExitCode::from(125);
    };
    let error = become_program(&report);
    // Without the init process there is nobody to tell.
    let _ = send(&report, &error.raw_os_error().unwrap_or(0), &[]);
    ExitCode::from(125)
}

/// Returns only when it fails.
fn become_program(report: &UnixStream) -> io::Error {
    let prepare = || {
        let (order, streams): (Order<Program>, _) = receive(report)?;
        let [stdin, stdout, stderr] =
            <[OwnedFd; 3]>::try_from(streams).map_err(|_| io::ErrorKind::InvalidData)?;
        rustix::stdio::dup2_stdin(stdin)?;
        rustix::stdio::dup2_stdout(stdout)?;
        rustix::stdio::dup2_stderr(stderr)?;
        let program = order.program;
        let (name, arguments) = program
            .argv
            .split_first()
            .ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(name);
        command
            .args(arguments)
            .envs(program.env.iter().map(|(name, value)| (name, value)));
        if let Some(identity) = program.identity {
            // From root this also empties the supplementary groups.
            command.gid(identity.gid).uid(identity.uid);
        }
        if order.mortal {
            set_parent_process_death_signal(Some(Signal::KILL))?;
        }
        SigSet::empty().thread_set_mask()?;
        Ok(command)
    };
    match prepare() {
        Ok(mut command) => {
            let error = command.exec();
            match error.kind() {
                io::ErrorKind::PermissionDenied if !is_anywhere(&command) => {
                    io::Error::from_raw_os_error(Errno::ENOENT as i32)
                }
                _ => error,
            }
        }
        Err(e) => e,
    }
}

/// Whether there is a file by the command's name where it is looked for. A directory of `PATH` that
/// is closed to the user makes the search end with "permission denied" even if there is none.
fn is_anywhere(command: &Command) -> bool {
    let name = command.get_program();
    if name.as_encoded_bytes().contains(&b'/') {
        return true;
    }
    let given = command.get_envs().find(|(key, _)| *key == "PATH");
    let path = match given {
        Some((_, value)) => value.map(ToOwned::to_owned),
        None => std::env::var_os("PATH"),
    };
    let path = path.unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).exists())
}
