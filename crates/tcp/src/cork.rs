//! Corking: what fills no segment waits for more, but not for long.
//!
//! No standard has it; it is what Linux's `TCP_CORK` does, with the same limit (tcp(7)).

use crate::Connection;
use crate::tcb::Flags;
use crate::timer::Timer;
use handfast_base::{Duration, Instant};

/// How long the oldest octet of a partial segment waits at most.
const LIMIT: Duration = Duration::from_millis(200);

/// Whether the last octets of the queue, less than a full segment, are to wait for more. Neither a
/// FIN nor urgent data waits.
#[inline]
pub(crate) fn holds(c: &Connection) -> bool {
    c.config.cork
        && !c
            .tcb
            .flags
            .intersects(Flags::CORK_OVER | Flags::SEND_URGENT)
        && !c.tcb.state.is_fin_queued()
}

/// A partial segment waits: from now on, unless it does so already.
pub(crate) fn wait(c: &mut Connection, now: Instant) {
    if !c.tcb.flags.contains(Flags::CORKED) {
        c.tcb.flags |= Flags::CORKED;
        c.timers.arm(Timer::Idle, now + LIMIT);
    }
}

/// New text has left, and what is queued behind it has a time of its own; or nothing waits any more.
#[inline]
pub(crate) fn release(c: &mut Connection) {
    let waiting = Flags::CORKED | Flags::CORK_OVER;
    if c.tcb.flags.intersects(waiting) {
        c.tcb.flags -= waiting;
        c.timers.stop(Timer::Idle);
    }
}

/// The limit is reached: what waits leaves.
pub(crate) fn timeout(c: &mut Connection) {
    c.tcb.flags -= Flags::CORKED;
    c.tcb.flags |= Flags::CORK_OVER;
}
