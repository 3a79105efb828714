//! Seventh, process the segment text (RFC 9293, 3.10.7.4).

use super::{Step, discard};
use crate::tcb::{Flags, Tcb};
use crate::window::{autotune, receive::rcv_wnd};
use crate::{Connection, ConnectionError, Readiness, Segment, ack};
use core::ops::ControlFlow;
use handfast_base::Instant;
use handfast_wire::tcp::TcpFlags;
use handfast_wire::{Discard, Payload, SeqNumber};

/// What a connection may hold out of order beside twice its window: some 250 lone octets.
const SMALL_PIECES: u32 = 16 * 1024;

pub(super) fn process(c: &mut Connection, seg: &mut Segment, now: Instant) -> Step {
    let had_text = !seg.payload.is_empty();
    let why = trim(c, seg);
    remember_fin(c, seg);
    if seg.payload.is_empty() {
        // All of it was old, or none of it has room.
        if had_text && !seg.has(TcpFlags::FIN) {
            return discard(why);
        }
        return ControlFlow::Continue(());
    }
    if !c.tcb.state.may_receive() {
        // After the peer's FIN there is no text; tell a confused peer where we stand.
        c.tcb.flags |= Flags::ACK_NOW;
        return discard(Discard::TcpDuplicate);
    }
    let start = seg.header.seq;
    cut_to_fin(&c.tcb, &mut seg.payload, start);
    if c.tcb.flags.contains(Flags::ORPHAN) && !seg.payload.is_empty() {
        // Nobody will read it: a reset says so (3.6.1, SHLD-3).
        c.reset(ConnectionError::Aborted);
        return discard(Discard::TcpAfterClose);
    }
    let wire_size = seg.wire_size();
    let (rcv_nxt, wnd) = (c.tcb.rcv_nxt, rcv_wnd(&c.tcb));
    if start != rcv_nxt {
        c.counters.out_of_order_in = c.counters.out_of_order_in.wrapping_add(1);
        ack::delayed_ack::out_of_order(&mut c.tcb);
        ack::dsack::beyond_a_gap(c, start, start + seg.payload.len());
        let (_, active) = c.parts();
        // This bounds the cost of small pieces, and leaves full ones and small windows unharmed.
        let limit = wnd.saturating_mul(2).saturating_add(SMALL_PIECES);
        let whole = active.assembler.insert(rcv_nxt, start, &seg.payload, limit);
        active.reports.arrived(&active.assembler, start);
        seg.payload.clear();
        return if whole {
            ControlFlow::Continue(())
        } else {
            discard(Discard::TcpOutOfOrderFull)
        };
    }
    let filled_gap = c.active.as_deref().is_some_and(|a| !a.assembler.is_empty());
    let mut octets = accept(c, &mut seg.payload);
    if filled_gap {
        loop {
            let rcv_nxt = c.tcb.rcv_nxt;
            let (_, active) = c.parts();
            let Some(mut more) = active.assembler.take_from(rcv_nxt) else {
                break;
            };
            octets += accept(c, &mut more);
        }
    }
    c.counters.octets_received += u64::from(octets);
    if !c.tcb.flags.contains(Flags::READ_SHUT) {
        c.events |= Readiness::READABLE;
    }
    autotune::text_arrived(c, seg, now);
    ack::delayed_ack::in_order(c, wire_size, filled_gap, now);
    ControlFlow::Continue(())
}

/// "Trimming off any portions that lie outside the window (including SYN and FIN)"; should
/// nothing be left, it says on which side all of it was.
fn trim(c: &Connection, seg: &mut Segment) -> Discard {
    let start = seg.text_start();
    let old = c.tcb.rcv_nxt.distance(start).max(0) as u32;
    seg.header.flags -= TcpFlags::SYN;
    if old > seg.payload.len() {
        seg.header.flags -= TcpFlags::FIN;
    }
    seg.payload.advance(old);
    seg.header.seq = start + old;
    let room = c.tcb.rcv_adv.distance(seg.header.seq).max(0) as u32;
    if seg.payload.len() > room {
        seg.payload.truncate(room);
        seg.header.flags -= TcpFlags::FIN;
    }
    if old > 0 {
        Discard::TcpDuplicate
    } else {
        Discard::TcpOutsideWindow
    }
}

/// Octets past the FIN, queued before or arriving after, are none.
fn cut_to_fin(tcb: &Tcb, text: &mut Payload, start: SeqNumber) {
    if tcb.flags.contains(Flags::FIN_SEEN) {
        text.truncate(tcb.rcv_fin.distance(start).max(0) as u32);
    }
}

/// Takes text that follows RCV.NXT: the stack is responsible for it from here on.
fn accept(c: &mut Connection, text: &mut Payload) -> u32 {
    cut_to_fin(&c.tcb, text, c.tcb.rcv_nxt);
    let len = text.len();
    c.tcb.rcv_nxt += len;
    c.tcb.flags -= Flags::SHUT;
    if c.tcb.flags.contains(Flags::READ_SHUT) {
        // Acknowledged and thrown away; the window stays open.
        text.clear();
    } else {
        let (tcb, active) = c.parts();
        active.receive.push(text);
        tcb.rcv_held += len;
    }
    len
}

/// A FIN that arrives early is remembered, and acts when the gap before it closes.
fn remember_fin(c: &mut Connection, seg: &Segment) {
    if !seg.has(TcpFlags::FIN) || !c.tcb.state.may_receive() {
        return;
    }
    let t = &mut c.tcb;
    if !t.flags.contains(Flags::FIN_SEEN) {
        t.flags |= Flags::FIN_SEEN;
        t.rcv_fin = seg.header.seq + seg.payload.len();
    }
    if seg.payload.is_empty() && t.rcv_fin != t.rcv_nxt {
        ack::delayed_ack::out_of_order(t);
    }
}
