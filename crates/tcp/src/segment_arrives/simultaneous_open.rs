//! SYN-RECEIVED that began with our own SYN (RFC 9293, 3.5, figure 8; MUST-10).

use super::{Step, ack, text_and_controls};
use crate::tcb::Flags;
use crate::{Connection, Segment, State};
use handfast_base::Instant;
use handfast_wire::tcp::TcpFlags;

/// Whether this is the peer's SYN,ACK: by the letter its SYN lies outside the window, for it was
/// processed before, but figure 8 wants its ACK.
pub(super) fn is_answer(c: &Connection, seg: &Segment) -> bool {
    c.tcb.state == State::SynReceived
        && seg.has(TcpFlags::SYN.union(TcpFlags::ACK))
        && !seg.has(TcpFlags::RST)
        && seg.header.seq == c.tcb.irs
        && seg.header.ack == c.tcb.snd_nxt
}

/// "Processing of SYN and ACK should not be repeated": only its ACK, text and FIN are news.
pub(super) fn answered(c: &mut Connection, seg: &mut Segment, now: Instant) -> Step {
    if c.tcb.flags.contains(Flags::FORCE_RETRANSMIT) {
        // Our own SYN,ACK has not left and will not any more; the peer still waits for its ACK.
        c.tcb.flags -= Flags::FORCE_RETRANSMIT;
        c.tcb.flags |= Flags::ACK_NOW;
    }
    ack::check(c, seg, now)?;
    text_and_controls(c, seg, now)
}
