//! Many seeds, and one again.

use super::{Report, Scenario, Verdict, Why};
use crate::Sim;
use handfast::trace::{Ladder, Recorder, ladder::TerminalOptions};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// What came of many seeds.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Summary {
    /// How many were played.
    pub seeds: u64,
    /// Data segments of each, in order.
    data_segments: Vec<u64>,
    /// How many saw packets lost, out of order, doubled and damaged, all of it.
    pub all_faults: u64,
    /// Packets on all links.
    pub packets: u64,
    /// Packets that links lost.
    pub lost: u64,
    /// Packets that links damaged.
    pub corrupted: u64,
    /// Packets that stacks threw away as damaged.
    pub damaged: u64,
    /// Packets that links doubled.
    pub duplicated: u64,
    /// Packets that links let pass out of order.
    pub reordered: u64,
    /// Segments that were sent again.
    pub retransmissions: u64,
    /// Connections of which every octet came, both ways.
    pub delivered: u64,
    /// Connections that an end left or reset, as its manners are.
    pub quit: u64,
    /// Connections that were reported dead, by why they may be.
    pub dead: BTreeMap<Why, u64>,
    /// How many of these lost their link for good.
    pub cut: u64,
    /// Seeds that showed a fault, and what it was.
    pub failures: BTreeMap<u64, String>,
}

/// Plays every seed, some at a time on threads of their own, and tells `on_failure` of each that
/// shows a fault as it is found.
pub fn run(seeds: Range<u64>, jobs: usize, on_failure: impl Fn(u64, &str) + Sync) -> Summary {
    let next = AtomicU64::new(seeds.start);
    let summary = Mutex::new(Summary::default());
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let played = play(seed);
                    let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(failure) = summary.add(seed, played) {
                        on_failure(seed, failure);
                    }
                }
            });
        }
    });
    let mut summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary.data_segments.sort_unstable();
    summary
}

/// Plays one seed.
///
/// # Errors
/// The message, if a stack or the simulation panicked.
pub fn play(seed: u64) -> Result<Report, String> {
    unwound(|| Scenario::random(seed).play())
}

/// A seed, played again with everything recorded.
#[derive(Clone)]
pub struct Replay {
    /// Whether all was as it should be.
    pub is_good: bool,
    /// The scenario, what came of it, and the last rows of the ladders of those connections that
    /// show a fault.
    pub text: String,
    /// Every packet and every state.
    pub recorder: Recorder,
}

/// Plays one seed with everything recorded.
pub fn replay(seed: u64) -> Replay {
    let scenario = Scenario::random(seed);
    let mut text = scenario.to_string();
    let mut recorder = Recorder::default();
    let played = unwound(|| {
        let sim = Sim::new(seed);
        recorder = sim.record();
        scenario.play_on(&sim)
    });
    let suspects = match &played {
        Ok(report) => {
            let _ = write!(text, "{report}");
            let wrong = report.wrong();
            wrong
                .filter_map(|(_, c)| Some((c.client_addr?, c.server_addr)))
                .collect()
        }
        Err(panic) => {
            let _ = writeln!(text, "PANIC: {panic}");
            Vec::new()
        }
    };
    let is_good = played.is_ok_and(|report| report.is_good());
    if !is_good {
        recorder.with_log(|log| {
            let mut all = log.connections();
            match suspects.is_empty() {
                // Whose fault it is nobody knows; it was not that of one that ended long ago.
                true => {
                    all.sort_by_key(|c| c.start + c.duration);
                    all.drain(..all.len().saturating_sub(SUSPECTS));
                }
                false => all.retain(|c| suspects.contains(&(c.left, c.right))),
            }
            for connection in &all {
                text.push_str(&last_rows(&Ladder::of(log, connection)));
            }
        });
    }
    Replay {
        is_good,
        text,
        recorder,
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let good = if self.is_good { "good" } else { "not good" };
        write!(f, "{good}\n{}", self.text)
    }
}

/// Ladders that are shown when nobody knows which one matters.
const SUSPECTS: usize = 2;
/// Rows of a ladder that are shown.
const ROWS: usize = 60;

fn last_rows(ladder: &Ladder) -> String {
    let mut ladder = ladder.clone();
    let options = TerminalOptions {
        width: 132,
        ..TerminalOptions::default()
    };
    let more = ladder.rows.len().saturating_sub(ROWS);
    ladder.rows.drain(..more);
    format!("{more} rows before these\n{}", ladder.terminal(&options))
}

fn unwound<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(|s| &**s);
        let text = text.or(payload.downcast_ref::<&str>().copied());
        text.unwrap_or("a panic without a message").to_owned()
    })
}

impl Summary {
    /// Data segments of the run in the middle of all.
    pub fn median_data_segments(&self) -> u64 {
        let middle = self.data_segments.len() / 2;
        self.data_segments.get(middle).copied().unwrap_or(0)
    }

    /// Takes in a run; what was wrong with it, if anything.
    fn add(&mut self, seed: u64, played: Result<Report, String>) -> Option<&str> {
        self.seeds += 1;
        let failure = match played {
            Err(panic) => Some(format!("panic: {panic}")),
            Ok(report) => {
                self.data_segments.push(report.traffic.data_segments);
                let t = &report.traffic;
                let faults = [t.lost, t.reordered, t.duplicated, t.corrupted];
                self.all_faults += u64::from(faults.iter().all(|&n| n > 0));
                self.packets += report.traffic.packets;
                self.lost += report.traffic.lost;
                self.corrupted += report.traffic.corrupted;
                self.duplicated += report.traffic.duplicated;
                self.reordered += report.traffic.reordered;
                self.damaged += report.damaged;
                self.retransmissions += report.retransmissions;
                for connection in &report.connections {
                    match connection.verdict {
                        Verdict::Delivered => self.delivered += 1,
                        Verdict::Quit => self.quit += 1,
                        Verdict::Dead(why) => {
                            *self.dead.entry(why).or_default() += 1;
                            self.cut += u64::from(connection.is_cut);
                        }
                        Verdict::Wrong(_) => {}
                    }
                }
                (!report.is_good()).then(|| first_fault(&report))
            }
        };
        let failure = failure?;
        Some(self.failures.entry(seed).or_insert(failure))
    }
}

fn first_fault(report: &Report) -> String {
    let wrong = report
        .wrong()
        .next()
        .map(|(n, c)| format!("connection {n}: {:?}", c.verdict));
    wrong
        .or_else(|| report.faults.first().cloned())
        .unwrap_or_default()
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connections = self.delivered + self.quit + self.dead.values().sum::<u64>();
        writeln!(f, "seeds                 {}", self.seeds)?;
        writeln!(
            f,
            "data segments         {} in the median run",
            self.median_data_segments()
        )?;
        writeln!(f, "all kinds of faults   in {} runs", self.all_faults)?;
        writeln!(f, "packets               {}", self.packets)?;
        writeln!(f, "  lost                {}", self.lost)?;
        writeln!(f, "  out of order        {}", self.reordered)?;
        writeln!(f, "  duplicated          {}", self.duplicated)?;
        writeln!(f, "  corrupted           {}", self.corrupted)?;
        writeln!(f, "  thrown away damaged {}", self.damaged)?;
        writeln!(f, "retransmissions       {}", self.retransmissions)?;
        writeln!(f, "connections           {connections}")?;
        writeln!(f, "  every octet came    {}", self.delivered)?;
        writeln!(f, "  quit by an end      {}", self.quit)?;
        let dead: u64 = self.dead.values().sum();
        writeln!(
            f,
            "  reported dead       {dead}, {} of a link cut for good",
            self.cut
        )?;
        for (why, count) in &self.dead {
            writeln!(f, "    {count:<17} {why}")?;
        }
        write!(f, "stuck or wrong        {}", self.failures.len())
    }
}
