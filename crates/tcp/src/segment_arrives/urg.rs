//! Sixth, check the URG bit (RFC 9293, 3.10.7.4 and 3.8.5; MUST-30).

use super::Step;
use crate::tcb::Flags;
use crate::{Connection, Readiness, Segment};
use core::ops::ControlFlow;
use handfast_wire::tcp::TcpFlags;

/// RCV.UP <- max(RCV.UP, SEG.UP), and the application is told once for each advance (MUST-32).
/// Urgent data itself stays in the stream, where RFC 9293 has it.
pub(super) fn check(c: &mut Connection, seg: &Segment) -> Step {
    if !seg.has(TcpFlags::URG) || !c.tcb.state.may_receive() {
        return ControlFlow::Continue(());
    }
    let up = seg.header.seq + u32::from(seg.header.urgent_pointer);
    let t = &mut c.tcb;
    let news = !t.flags.contains(Flags::RECEIVE_URGENT) || up.after(t.rcv_up);
    // In advance of the data consumed?
    if news && up.after(t.rcv_nxt - t.rcv_held) {
        t.rcv_up = up;
        t.flags |= Flags::RECEIVE_URGENT;
        c.events |= Readiness::URGENT;
    }
    ControlFlow::Continue(())
}
