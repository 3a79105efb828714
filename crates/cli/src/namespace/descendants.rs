//! All processes below one, by what /proc says of who is whose parent.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, wait};

/// How often to look for them: the end of a grandchild gives no signal.
const GLANCE: Duration = Duration::from_millis(20);
/// How long to try SIGKILL: only who hangs in the kernel withstands it.
const INSISTENCE: Duration = Duration::from_secs(5);

/// The descendants of this process that have not ended.
///
/// # Errors
/// When /proc cannot be read.
pub(super) fn alive() -> io::Result<HashSet<Pid>> {
    let mut children = HashMap::<Pid, Vec<(Pid, bool)>>::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        // It may be gone since it was listed.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let Some((parent, ended)) = parent_and_end(&stat) else {
            continue;
        };
        if let (Some(pid), Some(parent)) = (Pid::from_raw(pid), Pid::from_raw(parent)) {
            children.entry(parent).or_default().push((pid, ended));
        }
    }
    let mut alive = HashSet::new();
    let mut parents = vec![getpid()];
    while let Some(parent) = parents.pop() {
        for (pid, ended) in children.remove(&parent).unwrap_or_default() {
            parents.push(pid);
            if !ended {
                alive.insert(pid);
            }
        }
    }
    Ok(alive)
}

/// Parent and whether it has ended, of a line of `/proc/PID/stat`.
fn parent_and_end(stat: &str) -> Option<(i32, bool)> {
    // The name in parentheses may hold anything, parentheses included.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut words = rest.split(' ');
    let ended = matches!(words.next()?, "Z" | "X");
    Some((words.next()?.parse().ok()?, ended))
}

/// Ends all descendants of this process: by SIGTERM, and by SIGKILL after `grace`, or as soon as
/// `hurry` says so, which is to wait for as long as it is told. Returns how many there were.
pub(super) fn end_all(mut grace: Duration, mut hurry: impl FnMut(Duration) -> bool) -> u32 {
    let mut all = HashSet::new();
    let begin = Instant::now();
    loop {
        reap(None);
        // Without /proc nobody can be found; a pid namespace ends them all the same.
        let left = alive().unwrap_or_default();
        let elapsed = begin.elapsed();
        if left.is_empty() || elapsed > grace + INSISTENCE {
            return all.len() as u32;
        }
        if elapsed >= grace {
            signal_each(&left, Signal::KILL);
        } else {
            let new = &left - &all;
            signal_each(&new, Signal::TERM);
            // One that is stopped could not act on it.
            signal_each(&new, Signal::CONT);
        }
        all.extend(left);
        if hurry(GLANCE) {
            grace = Duration::ZERO;
        }
    }
}

fn signal_each(processes: &HashSet<Pid>, signal: Signal) {
    for pid in processes {
        // It may be gone since it was found.
        let _ = kill_process(*pid, signal);
    }
}

/// Takes note of the children that have ended; how `main` has ended if it is one of them.
pub(super) fn reap(main: Option<Pid>) -> Option<WaitStatus> {
    let mut found = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if Some(pid) == main {
            found = Some(status);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_blanks_is_skipped() {
        let stat = "12 (a) Z 9 (b)) S 7 12 12 0 -1";
        assert_eq!(parent_and_end(stat), Some((7, false)));
        assert_eq!(parent_and_end("12 (sh) Z 1 12"), Some((1, true)));
        assert_eq!(parent_and_end(""), None);
    }

    #[test]
    fn a_child_is_a_descendant_until_it_ends() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        assert!(alive().unwrap().contains(&pid));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!alive().unwrap().contains(&pid));
    }
}
