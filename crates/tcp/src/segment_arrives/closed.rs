//! CLOSED state (RFC 9293, 3.10.7.1).

use crate::{Segment, SegmentSlot};
use handfast_wire::tcp::TcpFlags;

/// A segment for nobody: writes the reset that answers it. False when it is a reset itself,
/// which is thrown away.
pub fn closed(seg: &Segment, out: &mut SegmentSlot) -> bool {
    if seg.has(TcpFlags::RST) {
        return false;
    }
    out.write_reset_for(seg);
    true
}
