//! The process inside, from outside: started with a configuration, it answers what came of it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::backend::Backend;
use super::descriptor::{receive, send};
use super::device::Device;
use super::error::{Failure, NamespaceError, diagnose};
use super::program::Lifeline;
use super::steps::{Outcome, Step};
use super::{NamespaceConfig, SUBCOMMAND};

/// How long the worker may take to set up before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// A worker that has tried to set a namespace up.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) worker: Worker,
    /// Where it answers as a [`Peer`](crate::kernel_peer::Peer) does.
    pub(super) control: UnixStream,
    /// To the init process, if there will be one.
    pub(super) lifeline: Lifeline,
    pub(super) outcome: Outcome<Device>,
    /// The other end of the interface, if it exists.
    pub(super) descriptor: Option<OwnedFd>,
}

impl Attempt {
    /// Has a worker try.
    ///
    /// # Errors
    /// When there is no worker, or no answer of it.
    pub(super) fn make(
        config: &NamespaceConfig,
        backend: Backend,
    ) -> Result<Attempt, NamespaceError> {
        let failed =
            |step, error: io::Error| diagnose(&Failure::new(step, &error, error.to_string()));
        let (worker, control) = Worker::spawn(config).map_err(|e| failed(Step::Spawn, e))?;
        let (lifeline, theirs) = UnixStream::pair().map_err(|e| failed(Step::Spawn, e))?;
        let lost = |e: io::Error| {
            let text = match e.kind() {
                io::ErrorKind::UnexpectedEof => "it ended without a word".to_owned(),
                io::ErrorKind::WouldBlock => format!("it said nothing for {PATIENCE:?}"),
                _ => e.to_string(),
            };
            diagnose(&Failure::new(Step::Control, &io::Error::other(e), text))
        };
        let introduce = || {
            send(&control, &(config, backend), &[theirs.as_fd()])?;
            control.set_read_timeout(Some(PATIENCE))?;
            let (outcome, mut descriptors): (Outcome<Device>, _) = receive(&control)?;
            control.set_read_timeout(None)?;
            let descriptor = descriptors.pop();
            if outcome.result.is_ok() && descriptor.is_none() {
                return Err(io::Error::other("it sent no descriptor"));
            }
            Ok((outcome, descriptor))
        };
        let (outcome, descriptor) = introduce().map_err(lost)?;
        Ok(Attempt {
            worker,
            control,
            lifeline: Lifeline(lifeline),
            outcome,
            descriptor,
        })
    }
}

/// The process inside.
#[derive(Debug)]
pub(super) struct Worker(Child);

impl Worker {
    /// Starts the worker with one end of a socket as its standard input; returns the other end.
    fn spawn(config: &NamespaceConfig) -> io::Result<(Worker, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new(&config.executable)
            .arg0("handfast")
            .arg(SUBCOMMAND)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        Ok((Worker(child), ours))
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may be gone already, and holds nothing that would need an orderly end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
