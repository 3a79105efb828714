//! Limited transmit (RFC 3042).

use super::{Phase, Recovery};

/// Octets that duplicate acknowledgments say have left the network: the first two let new data
/// out, one segment each; in fast recovery every one does (RFC 5681, 3.2, step 4).
#[inline]
pub(crate) fn left_the_network(recovery: &Recovery, mss: u32) -> u32 {
    let segments = match recovery.phase {
        Phase::Open => u32::from(recovery.duplicate_acks.min(2)),
        Phase::Fast => u32::from(recovery.duplicate_acks),
        Phase::Loss => 0,
    };
    segments.saturating_mul(mss)
}
