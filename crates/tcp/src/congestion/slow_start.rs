//! Slow start (RFC 5681, section 3.1).

use super::CongestionWindow;

/// Grows the window by what was acknowledged, counted in octets (RFC 3465), up to `ssthresh`;
/// returns the octets left over for congestion avoidance.
///
/// RFC 3465 caps the growth of one acknowledgment at `L` segments, because acknowledgments may
/// be stretched by loss. After a retransmission timeout `limit` is one segment, else as many as
/// a receiver with segmentation offload merges.
#[inline]
pub fn grow(window: &mut CongestionWindow, acked: u32, limit: u32) -> u32 {
    let step = acked
        .min(limit)
        .min(window.ssthresh.saturating_sub(window.cwnd));
    window.cwnd = window.cwnd.saturating_add(step);
    acked.min(limit) - step
}
