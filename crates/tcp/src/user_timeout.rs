//! Giving up: R1, R2 and the user timeout (RFC 9293, 3.8.3 and 3.10.8; RFC 5482).

use crate::tcb::Flags;
use crate::{Connection, State, window};
use handfast_base::Instant;

/// Timer expirations in a row at which the application is told of trouble: R1 (SHLD-10).
pub(crate) const R1: u8 = 3;

/// When the connection is to be given up (MUST-20) if nothing changes: counted from when the oldest
/// unacknowledged octet was sent or the window closed, never restarted by retransmissions.
pub(crate) fn deadline(c: &Connection) -> Instant {
    if matches!(c.tcb.state, State::SynSent | State::SynReceived) {
        return c.stuck_since + c.config.user_timeout.unwrap_or(c.config.syn_limit);
    }
    match c.config.user_timeout {
        Some(limit) => c.stuck_since + limit,
        // A peer that answers probes keeps a connection with a closed window open (MUST-37), also
        // one that closed it over what is in flight (SHLD-17).
        // While somebody holds it: a peer could keep what nobody wants any more for ever.
        None if window::send::is_zero(&c.tcb) && !c.tcb.flags.contains(Flags::ORPHAN) => {
            c.stuck_since.max(c.last_heard) + c.config.retransmission_limit
        }
        None => c.stuck_since + c.config.retransmission_limit,
    }
}

/// Whether the SYN went out as often as it may.
pub(crate) fn was_asked_enough(c: &Connection) -> bool {
    matches!(c.tcb.state, State::SynSent | State::SynReceived)
        && (c.config.syn_retries).is_some_and(|n| c.tcb.rto.syn_losses() >= n)
}
