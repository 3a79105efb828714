//! What is said of a run when it is over: on standard error, for the program owns standard output.

mod connections;
mod json;
mod ladders;
mod link;
#[cfg(test)]
mod tests;
mod words;

use std::time::Duration;

use handfast::Metric;

use super::ledger::{Account, Ledger};
use super::metrics;
use super::options::Options;
use super::recording::{Recording, WrittenFile};
use crate::size;
use crate::terminal::{Detail, Ink, Terminal};

/// How a run went, apart from its packets.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How the program ended.
    pub ended: Ended,
    /// How long it ran.
    pub lasted: Duration,
    /// How its network was made, in words.
    pub backend: String,
    /// Processes that it left behind, which were ended.
    pub left_behind: usize,
}

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this exit code.
    Code(i32),
    /// By the signal of this number.
    Signal(i32),
}

/// All that is known when a run is over.
pub struct Summary<'a> {
    options: &'a Options,
    outcome: &'a Outcome,
    account: Account,
    recording: &'a Recording,
    /// The figures of our stack.
    stack: &'a [Metric],
}

/// Completes all files and says what is to be said; returns what went wrong, one line each.
pub fn conclude(
    options: &Options,
    outcome: &Outcome,
    ledger: &Ledger,
    mut recording: Recording,
    stack: &[Metric],
    terminal: &mut Terminal,
) -> Vec<String> {
    let outputs = recording.take_outputs();
    let mut account = ledger.account();
    for line in connections::to_services(&recording) {
        account.add(line);
    }
    let summary = Summary {
        options,
        outcome,
        account,
        recording: &recording,
        stack,
    };
    let json = |file| WrittenFile::write(file, "report", &format!("{:#}\n", summary.json()));
    let metrics = |file| WrittenFile::write(file, "metrics", &summary.metrics());
    let finished = [
        outputs.pcap.map(|file| recording.finish_capture(file)),
        outputs
            .decisions
            .map(|file| recording.finish_decisions(file)),
        outputs.json.map(json),
        outputs.metrics.map(metrics),
    ];
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    for finished in finished.into_iter().flatten() {
        match finished {
            Ok(file) => files.push(file),
            Err(fault) => faults.push(fault),
        }
    }
    summary.write(&files, terminal);
    faults
}

impl Summary<'_> {
    /// Writes all of it.
    fn write(&self, files: &[WrittenFile], terminal: &mut Terminal) {
        self.ladders(terminal);
        if !self.is_full() {
            self.in_short(terminal);
            return;
        }
        self.headline(terminal);
        self.link(terminal);
        self.connections(terminal);
        self.others(terminal);
        for file in files {
            terminal.line(&format!("  {:<9} {}", file.what, described(file)));
        }
    }

    /// Whether more than a line is asked for.
    fn is_full(&self) -> bool {
        let report = &self.options.report;
        self.options.is_impaired()
            || self.options.needs_packets()
            || report.decisions.is_some()
            || report.detail == Detail::Verbose
    }

    /// A line.
    fn in_short(&self, terminal: &mut Terminal) {
        let totals = &self.account.totals;
        let lasted = words::duration(self.outcome.lasted);
        let carried = match totals.connections {
            0 if totals.udp_flows == 0 => "no outside connections".to_owned(),
            n => format!(
                "{}, {} up, {} down",
                words::count(n, "connection"),
                size::format(totals.octets_up + totals.datagram_octets[0]),
                size::format(totals.octets_down + totals.datagram_octets[1]),
            ),
        };
        let mut line = format!("handfast: {carried}, {lasted} ({})", self.outcome.backend);
        for trouble in self.trouble() {
            line.push_str("; ");
            line.push_str(&trouble);
        }
        terminal.line(&line);
    }

    /// What was not as it should be, in a few words each.
    fn trouble(&self) -> Vec<String> {
        let totals = &self.account.totals;
        let mut trouble = Vec::new();
        let mut add = |n: u64, what: String| trouble.extend((n > 0).then_some(what));
        let attempts = words::count(totals.refused, "failed attempt");
        add(totals.refused, attempts);
        add(totals.broken, format!("{} broken off", totals.broken));
        let again = totals.retransmissions;
        add(
            again,
            format!("{} sent again", words::count(again, "segment")),
        );
        let left = self.outcome.left_behind as u64;
        let were = if left == 1 { "was" } else { "were" };
        let processes = words::count_of(left, "process", "processes");
        add(left, format!("{processes} left behind {were} ended"));
        trouble
    }

    fn headline(&self, terminal: &mut Terminal) {
        let program = self.program();
        let ended = match self.outcome.ended {
            Ended::Code(code) => format!("exit code {code}"),
            Ended::Signal(number) => format!("ended by {}", words::signal(number)),
        };
        let lasted = words::duration(self.outcome.lasted);
        let title = format!("handfast: {program}, {lasted}, {ended}");
        terminal.line(&terminal.style().paint(Ink::Strong, &title));
        let backend = &self.outcome.backend;
        terminal.line(&format!(
            "  {:<9} {backend}, MTU {}",
            "backend", self.options.mtu
        ));
    }

    /// Everything but TCP, and what was left behind.
    fn others(&self, terminal: &mut Terminal) {
        let totals = &self.account.totals;
        let mut row = |name: &str, text: String| terminal.line(&format!("  {name:<9} {text}"));
        if totals.udp_flows > 0 {
            row(
                "udp",
                format!(
                    "{}; up {} ({}), down {} ({})",
                    words::count(totals.udp_flows, "flow"),
                    words::count(totals.datagrams[0], "datagram"),
                    size::format(totals.datagram_octets[0]),
                    words::count(totals.datagrams[1], "datagram"),
                    size::format(totals.datagram_octets[1]),
                ),
            );
        }
        if totals.pings[0] > 0 {
            let [requests, answers] = totals.pings;
            let answers = words::count(answers, "answer");
            row(
                "ping",
                format!("{}, {answers}", words::count(requests, "request")),
            );
        }
        let left = self.outcome.left_behind as u64;
        if left > 0 {
            let processes = words::count_of(left, "process", "processes");
            row("ended", format!("{processes} that the program left behind"));
        }
        if self.options.report.detail == Detail::Verbose {
            for (why, n) in self.discards() {
                row("discarded", format!("{}: {why}", words::count(n, "packet")));
            }
        }
    }

    /// Why our stack threw packets away, and how many.
    fn discards(&self) -> Vec<(String, u64)> {
        let recorded = self.recording.discards();
        if !recorded.is_empty() {
            let text = |((why, source), n): ((&str, &str), u64)| (format!("{why} ({source})"), n);
            return recorded.into_iter().map(text).collect();
        }
        let discards = self
            .stack
            .iter()
            .filter(|m| m.name == "handfast_discards_total");
        let reason = |m: &Metric| Some((m.label.as_ref()?.1.clone(), m.value));
        discards.filter_map(reason).collect()
    }

    /// The program's name, without its directory.
    fn program(&self) -> String {
        let program = self.options.command.first();
        let name = program
            .map(std::path::Path::new)
            .and_then(|path| path.file_name());
        words::printable(&name.unwrap_or_default().to_string_lossy())
    }

    fn metrics(&self) -> String {
        let (totals, link) = (&self.account.totals, self.recording.counters());
        metrics::exposition(&metrics::samples(self.stack, totals, link))
    }
}

/// `out.pcapng: 157 packets, 64 KiB`.
fn described(file: &WrittenFile) -> String {
    let counted = file.counted.map(|(n, one)| words::count(n, one));
    let octets = file.octets.map(size::format);
    let facts: Vec<String> = [counted, octets].into_iter().flatten().collect();
    let path = words::printable(&file.path.display().to_string());
    match facts.is_empty() {
        true => path,
        false => format!("{path}: {}", facts.join(", ")),
    }
}
