//! Keep-alive (RFC 9293, 3.8.4).

use crate::tcb::Flags;
use crate::timer::Timer;
use crate::{Connection, ConnectionError, State};
use handfast_base::Instant;

/// Starts the timer if the application asked for probes (MUST-24).
pub(crate) fn arm(c: &mut Connection, now: Instant) {
    match &c.config.keep_alive {
        Some(k) => {
            let wait = if c.tcb.probes == 0 {
                k.idle
            } else {
                k.interval
            };
            // It counts from the last sign of the peer (MUST-26), never into the past.
            let from = if c.tcb.probes == 0 { c.last_heard } else { now };
            let at = (from + wait).max(now);
            c.timers.arm(Timer::KeepAlive, at);
        }
        None => c.timers.stop(Timer::KeepAlive),
    }
}

/// The timer ran out. It is lazy: traffic does not move it, so it may be early.
pub(crate) fn timeout(c: &mut Connection, now: Instant) {
    let Some(k) = c.config.keep_alive else { return };
    let idle_since = c.last_heard;
    let quiet = c.tcb.probes > 0 || now.since(idle_since) >= k.idle;
    // Only when nothing of ours is outstanding (MUST-26): then retransmission finds out.
    if quiet && c.flight_size() == 0 && c.tcb.state != State::SynReceived {
        // One unanswered probe proves nothing (MUST-29).
        if c.tcb.probes >= k.count.max(1) {
            c.die(ConnectionError::TimedOut);
            c.tcb.flags |= Flags::RESET;
            return;
        }
        c.tcb.probes += 1;
        c.tcb.flags |= Flags::KEEP_ALIVE;
    }
    arm(c, now);
}
