use handfast_base::Duration;
use handfast_wire::{Direction, Loss};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Wire packets of one direction by what became of them. A super-segment that was not cut counts
/// as one.
///
/// `sent + duplicated == lost + queue_full + delivered + under_way()`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Went in.
    pub sent: u64,
    /// Octets of those.
    pub sent_octets: u64,
    /// Came out, extra copies included.
    pub delivered: u64,
    /// Octets of those.
    pub delivered_octets: u64,
    /// Lost by chance, in a burst, by choice or at a hop.
    pub lost: u64,
    /// Of these, lost in a burst.
    pub lost_in_bursts: u64,
    /// Of these, lost because a test said so.
    pub lost_by_choice: u64,
    /// Of these, lost because they were too big for a hop.
    pub too_big: u64,
    /// Lost because the bottleneck's queue was full.
    pub queue_full: u64,
    /// Passed with a mark of the bottleneck's: Congestion Experienced.
    pub marked: u64,
    /// Extra copies made.
    pub duplicated: u64,
    /// Sent out of order.
    pub reordered: u64,
    /// Had a bit flipped.
    pub corrupted: u64,
    /// The most packets that have waited for the bottleneck at a time.
    pub queue_most: u64,
    /// The most octets that have waited for the bottleneck at a time.
    pub queue_most_octets: u64,
    /// How long those that came out were under way.
    pub delay: Delay,
}

/// How long packets were under way, from the call that put them in to the call that took them
/// out: what the path has really added, a late caller included. All zero while there were none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Delay {
    /// The sum over all of them.
    pub total: Duration,
    /// The shortest.
    pub least: Duration,
    /// The longest.
    pub most: Duration,
}

impl Counters {
    /// Packets that have neither come out nor been lost.
    pub fn under_way(&self) -> u64 {
        let in_all = self.sent + self.duplicated;
        in_all.saturating_sub(self.lost + self.queue_full + self.delivered)
    }

    /// The mean of [`delay`](Counters::delay); `None` while no packet came out.
    pub fn mean_delay(&self) -> Option<Duration> {
        let nanos = self
            .delay
            .total
            .as_nanos()
            .checked_div(self.delivered.into())?;
        Some(Duration::from_nanos(
            u64::try_from(nanos).unwrap_or(u64::MAX),
        ))
    }

    pub(super) fn lose(&mut self, why: Loss) {
        match why {
            Loss::QueueFull => self.queue_full += 1,
            Loss::Burst => self.lost_in_bursts += 1,
            Loss::Chosen => self.lost_by_choice += 1,
            Loss::TooBig => self.too_big += 1,
            _ => {}
        }
        self.lost += u64::from(why != Loss::QueueFull);
    }

    pub(super) fn deliver(&mut self, octets: u32, after: Duration) {
        let Delay { total, least, most } = self.delay;
        self.delay = Delay {
            total: total.saturating_add(after),
            least: match self.delivered {
                0 => after,
                _ => least.min(after),
            },
            most: most.max(after),
        };
        self.delivered += 1;
        self.delivered_octets += u64::from(octets);
    }
}

/// The counters of an [`Impaired`](super::Impaired) link, to be read by others while somebody
/// else owns and drives the link, and after it is gone. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct CountersHandle(Arc<Mutex<[Counters; 2]>>);

impl CountersHandle {
    /// What had happened by the end of the link's last call.
    pub fn read(&self, direction: Direction) -> Counters {
        let [sent, received] = *self.lock();
        match direction {
            Direction::Sent => sent,
            Direction::Received => received,
        }
    }

    /// Stores what has happened by now, if anybody can read it.
    pub(super) fn store(&self, sent: &Counters, received: &Counters) {
        if Arc::strong_count(&self.0) > 1 {
            *self.lock() = [*sent, *received];
        }
    }

    fn lock(&self) -> MutexGuard<'_, [Counters; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
