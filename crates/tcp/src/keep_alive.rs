//! Keep-alive (RFC 9293, 3.8.4; MAY-5).

use crate::tcb::Flags;
use crate::timer::Timer;
use crate::{Connection, ConnectionError, KeepAlive, State};
use handfast_base::{Duration, Instant};

/// No two probes are closer than this, whatever was configured.
const LEAST: Duration = Duration::from_millis(1);

/// Starts the timer if the application asked for probes (MUST-24): it counts from the last sign of
/// the peer (MUST-26), and once that is too long ago from probe to probe.
pub(crate) fn arm(c: &mut Connection, now: Instant) {
    let Some(k) = c.config.keep_alive else {
        c.timers.stop(Timer::KeepAlive);
        return;
    };
    let at = if is_quiet(c, k, now) {
        now + k.interval
    } else {
        c.last_heard + k.idle
    };
    c.timers.arm(Timer::KeepAlive, at.max(now + LEAST));
}

/// The timer ran out. It is lazy: traffic does not move it, so it may be early.
pub(crate) fn timeout(c: &mut Connection, now: Instant) {
    let Some(k) = c.config.keep_alive else { return };
    // Only when nothing of ours is outstanding (MUST-26): else retransmission finds out.
    if is_quiet(c, k, now) && c.flight_size() == 0 && c.tcb.state != State::SynReceived {
        // One unanswered probe proves nothing (MUST-29).
        if c.tcb.probes >= k.count.max(1) {
            c.reset(ConnectionError::TimedOut);
            return;
        }
        c.tcb.probes += 1;
        c.tcb.flags |= Flags::KEEP_ALIVE;
    }
    arm(c, now);
}

fn is_quiet(c: &Connection, k: KeepAlive, now: Instant) -> bool {
    c.tcb.probes > 0 || now.since(c.last_heard) >= k.idle
}
