//! What is known of a transmission.

use crate::recovery::delivery_rate::Departure;
use handfast_base::Instant;
use handfast_wire::SeqNumber;

/// One transmission: the octets it carried and what was known when it left. A super-segment is
/// one record until something befalls a part of it; then it is split.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) start: SeqNumber,
    pub(crate) end: SeqNumber,
    /// When these octets last left.
    pub(crate) sent_at: Instant,
    /// What was known then, for delivery rate sampling.
    pub(crate) departure: Departure,
    /// Times these octets were sent again.
    pub(crate) retransmissions: u8,
    /// Believed lost, and not sent again yet.
    pub(crate) lost: bool,
    /// Segments in here that the peer has reported (RFC 2018); 0 when it has not. Neighbours that
    /// it has reported are one record, so that reports cost what is new in them.
    pub(crate) sacked: u32,
    /// Reported at some time, even if that was forgotten since: delivered already.
    pub(super) reported: bool,
}

impl Record {
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.end.offset_from(self.start)
    }

    /// Lost, sent again or reported at some time.
    #[inline]
    pub(super) fn is_disturbed(&self) -> bool {
        self.lost || self.reported || self.retransmissions > 0 || self.sacked > 0
    }
}
