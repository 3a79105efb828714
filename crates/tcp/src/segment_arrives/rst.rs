//! Second, check the RST bit (RFC 9293, 3.10.7.4; RFC 5961, 3).

use super::{Step, discard};
use crate::tcb::Flags;
use crate::{Connection, ConnectionError, Disposition, Segment, State, challenge_ack};
use core::ops::ControlFlow;
use handfast_base::Instant;
use handfast_wire::Discard;
use handfast_wire::tcp::TcpFlags;

pub(super) fn check(c: &mut Connection, seg: &Segment, now: Instant) -> Step {
    if !seg.has(TcpFlags::RST) {
        return ControlFlow::Continue(());
    }
    // 1) Outside the window: dropped by the first check. 3) Inside, but not exact:
    if seg.header.seq != c.tcb.rcv_nxt {
        challenge_ack::send(c, now);
        return discard(Discard::TcpResetNotExact);
    }
    // 2) Exactly RCV.NXT; what text it carries does not matter (SHLD-2).
    match c.tcb.state {
        // An active OPEN; a passive one is a `SynReceived` (MUST-11), unless it had text on
        // its SYN.
        State::SynReceived if !c.tcb.flags.contains(Flags::FAST_OPEN) => {
            c.die(ConnectionError::Refused)
        }
        // It would assassinate the wait (RFC 1337).
        State::TimeWait => return discard(Discard::TcpTimeWait),
        // All but our FIN has arrived: a clean end.
        State::Closing | State::LastAck if c.unacknowledged() == 0 => c.enter(State::Closed, now),
        _ => c.die(ConnectionError::Reset),
    }
    ControlFlow::Break(Disposition::Processed)
}
