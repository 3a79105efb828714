//! First, check the sequence number (RFC 9293, 3.10.7.4), and PAWS before it (RFC 7323, 5.3).

use super::{Step, discard};
use crate::tcb::Flags;
use crate::window::receive::rcv_wnd;
use crate::{Connection, Segment, State, challenge_ack, paws, timestamps};
use core::ops::ControlFlow;
use handfast_base::Instant;
use handfast_wire::Discard;
use handfast_wire::tcp::TcpFlags;

pub(super) fn check(c: &mut Connection, seg: &mut Segment, now: Instant) -> Step {
    if is_answer_to_simultaneous_open(c, seg) {
        // Its SYN was processed when we entered SYN-RECEIVED; only its ACK is news.
        seg.header.flags -= TcpFlags::SYN;
        seg.header.seq += 1;
        // Our own SYN,ACK may not have left yet, and will not any more in ESTABLISHED.
        c.tcb.flags |= Flags::ACK_NOW;
    }
    if paws::is_old(&c.tcb, seg, now) {
        reply(c, seg, now);
        return discard(Discard::TcpPaws);
    }
    if paws::is_missing(&c.tcb, seg) {
        return discard(Discard::TcpPaws);
    }
    let (nxt, wnd, len) = (c.tcb.rcv_nxt, rcv_wnd(&c.tcb), seg.len());
    let seq = seg.header.seq;
    // Table 6: the four cases. Where the window is open, its right edge itself also counts for
    // a segment without length: a peer that has filled the window acknowledges from there.
    let acceptable = match (len, wnd) {
        (0, 0) => seq == nxt,
        (0, _) => seq.within(nxt, wnd + 1),
        (_, 0) => false,
        _ => seq.within(nxt, wnd) || (seq + (len - 1)).within(nxt, wnd),
    };
    if !acceptable {
        // "Special allowance should be made to accept valid ACKs, URGs, and RSTs" when the
        // window is zero: such a segment goes on without its text.
        let allowed = wnd == 0 && seq == nxt && !seg.has(TcpFlags::SYN);
        if !allowed {
            if seg.has(TcpFlags::RST) {
                return discard(Discard::TcpResetOutside);
            }
            reply(c, seg, now);
            return discard(if len > 0 && (seq + len).at_or_before(nxt) {
                Discard::TcpDuplicate
            } else {
                Discard::TcpOutsideWindow
            });
        }
        if len > 0 {
            c.tcb.flags |= Flags::ACK_NOW;
        }
    }
    c.last_heard = now;
    c.tcb.probes = 0;
    timestamps::note(&mut c.tcb, seg, now);
    trim(c, seg, wnd);
    ControlFlow::Continue(())
}

/// Cuts off what lies outside the window, SYN and FIN included, and drops the text if nothing
/// inside is left.
fn trim(c: &Connection, seg: &mut Segment, wnd: u32) {
    let nxt = c.tcb.rcv_nxt;
    let before = nxt.distance(seg.header.seq);
    if before > 0 {
        let mut cut = before as u32;
        if seg.has(TcpFlags::SYN) {
            seg.header.flags -= TcpFlags::SYN;
            cut -= 1;
        }
        seg.payload.advance(cut);
        // The urgent pointer counts from SEG.SEQ.
        let moved = u16::try_from(before).unwrap_or(u16::MAX);
        if moved > seg.header.urgent_pointer {
            seg.header.flags -= TcpFlags::URG;
        }
        seg.header.urgent_pointer = seg.header.urgent_pointer.saturating_sub(moved);
        seg.header.seq = nxt;
    }
    let room = (nxt + wnd).distance(seg.text_start()).max(0) as u32;
    if seg.payload.len() > room {
        seg.payload.truncate(room);
        seg.header.flags -= TcpFlags::FIN;
    }
}

/// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, unless the segment is a reset.
///
/// The answer to repeated data, a repeated SYN or FIN, a window probe or a keep-alive is never
/// throttled; only that to an empty segment from nowhere is, or two confused ends would answer
/// each other for ever.
fn reply(c: &mut Connection, seg: &Segment, now: Instant) {
    if seg.has(TcpFlags::RST) {
        return;
    }
    let keep_alive = seg.header.seq + 1 == c.tcb.rcv_nxt;
    if !seg.is_empty() || keep_alive {
        if seg.has(TcpFlags::SYN) && c.tcb.state == State::SynReceived {
            // The peer has not heard our SYN,ACK: say it again.
            let (_, active) = c.parts();
            active.board.mark_first_lost(1);
            c.tcb.flags |= Flags::FORCE_RETRANSMIT;
            return;
        }
        c.tcb.flags |= Flags::ACK_NOW;
        // The peer's FIN came again: in this window of time its ACK may have been lost.
        c.last_heard = now;
        c.tcb.probes = 0;
    } else {
        challenge_ack::send(c, now);
    }
}

/// In SYN-RECEIVED after a simultaneous open the peer's SYN,ACK repeats its SYN: outside the
/// window by the letter, but figure 8 (3.5) wants its ACK.
fn is_answer_to_simultaneous_open(c: &Connection, seg: &Segment) -> bool {
    c.tcb.state == State::SynReceived
        && seg.has(TcpFlags::SYN.union(TcpFlags::ACK))
        && !seg.has(TcpFlags::RST)
        && seg.header.seq == c.tcb.irs
        && seg.header.ack == c.tcb.snd_nxt
}
