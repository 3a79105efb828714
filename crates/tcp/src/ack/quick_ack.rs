//! Acknowledgments at once, where delaying them would cost the peer more than it saves.
//!
//! A sender in slow start grows by what is acknowledged, and a delayed acknowledgment of its first
//! segments is a whole round trip lost to it. RFC 5681 (4.2) sets only how long an acknowledgment
//! may wait; that the first ones do not is what Linux does (`tcp_enter_quickack_mode`).

use crate::tcb::Flags;
use crate::{Connection, QuickAck};

/// Segments of a connection that are acknowledged without delay: Linux's `TCP_MAX_QUICKACKS`.
const FIRST: u32 = 16;
/// No full segment is smaller: every host takes as much (RFC 9293, 3.7.1, MUST-15). What is less
/// may be a request, and its acknowledgment rides on the answer.
const LEAST_FULL: u32 = 536;

/// Whether text that has arrived in segments of `wire_size` octets is acknowledged at once.
#[inline]
pub(crate) fn is_due(c: &Connection, wire_size: u32) -> bool {
    match c.config.quick_ack {
        // Where requests are answered, acknowledgments ride on the answers.
        QuickAck::Start => {
            wire_size >= LEAST_FULL
                && c.counters.segments_in <= FIRST
                && !c.tcb.flags.contains(Flags::ANSWERS)
        }
        QuickAck::Always => true,
        QuickAck::Never => false,
    }
}

/// New text leaves: if some has arrived before it, this is an exchange.
#[inline]
pub(crate) fn text_sent(c: &mut Connection) {
    if c.counters.octets_received > 0 {
        c.tcb.flags |= Flags::ANSWERS;
    }
}
