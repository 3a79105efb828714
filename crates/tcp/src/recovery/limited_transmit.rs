//! Limited transmit (RFC 3042).

use crate::tcb::{Recovery, Tcb};

/// Segments that duplicate acknowledgments say have left the network: the first two let new data
/// out, one each; in fast recovery every one does (RFC 5681, 3.2, step 4).
#[inline]
pub(crate) fn left_the_network(tcb: &Tcb) -> u32 {
    let segments = match tcb.recovery {
        Recovery::Open => u32::from(tcb.duplicate_acks.min(2)),
        Recovery::Fast => u32::from(tcb.duplicate_acks),
        Recovery::Loss => 0,
    };
    segments.saturating_mul(u32::from(tcb.snd_mss))
}
