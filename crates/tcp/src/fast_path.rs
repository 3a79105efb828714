//! The segments of which bulk transfer consists, in few steps.
//!
//! In ESTABLISHED, while nothing is out of order and nothing is lost, nearly every segment that
//! arrives is either the next text with nothing else to say, or an acknowledgment with nothing
//! else to say (header prediction); and nearly every one that leaves is the next full one. For
//! these, [`segment_arrives`](crate::segment_arrives) and [`output`](crate::output) come to what
//! is written here. All others, and these too with [`Config::fast_path`](crate::Config::fast_path)
//! off, go the long way, to the same end.

use crate::recovery::Phase;
use crate::tcb::Flags;
use crate::timer::Timer;
use crate::window::{autotune, receive::rcv_wnd};
use crate::{
    Connection, Readiness, Segment, SegmentSlot, State, ack, ecn, hooks, output, path_mtu, window,
};
use handfast_base::Instant;
use handfast_wire::SendReason;
use handfast_wire::tcp::TcpFlags;

/// Takes the segment if it is one of the two; else does nothing and returns false.
#[inline]
pub(crate) fn segment_arrives(c: &mut Connection, seg: &mut Segment, now: Instant) -> bool {
    if !is_predicted(c, seg) {
        return false;
    }
    let ack = seg.header.ack;
    if seg.payload.is_empty() {
        // First to fifth step: an acceptable acknowledgment of something new.
        let advances = ack.after(c.tcb.snd_una) && ack.at_or_before(c.tcb.snd_nxt);
        if advances {
            let was = c.tcb.snd_wnd;
            hooks::heard(c, seg, now);
            window::send::update(&mut c.tcb, seg);
            hooks::acknowledged(c, seg, now);
            if c.tcb.snd_wnd != was {
                hooks::window_changed(c, was, now);
            }
        }
        return advances;
    }
    ack == c.tcb.snd_una
        && window::send::offered(&c.tcb, seg) == c.tcb.snd_wnd
        && seg.payload.len() <= rcv_wnd(&c.tcb)
        && in_order(c, seg, now)
}

/// Writes the next full segment, if there is more text than that and nothing holds it back; else
/// does nothing and returns false.
#[inline]
pub(crate) fn poll_transmit(c: &mut Connection, now: Instant, out: &mut SegmentSlot) -> bool {
    const USUAL: Flags = Flags::TIMESTAMPS
        .union(Flags::SCALING)
        .union(Flags::SACK)
        .union(Flags::WAS_ESTABLISHED)
        .union(Flags::CWND_LIMITED)
        .union(Flags::MEMORY_SHORT)
        .union(Flags::NO_GROWTH)
        .union(Flags::ACK_NOW)
        .union(Flags::ACK_DELAYED)
        .union(Flags::WINDOW_UPDATE)
        .union(Flags::USER_TIMEOUT_DUE)
        .union(Flags::ANSWERS);
    let in_flight = c.flight_size();
    let is_quiet = path_mtu::is_quiet(c, now);
    let t = &mut c.tcb;
    let Some(active) = c.active.as_deref_mut() else {
        return false;
    };
    let (start, mss) = (t.snd_nxt, u32::from(t.snd_mss));
    let unsent = active.send.end().distance(start).max(0) as u32;
    let usable = window::send::usable(t);
    let room = t.cwnd.saturating_sub(in_flight);
    let is_usual = t.state == State::Established
        && USUAL.contains(t.flags)
        && t.owed_acks == 0
        && in_flight > 0
        && unsent > mss
        && usable >= mss
        && room >= mss
        && active.board.lost() == 0
        && active.board.sacked() == 0
        && active.recovery.phase == Phase::Open
        && active.recovery.duplicate_acks == 0
        && !active.pacer.is_on()
        // Blocks to report leave ahead of text.
        && !(t.flags.contains(Flags::ACK_NOW) && ack::sack_blocks::is_due_of(t, active))
        // Super-segments are decided upon the long way.
        && c.path.gso_max < 2 * mss
        && c.timers.is_armed(Timer::Retransmission)
        && !t.ecn.contains(ecn::Bits::HELD)
        && is_quiet
        && c.config.fast_path;
    if !is_usual {
        return false;
    }
    let limited = room < unsent.min(usable);
    t.flags.set(Flags::CWND_LIMITED, limited);
    active.board.sent(start, start + mss, now);
    t.snd_nxt = start + mss;
    t.last_sent = now.as_millis() as u32;
    out.begin(start, TcpFlags::ACK, SendReason::Data);
    active.send.slice(start, mss, &mut out.payload);
    output::acknowledge(c, now, out);
    ecn::mark_new_data(c, out);
    autotune::sent(c);
    true
}

/// What both have in common: the state, the control bits, the sequence number, and a timestamp
/// that is not old.
#[inline]
fn is_predicted(c: &Connection, seg: &Segment) -> bool {
    const OTHERWISE: Flags = Flags::FIN_SEEN
        .union(Flags::READ_SHUT)
        .union(Flags::ORPHAN)
        .union(Flags::SHUT);
    let (t, h) = (&c.tcb, &seg.header);
    let negotiated = t.flags.contains(Flags::TIMESTAMPS);
    t.state == State::Established
        && h.seq == t.rcv_nxt
        && h.flags.difference(ecn::predicted(t.ecn)) == TcpFlags::ACK
        && !t.flags.intersects(OTHERWISE)
        && h.options.sack.is_empty()
        && match h.options.timestamps {
            Some(ts) => !negotiated || ts.value.wrapping_sub(t.ts_recent) as i32 >= 0,
            None => !negotiated,
        }
        && c.config.fast_path
}

/// Sixth to eighth step for text at RCV.NXT that fits the window and fills no gap.
#[inline]
fn in_order(c: &mut Connection, seg: &mut Segment, now: Instant) -> bool {
    if c.active.as_deref().is_none_or(|a| !a.assembler.is_empty()) {
        return false;
    }
    let (octets, wire_size) = (seg.payload.len(), seg.wire_size());
    hooks::heard(c, seg, now);
    c.parts().1.receive.push(&mut seg.payload);
    window::send::update(&mut c.tcb, seg);
    c.tcb.rcv_nxt += octets;
    c.tcb.rcv_held += octets;
    c.counters.octets_received += u64::from(octets);
    c.events |= Readiness::READABLE;
    autotune::text_arrived(c, seg, now);
    ack::delayed_ack::in_order(c, wire_size, false, now);
    true
}
