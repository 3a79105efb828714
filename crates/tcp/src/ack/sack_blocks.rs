//! The SACK option (RFC 2018, 3) as a receiver writes it.

use super::dsack;
use crate::buffer::assembler::Assembler;
use crate::connection::Active;
use crate::tcb::{Flags, Tcb};
use crate::{Connection, mss};
use handfast_wire::SeqNumber;
use handfast_wire::tcp::{SackBlock, SackBlocks, TcpHeader};

/// Arrivals that are remembered: more than one option reports, so that acknowledgments of one
/// batch can each begin with another.
const REMEMBERED: usize = 8;

/// What blocks have to say beside the data held: which of it came last, and what came twice.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    /// One sequence number of each of the islands that grew last, newest first.
    recent: [SeqNumber; REMEMBERED],
    len: usize,
    /// Octets that arrived twice and were not reported yet (RFC 2883).
    pub(super) duplicate: Option<SackBlock>,
}

impl Reports {
    /// Text at `start` came out of order, and is held if there was memory for it.
    pub(crate) fn arrived(&mut self, assembler: &Assembler, start: SeqNumber) {
        let Some(newest) = assembler.island_at(start) else {
            return;
        };
        let mut kept = 0;
        for i in 0..self.len {
            let isle = assembler.island_at(self.recent[i]);
            if isle.is_some_and(|isle| isle != newest) {
                self.recent[kept] = self.recent[i];
                kept += 1;
            }
        }
        self.len = (kept + 1).min(REMEMBERED);
        self.recent.copy_within(0..self.len - 1, 1);
        self.recent[0] = start;
    }
}

/// Whether an acknowledgment would have more to say than its number.
#[inline]
pub(crate) fn is_due(c: &Connection) -> bool {
    c.active.as_deref().is_some_and(|a| is_due_of(&c.tcb, a))
}

/// As [`is_due`], of the parts.
#[inline]
pub(crate) fn is_due_of(tcb: &Tcb, active: &Active) -> bool {
    tcb.flags.contains(Flags::SACK)
        && (!active.assembler.is_empty() || active.reports.duplicate.is_some())
}

/// Adds the blocks to an acknowledgment without text: first what arrived twice (RFC 2883, 4),
/// then the island that holds the segment which triggered it, then those reported most recently,
/// as many as fit beside the timestamps. `following` more acknowledgments of the same batch come after it:
/// each begins with another island.
///
/// Segments with text carry none, for they are full without: what there is to report leaves ahead
/// of them.
pub(crate) fn write(c: &mut Connection, header: &mut TcpHeader, following: usize) {
    let (t, Some(active)) = (&c.tcb, c.active.as_deref_mut()) else {
        return;
    };
    // Only if both ends have said that they know it (RFC 2018, 4).
    if !t.flags.contains(Flags::SACK) {
        return;
    }
    let stamps = match t.flags.contains(Flags::TIMESTAMPS) {
        true => mss::TIMESTAMPS_LEN,
        false => 0,
    };
    // 40 octets of options, or what a very small path takes, less the option's own head.
    let octets = c.path.mss().min(40).saturating_sub(stamps + 4);
    let room = usize::from(octets / 8);
    if room == 0 {
        return;
    }
    let blocks = &mut header.options.sack;
    if let Some(block) = dsack::take(&mut active.reports) {
        blocks.push(block);
    }
    let first = active.reports.len.saturating_sub(1).min(following);
    for &at in &active.reports.recent[first..active.reports.len] {
        let Some((left, right)) = active.assembler.island_at(at) else {
            continue;
        };
        add(blocks, room, left, with_fin(t, right));
    }
    // The rest, in order, should what came last be too little to fill the option.
    for (left, right) in active.assembler.islands().take(REMEMBERED) {
        add(blocks, room, left, with_fin(t, right));
    }
    if t.flags.contains(Flags::FIN_SEEN) && t.rcv_fin.after(t.rcv_nxt) {
        let is_told = blocks.as_slice().iter().any(|b| b.right == t.rcv_fin + 1);
        let follows = active.assembler.islands().last();
        if !is_told && follows.is_none_or(|(_, right)| right != t.rcv_fin) {
            add(blocks, room, t.rcv_fin, t.rcv_fin + 1);
        }
    }
}

fn add(blocks: &mut SackBlocks, room: usize, left: SeqNumber, right: SeqNumber) {
    let block = SackBlock { left, right };
    if blocks.as_slice().len() < room && !blocks.as_slice().contains(&block) {
        blocks.push(block);
    }
}

/// A FIN that came early stands behind its text.
fn with_fin(t: &Tcb, right: SeqNumber) -> SeqNumber {
    let fin = t.flags.contains(Flags::FIN_SEEN) && right == t.rcv_fin;
    right + u32::from(fin)
}
