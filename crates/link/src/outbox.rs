use crate::Link;
use handfast_base::{Duration, Instant};
use handfast_wire::Batch;
use std::io;

/// How long until a link that pushed back is offered the rest again.
pub(crate) const RETRY: Duration = Duration::from_micros(50);

/// Packets that a wrapper has taken and the link below has not.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) packets: Batch,
    retry: Option<Instant>,
}

impl Outbox {
    pub(crate) fn new() -> Outbox {
        Outbox {
            packets: Batch::new(usize::MAX),
            retry: None,
        }
    }

    /// Offers what waits to the link; whether nothing waits any more.
    pub(crate) fn flush(&mut self, now: Instant, link: &mut impl Link) -> io::Result<bool> {
        if !self.packets.is_empty() {
            link.transmit(now, &mut self.packets)?;
        }
        Ok(self.tried(now))
    }

    /// All that waits has been offered at `now`; whether nothing waits any more.
    pub(crate) fn tried(&mut self, now: Instant) -> bool {
        let is_empty = self.packets.is_empty();
        self.retry = (!is_empty).then(|| now + RETRY);
        is_empty
    }

    /// When to flush again.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.retry
    }
}
