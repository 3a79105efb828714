//! SetPipe() of RFC 6675, 4: what is counted of all that is in flight.

use super::{Record, Scoreboard};
use handfast_wire::SeqNumber;

impl Scoreboard {
    /// Octets believed lost and not yet sent again.
    #[inline]
    pub(crate) fn lost(&self) -> u32 {
        self.lost
    }

    /// Octets that ever came to be believed lost; those lost twice count twice.
    pub(crate) fn marked(&self) -> u64 {
        self.marked
    }

    /// Octets that the peer has reported beyond its acknowledgment.
    #[inline]
    pub(crate) fn sacked(&self) -> u32 {
        self.sacked
    }

    /// Segments that the peer has reported beyond its acknowledgment.
    pub(crate) fn sacked_segments(&self) -> u32 {
        self.sacked_segments
    }

    /// How many transmissions are in flight; a super-segment counts once.
    #[inline]
    pub(crate) fn transmissions(&self) -> u32 {
        self.records.len() as u32
    }

    /// Octets in the network, as far as is known: neither lost nor reported (C.inflight).
    #[inline]
    pub(crate) fn in_flight(&self) -> u32 {
        match (self.records.front(), self.records.back()) {
            (Some(first), Some(last)) => {
                last.end.offset_from(first.start) - self.lost - self.sacked
            }
            _ => 0,
        }
    }

    /// How many octets of the records in `start..end` are believed lost.
    pub(crate) fn lost_within(&self, start: SeqNumber, end: SeqNumber) -> u32 {
        let lost = self.records.range(self.within(start, end));
        lost.filter(|r| r.lost).map(Record::len).sum()
    }
}
