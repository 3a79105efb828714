//! What one acknowledgment says that none before it has.

use super::Record;
use crate::recovery::delivery_rate::Newest;
use handfast_base::Instant;
use handfast_wire::SeqNumber;

/// What one acknowledgment reports for the first time, by its number or by its blocks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delivered {
    /// Octets delivered (SYN and FIN counted).
    pub(crate) octets: u32,
    /// When the newest of it that was sent once had left, and where it ends.
    pub(crate) original: Option<(Instant, SeqNumber)>,
    /// The same of what was sent again.
    pub(crate) resent: Option<(Instant, SeqNumber)>,
    /// Where the lowest of it that was sent once ends, and the highest of all.
    pub(crate) lowest_original: Option<SeqNumber>,
    pub(crate) highest: Option<SeqNumber>,
    /// What left last of all of it.
    pub(crate) newest: Option<Newest>,
}

impl Delivered {
    #[inline]
    pub(super) fn note(&mut self, record: &Record, end: SeqNumber) {
        self.octets += end.offset_from(record.start);
        let is_newest = |n: &Newest| {
            record.sent_at > n.sent_at || record.sent_at == n.sent_at && end.after(n.end)
        };
        if self.newest.as_ref().is_none_or(is_newest) {
            self.newest = Some(Newest {
                sent_at: record.sent_at,
                end,
                departure: record.departure,
            });
        }
        self.highest = Some(self.highest.map_or(end, |highest| highest.later(end)));
        let newest = match record.retransmissions {
            0 => {
                let lowest = self.lowest_original;
                self.lowest_original = Some(lowest.map_or(end, |lowest| lowest.earlier(end)));
                &mut self.original
            }
            _ => &mut self.resent,
        };
        let (sent_at, is_later) = (record.sent_at, |e: SeqNumber| end.after(e));
        if newest.is_none_or(|(at, e)| sent_at > at || sent_at == at && is_later(e)) {
            *newest = Some((record.sent_at, end));
        }
    }
}

/// What an acknowledgment removed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Acked {
    /// What of it was delivered by now, and not known to be before.
    pub(crate) delivered: Delivered,
    /// Sequence numbers acknowledged for the first time (SYN and FIN counted).
    pub(crate) octets: u32,
    /// When the newest of it had left, if none of it was sent more than once (Karn).
    pub(crate) sent_at: Option<Instant>,
    /// When the last of it that was retransmitted had left.
    pub(crate) resent_at: Option<Instant>,
    /// Octets in the largest record of it that was sent once.
    pub(crate) largest: u32,
}
