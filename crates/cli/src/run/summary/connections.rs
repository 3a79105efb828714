//! The connections of a run as a table.

use std::collections::HashMap;
use std::net::SocketAddr;

use handfast::wire::Direction;

use super::{Summary, words};
use crate::recording::flows::{FlowAccount, FlowCounts, FlowEnd};
use crate::run::addresses;
use crate::run::ledger::{ConnectionLine, Ending, Opened};
use crate::run::recording::Recording;
use crate::size;
use crate::terminal::{Detail, Ink, Terminal};

/// Rows from the beginning and from the end, where not all are asked for.
const FIRST: usize = 12;
const LAST: usize = 4;
/// Columns for the destination, at least and at most.
const NARROW: usize = 28;
const WIDE: usize = 48;
/// What stands beside it, with a short word for the end.
const BESIDE: usize = 60;

impl Summary<'_> {
    /// Every connection, or the first and the last ones; and sums where there are several.
    pub(super) fn connections(&self, terminal: &mut Terminal) {
        let lines = self.numbered();
        let (all, left_out) = (lines.len(), self.account.left_out);
        if all == 0 {
            terminal.line(&format!("  {:<9} none", "tcp"));
            return;
        }
        let room = terminal.style().width.saturating_sub(BESIDE);
        let width = room.clamp(NARROW, WIDE);
        // Without a look into packets nobody knows what the program sent again, and what was lost.
        let heading = match self.recording.flow_total() {
            Some(_) => columns(
                width,
                ["tcp", "up", "down", "time", "rtt", "again", "lost", "end"],
            ),
            None => columns(
                width,
                ["tcp", "up", "down", "time", "rtt", "again", "", "end"],
            ),
        };
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
        if self.recording.flow_total().is_some() {
            let text = "  again: segments sent again by us + by the program";
            terminal.line(&terminal.style().paint(Ink::Faint, text));
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
            Some(f) => format!("{}+{}", f.sent.retransmissions, f.received.retransmissions),
            None => totals.retransmissions.to_string(),
        };
        let lost = flows.map(|f| (f.sent.lost + f.received.lost).to_string());
        let many = words::count(totals.connections + totals.refused, "connection");
        let mut of: Vec<String> = Vec::new();
        let mut add = |n: u64, what| of.extend((n > 0).then_some(what));
        add(
            totals.refused,
            words::count(totals.refused, "failed attempt"),
        );
        add(
            totals.broken,
            format!("{} broken off", words::grouped(totals.broken)),
        );
        let line = columns(
            width,
            [
                &many,
                &size::format(totals.octets_up),
                &size::format(totals.octets_down),
                "",
                "",
                &again,
                &lost.unwrap_or_default(),
                &of.join(", "),
            ],
        );
        terminal.line(&terminal.style().paint(Ink::Strong, line.trim_end()));
    }
}

/// A line of the table.
fn columns(width: usize, [to, up, down, time, rtt, again, lost, end]: [&str; 8]) -> String {
    let line =
        format!("  {to:<width$} {up:>9} {down:>9} {time:>8} {rtt:>7} {again:>7} {lost:>4}  {end}");
    line.trim_end().to_owned()
}

fn row(line: &ConnectionLine, flow: Option<&FlowCounts>, width: usize) -> String {
    let rtt = line.info.map(|info| info.rtt).filter(|rtt| !rtt.is_zero());
    let again = match (flow, line.info) {
        (Some(f), _) => format!("{}+{}", f.sent.retransmissions, f.received.retransmissions),
        (None, Some(info)) => info.retransmissions.to_string(),
        (None, None) => String::new(),
    };
    let lost = flow.map(|f| (f.sent.lost + f.received.lost).to_string());
    let mut end = vec![ending(line)];
    end.extend(causes(line, flow));
    if let Ending::Refused(_) = line.end {
        return columns(
            width,
            [
                &destination(line, width),
                "-",
                "-",
                "",
                "",
                &again,
                "",
                &end[0],
            ],
        );
    }
    columns(
        width,
        [
            &destination(line, width),
            &size::format(line.octets_up),
            &size::format(line.octets_down),
            &words::duration(line.lasted),
            &rtt.map_or(String::new(), words::duration),
            &again,
            &lost.unwrap_or_default(),
            &end.join("; "),
        ],
    )
}

/// Whom it went to, by name where one is known, in so many columns.
fn destination(line: &ConnectionLine, width: usize) -> String {
    let own = addresses::name(line.destination.ip());
    let name = line.name.as_deref().or(own).map(words::printable);
    let (host, port) = match (name, line.destination) {
        (Some(name), to) => (name, format!(":{}", to.port())),
        (None, SocketAddr::V4(to)) => (to.ip().to_string(), format!(":{}", to.port())),
        (None, SocketAddr::V6(to)) => (format!("[{}", to.ip()), format!("]:{}", to.port())),
    };
    let (before, after) = match line.opened {
        Opened::ByProgram => ("", port),
        Opened::Published => ("from ", format!("{port} to :{}", line.program.port())),
    };
    let taken = before.len() + after.len();
    let host = words::fitted(&host, width.saturating_sub(taken).max(8));
    format!("{before}{host}{after}")
}

/// The connections to our own services, which no relay knows of: as far as packets were looked at.
pub(super) fn to_services(recording: &Recording) -> Vec<ConnectionLine> {
    let flows = recording.flows_to(|ip| addresses::name(ip) == Some(addresses::GATEWAY_NAME));
    let line = |flow: FlowAccount| ConnectionLine {
        opened: Opened::ByProgram,
        program: flow.ends.0,
        destination: flow.ends.1,
        name: None,
        octets_up: flow.counts.received.octets,
        octets_down: flow.counts.sent.octets,
        answered: None,
        lasted: flow.lasted,
        info: None,
        end: match flow.end {
            Some(FlowEnd::Closed) => Ending::Closed,
            Some(FlowEnd::Reset(Direction::Received)) => Ending::ProgramReset,
            Some(FlowEnd::Reset(Direction::Sent)) => Ending::DestinationReset,
            None => Ending::Open,
        },
    };
    flows.into_iter().map(line).collect()
}

/// How it ended, in a few words.
pub(super) fn ending(line: &ConnectionLine) -> String {
    match &line.end {
        Ending::Closed => "closed".to_owned(),
        Ending::ProgramReset => "reset by the program".to_owned(),
        Ending::DestinationReset => "reset by the destination".to_owned(),
        Ending::Refused(why) | Ending::Failed(why) => words::printable(why),
        Ending::Open => "open at the end".to_owned(),
    }
}

/// Why our side sent again, if it did.
fn causes(line: &ConnectionLine, flow: Option<&FlowCounts>) -> Option<String> {
    let causes = match (flow, &line.info) {
        (Some(flow), _) => vec![
            (flow.causes.handshake, "for a SYN again"),
            (flow.causes.timeout, "by timeout"),
            (flow.causes.fast, "fast"),
            (flow.causes.recovery, "in recovery"),
        ],
        (None, Some(info)) => vec![(u64::from(info.timeouts), "by timeout")],
        (None, None) => Vec::new(),
    };
    let told = causes.iter().filter(|(n, _)| *n > 0);
    let told: Vec<String> = told.map(|(n, what)| format!("{n} {what}")).collect();
    (!told.is_empty()).then(|| format!("ours again: {}", told.join(", ")))
}
