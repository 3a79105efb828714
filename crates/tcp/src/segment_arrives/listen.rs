//! LISTEN state (RFC 9293, 3.10.7.2).

use crate::{Segment, SegmentSlot};
use handfast_wire::Discard;
use handfast_wire::tcp::TcpFlags;

/// What a listener does with a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListenVerdict {
    /// Nothing.
    Discard(Discard),
    /// It makes no sense here: the reset that says so has been written.
    Reset(Discard),
    /// A connection request: a [`SynReceived`](crate::SynReceived) is due, or a decision.
    Syn,
}

/// A segment for a listener.
pub fn listen(seg: &Segment, out: &mut SegmentSlot) -> ListenVerdict {
    // First, check for a RST: it could not have anything to reset.
    if seg.has(TcpFlags::RST) {
        return ListenVerdict::Discard(Discard::TcpListenReset);
    }
    // Second, check for an ACK: nothing here was ever sent that it could acknowledge.
    if seg.has(TcpFlags::ACK) {
        out.write_reset_for(seg);
        return ListenVerdict::Reset(Discard::TcpListenAck);
    }
    // Third, check for a SYN. Fourth, anything else is thrown away; a FIN with the SYN is kept
    // for later, as the text is.
    if seg.has(TcpFlags::SYN) {
        ListenVerdict::Syn
    } else {
        ListenVerdict::Discard(Discard::TcpListenOther)
    }
}
