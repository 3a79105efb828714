//! Pacing: segments leave at a rate, and not as fast as acknowledgments let them.

use super::CongestionWindow;
use handfast_base::{Duration, Instant};

/// What a late wake may catch up on at once, and what one super-segment may take of the rate.
const BURST: Duration = Duration::from_millis(1);

/// The rate of a window: twice a window a round trip in slow start, so that it can double, and
/// 1.2 after, so that the window and not the rate is the limit; octets a second. `None` before
/// the first sample of the round trip.
pub fn rate(w: &CongestionWindow, smoothed_rtt: Duration) -> Option<u64> {
    let (above, below) = if w.in_slow_start() { (2, 1) } else { (6, 5) };
    let nanos = u64::try_from(smoothed_rtt.as_nanos()).ok()?;
    // 2^32 octets and a thousand million nanoseconds leave 2 bits for the gain.
    let octets = u64::from(w.cwnd) * above / below;
    octets.saturating_mul(1_000_000_000).checked_div(nanos)
}

/// When the next segment may leave. Off until it is given a rate.
#[derive(Debug)]
pub(crate) struct Pacer {
    /// Octets a second; 0: off.
    rate: u64,
    release: Instant,
    /// When output was held back until; [`Instant::FAR_FUTURE`]: it was not.
    wake: Instant,
}

impl Pacer {
    pub(crate) const OFF: Pacer = Pacer {
        rate: 0,
        release: Instant::ZERO,
        wake: Instant::FAR_FUTURE,
    };

    #[inline]
    pub(crate) fn set_rate(&mut self, rate: Option<u64>) {
        self.rate = rate.map_or(0, |rate| rate.max(1));
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.rate > 0
    }

    /// Whether what is to leave must wait; then it asks to be woken.
    pub(crate) fn holds(&mut self, now: Instant) -> bool {
        let holds = self.is_on() && self.release > now;
        if holds {
            self.wake = self.release;
        }
        holds
    }

    /// So many octets leave. Who comes late may catch up on a millisecond, and no more.
    #[inline]
    pub(crate) fn sent(&mut self, octets: u32, now: Instant) {
        if !self.is_on() {
            return;
        }
        let earliest = Instant::from_nanos(now.as_nanos().saturating_sub(BURST.as_nanos() as u64));
        let nanos = u64::from(octets) * 1_000_000_000 / self.rate;
        self.release = self.release.max(earliest) + Duration::from_nanos(nanos);
    }

    /// Octets that may leave as one super-segment: a millisecond of the rate, and two segments
    /// at least.
    #[inline]
    pub(crate) fn burst(&self, mss: u32) -> u32 {
        if !self.is_on() {
            return u32::MAX;
        }
        let octets = u32::try_from(self.rate / 1_000).unwrap_or(u32::MAX);
        octets.max(2 * mss)
    }

    /// When [`timeout`](Pacer::timeout) wants to be called.
    #[inline]
    pub(crate) fn wake(&self) -> Instant {
        self.wake
    }

    /// Output may try again.
    #[inline]
    pub(crate) fn timeout(&mut self, now: Instant) {
        if self.wake <= now {
            self.wake = Instant::FAR_FUTURE;
        }
    }
}

#[cfg(test)]
mod tests;
