//! What the retransmission timer waits for (RFC 8985, section 8: one timer for the three).

use super::tlp;
use crate::Connection;
use crate::timer::Timer;
use crate::{hooks, recovery, user_timeout};
use handfast_base::{Duration, Instant};

/// A timeout that something else has put off does not come at once.
const SOONEST: Duration = Duration::from_millis(1);

/// What is due when the timer runs out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pending {
    /// The retransmission timeout (RFC 6298), or a window probe.
    Timeout,
    /// What was sent before the newest arrival counts as lost from now on (RFC 8985, 6.3).
    Reordering,
    /// A tail loss probe (RFC 8985, 7.3).
    Probe,
}

/// Something was acknowledged, or sent into an empty network: the retransmission timeout starts
/// anew (RFC 6298, 5.1 and 5.3); what is due earlier goes first.
pub(crate) fn restart(c: &mut Connection, now: Instant) {
    let at = now + c.rto();
    if let Some(active) = c.active.as_deref_mut() {
        active.recovery.timeout_at = at;
    }
    choose(c, now);
}

/// Arms the timer for what is due first.
pub(crate) fn choose(c: &mut Connection, now: Instant) {
    if c.flight_size() == 0 {
        return;
    }
    let may_probe = tlp::is_allowed(c);
    let probe_after = tlp::timeout(c);
    let give_up = user_timeout::deadline(c);
    let Some(active) = c.active.as_deref_mut() else {
        return hooks::arm_retransmission(c, now);
    };
    let r = &mut active.recovery;
    let (pending, at) = match r.reordering_until {
        Some(at) => (Pending::Reordering, at),
        None if may_probe => (Pending::Probe, (now + probe_after).min(r.timeout_at)),
        None => (Pending::Timeout, r.timeout_at),
    };
    r.pending = pending;
    let at = at.max(now + SOONEST).min(give_up);
    c.timers.arm(Timer::Retransmission, at);
}

/// The timer ran out. True when that was for something else than the retransmission timeout.
pub(crate) fn ran_out(c: &mut Connection, now: Instant) -> bool {
    let Some(pending) = c.active.as_deref().map(|a| a.recovery.pending) else {
        return false;
    };
    match pending {
        Pending::Timeout => return false,
        Pending::Reordering => recovery::sack::reordering_over(c, now),
        Pending::Probe if tlp::is_allowed(c) => {
            let timeout_at = c.parts().1.recovery.timeout_at;
            let due = tlp::due(c).unwrap_or(now).min(timeout_at);
            if due > now {
                // More was sent since: the wait counts from there.
                let at = due.min(user_timeout::deadline(c));
                c.timers.arm(Timer::Retransmission, at);
                return true;
            }
            tlp::send(c);
        }
        Pending::Probe => {}
    }
    restart(c, now);
    true
}
