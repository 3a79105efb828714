//! Delayed acknowledgments, and when not to delay.

use super::quick_ack;
use crate::Connection;
use crate::tcb::{Flags, Tcb};
use crate::timer::Timer;
use handfast_base::{Duration, Instant};

/// No acknowledgment waits half a second (MUST-40).
const LIMIT: Duration = Duration::from_millis(490);

/// How long an acknowledgment may wait.
#[inline]
pub(crate) fn timeout(c: &Connection) -> Duration {
    c.config.delayed_ack.min(LIMIT)
}

/// Text arrived in order: acknowledge at least every second full-sized segment (SHLD-19), at once
/// when it fills a gap (RFC 5681, 4.2), and else within the delay (SHLD-18).
#[inline]
pub(crate) fn in_order(c: &mut Connection, wire_size: u32, filled_gap: bool, now: Instant) {
    let quick = quick_ack::is_due(c, wire_size);
    let delay = timeout(c);
    let t = &mut c.tcb;
    // "Full-sized" is judged by what arrives, for the peer may never fill our MSS.
    t.rcv_mss = t.rcv_mss.max(wire_size.min(0xffff) as u16);
    let unacknowledged = t.rcv_nxt.offset_from(t.last_ack_sent);
    if filled_gap || quick || delay.is_zero() || unacknowledged >= 2 * u32::from(t.rcv_mss) {
        t.flags |= Flags::ACK_NOW;
    } else if !c.timers.is_armed(Timer::DelayedAck) {
        c.timers.arm(Timer::DelayedAck, now + delay);
    }
}

/// A segment arrived ahead of a gap: each has an acknowledgment of its own (MAY-13), for the sender
/// counts them (RFC 5681, 4.2). They are never merged.
pub(crate) fn out_of_order(t: &mut Tcb) {
    t.owed_acks = t.owed_acks.saturating_add(1);
}

/// An acknowledgment left, alone or on data.
#[inline]
pub(crate) fn sent(c: &mut Connection) {
    c.tcb.last_ack_sent = c.tcb.rcv_nxt;
    c.tcb.flags -= Flags::ACK_NOW | Flags::CHALLENGE | Flags::WINDOW_UPDATE | Flags::ACK_DELAYED;
    c.timers.stop(Timer::DelayedAck);
}
