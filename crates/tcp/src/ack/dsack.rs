//! Duplicate SACK: telling the sender what arrived twice (RFC 2883).

use super::sack_blocks::Reports;
use crate::tcb::Flags;
use crate::{Connection, Segment};
use handfast_wire::SeqNumber;
use handfast_wire::tcp::{SackBlock, TcpFlags};

/// The part of an arriving segment that lies before RCV.NXT arrived before (RFC 2883, 4).
pub(crate) fn before_the_window(c: &mut Connection, seg: &Segment) {
    let (start, nxt) = (seg.header.seq, c.tcb.rcv_nxt);
    if !start.before(nxt) || seg.is_empty() || seg.has(TcpFlags::SYN) || seg.has(TcpFlags::RST) {
        return;
    }
    note(c, start, nxt.earlier(start + seg.len()));
}

/// Text beyond RCV.NXT that is about to be held: what of it is held already.
pub(crate) fn beyond_a_gap(c: &mut Connection, start: SeqNumber, end: SeqNumber) {
    let held = c.parts().1.assembler.held(start, end);
    if let Some((left, right)) = held {
        note(c, left, right);
    }
}

/// Notes a duplicate, which is reported once: several of one batch in one block where they touch.
fn note(c: &mut Connection, left: SeqNumber, right: SeqNumber) {
    if !c.tcb.flags.contains(Flags::SACK) {
        return;
    }
    let pending = &mut c.parts().1.reports.duplicate;
    *pending = Some(match *pending {
        Some(block) if block.right == left => SackBlock { right, ..block },
        _ => SackBlock { left, right },
    });
}

/// The block to report now, if there is one: "each duplicate contiguous sequence of data received
/// is reported in at most one D-SACK block".
pub(super) fn take(reports: &mut Reports) -> Option<SackBlock> {
    reports.duplicate.take()
}
