//! ACK trains: acknowledgments that come hard on each other's heels show how much a path carries
//! before a delay does. The other of the two signs by which HyStart ends slow start (Ha and Rhee,
//! "Taming the elephants", 2011); RFC 9406 kept only the delay.
//!
//! A window leaves slow start in bursts, and the bottleneck spreads them: the acknowledgments of a
//! window take window / rate. Once they keep coming for half a round trip, half of the path is full,
//! and the window, which grew by what they acknowledged, fills it whole. Round trips tell of a queue
//! one round later, when the window has doubled: where the queue holds no more than the path does,
//! that is after it has overflowed.

use handfast_base::{Duration, Instant};

/// A pause of more than this part of the least round trip ends a train: between the bursts of a
/// window that leaves the path half empty there is one of half a round trip, and a lone delayed
/// acknowledgment amid it is no train.
const PAUSE_DIVISOR: u32 = 8;

/// The train that the last acknowledgment belongs to.
#[derive(Clone, Debug)]
pub(super) struct AckTrain {
    began: Instant,
    last: Instant,
}

impl AckTrain {
    /// None yet.
    pub(super) const NONE: AckTrain = AckTrain {
        began: Instant::ZERO,
        last: Instant::ZERO,
    };

    /// An acknowledgment comes; returns how long its train is by now.
    #[inline]
    pub(super) fn on_ack(&mut self, now: Instant, min_rtt: Duration) -> Duration {
        if now.since(self.last) > min_rtt / PAUSE_DIVISOR {
            self.began = now;
        }
        self.last = now;
        now.since(self.began)
    }
}
