//! The foreground of the terminal: an interactive shell takes it for a process group of its own,
//! and cannot give it back to ours, whose number means nothing in its pid namespace.

use std::fs::File;

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use rustix::io::Errno;
use rustix::process::{Pid, getpgrp, test_kill_process_group};
use rustix::termios::{tcgetpgrp, tcsetpgrp};

/// That this process group has the foreground of its terminal.
#[derive(Debug)]
pub(super) struct Foreground {
    terminal: File,
    group: Pid,
}

impl Foreground {
    /// `None` without a terminal, and in the background.
    pub(super) fn observe() -> Option<Foreground> {
        let terminal = File::options().read(true).write(true).open("/dev/tty");
        let terminal = terminal.ok()?;
        let group = getpgrp();
        (tcgetpgrp(&terminal) == Ok(group)).then_some(Foreground { terminal, group })
    }

    /// Makes it so again when the group that has the foreground is no more. One that lives got it
    /// from the caller's shell, while our group was in the background.
    pub(super) fn take_back(&self) {
        let holder = tcgetpgrp(&self.terminal);
        if !holder.is_ok_and(|group| test_kill_process_group(group) == Err(Errno::SRCH)) {
            return;
        }
        // Who reaches for the terminal from the background is stopped by this signal otherwise.
        let mut set = SigSet::empty();
        set.add(Signal::SIGTTOU);
        let Ok(before) = set.thread_swap_mask(SigmaskHow::SIG_BLOCK) else {
            return;
        };
        // A terminal that is gone has no foreground to lose.
        let _ = tcsetpgrp(&self.terminal, self.group);
        let _ = before.thread_set_mask();
    }
}
