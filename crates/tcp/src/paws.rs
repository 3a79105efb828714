//! Protection against wrapped sequence numbers (RFC 7323, section 5).

use crate::Segment;
use crate::tcb::{Flags, Tcb};
use handfast_base::Instant;
use handfast_wire::tcp::TcpFlags;

/// TS.Recent says nothing about a connection that was idle for longer than this: 24 days, in ms
/// (RFC 7323, 5.5).
const STALE_AFTER: u32 = 24 * 24 * 60 * 60 * 1000;

/// Whether the segment is an old duplicate: its timestamp is before TS.Recent (R1). A reset is
/// never judged by its timestamp (RFC 7323, 5.2).
#[inline]
pub(crate) fn is_old(tcb: &Tcb, seg: &Segment, now: Instant) -> bool {
    if !tcb.flags.contains(Flags::TIMESTAMPS) || seg.has(TcpFlags::RST) {
        return false;
    }
    seg.header
        .options
        .timestamps
        .is_some_and(|ts| (ts.value.wrapping_sub(tcb.ts_recent) as i32) < 0 && !is_stale(tcb, now))
}

/// Whether TS.Recent is so old that nothing can be told from it.
#[inline]
pub(crate) fn is_stale(tcb: &Tcb, now: Instant) -> bool {
    (now.as_millis() as u32).wrapping_sub(tcb.ts_recent_age) >= STALE_AFTER
}

/// Whether a timestamp is missing where one was negotiated (RFC 7323, 3.2), which
/// drops the segment unless it is a reset.
/// A SYN is no part of this connection: a peer that has restarted must get its challenge.
#[inline]
pub(crate) fn is_missing(tcb: &Tcb, seg: &Segment) -> bool {
    tcb.flags.contains(Flags::TIMESTAMPS)
        && seg.header.options.timestamps.is_none()
        && !seg.header.flags.intersects(TcpFlags::RST | TcpFlags::SYN)
}
