//! The worker's part in starting a program: it starts the init process, which needs a pid namespace
//! that only a parent can make.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;

use nix::sched::CloneFlags;
use rustix::thread::CapabilitySet;

use super::Supervision;
use super::init::NO_PROC;

/// The hidden subcommand of the init process.
pub const INIT_SUBCOMMAND: &str = "__init";

/// Starts the init process in the background, with `lifeline` as its standard input.
///
/// # Errors
/// When there is no thread left for it.
pub(super) fn start(wanted: Supervision, lifeline: OwnedFd) -> io::Result<()> {
    // From the one thread, as the second could not be started from a thread whose children are to
    // be in another pid namespace.
    let spawn = |body| thread::Builder::new().name("keeper".to_owned()).spawn(body);
    if wanted != Supervision::PidNamespace {
        spawn(Box::new(move || report(subreaper(lifeline))) as Box<dyn FnOnce() + Send>)?;
        return Ok(());
    }
    let second = lifeline.try_clone()?;
    spawn(Box::new(move || {
        let first = thread::Builder::new().spawn(|| in_pid_namespace(lifeline));
        let outcome = first.and_then(|t| t.join().map_err(|_| io::Error::other("it panicked"))?);
        match outcome {
            Ok(true) => {}
            Ok(false) | Err(_) => report(subreaper(second)),
        }
    }))?;
    Ok(())
}

fn report(outcome: io::Result<()>) {
    if let Err(e) = outcome {
        eprintln!("handfast: cannot start the keeper of the program: {e}");
    }
}

/// Whether a pid namespace with a /proc of its own could be had; returns when all in it is over.
/// The calling thread has to end then, and must not before: what it starts dies with it.
fn in_pid_namespace(lifeline: OwnedFd) -> io::Result<bool> {
    nix::sched::unshare(CloneFlags::CLONE_NEWPID)?;
    keep_capabilities()?;
    let mut init = command(Supervision::PidNamespace, lifeline).spawn()?;
    Ok(init.wait()?.code() != Some(i32::from(NO_PROC)))
}

fn subreaper(lifeline: OwnedFd) -> io::Result<()> {
    command(Supervision::Subreaper, lifeline)
        .spawn()?
        .wait()
        .map(drop)
}

/// Lets what this thread executes have the capability to mount /proc. (To somebody who is not root
/// in the user namespace, executing leaves ambient capabilities alone.)
fn keep_capabilities() -> io::Result<()> {
    let mut sets = rustix::thread::capabilities(None)?;
    sets.inheritable |= CapabilitySet::SYS_ADMIN;
    rustix::thread::set_capabilities(None, sets)?;
    rustix::thread::configure_capability_in_ambient_set(CapabilitySet::SYS_ADMIN, true)?;
    Ok(())
}

fn command(supervision: Supervision, lifeline: OwnedFd) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("handfast")
        .arg(INIT_SUBCOMMAND)
        .arg(supervision.name())
        .stdin(lifeline)
        .stdout(Stdio::null());
    command
}
