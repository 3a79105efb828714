//! What is seen of packets and connections: a bounded log, a capture, discards.

pub mod flows;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use handfast::stack::TraceEvent;
use handfast::wire::Discard;
use handfast_base::Instant;
use handfast_trace::pcapng::WriterOptions;
use handfast_trace::{EventLog, Recorder, StateChange};

/// Why a packet was thrown away, in words, and where the rule stands.
pub type Reason = (&'static str, &'static str);

/// What is seen. A handle: clones share all of it.
#[derive(Clone, Default)]
pub struct Recording {
    recorder: Recorder,
    discards: Arc<Mutex<BTreeMap<Reason, u64>>>,
}

impl Recording {
    /// With a log that keeps at most `events` events.
    pub fn with_capacity(events: usize) -> Recording {
        Recording {
            recorder: Recorder::new(EventLog::with_capacity(events)),
            ..Recording::default()
        }
    }

    /// The log and the capture: an observer for a link.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Takes what a stack tells: changes of state, discards.
    pub fn sink(&self) -> impl FnMut(TraceEvent) + Send + use<> {
        let recording = self.clone();
        move |event| match event {
            TraceEvent::State {
                at,
                local,
                remote,
                from,
                to,
            } => recording.recorder.state_change(StateChange {
                at,
                local,
                remote,
                from,
                to,
            }),
            TraceEvent::Discard { reason, .. } => recording.discarded(reason),
            _ => {}
        }
    }

    /// Also writes all packets to `out` as pcapng from now on; `now` is the time of the stack.
    ///
    /// # Errors
    /// Those of writing the file's header. What fails later is told when the recorder is finished.
    pub fn capture(&self, out: impl Write + Send + 'static, now: Instant) -> io::Result<()> {
        let since_1970 = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let since_zero = Duration::from_nanos(now.as_nanos());
        let options = WriterOptions {
            epoch: since_1970.saturating_sub(since_zero),
            ..WriterOptions::default()
        };
        self.recorder.capture(out, options)
    }

    /// Why packets were thrown away, and how many.
    pub fn discards(&self) -> Vec<(Reason, u64)> {
        let discards = self.lock_discards();
        discards.iter().map(|(reason, n)| (*reason, *n)).collect()
    }

    fn discarded(&self, reason: Discard) {
        let reason = (reason.text(), reason.source());
        *self.lock_discards().entry(reason).or_default() += 1;
    }

    fn lock_discards(&self) -> MutexGuard<'_, BTreeMap<Reason, u64>> {
        self.discards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
