//! Processor time of other processes, as /proc counts it.

use std::fs;

/// A process and all that descend from it, without those of which `except` is true of the command
/// line (its words end with NUL).
pub fn tree(root: u32, except: fn(&str) -> bool) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, *stat(pid)?.get(1)? as u32)))
        .collect();
    let mut all = vec![root];
    let mut next = 0;
    while let Some(&parent) = all.get(next) {
        all.extend(parents.iter().filter(|p| p.1 == parent).map(|p| p.0));
        next += 1;
    }
    all.retain(|pid| {
        fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !except(&line))
    });
    all
}

/// Seconds that the living ones of these processes have used, in user mode and in the kernel, with
/// all their threads; counted in hundredths.
pub fn seconds(processes: &[u32]) -> f64 {
    let ticks = |pid: &u32| {
        let stat = stat(*pid)?;
        Some(stat.get(11)? + stat.get(12)?)
    };
    processes.iter().filter_map(ticks).sum::<u64>() as f64 / 100.0
}

/// Seconds that the machine's processors were busy with anything, interrupts included.
pub fn busy() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line
        .split_whitespace()
        .filter_map(|w| w.parse().ok())
        .collect();
    // user nice system idle iowait irq softirq; what follows belongs to other machines or is
    // counted already.
    let busy = ticks
        .iter()
        .take(7)
        .enumerate()
        .filter(|(i, _)| *i != 3 && *i != 4);
    busy.map(|(_, t)| t).sum::<u64>() as f64 / 100.0
}

/// The numbers after the name of a process: state (0), parent (1), ... utime (11), stime (12).
fn stat(pid: u32) -> Option<Vec<u64>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields = text.rsplit(')').next()?.split_whitespace();
    Some(fields.map(|f| f.parse().unwrap_or(0)).collect())
}
