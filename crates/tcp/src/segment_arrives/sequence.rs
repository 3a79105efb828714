//! First, check the sequence number (RFC 9293, 3.10.7.4), and PAWS before it (RFC 7323, 5.3).

use super::{Step, discard};
use crate::tcb::Flags;
use crate::window::{autotune::receive_capacity, receive::rcv_wnd};
use crate::{Connection, Segment, State, ack, challenge_ack, paws, timestamps};
use core::ops::ControlFlow;
use handfast_base::Instant;
use handfast_wire::tcp::TcpFlags;
use handfast_wire::{Discard, SeqNumber};

pub(super) fn check(c: &mut Connection, seg: &Segment, now: Instant) -> Step {
    ack::dsack::before_the_window(c, seg);
    if paws::is_old(&c.tcb, seg, now) {
        reply(c, seg, now);
        return discard(Discard::TcpPaws);
    }
    if paws::is_missing(&c.tcb, seg) {
        return discard(Discard::TcpPaws);
    }
    let (nxt, wnd) = (c.tcb.rcv_nxt, rcv_wnd(&c.tcb));
    let (seq, len) = (seg.header.seq, seg.len());
    let reset = seg.has(TcpFlags::RST);
    if is_acceptable(nxt, wnd, seq, len) {
    } else if wnd == 0 && seq == nxt && !seg.has(TcpFlags::SYN) {
        // "Special allowance should be made to accept valid ACKs, URGs, and RSTs" when the
        // window is zero (MUST-66): such a segment goes on, and loses its text later.
        c.tcb.flags |= Flags::ACK_NOW;
    } else if seq + len.max(1) == nxt && !reset && !seg.has(TcpFlags::SYN) {
        // It ends where we go on: a keep-alive, the last text or the FIN again. It is answered;
        // and its ACK counts, for it may be the peer's only voice: one that has lost our ACKs, or
        // whose window probe we took before it heard so, speaks from there.
        c.tcb.flags |= Flags::ACK_NOW;
    } else if reset {
        return discard(Discard::TcpResetOutside);
    } else {
        reply(c, seg, now);
        if len == 0 || (seq + len).after(nxt) {
            return discard(Discard::TcpOutsideWindow);
        }
        if nxt.distance(seq) <= receive_capacity(&c.tcb, &c.config) as i32 {
            super::ack::of_old_text(c, seg, now);
        }
        return discard(Discard::TcpDuplicate);
    }
    ControlFlow::Continue(())
}

/// The four cases of table 6, and what they forget: a segment that begins before the window and
/// ends behind it. Where the window is open, its right edge itself also counts for a segment
/// without length: a peer that has filled the window acknowledges, and resets, from there.
fn is_acceptable(nxt: SeqNumber, wnd: u32, seq: SeqNumber, len: u32) -> bool {
    match (len, wnd) {
        (0, 0) => seq == nxt,
        (0, _) => seq.within(nxt, wnd + 1),
        (_, 0) => false,
        _ => seq.before(nxt + wnd) && (seq + len).after(nxt),
    }
}

/// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, unless the segment is a reset.
///
/// The answer to repeated data, a repeated SYN or FIN or a window probe is never throttled; only
/// that to an empty segment from nowhere is, or two confused ends would answer each other for
/// ever.
fn reply(c: &mut Connection, seg: &Segment, now: Instant) {
    if seg.is_empty() {
        challenge_ack::send(c, now);
    } else if seg.has(TcpFlags::SYN) && c.tcb.state == State::SynReceived {
        // The peer has not heard our SYN: say it again, and echo its newest timestamp.
        timestamps::note(&mut c.tcb, seg, now);
        let (tcb, active) = c.parts();
        active.board.mark_first_lost(1);
        tcb.flags |= Flags::FORCE_RETRANSMIT;
    } else {
        c.tcb.flags |= Flags::ACK_NOW;
        // The peer is there, and perhaps our ACK of its FIN was lost.
        c.last_heard = now;
        c.tcb.probes = 0;
    }
}
