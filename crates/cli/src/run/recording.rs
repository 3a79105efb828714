//! What is seen of the program's packets: as much as the reports need, and nothing where they need
//! nothing.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use handfast::stack::TraceEvent;
use handfast::wire::{Direction, Observation, Observer};
use handfast_base::Instant;
use handfast_link::Link;
use handfast_link::impaired::{Counters, CountersHandle};
use handfast_link::observed::Observed;
use handfast_trace::ConnectionSummary;
use handfast_trace::ladder::{Ladder, LadderOptions};

use super::arguments::MetricsTo;
use super::decisions::Decisions;
use super::options::{Options, ReportOptions};
use super::output_file::OutputFile;
use crate::recording::flows::{FlowAccount, FlowCounts, Flows};
use crate::recording::{self, Reason};

/// What is seen of a run.
pub struct Recording {
    /// The log and the capture, if something needs every packet.
    recording: Option<recording::Recording>,
    /// The counts of each connection, likewise.
    flows: Option<Flows>,
    /// What the impairments have done, if there are any.
    counters: Option<CountersHandle>,
    /// What our side decides, if that is to be written.
    decisions: Option<Decisions>,
    outputs: Outputs,
}

/// The files that were asked for, not yet finished.
#[derive(Debug, Default)]
pub struct Outputs {
    /// The capture.
    pub pcap: Option<OutputFile>,
    /// What our side decided.
    pub decisions: Option<OutputFile>,
    /// The report for machines.
    pub json: Option<OutputFile>,
    /// The metrics.
    pub metrics: Option<OutputFile>,
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it is: `capture`, `decisions`, `report`, `metrics`.
    pub what: &'static str,
    /// Its octets; `None` for a pipe.
    pub octets: Option<u64>,
    /// How many there are in it, of packets or decisions, and what one of them is called.
    pub counted: Option<(u64, &'static str)>,
}

impl Recording {
    /// What the reports need. Files are made now, so that it is known before the program starts
    /// whether they can be.
    ///
    /// # Errors
    /// Which file cannot be made, in one line with a fix.
    pub fn new(options: &Options) -> Result<Recording, String> {
        let ReportOptions {
            pcap,
            decisions,
            json,
            metrics,
            force,
            ..
        } = &options.report;
        let growing = |path: &PathBuf| OutputFile::growing(path, *force);
        let whole = |path: &PathBuf| OutputFile::whole(path, *force);
        let metrics = match metrics {
            Some(MetricsTo::File(path)) => Some(path),
            _ => None,
        };
        // Only a ladder looks into the log again.
        let events = match options.report.ladder {
            Some(_) => handfast_trace::EventLog::DEFAULT_CAPACITY,
            None => 0,
        };
        let needed = options.needs_packets();
        let pcap = pcap.as_ref().map(growing).transpose()?;
        let decisions = decisions.as_ref().map(growing).transpose()?;
        Ok(Recording {
            recording: needed.then(|| recording::Recording::with_capacity(events)),
            flows: needed.then(Flows::default),
            counters: None,
            decisions: decisions.as_ref().map(Decisions::new).transpose()?,
            outputs: Outputs {
                pcap,
                decisions,
                json: json.as_ref().map(whole).transpose()?,
                metrics: metrics.map(whole).transpose()?,
            },
        })
    }

    /// `link`, behind which the program is, behind the impairments, and watched as far as needed.
    pub fn watch<L: Link + 'static>(&mut self, link: L, options: &Options) -> Box<dyn Link> {
        let observer = self.observer();
        if options.is_impaired() {
            let mut link = options.impair(link);
            self.counters = Some(link.counters_handle());
            link.set_observer(observer);
            return Box::new(link);
        }
        match observer {
            Some(observer) => Box::new(Observed::new(link, Some(observer))),
            None => Box::new(link),
        }
    }

    /// Takes what the stack tells.
    pub fn sink(&self) -> impl FnMut(TraceEvent) + Send + use<> {
        let mut sink = self.recording.as_ref().map(recording::Recording::sink);
        let decisions = self.decisions.clone();
        move |event| {
            if let Some(decisions) = &decisions {
                decisions.on_event(&event);
            }
            if let Some(sink) = &mut sink {
                sink(event);
            }
        }
    }

    /// Begins the capture, if there is to be one; `now` is the time of the stack.
    ///
    /// # Errors
    /// In one line, with a fix.
    pub fn start(&self, now: Instant) -> Result<(), String> {
        if let Some(decisions) = &self.decisions {
            decisions.start(now);
        }
        let (Some(recording), Some(pcap)) = (&self.recording, &self.outputs.pcap) else {
            return Ok(());
        };
        let begun = pcap.handle().and_then(|file| recording.capture(file, now));
        begun.map_err(|e| format!("cannot write {}: {e}", pcap.path().display()))
    }

    /// What the impairments did to what the program sent, and to what it was sent.
    pub fn counters(&self) -> Option<[Counters; 2]> {
        self.counters_reader()()
    }

    /// As [`counters`](Recording::counters), from anywhere and at any time.
    pub fn counters_reader(&self) -> impl Fn() -> Option<[Counters; 2]> + Send + Sync + use<> {
        let handle = self.counters.clone();
        move || {
            let handle = handle.as_ref()?;
            Some([Direction::Received, Direction::Sent].map(|direction| handle.read(direction)))
        }
    }

    /// The counts of the nth connection between two ends, where connections are counted.
    pub fn flow(&self, program: SocketAddr, other: SocketAddr, nth: usize) -> Option<FlowCounts> {
        self.flows.as_ref()?.get(program, other, nth)
    }

    /// The counts of all connections together, where they are counted.
    pub fn flow_total(&self) -> Option<FlowCounts> {
        self.flows.as_ref().map(Flows::total)
    }

    /// The connections to these addresses of ours, where connections are counted.
    pub fn flows_to(&self, ours: impl Fn(IpAddr) -> bool) -> Vec<FlowAccount> {
        let flows = self.flows.as_ref();
        flows.map_or_else(Vec::new, |flows| flows.with_ends(ours))
    }

    /// Why our stack threw packets away, as far as that was recorded.
    pub fn discards(&self) -> Vec<(Reason, u64)> {
        let recording = self.recording.as_ref();
        recording
            .map(recording::Recording::discards)
            .unwrap_or_default()
    }

    /// The connections in the log, in the order of their first segment.
    pub fn connections(&self) -> Vec<ConnectionSummary> {
        let recording = self.recording.as_ref();
        recording.map_or_else(Vec::new, |r| r.recorder().with_log(|log| log.connections()))
    }

    /// The ladder of a connection.
    pub fn ladder(&self, of: &ConnectionSummary, options: &LadderOptions) -> Option<Ladder> {
        let recording = self.recording.as_ref()?;
        Some(
            recording
                .recorder()
                .with_log(|log| Ladder::with(log, of, options)),
        )
    }

    /// The files that are to be finished.
    pub fn take_outputs(&mut self) -> Outputs {
        std::mem::take(&mut self.outputs)
    }

    /// Completes the capture.
    ///
    /// # Errors
    /// In one line, with a fix; what could be written stays.
    pub fn finish_capture(&self, file: OutputFile) -> Result<WrittenFile, String> {
        let finished = self.recording.as_ref().map(|r| r.recorder().finish());
        finished.unwrap_or(Ok(())).map_err(|e| {
            format!(
                "the capture {} is incomplete: {e}; fix: make room there, or name another file",
                file.path().display()
            )
        })?;
        let packets = self.flows.as_ref().map(|flows| (flows.packets(), "packet"));
        Ok(WrittenFile::new(file.path().to_owned(), "capture", packets))
    }

    /// Completes the file of decisions.
    ///
    /// # Errors
    /// In one line, with a fix; what could be written stays.
    pub fn finish_decisions(&self, file: OutputFile) -> Result<WrittenFile, String> {
        let written = self.decisions.as_ref().map(Decisions::finish).transpose();
        let written = written.map_err(|e| {
            format!(
                "{} lacks decisions: {e}; fix: make room there, or name another file",
                file.path().display()
            )
        })?;
        let counted = written.map(|n| (n, "decision"));
        Ok(WrittenFile::new(
            file.path().to_owned(),
            "decisions",
            counted,
        ))
    }

    fn observer(&self) -> Option<Box<dyn Observer>> {
        let recording = self.recording.as_ref()?;
        Some(Box::new(Watcher {
            recorder: recording.recorder().clone(),
            flows: self.flows.clone()?,
        }))
    }
}

impl WrittenFile {
    /// Writes all of a file.
    ///
    /// # Errors
    /// In one line, with a fix.
    pub fn write(file: OutputFile, what: &'static str, text: &str) -> Result<WrittenFile, String> {
        let path = file.path().to_owned();
        file.finish(text.as_bytes())?;
        Ok(WrittenFile::new(path, what, None))
    }

    fn new(path: PathBuf, what: &'static str, counted: Option<(u64, &'static str)>) -> WrittenFile {
        let found = fs::metadata(&path).ok().filter(fs::Metadata::is_file);
        WrittenFile {
            octets: found.map(|found| found.len()),
            path,
            what,
            counted,
        }
    }
}

/// Shows every packet to the recorder and to the counts.
struct Watcher {
    recorder: handfast_trace::Recorder,
    flows: Flows,
}

impl Observer for Watcher {
    fn on_packet(&mut self, seen: Observation<'_>) {
        self.flows.on_packet(seen);
        self.recorder.on_packet(seen);
    }
}
