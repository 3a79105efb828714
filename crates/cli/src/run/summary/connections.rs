//! The connections of a run as a table.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::{Summary, words};
use crate::recording::flows::FlowCounts;
use crate::run::ledger::{ConnectionLine, Ending, Opened};
use crate::size;
use crate::terminal::{Detail, Ink, Terminal};

/// Rows from the beginning and from the end, where not all are asked for.
const FIRST: usize = 12;
const LAST: usize = 4;
/// Columns for the destination.
const NARROW: usize = 24;
const WIDE: usize = 44;
/// What stands beside the destination, up to the last column.
const BESIDE: usize = 56;

impl Summary<'_> {
    /// Every connection, or the first and the last ones; and sums where there are several.
    pub(super) fn connections(&self, terminal: &mut Terminal) {
        let lines = self.numbered();
        let (all, left_out) = (lines.len(), self.account.left_out);
        if all == 0 {
            terminal.line(&format!("  {:<9} none", "tcp"));
            return;
        }
        let room = terminal.style().width.saturating_sub(BESIDE + 24);
        let width = room.clamp(NARROW, WIDE);
        let heading = format!(
            "  {:<width$} {:>9} {:>9} {:>9} {:>8}  {:>11}  {}",
            "tcp", "up", "down", "time", "rtt", "again us/it", "lost  end"
        );
        terminal.gap();
        terminal.line(&terminal.style().paint(Ink::Faint, &heading));
        let short = self.options.report.detail != Detail::Verbose && all > FIRST + LAST + 1;
        for (i, (line, flow)) in lines.iter().enumerate() {
            let is_middle = short && (FIRST..all - LAST).contains(&i);
            if is_middle && i == FIRST {
                let hidden = (all - FIRST - LAST) as u64 + left_out;
                let more = words::grouped(hidden);
                terminal.line(&format!("  … {more} more; -v shows them"));
            }
            if !is_middle {
                terminal.line(&row(line, flow.as_ref(), width));
            }
            if !short && left_out > 0 && i + 1 == all / 2 {
                let more = words::grouped(left_out);
                terminal.line(&format!("  … {more} more that were not kept"));
            }
        }
        if all > 1 {
            self.sum(terminal, width);
        }
        terminal.gap();
    }

    /// The lines, each with the counts of its connection where connections were counted.
    pub(super) fn numbered(&self) -> Vec<(&ConnectionLine, Option<FlowCounts>)> {
        let mut nth: HashMap<(SocketAddr, SocketAddr), usize> = HashMap::new();
        let mut number = |line: &ConnectionLine| {
            let next = nth.entry((line.program, line.destination)).or_default();
            *next += 1;
            *next - 1
        };
        let counts =
            |line: &ConnectionLine, nth| self.recording.flow(line.program, line.destination, nth);
        let lines = self.account.connections.iter();
        lines
            .map(|line| (line, counts(line, number(line))))
            .collect()
    }

    fn sum(&self, terminal: &mut Terminal, width: usize) {
        let totals = &self.account.totals;
        let flows = self.recording.flow_total();
        let again = match flows {
            Some(f) => format!("{}/{}", f.sent.retransmissions, f.received.retransmissions),
            None => format!("{}/-", totals.retransmissions),
        };
        let lost = flows.map_or("-".to_owned(), |f| {
            (f.sent.lost + f.received.lost).to_string()
        });
        let many = words::count(totals.connections + totals.refused, "connection");
        let mut of: Vec<String> = Vec::new();
        let mut add = |n, what| of.extend((n > 0).then(|| format!("{} {what}", words::grouped(n))));
        add(totals.refused, "refused");
        add(totals.broken, "broken off");
        let line = format!(
            "  {many:<width$} {:>9} {:>9} {:>9} {:>8}  {again:>11}  {lost:>4}  {}",
            size::format(totals.octets_up),
            size::format(totals.octets_down),
            "",
            "",
            of.join(", ")
        );
        terminal.line(&terminal.style().paint(Ink::Strong, line.trim_end()));
    }
}

fn row(line: &ConnectionLine, flow: Option<&FlowCounts>, width: usize) -> String {
    let rtt = line.info.map(|info| info.rtt).filter(|rtt| !rtt.is_zero());
    let ours = line.info.map(|info| u64::from(info.retransmissions));
    let ours = flow.map(|f| f.sent.retransmissions).or(ours);
    let theirs = flow.map(|f| f.received.retransmissions);
    let lost = flow.map(|f| f.sent.lost + f.received.lost);
    let number = |n: Option<u64>| n.map_or("-".to_owned(), |n| n.to_string());
    let mut end = vec![ending(line)];
    end.extend(causes(line, flow));
    format!(
        "  {:<width$} {:>9} {:>9} {:>9} {:>8}  {:>11}  {:>4}  {}",
        words::fitted(&destination(line), width),
        size::format(line.octets_up),
        size::format(line.octets_down),
        words::duration(line.lasted),
        rtt.map_or("-".to_owned(), words::duration),
        format!("{}/{}", number(ours), number(theirs)),
        number(lost),
        end.join("; ")
    )
}

/// Whom it went to: by name where one is known.
fn destination(line: &ConnectionLine) -> String {
    let to = match &line.name {
        Some(name) => format!("{}:{}", words::printable(name), line.destination.port()),
        None => line.destination.to_string(),
    };
    match line.opened {
        Opened::ByProgram => to,
        Opened::Published => format!("from {to} to :{}", line.program.port()),
    }
}

/// How it ended, in a few words.
pub(super) fn ending(line: &ConnectionLine) -> String {
    match &line.end {
        Ending::Closed => "closed".to_owned(),
        Ending::ProgramReset => "reset by the program".to_owned(),
        Ending::DestinationReset => "reset by the destination".to_owned(),
        Ending::Refused(why) => format!("refused: {}", words::printable(why)),
        Ending::Failed(why) => words::printable(why),
        Ending::Open => "open at the end".to_owned(),
    }
}

/// Why our side sent again, if it did.
fn causes(line: &ConnectionLine, flow: Option<&FlowCounts>) -> Option<String> {
    let causes = match (flow, &line.info) {
        (Some(flow), _) => vec![
            (flow.causes.timeout, "timeout"),
            (flow.causes.fast, "fast"),
            (flow.causes.recovery, "recovery"),
        ],
        (None, Some(info)) => vec![(u64::from(info.timeouts), "timeout")],
        (None, None) => Vec::new(),
    };
    let told = causes.iter().filter(|(n, _)| *n > 0);
    let told: Vec<String> = told.map(|(n, what)| format!("{n} {what}")).collect();
    (!told.is_empty()).then(|| format!("ours again: {}", told.join(", ")))
}
