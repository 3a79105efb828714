//! Eighth, check the FIN bit (RFC 9293, 3.10.7.4).

use super::Step;
use crate::tcb::Flags;
use crate::{Connection, Segment, State};
use core::ops::ControlFlow;
use handfast_base::Instant;
use handfast_wire::tcp::TcpFlags;

pub(super) fn check(c: &mut Connection, seg: &Segment, now: Instant) -> Step {
    let arrived = c.tcb.flags.contains(Flags::FIN_SEEN)
        && c.tcb.rcv_fin == c.tcb.rcv_nxt
        && c.tcb.state.may_receive();
    if arrived {
        // Advance RCV.NXT over the FIN and acknowledge it. It needs no room in the buffer.
        c.tcb.rcv_nxt += 1;
        c.tcb.rcv_adv = c.tcb.rcv_adv.later(c.tcb.rcv_nxt);
        c.tcb.flags |= Flags::ACK_NOW;
        if let Some(active) = c.active.as_deref_mut() {
            active.assembler.clear();
        }
        match c.tcb.state {
            State::SynReceived | State::Established => c.enter(State::CloseWait, now),
            // Had our FIN been acknowledged, the fifth check would have made it FIN-WAIT-2.
            State::FinWait1 => c.enter(State::Closing, now),
            State::FinWait2 => c.enter(State::TimeWait, now),
            _ => {}
        }
    } else if seg.has(TcpFlags::FIN) && !c.tcb.state.may_receive() {
        // It came again: so our ACK was lost.
        c.tcb.flags |= Flags::ACK_NOW;
    }
    ControlFlow::Continue(())
}
