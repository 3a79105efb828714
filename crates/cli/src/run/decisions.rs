//! What our side of each connection decided and why, written as it happens.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use handfast::stack::TraceEvent;
use handfast_base::Instant;

use super::output_file::OutputFile;

const HEADING: &str = "\
# Why our side of each connection did what it did, a line a decision: seconds since the start, the
# program's end, ours, and what. Octets of text count from 1, all sizes are in octets.
";

/// The file of decisions; a handle to it.
#[derive(Clone, Debug)]
pub struct Decisions(Arc<Mutex<Log>>);

#[derive(Debug)]
struct Log {
    out: BufWriter<File>,
    begin: Instant,
    written: u64,
    /// What went wrong first; nothing is written any more then.
    failed: Option<io::Error>,
}

impl Decisions {
    /// Writes to `file`.
    ///
    /// # Errors
    /// In one line, with a fix.
    pub fn new(file: &OutputFile) -> Result<Decisions, String> {
        let begun = file.handle().and_then(|file| {
            let mut out = BufWriter::with_capacity(1 << 16, file);
            out.write_all(HEADING.as_bytes()).map(|()| out)
        });
        let out = begun.map_err(|e| format!("cannot write {}: {e}", file.path().display()))?;
        Ok(Decisions(Arc::new(Mutex::new(Log {
            out,
            begin: Instant::ZERO,
            written: 0,
            failed: None,
        }))))
    }

    /// Times count from `now` on.
    pub fn start(&self, now: Instant) {
        self.lock().begin = now;
    }

    /// Takes what the stack tells.
    pub fn on_event(&self, event: &TraceEvent) {
        if let TraceEvent::Decision {
            local,
            remote,
            decision,
        } = event
        {
            let mut log = self.lock();
            let micros = decision.at.nanos_since(log.begin) / 1_000;
            let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
            let event = decision.event;
            let line = writeln!(
                log.out,
                "{seconds:4}.{micros:06}  {remote} {local}  {event}"
            );
            match line {
                _ if log.failed.is_some() => {}
                Ok(()) => log.written += 1,
                Err(e) => log.failed = Some(e),
            }
        }
    }

    /// Completes it; how many decisions there are.
    ///
    /// # Errors
    /// What went wrong first.
    pub fn finish(&self) -> io::Result<u64> {
        let mut log = self.lock();
        match log.failed.take() {
            Some(e) => Err(e),
            None => log.out.flush().map(|()| log.written),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
