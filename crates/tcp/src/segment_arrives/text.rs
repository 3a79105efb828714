//! Seventh, process the segment text (RFC 9293, 3.10.7.4).

use super::{Step, discard};
use crate::tcb::Flags;
use crate::window::receive::rcv_wnd;
use crate::{Connection, ConnectionError, Readiness, Segment, ack};
use core::ops::ControlFlow;
use handfast_base::Instant;
use handfast_wire::tcp::TcpFlags;
use handfast_wire::{Discard, Payload};

pub(super) fn process(c: &mut Connection, seg: &mut Segment, now: Instant) -> Step {
    remember_fin(c, seg);
    if seg.payload.is_empty() {
        return ControlFlow::Continue(());
    }
    if !c.tcb.state.may_receive() {
        // After the peer's FIN there is no text; tell a confused peer where we stand.
        c.tcb.flags |= Flags::ACK_NOW;
        return discard(Discard::TcpDuplicate);
    }
    // Octets past the FIN, queued before or arriving after, are none.
    if c.tcb.flags.contains(Flags::FIN_SEEN) {
        let room = c.tcb.rcv_fin.distance(seg.text_start()).max(0) as u32;
        seg.payload.truncate(room);
    }
    if c.tcb.flags.contains(Flags::ORPHAN) && !seg.payload.is_empty() {
        // Nobody will read it: a reset says so (3.6.1, SHLD-3).
        c.die(ConnectionError::Aborted);
        c.tcb.flags |= Flags::RESET;
        return discard(Discard::TcpAfterClose);
    }
    let start = seg.text_start();
    let wire_size = seg.wire_size();
    let (rcv_nxt, wnd) = (c.tcb.rcv_nxt, rcv_wnd(&c.tcb));
    if start != rcv_nxt {
        c.counters.out_of_order_in = c.counters.out_of_order_in.wrapping_add(1);
        ack::delayed_ack::out_of_order(&mut c.tcb);
        let (_, active) = c.parts();
        // Twice the window bounds the cost of small pieces, and leaves full ones unharmed.
        let limit = wnd.saturating_mul(2);
        let whole = active.assembler.insert(rcv_nxt, start, &seg.payload, limit);
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
    ack::delayed_ack::in_order(c, octets, wire_size, filled_gap, now);
    ControlFlow::Continue(())
}

/// Takes text that follows RCV.NXT: the stack is responsible for it from here on.
fn accept(c: &mut Connection, text: &mut Payload) -> u32 {
    let len = text.len();
    c.tcb.rcv_nxt += len;
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
    if seg.has(TcpFlags::FIN) && !c.tcb.flags.contains(Flags::FIN_SEEN) && c.tcb.state.may_receive()
    {
        c.tcb.flags |= Flags::FIN_SEEN;
        c.tcb.rcv_fin = seg.text_start() + seg.payload.len();
        if c.tcb.rcv_fin != c.tcb.rcv_nxt + seg.payload.len() {
            ack::delayed_ack::out_of_order(&mut c.tcb);
        }
    }
}
