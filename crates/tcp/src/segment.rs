use handfast_wire::tcp::{TcpFlags, TcpHeader};
use handfast_wire::{Discard, Ecn, Payload, SendReason, SeqNumber};

/// A segment that has arrived: its header and its text. Ports and checksum are the caller's
/// business; a [`Connection`](crate::Connection) looks at neither.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    /// The header as parsed.
    pub header: TcpHeader,
    /// SEG text; taken by the connection where it is accepted.
    pub payload: Payload,
    /// Payload octets of each wire segment when several were merged before they came here
    /// (the GSO size), 0 for a segment as it crossed the wire.
    pub gso_size: u16,
    /// The ECN field of the IP header (RFC 3168, 5).
    pub ecn: Ecn,
}

impl Segment {
    /// SEG.LEN: octets of text, with SYN and FIN counted (RFC 9293, section 3.4).
    #[inline]
    pub fn len(&self) -> u32 {
        self.payload.len() + u32::from(self.has(TcpFlags::SYN)) + u32::from(self.has(TcpFlags::FIN))
    }

    /// Whether the segment occupies no sequence space.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether all of `flags` are set.
    #[inline]
    pub fn has(&self, flags: TcpFlags) -> bool {
        self.header.flags.contains(flags)
    }

    /// Sequence number of the first octet of text: SEG.SEQ, after a SYN if there is one.
    #[inline]
    pub(crate) fn text_start(&self) -> SeqNumber {
        self.header.seq + u32::from(self.has(TcpFlags::SYN))
    }

    /// Largest wire segment in here, in octets of text.
    #[inline]
    pub(crate) fn wire_size(&self) -> u32 {
        match self.gso_size {
            0 => self.payload.len(),
            size => self.payload.len().min(u32::from(size)),
        }
    }
}

/// Where a connection writes the next segment to send: one value, reused for ever.
#[derive(Clone, Debug, Default)]
pub struct SegmentSlot {
    /// The header; ports are left 0 for the caller to fill.
    pub header: TcpHeader,
    /// The text, by reference into the send queue.
    pub payload: Payload,
    /// Octets of text in each wire segment of a super-segment; 0 for a plain segment.
    pub gso_size: u16,
    /// The ECN field of the IP header it goes into (RFC 3168, 5).
    pub ecn: Ecn,
    /// Why it is sent.
    pub reason: SendReason,
}

impl SegmentSlot {
    /// Starts a segment of no text.
    #[inline]
    pub(crate) fn begin(&mut self, seq: SeqNumber, flags: TcpFlags, reason: SendReason) {
        self.header = TcpHeader {
            seq,
            flags,
            ..TcpHeader::default()
        };
        self.payload.clear();
        self.gso_size = 0;
        self.ecn = Ecn::NotEct;
        self.reason = reason;
    }

    /// Writes the reset that answers `seg` for which nobody is there (RFC 9293, 3.5.2, group 1):
    /// it takes its sequence number from the ACK, or else acknowledges the whole segment.
    pub(crate) fn write_reset_for(&mut self, seg: &Segment) {
        if seg.has(TcpFlags::ACK) {
            self.begin(seg.header.ack, TcpFlags::RST, SendReason::ResetClosed);
        } else {
            let flags = TcpFlags::RST.union(TcpFlags::ACK);
            self.begin(SeqNumber(0), flags, SendReason::ResetClosed);
            self.header.ack = seg.header.seq + seg.len();
        }
    }
}

/// What became of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disposition {
    /// It went through the eight steps, or as far as the state takes it.
    Processed,
    /// It was thrown away, and why. An answer may be waiting in `poll_transmit` all the same.
    Discarded(Discard),
}
