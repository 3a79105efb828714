//! Zero-window probes (RFC 9293, 3.8.6.1; MUST-35, MUST-36).

use crate::tcb::Flags;
use crate::timer::Timer;
use crate::{Connection, State, hooks};
use handfast_base::Instant;

/// Whether something waits that only a wider window lets out, and nothing in flight would bring
/// news of one: then the probe timer must run.
pub(crate) fn is_needed(c: &Connection) -> bool {
    if c.flight_size() > 0 || matches!(c.tcb.state, State::SynSent | State::SynReceived) {
        return false;
    }
    let Some(active) = c.active.as_deref() else {
        return false;
    };
    let unsent = active.send.end() != c.tcb.snd_nxt;
    // What a cork holds back leaves when that has run out.
    !c.tcb.flags.intersects(Flags::FIN_SENT | Flags::CORKED)
        && (unsent || c.tcb.state.is_fin_queued())
}

/// Starts the probe timer if it is needed and not running: the first probe comes after an RTO
/// (SHLD-29), and the interval doubles from there (SHLD-30).
pub(crate) fn arm(c: &mut Connection, now: Instant) {
    if !c.timers.is_armed(Timer::Retransmission) && is_needed(c) {
        c.stuck_since = now;
        hooks::arm_retransmission(c, now);
    }
}
