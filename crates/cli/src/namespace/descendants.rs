//! All processes below one, by what /proc says of who is whose parent.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, wait};

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

/// Sends `signal` to each.
pub(super) fn signal_all(processes: &HashSet<Pid>, signal: Signal) {
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
