//! What the programs of one test write and are known by.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use handfast_cli::namespace::Program;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::within;

const LIMIT: Duration = Duration::from_secs(60);

/// A directory for what programs of one test write, and a word in the arguments of all of them.
pub(crate) struct Trial {
    pub(crate) directory: PathBuf,
    pub(crate) mark: String,
}

impl Trial {
    pub(crate) fn new() -> Trial {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // A number that `sleep` takes as well.
        let mark = format!("3600.{}{number:03}", std::process::id());
        let directory = std::env::temp_dir().join(format!("handfast-program-{mark}"));
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
        Trial { directory, mark }
    }

    /// `script`, which may write to `$OUT/...` and has the mark as `$MARK`.
    pub(crate) fn shell(&self, script: &str) -> Program {
        Program {
            argv: ["sh", "-c", script, &self.mark].map(Into::into).into(),
            env: vec![
                ("OUT".into(), self.directory.clone().into()),
                ("MARK".into(), self.mark.clone().into()),
            ],
            identity: None,
        }
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(name)).unwrap_or_default()
    }

    /// Waits until a program has written it.
    pub(crate) fn await_file(&self, name: &str) {
        within(LIMIT, name, || !self.read(name).is_empty());
    }

    /// The processes with the mark, wherever they are.
    pub(crate) fn processes(&self) -> Vec<i32> {
        marked(&self.mark)
    }

    pub(crate) fn nothing_is_left(&self) {
        within(LIMIT, "all processes to end", || {
            self.processes().is_empty()
        });
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        for pid in self.processes() {
            let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Processes that have `mark` among their arguments and have not ended.
pub(crate) fn marked(mark: &str) -> Vec<i32> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let mut words = arguments.split(|octet| *octet == 0);
        words.any(|word| word == mark.as_bytes()).then_some(pid)
    });
    pids.collect()
}
