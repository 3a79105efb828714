//! Challenge ACKs (RFC 5961, 3 to 5) and their throttle (RFC 5961, 7).

use crate::Connection;
use crate::tcb::Flags;
use handfast_base::Instant;

/// Challenges one connection answers in each interval. Counted per connection, never for the
/// whole stack: a shared counter tells an outsider whether his guess hit.
const PER_INTERVAL: u8 = 2;
/// Length of the interval in ms.
const INTERVAL: u64 = 100;

/// Answers a suspicious segment with what we know, unless too many were answered lately.
pub(crate) fn send(c: &mut Connection, now: Instant) {
    let interval = (now.as_millis() / INTERVAL) as u16;
    if c.tcb.challenge_interval != interval {
        c.tcb.challenge_interval = interval;
        c.tcb.challenges = 0;
    }
    if c.tcb.challenges < PER_INTERVAL {
        c.tcb.challenges += 1;
        c.tcb.flags |= Flags::ACK_NOW | Flags::CHALLENGE;
    }
}
