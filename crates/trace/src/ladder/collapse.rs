//! Bulk transfer becomes bands: what says nothing new is counted instead of drawn.
//!
//! A *block* is a stretch of plain rows: new text in order in one direction (or both), and
//! acknowledgments that only acknowledge. Everything else ends the block and stays as it is: SYN,
//! FIN, RST, loss, retransmission, reordering, duplicate ACKs, SACK, probes, a closed or reopened
//! window, a change of state, a silence. Within a block, each direction's text becomes a
//! [`Band`] and its acknowledgments an [`Acks`] row, if there are enough of them. So does a run of
//! duplicate ACKs that only repeat each other, or tell of one block that grows.

use super::quantity::{duration, octets};
use super::{Acks, Band, Note, Row, RowKind, Segment, Side, states};
use handfast_base::Duration;
use handfast_wire::Fate;
use handfast_wire::tcp::TcpFlags;

/// Folds the blocks in `rows`, which are in the order of time.
pub(super) fn collapse(
    rows: Vec<Row>,
    full_segment: [u32; 2],
    at_least: usize,
    idle: Duration,
) -> Vec<Row> {
    let mut block = Block {
        out: Vec::with_capacity(rows.len()),
        text: [Vec::new(), Vec::new()],
        acks: [Vec::new(), Vec::new()],
        full_segment,
        at_least,
        until: Duration::ZERO,
    };
    for row in rows {
        if row.at.saturating_sub(block.until) >= idle {
            block.close();
        }
        block.until = row.until;
        block.push(row);
    }
    block.close();
    fold_duplicates(block.out, at_least, idle)
}

struct Block {
    out: Vec<Row>,
    /// Open rows of text, by sender.
    text: [Vec<Row>; 2],
    /// Open rows of acknowledgments, by sender.
    acks: [Vec<Row>; 2],
    full_segment: [u32; 2],
    at_least: usize,
    until: Duration,
}

impl Block {
    fn push(&mut self, row: Row) {
        let Some(s) = segment(&row).filter(|s| is_plain(s, &row)) else {
            self.close();
            self.out.push(row);
            return;
        };
        let side = s.from as usize;
        if s.len == 0 {
            self.acks[side].push(row);
            return;
        }
        let is_full = s.len >= self.full_segment[side];
        let follows = match self.text[side].last().and_then(segment) {
            Some(last) => last.end() == s.seq,
            None => is_full,
        };
        if !follows {
            self.close();
        }
        if is_full || follows {
            self.text[side].push(row);
        } else {
            self.out.push(row);
        }
    }

    /// Ends the block: its rows go out, folded where there are enough.
    fn close(&mut self) {
        let mut rows = Vec::new();
        for side in [Side::Left, Side::Right] {
            let text = std::mem::take(&mut self.text[side as usize]);
            rows.extend(fold_text(
                text,
                side,
                self.full_segment[side as usize],
                self.at_least,
            ));
            let acks = std::mem::take(&mut self.acks[side as usize]);
            rows.extend(fold_acks(acks, side, self.at_least));
        }
        rows.sort_by_key(|r| r.at);
        self.out.append(&mut rows);
    }
}

fn segment(row: &Row) -> Option<&Segment> {
    match &row.kind {
        RowKind::Segment(s) => Some(s),
        _ => None,
    }
}

/// Whether the row is a segment that only carries new text, or only acknowledges some.
fn is_plain(s: &Segment, row: &Row) -> bool {
    let allowed = TcpFlags::ACK | TcpFlags::PSH | TcpFlags::ECE | TcpFlags::CWR | TcpFlags::AE;
    s.fate == Fate::Passed
        && s.flags().contains(TcpFlags::ACK)
        && allowed.contains(s.flags())
        && s.sack.is_empty()
        && s.duplicate_ack == 0
        && !s.is_zero_window()
        && s.retransmission.is_none()
        && !s.is_out_of_order
        && s.probe.is_none()
        && states::is_ordinary(s.reason)
        && row.changes.is_empty()
        && !row.notes.iter().any(|n| n.important)
}

fn fold_text(mut rows: Vec<Row>, from: Side, full: u32, at_least: usize) -> Vec<Row> {
    let is_full = |r: &Row| segment(r).is_some_and(|s| s.len >= full);
    let full_rows = rows.iter().filter(|r| is_full(r)).count();
    if full_rows < at_least || full_rows * 2 < rows.len() {
        return rows;
    }
    // What is shorter than the rest at the end of a transfer is worth seeing.
    let last_full = rows.iter().rposition(is_full).unwrap_or(0);
    let rest = rows.split_off(last_full + 1);
    let segments = rows.len();
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return rest;
    };
    let (at, until, notes) = (first.at, last.at, first.notes.clone());
    let (Some(first), Some(last)) = (segment(first), segment(last)) else {
        return rest;
    };
    let band = Band {
        from,
        segments,
        seq: first.seq,
        end: last.end(),
        arrival: last.arrival,
    };
    let mut band = Row {
        at,
        until,
        kind: RowKind::Band(band),
        changes: Vec::new(),
        notes,
    };
    band.notes.extend(rate(last.end() - first.seq, until - at));
    std::iter::once(band).chain(rest).collect()
}

/// How long a band took, and how fast that is if it can be said.
fn rate(len: i64, took: Duration) -> Option<Note> {
    let len = u64::try_from(len).ok()?;
    if took < Duration::from_millis(100) {
        return (took > Duration::ZERO).then(|| Note::new(format!("in {}", duration(took))));
    }
    let per_second = octets((len as f64 / took.as_secs_f64()) as u64);
    let (len, took) = (octets(len), duration(took));
    Some(Note::new(format!("{len} in {took}, {per_second}/s")))
}

fn fold_acks(rows: Vec<Row>, from: Side, at_least: usize) -> Vec<Row> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return rows;
    };
    match (segment(first), segment(last)) {
        (Some(one), Some(other)) if rows.len() >= at_least => {
            vec![acks(from, rows.len(), one, other)]
        }
        _ => rows,
    }
}

/// The row that stands for so many acknowledgments.
fn acks(from: Side, segments: usize, first: &Segment, last: &Segment) -> Row {
    Row {
        at: first.at,
        until: last.at,
        kind: RowKind::Acks(Acks {
            from,
            segments,
            first: first.ack.unwrap_or(0),
            last: last.ack.unwrap_or(0),
            window: last.window,
            sack: last.sack.clone(),
            arrival: last.arrival,
        }),
        changes: Vec::new(),
        notes: Vec::new(),
    }
}

/// Folds what repeats one acknowledgment over and over, as it comes while a hole is open, without
/// saying more than that the text beyond the hole goes on: no new block, no other window.
fn fold_duplicates(rows: Vec<Row>, at_least: usize, idle: Duration) -> Vec<Row> {
    let mut out: Vec<Row> = Vec::with_capacity(rows.len());
    let mut run: Vec<Row> = Vec::new();
    for row in rows {
        if !run.last().is_some_and(|last| repeats(last, &row, idle)) {
            close_duplicates(&mut run, at_least, &mut out);
        }
        match is_duplicate(&row) {
            true => run.push(row),
            false => out.push(row),
        }
    }
    close_duplicates(&mut run, at_least, &mut out);
    out
}

fn close_duplicates(run: &mut Vec<Row>, at_least: usize, out: &mut Vec<Row>) {
    let ends = run.first().zip(run.last());
    let ends = ends.and_then(|(first, last)| segment(first).zip(segment(last)));
    // The first few blocks show how a hole is told, and what the sender makes of it.
    let is_long = |first: &Segment| {
        let times = if first.sack.is_empty() { 1 } else { 2 };
        run.len() / times >= at_least
    };
    match ends {
        Some((first, last)) if is_long(first) => {
            let mut row = acks(first.from, run.len(), first, last);
            let (from, to) = (first.duplicate_ack, last.duplicate_ack);
            row.notes.push(Note::new(format!("dup ACK {from} to {to}")));
            run.clear();
            out.push(row);
        }
        _ => out.append(run),
    }
}

/// Whether a duplicate ACK does nothing but repeat.
fn is_duplicate(row: &Row) -> bool {
    segment(row).is_some_and(|s| {
        s.duplicate_ack > 0
            && s.fate == Fate::Passed
            && !s.is_out_of_order
            && s.flags() == TcpFlags::ACK
    }) && row.changes.is_empty()
        && !row.notes.iter().any(|n| n.important)
}

/// Whether the blocks are the same but for the right edge of the first (RFC 2018, section 4: the
/// one that arrived last comes first).
fn grows(before: &[(i64, i64)], after: &[(i64, i64)]) -> bool {
    match (before, after) {
        ([], []) => true,
        ([(left, right), rest @ ..], [(left_now, right_now), rest_now @ ..]) => {
            left == left_now && right <= right_now && rest == rest_now
        }
        _ => false,
    }
}

fn repeats(last: &Row, row: &Row, idle: Duration) -> bool {
    let same = |one: &Segment, other: &Segment| {
        (one.from, one.ack, one.window) == (other.from, other.ack, other.window)
            && one.duplicate_ack < other.duplicate_ack
            && grows(&one.sack, &other.sack)
    };
    is_duplicate(row)
        && row.at.saturating_sub(last.at) < idle
        && segment(last)
            .zip(segment(row))
            .is_some_and(|(one, other)| same(one, other))
}
