use crate::dissect::{self, Dissected};
use crate::log::{Event, EventLog, OtherEvent, SegmentEvent, StateChange};
use crate::pcapng::{Writer, WriterOptions};
use handfast_wire::{Fate, Observation, Observer};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Watches a link: keeps an [`EventLog`] and, if asked, writes a capture at the same time.
///
/// A handle; clones record into the same log. Give one to the link as its observer and keep one
/// to read. One observer on one end of a link sees both directions.
///
/// A link that knows both ends reports a packet once, with departure and arrival. Of a device
/// there is one vantage point, and arrival equals departure. A stack that throws a packet away
/// reports it again with its reason: the event that is there already is changed.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    log: EventLog,
    capture: Option<Writer<Box<dyn Write + Send>>>,
    /// Kind and text of the error that ended the capture.
    failure: Option<(io::ErrorKind, String)>,
    with_first_lines: bool,
}

impl Recorder {
    /// A recorder into this log, which may hold events already.
    pub fn new(log: EventLog) -> Recorder {
        Recorder(Arc::new(Mutex::new(Inner {
            log,
            ..Inner::default()
        })))
    }

    /// From now on, also writes every packet to `out`, which need not be buffered. A capture that
    /// was running is finished; its error, if it has one, stays for [`Recorder::finish`].
    ///
    /// # Errors
    /// Those of writing the header of the file.
    pub fn capture(
        &self,
        out: impl Write + Send + 'static,
        options: WriterOptions,
    ) -> io::Result<()> {
        let writer = Writer::new(Box::new(out) as Box<dyn Write + Send>, options)?;
        let mut inner = self.lock();
        inner.end_capture();
        inner.capture = Some(writer);
        Ok(())
    }

    /// Whether to keep the first line of each segment's text, such as `GET / HTTP/1.1`. Off at
    /// first: a log says nothing of what was said.
    pub fn keep_first_lines(&self, keep: bool) {
        self.lock().with_first_lines = keep;
    }

    /// Records that an endpoint changed state.
    pub fn state_change(&self, change: StateChange) {
        self.lock().log.push(Event::State(change));
    }

    /// Lets `read` look at the log. Recording waits meanwhile.
    pub fn with_log<T>(&self, read: impl FnOnce(&EventLog) -> T) -> T {
        read(&self.lock().log)
    }

    /// Takes the log out, leaving an empty one of the default capacity.
    pub fn take_log(&self) -> EventLog {
        std::mem::take(&mut self.lock().log)
    }

    /// The error that stopped the capture, if one did: from then on nothing is written.
    pub fn capture_error(&self) -> Option<io::Error> {
        let inner = self.lock();
        let running = inner.capture.as_ref().and_then(Writer::error);
        running.or_else(|| inner.failure())
    }

    /// Writes out what is held back and closes the capture; the log stays.
    ///
    /// # Errors
    /// The first error of writing, now or earlier; the same again if called again.
    pub fn finish(&self) -> io::Result<()> {
        let mut inner = self.lock();
        inner.end_capture();
        inner.failure().map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked while reading left the log whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn end_capture(&mut self) {
        if let Some(Err(e)) = self.capture.take().map(Writer::finish) {
            self.failure.get_or_insert((e.kind(), e.to_string()));
        }
    }

    fn failure(&self) -> Option<io::Error> {
        let (kind, text) = self.failure.as_ref()?;
        Some(io::Error::new(*kind, text.clone()))
    }

    fn record(&mut self, seen: &Observation<'_>) {
        let event = event_of(seen, self.with_first_lines);
        let is_amended = match event {
            Event::Segment(s) if matches!(s.fate, Fate::Discarded(_)) => self.log.push_discarded(s),
            event => {
                self.log.push(event);
                false
            }
        };
        if let Some(capture) = &mut self.capture {
            match is_amended {
                true => capture.amend(seen),
                false => capture.packet(seen),
            }
        }
    }
}

impl Observer for Recorder {
    fn on_packet(&mut self, seen: Observation<'_>) {
        self.lock().record(&seen);
    }
}

fn event_of(seen: &Observation<'_>, with_first_lines: bool) -> Event {
    let packet = seen.packet;
    let arrival = seen.arrival.filter(|_| !matches!(seen.fate, Fate::Lost(_)));
    let beyond = match packet.head() {
        [] => &[],
        _ => packet.payload.slices().first().map_or(&[][..], |s| s),
    };
    match dissect::dissect(packet.headers(), beyond, packet.len()) {
        Dissected::Segment {
            source,
            destination,
            header,
            payload_len,
            text_at,
        } => Event::Segment(SegmentEvent {
            at: seen.at,
            arrival,
            direction: seen.direction,
            source,
            destination,
            header,
            payload_len,
            fate: seen.fate,
            reason: packet.reason,
            first_line: (with_first_lines && payload_len > 0)
                .then(|| dissect::first_line(packet, text_at))
                .flatten(),
        }),
        Dissected::Other { text, about } => Event::Other(OtherEvent {
            at: seen.at,
            arrival,
            direction: seen.direction,
            len: packet.len(),
            fate: seen.fate,
            text: text.into_boxed_str(),
            about,
        }),
    }
}
