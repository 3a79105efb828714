//! Whether the window is what the network has carried of late (RFC 7661).
//!
//! A sender that its application or its peer limits keeps its window, but the window no longer
//! says what the path can bear. A loss is then answered from what was really carried, and after
//! five minutes the window shrinks.

use super::{AckEvent, CongestionWindow, initial_window};
use handfast_base::{Duration, Instant};
use handfast_wire::SeqNumber;

/// How long a window may stay that nobody uses (RFC 7661, 4.4: the non-validated period).
const NON_VALIDATED_PERIOD: Duration = Duration::from_secs(300);

/// pipeACK, the most octets acknowledged in a round trip of late, and since when that has been
/// less than half the window.
#[derive(Clone, Debug, Default)]
pub struct Validation {
    /// The round trip under way ends when this is acknowledged.
    round_end: Option<SeqNumber>,
    round_acked: u32,
    /// The most of a round trip in this sampling period, and in the one before; `None`: no round
    /// trip has ended in it.
    most: [Option<u32>; 2],
    period_began: Option<Instant>,
    unused_since: Option<Instant>,
}

impl Validation {
    /// Counts what was acknowledged, and shrinks a window unused for too long.
    #[inline]
    pub fn on_ack(&mut self, w: &mut CongestionWindow, ack: &AckEvent) {
        self.round_acked = self.round_acked.saturating_add(ack.acked);
        let round_end = *self.round_end.get_or_insert(ack.snd_nxt);
        if ack.snd_una.at_or_after(round_end) {
            self.round_over(w, ack);
        }
    }

    /// RFC 7661, 4.1 to 4.4, once a round trip.
    fn round_over(&mut self, w: &mut CongestionWindow, ack: &AckEvent) {
        self.round_end = Some(ack.snd_nxt);
        // 4.2: the sampling period is three round trips, and a second at least.
        let period = (ack.smoothed_rtt * 3).max(Duration::from_secs(1));
        let began = *self.period_began.get_or_insert(ack.now);
        if ack.now.since(began) > period {
            self.period_began = Some(ack.now);
            self.most = [None, self.most[0]];
        }
        self.most[0] = self.most[0].max(Some(self.round_acked));
        self.round_acked = 0;
        if ack.cwnd_limited || !self.is_unused(w) {
            self.unused_since = None;
            return;
        }
        let since = *self.unused_since.get_or_insert(ack.now);
        if ack.now.since(since) > NON_VALIDATED_PERIOD {
            // 4.4.3.
            w.ssthresh = w.ssthresh.max(w.cwnd / 4 * 3);
            w.cwnd = w.cwnd.min((w.cwnd / 2).max(initial_window(w.mss, 10)));
            self.unused_since = Some(ack.now);
        }
    }

    /// The octets that a reduction starts from: what was in flight when the loss was found, but of
    /// a window that is not validated no less than what was carried of late (4.4.1). A round of
    /// measurement is over with that.
    pub fn on_loss(&mut self, w: &CongestionWindow, in_flight: u32) -> u32 {
        let carried = match self.is_unused(w) {
            true => self.pipe_ack().unwrap_or(0).min(w.cwnd),
            false => 0,
        };
        *self = Validation::default();
        in_flight.max(carried)
    }

    fn pipe_ack(&self) -> Option<u32> {
        self.most[0].max(self.most[1])
    }

    /// Whether less than half of the window was carried; not while nothing is known (4.3).
    fn is_unused(&self, w: &CongestionWindow) -> bool {
        self.pipe_ack().is_some_and(|most| most < w.cwnd / 2)
    }
}

#[cfg(test)]
mod tests;
