//! Nagle's algorithm (RFC 9293, 3.7.4) in Minshall's variant (appendix A.3).

use crate::tcb::Flags;
use crate::{Connection, cork};

/// Whether the last octets of the queue, less than a full segment, may leave now.
///
/// The letter of 3.7.4 holds them while anything is unacknowledged; that stalls the tail of a
/// large write against the peer's delayed ACK. Here they wait only for an earlier *small* segment,
/// so that still at most one is in flight (SHLD-7), and an acknowledgment ends the wait (MUST-60).
#[inline]
pub(crate) fn may_send(c: &Connection) -> bool {
    let t = &c.tcb;
    let small = c.active.as_deref().map_or(t.snd_una, |a| a.snd_sml);
    if cork::holds(c) {
        return false;
    }
    c.config.nodelay
        || small.at_or_before(t.snd_una)
        || t.state.is_fin_queued()
        || t.flags.intersects(Flags::SEND_URGENT)
}
