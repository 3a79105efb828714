//! ECN-Echo until CWR, and one reduction a window (RFC 3168, section 6.1).

use super::{Bits, accurate, record};
use crate::congestion::{Feedback, LossEvent, LossKind};
use crate::recovery::undo;
use crate::timer::Timer;
use crate::{Connection, Segment, SegmentSlot, hooks};
use handfast_base::{Duration, Instant};
use handfast_wire::tcp::TcpFlags;
use handfast_wire::{Ecn, SendReason, SeqNumber};

/// A segment of the peer's, its sequence number and acknowledgment acceptable: what its marks and
/// its echo say. A segment outside the window says nothing (RFC 3168,
/// 6.1.5).
#[inline]
pub(crate) fn arrived(c: &mut Connection, seg: &Segment, now: Instant) {
    if !c.tcb.ecn.intersects(Bits::ACCURATE) {
        return;
    }
    if c.tcb.ecn.contains(Bits::IS_ACCURATE) {
        accurate::arrived(c, seg, now);
        return;
    }
    if c.tcb.ecn.contains(Bits::ECHOES) && !seg.payload.is_empty() {
        // CWR first: it answers marks before this one (RFC 3168, 6.1.3).
        if seg.has(TcpFlags::CWR) {
            c.tcb.ecn -= Bits::ECHO;
        }
        if seg.ecn == Ecn::Ce {
            c.tcb.ecn |= Bits::ECHO;
            let r = record(c);
            r.ce_in = r.ce_in.wrapping_add(1);
        }
    }
    let acked = seg.header.ack.distance(c.tcb.snd_una);
    if acked > 0 && c.tcb.ecn.contains(Bits::SENDS) {
        let marked = if echoes(c, seg) { acked } else { 0 };
        feed_back(c, seg.header.ack, acked as u32, marked as u32);
    }
    if echoes(c, seg) {
        let r = record(c);
        r.ece_in = r.ece_in.wrapping_add(1);
        answer_mark(c, seg.header.ack, now);
    }
}

/// Congestion control hears how much of what `ack` acknowledges was marked.
pub(super) fn feed_back(c: &mut Connection, ack: SeqNumber, acked: u32, marked: u32) {
    let feedback = Feedback {
        acked,
        marked,
        snd_una: ack,
        snd_nxt: c.tcb.snd_nxt,
    };
    c.with_congestion(|algorithm, w| algorithm.on_feedback(w, &feedback));
}

/// Whether the segment tells us of marks on what we sent.
#[inline]
fn echoes(c: &Connection, seg: &Segment) -> bool {
    let classic = c.tcb.ecn.intersection(Bits::SENDS | Bits::IS_ACCURATE) == Bits::SENDS;
    classic && seg.has(TcpFlags::ECE) && !seg.has(TcpFlags::SYN)
}

/// Whether the window may not grow by this acknowledgment: it "follows the normal procedures for
/// increasing the congestion window when it receives ACK packets without the ECN-Echo bit"
/// (6.1.2).
#[inline]
pub(crate) fn forbids_growth(c: &Connection, seg: &Segment) -> bool {
    echoes(c, seg)
}

/// The peer tells of marks: once for each window of data they are answered as a loss would be, but
/// for the retransmission (RFC 3168, 6.1.2).
pub(super) fn answer_mark(c: &mut Connection, ack: SeqNumber, now: Instant) {
    let in_flight = c.flight_size();
    if in_flight == 0 || ack.before(c.tcb.snd_una) || is_answered(c, ack) {
        return;
    }
    let r = record(c);
    r.reductions = r.reductions.wrapping_add(1);
    if c.tcb.cwnd <= u32::from(c.tcb.snd_mss) {
        // "The sending TCP MUST reset the retransmit timer on receiving the ECN-Echo packet when
        // the congestion window is one", and sends again only when it fires.
        c.tcb.ecn |= Bits::HELD;
        hooks::arm_retransmission(c, now);
        reduced(c);
        return;
    }
    c.congested(&LossEvent {
        now,
        in_flight: in_flight.min(c.tcb.cwnd),
        kind: LossKind::Ecn,
    });
    undo::marked(c);
}

/// Whether the window was reduced when the octet before `ack` was in flight already. What is
/// remembered may be so old that sequence numbers have gone half round: then it lies ahead of
/// SND.NXT.
fn is_answered(c: &Connection, ack: SeqNumber) -> bool {
    let recover = c.ecn.as_deref().and_then(|r| r.recover);
    recover.is_some_and(|r| ack.at_or_before(r) && r.at_or_before(c.tcb.snd_nxt))
}

/// Whether the loss befell a window of data for which a mark was answered already. That of the
/// timer is a new one: a retransmission was lost.
pub(crate) fn has_answered(c: &Connection, loss: &LossEvent) -> bool {
    loss.kind == LossKind::FastRetransmit && is_answered(c, c.tcb.snd_una + 1)
}

/// The window was reduced, for whatever reason: the peer is told so, and what is in flight now
/// reduces it no more (6.1.2).
pub(crate) fn reduced(c: &mut Connection) {
    if c.tcb.ecn.intersects(Bits::SENDS | Bits::IS_ACCURATE) {
        // With accurate feedback CWR is a bit of a counter (RFC 9768, 3.1.5).
        let tells = !c.tcb.ecn.contains(Bits::IS_ACCURATE);
        c.tcb.ecn.set(Bits::REDUCED, tells);
        record(c).recover = Some(c.tcb.snd_nxt);
    }
}

/// Puts ECN on new text that leaves: ECT(0) on every segment of it, CWR on the first after a
/// reduction (RFC 3168, 6.1.2). Never on a probe (RFC 3168, 6.1.6), a retransmission (RFC 3168, 6.1.5) or a segment
/// without text (RFC 3168, 6.1.4).
#[inline]
pub(crate) fn mark_new_data(c: &mut Connection, out: &mut SegmentSlot) {
    if !c.tcb.ecn.contains(Bits::SENDS)
        || out.payload.is_empty()
        || out.reason == SendReason::WindowProbe
    {
        return;
    }
    out.ecn = Ecn::Ect0;
    if c.tcb.ecn.contains(Bits::REDUCED) {
        c.tcb.ecn -= Bits::REDUCED;
        out.header.flags |= TcpFlags::CWR;
    }
}

/// ECE on everything that acknowledges, until CWR arrives (6.1.3); or counters (RFC 9768).
#[inline]
pub(crate) fn stamp(c: &mut Connection, out: &mut SegmentSlot) {
    if c.tcb.ecn.contains(Bits::IS_ACCURATE) {
        accurate::stamp(c, out);
    } else if c.tcb.ecn.contains(Bits::ECHO) {
        out.header.flags |= TcpFlags::ECE;
    }
}

/// Control bits that say nothing to header prediction: PSH, and a counter.
#[inline]
pub(crate) fn predicted(bits: Bits) -> TcpFlags {
    match bits.contains(Bits::IS_ACCURATE) {
        true => TcpFlags::PSH.union(accurate::ACE),
        false => TcpFlags::PSH,
    }
}

/// Whether segments must leave one by one.
#[inline]
pub(crate) fn forbids_super_segments(c: &Connection) -> bool {
    c.tcb.ecn.contains(Bits::IS_ACCURATE) && accurate::forbids_super_segments(c)
}

/// Whether new data waits for the retransmission timer, which then runs.
#[inline]
pub(crate) fn is_held(c: &mut Connection, now: Instant) -> bool {
    c.tcb.ecn.contains(Bits::HELD) && still_held(c, now)
}

#[cold]
fn still_held(c: &mut Connection, now: Instant) -> bool {
    if c.timers.is_armed(Timer::Retransmission) {
        return true;
    }
    let idle = (now.as_millis() as u32).wrapping_sub(c.tcb.last_sent);
    if Duration::from_millis(u64::from(idle)) > c.rto() {
        c.tcb.ecn -= Bits::HELD;
        return false;
    }
    hooks::arm_retransmission(c, now);
    true
}

/// The timer fired. True when it ran only to hold new data back, which may leave now.
pub(crate) fn released(c: &mut Connection) -> bool {
    let held = c.tcb.ecn.contains(Bits::HELD);
    c.tcb.ecn -= Bits::HELD;
    held && c.flight_size() == 0
}
