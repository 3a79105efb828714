//! Zero-window probes (RFC 9293, 3.8.6.1).

use crate::tcb::Flags;
use crate::timer::Timer;
use crate::{Connection, State};
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
    let unsent = active.send.end().offset_from(c.tcb.snd_nxt);
    let fin_waits = c.tcb.state.is_fin_queued() && !c.tcb.flags.contains(Flags::FIN_SENT);
    !c.tcb.flags.contains(Flags::FIN_SENT) && (unsent > 0 || fin_waits)
}

/// Starts the probe timer if it is needed and not running: the first probe comes after an RTO
/// (SHLD-29), and the interval doubles from there (SHLD-30).
pub(crate) fn arm(c: &mut Connection, now: Instant) {
    if !c.timers.is_armed(Timer::Retransmission) && is_needed(c) {
        c.stuck_since = c.stuck_since.max(c.last_heard);
        let at = now + c.rto();
        c.timers.arm(Timer::Retransmission, at);
    }
}
