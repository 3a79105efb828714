//! The worker's part in starting a program: it starts the init process, which needs a pid namespace
//! that only a parent can make.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sched::CloneFlags;
use rustix::process::{getpid, set_child_subreaper};
use rustix::thread::CapabilitySet;

use super::steps::Step;
use super::{Supervision, descendants, init};

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
        spawn(Box::new(move || report(subreaper(lifeline, None))) as Box<dyn FnOnce() + Send>)?;
        return Ok(());
    }
    let second = lifeline.try_clone()?;
    spawn(Box::new(move || {
        let first = thread::Builder::new().spawn(|| in_pid_namespace(lifeline));
        let joined = first.map(|thread| thread.join());
        match joined {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(refused))) => report(subreaper(second, Some(refused))),
            Ok(Err(_)) | Err(_) => report(subreaper(second, None)),
        }
    }))?;
    Ok(())
}

/// The step on the way to a pid namespace that failed, and its error number.
pub(super) type Refused = (Step, i32);

fn report(outcome: io::Result<()>) {
    if let Err(e) = outcome {
        eprintln!("handfast: cannot start the keeper of the program: {e}");
    }
}

/// Starts the init process in a pid namespace with a /proc of its own, and returns when all in it is
/// over. The calling thread has to end then, and must not before: what it starts dies with it.
fn in_pid_namespace(lifeline: OwnedFd) -> Result<(), Refused> {
    let refused = |e: io::Error| (Step::PidNamespace, e.raw_os_error().unwrap_or(0));
    nix::sched::unshare(CloneFlags::CLONE_NEWPID).map_err(|e| refused(e.into()))?;
    keep_capabilities().map_err(refused)?;
    let mut init = command(Supervision::PidNamespace, lifeline);
    let status = init.spawn().and_then(|mut init| init.wait());
    match init::refusal_of_proc(status.map_err(refused)?) {
        Some(errno) => Err((Step::Proc, errno)),
        None => Ok(()),
    }
}

fn subreaper(lifeline: OwnedFd, refused: Option<Refused>) -> io::Result<()> {
    let mut init = command(Supervision::Subreaper, lifeline);
    if let Some(refused) = refused {
        init.arg(serde_json::to_string(&refused)?);
    }
    // Should the init process be killed, what is below it falls to the worker.
    set_child_subreaper(Some(getpid()))?;
    init.spawn()?.wait()?;
    descendants::end_all(Duration::ZERO, |glance| {
        thread::sleep(glance);
        false
    });
    Ok(())
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
