//! What an algorithm that models the path is told (draft-ietf-ccwg-bbr, sections 2.2, 2.3 and
//! 4.1).

use handfast_base::{Duration, Instant};
use handfast_wire::SeqNumber;

/// An acknowledgment, in recovery and out of it, once it is known what it delivers and what is
/// lost (RS and C of the draft).
#[derive(Clone, Copy, Debug)]
pub struct RateSample {
    /// When.
    pub now: Instant,
    /// RS.newly_acked: octets acknowledged or reported for the first time.
    pub newly_acked: u32,
    /// C.delivered: octets delivered on this connection.
    pub delivered: u64,
    /// C.inflight: octets neither acknowledged nor reported nor lost, by now.
    pub in_flight: u32,
    /// RS.rtt: the round trip of what left last of what is delivered, unless it was sent again.
    pub rtt: Option<Duration>,
    /// C.min_rtt: the smallest round trip of this connection.
    pub min_rtt: Duration,
    /// Whether the congestion window was all used at some time since the last sample.
    pub cwnd_limited: bool,
    /// C.app_limited: whether the network has yet to deliver what was sent before the application
    /// left it idle.
    pub app_limited: bool,
    /// Whether loss recovery is under way.
    pub in_recovery: bool,
    /// C.has_selective_acks (RFC 2018).
    pub selective: bool,
    /// SND.NXT. It begins at a secret number, and so is a seed for dice.
    pub snd_nxt: SeqNumber,
    /// What is known of the delivery; `None` when nothing was delivered.
    pub delivery: Option<Delivery>,
}

/// One delivery rate sample: from the departure of the newest transmission that was delivered to
/// its acknowledgment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// RS.delivered: octets delivered in the interval.
    pub octets: u64,
    /// RS.interval: the longer of RS.send_elapsed and RS.ack_elapsed.
    pub interval: Duration,
    /// RS.prior_delivered: octets that were delivered before the interval.
    pub prior_delivered: u64,
    /// RS.tx_in_flight: octets that were in flight when it left, itself included.
    pub tx_in_flight: u32,
    /// RS.lost: octets marked lost in the interval.
    pub lost: u32,
    /// RS.is_app_limited: it left while the application, and not the network, set the pace.
    pub app_limited: bool,
}

impl Delivery {
    /// RS.delivery_rate, in octets a second. 0 when the interval is shorter than any round trip: it
    /// was an original that seemed to be a retransmission (4.1.2.3).
    pub fn rate(&self, min_rtt: Duration) -> u64 {
        if self.interval < min_rtt {
            return 0;
        }
        let rate = (u128::from(self.octets) * 1_000_000_000).checked_div(self.interval.as_nanos());
        rate.map_or(0, |rate| u64::try_from(rate).unwrap_or(u64::MAX))
    }
}

/// One transmission, segment or super-segment, that is marked lost (P of the draft).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LostPacket {
    /// The sequence numbers that it carried.
    pub start: SeqNumber,
    /// One past the last of them.
    pub end: SeqNumber,
    /// P.tx_in_flight: octets that were in flight when it left, itself included.
    pub tx_in_flight: u32,
    /// C.lost - P.lost: octets marked lost since it left, itself included.
    pub lost: u32,
    /// P.delivered: octets that were delivered when it left.
    pub prior_delivered: u64,
    /// C.delivered: octets that are delivered by now.
    pub delivered: u64,
    /// P.is_app_limited.
    pub app_limited: bool,
}

impl LostPacket {
    /// P.size.
    pub fn octets(&self) -> u32 {
        self.end.offset_from(self.start)
    }
}
