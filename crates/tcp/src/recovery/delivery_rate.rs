//! Delivery rate sampling (draft-ietf-ccwg-bbr, section 4.1): how fast the network delivered what
//! lay between a transmission and its acknowledgment.

use crate::congestion::{Delivery, LostPacket};
use handfast_base::{Duration, Instant};
use handfast_wire::SeqNumber;

/// What a transmission remembers of the moment at which it left: the per-packet (P) state. Counts
/// are the low 32 bits of the connection's, for no more than a window lies between.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Departure {
    /// P.delivered_time.
    delivered_at: Instant,
    /// P.first_send_time.
    first_sent_at: Instant,
    /// P.delivered.
    delivered: u32,
    /// P.lost.
    lost: u32,
    /// P.tx_in_flight: octets in flight with this one.
    pub(crate) in_flight: u32,
    /// P.is_app_limited.
    app_limited: bool,
}

/// The newest transmission that an acknowledgment delivered: what becomes of it is the sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Newest {
    pub(crate) sent_at: Instant,
    pub(crate) end: SeqNumber,
    pub(crate) departure: Departure,
}

/// The per-connection (C) state.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeliveryRate {
    /// C.delivered: octets delivered on this connection.
    delivered: u64,
    /// C.delivered_time: when the last of them were.
    delivered_at: Instant,
    /// C.first_send_time: when the flight under way began to leave.
    first_sent_at: Instant,
    /// C.lost: octets marked lost.
    lost: u64,
    /// C.app_limited: once more than this is delivered, the gap that the application left is out
    /// of the network; 0 when there is none.
    app_limited: u64,
    /// The last sample that the application did not limit: octets, and nanoseconds.
    last: (u64, u64),
}

impl DeliveryRate {
    /// OnPacketSent (4.1.2.2): `octets` leave, and with them `in_flight` are in flight.
    #[inline]
    pub(crate) fn sent(&mut self, now: Instant, octets: u32, in_flight: u32) -> Departure {
        if in_flight == octets {
            self.first_sent_at = now;
            self.delivered_at = now;
        }
        Departure {
            delivered_at: self.delivered_at,
            first_sent_at: self.first_sent_at,
            delivered: self.delivered as u32,
            lost: self.lost as u32,
            in_flight,
            app_limited: self.app_limited > 0,
        }
    }

    /// Octets were delivered.
    #[inline]
    pub(crate) fn delivered(&mut self, octets: u32, now: Instant) {
        self.delivered += u64::from(octets);
        self.delivered_at = now;
    }

    /// C.delivered.
    pub(crate) fn total(&self) -> u64 {
        self.delivered
    }

    /// What left with `departure`, from here to there, is marked lost.
    pub(crate) fn lost(
        &mut self,
        (start, end): (SeqNumber, SeqNumber),
        departure: &Departure,
    ) -> LostPacket {
        self.lost += u64::from(end.offset_from(start));
        LostPacket {
            start,
            end,
            tx_in_flight: departure.in_flight,
            lost: (self.lost as u32).wrapping_sub(departure.lost),
            prior_delivered: self.prior(departure),
            delivered: self.delivered,
            app_limited: departure.app_limited,
        }
    }

    /// Nothing is left to send, though `in_flight` octets do not fill the window (4.1.2.4).
    pub(crate) fn mark_app_limited(&mut self, in_flight: u32) {
        self.app_limited = (self.delivered + u64::from(in_flight)).max(1);
    }

    /// Whether C.app_limited is set.
    pub(crate) fn is_app_limited(&self) -> bool {
        self.app_limited > 0
    }

    /// GenerateRateSample (4.1.2.3), once all that an acknowledgment delivers has been counted.
    #[inline]
    pub(crate) fn sample(&mut self, newest: Option<&Newest>, now: Instant) {
        if self.app_limited > 0 && self.delivered > self.app_limited {
            self.app_limited = 0;
        }
        let Some(Newest {
            sent_at, departure, ..
        }) = newest
        else {
            return;
        };
        self.first_sent_at = *sent_at;
        if !departure.app_limited {
            let octets = (self.delivered as u32).wrapping_sub(departure.delivered);
            self.last = (u64::from(octets), interval(*sent_at, departure, now));
        }
    }

    /// The sample of [`sample`](DeliveryRate::sample) as a model of the path wants it.
    pub(crate) fn delivery(&self, newest: &Newest, now: Instant) -> Delivery {
        let departure = &newest.departure;
        let prior_delivered = self.prior(departure);
        Delivery {
            octets: self.delivered - prior_delivered,
            interval: Duration::from_nanos(interval(newest.sent_at, departure, now)),
            prior_delivered,
            tx_in_flight: departure.in_flight,
            lost: (self.lost as u32).wrapping_sub(departure.lost),
            app_limited: departure.app_limited,
        }
    }

    /// Octets a second of the last sample that the application did not limit; 0 without one.
    pub(crate) fn last(&self) -> u64 {
        let (octets, nanos) = self.last;
        let rate = (u128::from(octets) * 1_000_000_000).checked_div(u128::from(nanos));
        rate.map_or(0, |rate| u64::try_from(rate).unwrap_or(u64::MAX))
    }

    /// P.delivered in full.
    fn prior(&self, departure: &Departure) -> u64 {
        let since = (self.delivered as u32).wrapping_sub(departure.delivered);
        self.delivered - u64::from(since)
    }
}

/// The slower of the sending and the acknowledging side, so that neither a burst out nor a
/// compressed run of acknowledgments looks like bandwidth; nanoseconds.
#[inline]
fn interval(sent_at: Instant, departure: &Departure, now: Instant) -> u64 {
    let ack_elapsed = now.nanos_since(departure.delivered_at);
    ack_elapsed.max(sent_at.nanos_since(departure.first_sent_at))
}
