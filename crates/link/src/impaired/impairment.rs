use super::Hop;
use handfast_base::Duration;

/// What a path does to the packets of one direction. Plain data; the default does nothing.
///
/// A packet first waits for the bottleneck ([`rate`](Impairment::rate)), is then lost or not, and
/// travels for [`delay`](Impairment::delay): what the wire loses has used its share of the rate,
/// as on a radio link. Probabilities are per wire packet: 0 never, 1 always.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Impairment {
    /// Probability that a packet is lost.
    pub loss: f64,
    /// Mean length, in packets, of a run of losses (the Gilbert-Elliott model whose good state
    /// loses nothing and whose bad state loses all); [`loss`](Impairment::loss) stays the share
    /// lost overall. Below 1 losses are independent of each other.
    pub burst: f64,
    /// One-way delay.
    pub delay: Duration,
    /// The delay varies by up to so much either way, uniformly, not below zero. It never changes
    /// the order of packets: one that would overtake arrives together with the one before it.
    pub jitter: Duration,
    /// The bottleneck; none forwards at once.
    pub rate: Option<Rate>,
    /// Probability that a packet passes out of order.
    pub reorder: f64,
    /// What happens to a packet that passes out of order.
    pub reordering: Reordering,
    /// Probability that a second copy arrives right behind a packet.
    pub duplicate: f64,
    /// Probability that one bit, any bit, of a packet arrives flipped. The copy of a duplicated
    /// packet stays intact.
    pub corrupt: f64,
    /// Octets that wait for the bottleneck beyond which a packet is marked, Congestion Experienced,
    /// if its sender allows that (RFC 3168, 5); others wait on, until the queue is full. `None`:
    /// nothing is marked.
    pub ecn_mark: Option<u64>,
    /// A hop that carries smaller packets than the link does, ahead of all else.
    pub hop: Option<Hop>,
}

impl Impairment {
    /// Whether it does anything at all.
    pub fn is_active(&self) -> bool {
        let dice = [self.loss, self.reorder, self.duplicate, self.corrupt];
        dice.iter().any(|&p| p > 0.0)
            || self.rate.is_some()
            || self.hop.is_some()
            || !(self.delay.is_zero() && self.jitter.is_zero())
    }
}

/// How a packet passes out of order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Reordering {
    /// It is held back while the packets behind it pass.
    HoldBack {
        /// As many packets of its own size as the bottleneck passes meanwhile (none without one).
        packets: u32,
        /// At least so long.
        time: Duration,
    },
    /// It skips the delay, and so overtakes whatever is on its way; nothing happens without delay.
    Overtake,
}

impl Default for Reordering {
    /// Held back behind 5 packets or for 1 ms, whichever is longer: beyond the three duplicate
    /// acknowledgments that count as a loss (RFC 5681, section 3.2).
    fn default() -> Reordering {
        Reordering::HoldBack {
            packets: 5,
            time: Duration::from_millis(1),
        }
    }
}

/// A bottleneck: packets leave one after the other, with a bounded queue in front.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// Bits of IP packet per second; link headers and preambles are not counted. 0 passes nothing.
    pub bits_per_second: u64,
    /// What may wait behind the packet that is leaving; a packet beyond it is lost (drop-tail).
    pub queue: Queue,
}

impl Rate {
    /// A bottleneck with room for 1,000 packets to wait.
    pub const fn new(bits_per_second: u64) -> Rate {
        Rate {
            bits_per_second,
            queue: Queue::Packets(1000),
        }
    }

    /// How long a packet of `octets` takes to leave, rounded down; saturates at 584 years.
    pub fn serialization(&self, octets: u32) -> Duration {
        let (nanos, _) = super::bottleneck::nanos(octets, self.bits_per_second, 0);
        Duration::from_nanos(nanos)
    }
}

/// The bound of a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Queue {
    /// So many packets.
    Packets(u32),
    /// So many octets of IP packets.
    Octets(u64),
}

impl Queue {
    /// The bandwidth-delay product: the octets that are under way when a path of this rate and
    /// round-trip time is just full. A queue of one of it lets a sender that halves its window
    /// keep the bottleneck busy.
    pub fn bandwidth_delay_product(bits_per_second: u64, round_trip: Duration) -> Queue {
        let octets = u128::from(bits_per_second) * round_trip.as_nanos() / 8_000_000_000;
        Queue::Octets(u64::try_from(octets).unwrap_or(u64::MAX))
    }
}
