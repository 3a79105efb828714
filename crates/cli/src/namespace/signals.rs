//! Signals to the command while a program runs: they are the program's to decide about.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1 and SIGUSR2 of this process, kept from ending it.
///
/// What the terminal or `kill` sends to the whole process group (Ctrl-C, say) the program has
/// already, for it is in the same group. The init process, a member as well, tells which signals
/// went to the group; it passes on to the program only those that the command had alone, such as
/// the SIGTERM of a service manager. A program that has left the group, as an interactive shell
/// does, has them all passed on.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Holds the signals back from the calling thread and from all that it starts from now on: to
    /// be called before any other thread exists. Processes that these start hold them back as well;
    /// a [`Program`](super::Program) does not.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn hold() -> io::Result<Signals> {
        use Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
        let set: SigSet = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2]
            .into_iter()
            .collect();
        set.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Signals(SignalFd::with_flags(&set, flags)?))
    }

    /// The next signal that has come, by its number.
    pub fn next(&self) -> Option<i32> {
        let info = self.0.read_signal().ok().flatten();
        info.map(|info| info.ssi_signo as i32)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
