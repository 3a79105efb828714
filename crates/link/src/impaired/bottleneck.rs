use super::{Queue, Rate};
use handfast_base::{Duration, Instant};
use std::collections::VecDeque;

/// Packets leave one after the other, each when the one before it is out.
///
/// Drop-tail in front of a constant rate needs no queue of packets: when a packet will leave is
/// known the moment it comes.
#[derive(Debug, Default)]
pub(super) struct Bottleneck {
    free_at: Instant,
    /// Parts of a nanosecond that the last packet took, in units of 1/rate, so that no rate drifts.
    remainder: u64,
    /// When those that wait begin to leave, and their octets.
    waiting: VecDeque<(Instant, u32)>,
    waiting_octets: u64,
}

impl Bottleneck {
    /// When the last bit of a packet that comes at `now` has left; `None` when the queue is full.
    pub(super) fn admit(&mut self, now: Instant, octets: u32, rate: &Rate) -> Option<Instant> {
        while let Some((_, left)) = self.waiting.pop_front_if(|w| w.0 <= now) {
            self.waiting_octets -= u64::from(left);
        }
        if self.free_at < now {
            self.free_at = now;
            self.remainder = 0;
        }
        let start = self.free_at;
        if start > now {
            let full = match rate.queue {
                Queue::Packets(limit) => self.waiting.len() >= limit as usize,
                Queue::Octets(limit) => self.waiting_octets + u64::from(octets) > limit,
            };
            if full || self.waiting.len() >= super::CAPACITY {
                return None;
            }
            self.waiting.push_back((start, octets));
            self.waiting_octets += u64::from(octets);
        }
        let (taken, remainder) = nanos(octets, rate.bits_per_second, self.remainder);
        self.remainder = remainder;
        self.free_at += Duration::from_nanos(taken);
        Some(self.free_at)
    }

    /// Packets and octets that waited when the last packet came, that one included if it must wait.
    pub(super) fn waiting(&self) -> (u64, u64) {
        (self.waiting.len() as u64, self.waiting_octets)
    }
}

/// Whole nanoseconds that `octets` take with `carry` left over from before, and what is left over.
pub(super) fn nanos(octets: u32, bits_per_second: u64, carry: u64) -> (u64, u64) {
    if bits_per_second == 0 {
        return (u64::MAX, 0);
    }
    let rate = u128::from(bits_per_second);
    let work = u128::from(octets) * 8_000_000_000 + u128::from(carry);
    let whole = u64::try_from(work / rate).unwrap_or(u64::MAX);
    (whole, (work % rate) as u64)
}
