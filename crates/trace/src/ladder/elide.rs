//! A long ladder keeps its beginning, its end and its anomalies.

use super::quantity::grouped;
use super::{Elided, Row, RowKind, Segment};
use handfast_wire::tcp::TcpFlags;

/// Leaves out of the middle of `rows` what is not remarkable, once there are more than
/// `max_rows`. SYN, FIN, RST, changes of state and closed windows always stay; loss and
/// retransmission stay while there is room, and are counted where there is not.
pub(super) fn elide(rows: Vec<Row>, max_rows: usize) -> Vec<Row> {
    if rows.len() <= max_rows {
        return rows;
    }
    let (head, tail) = (max_rows * 2 / 5, max_rows / 5);
    let tail_from = rows.len() - tail;
    let mut room = max_rows - head - tail;
    let keep: Vec<bool> = rows
        .iter()
        .enumerate()
        .map(|(i, row)| {
            if i < head || i >= tail_from || must_stay(row) {
                return true;
            }
            let stays = room > 0 && is_anomaly(row);
            // One row for the anomaly, one for what is left out before it.
            room = room.saturating_sub(if stays { 2 } else { 0 });
            stays
        })
        .collect();
    let mut out = Vec::with_capacity(max_rows);
    let mut pending: Vec<Row> = Vec::new();
    for (row, keep) in rows.into_iter().zip(keep) {
        if keep {
            flush(&mut pending, &mut out);
            out.push(row);
        } else {
            pending.push(row);
        }
    }
    flush(&mut pending, &mut out);
    out
}

/// Up to this many rows are shown rather than summed up.
const FEW: usize = 2;

fn flush(pending: &mut Vec<Row>, out: &mut Vec<Row>) {
    if pending.len() <= FEW {
        out.append(pending);
        return;
    }
    let (Some(first), Some(last)) = (pending.first(), pending.last()) else {
        return;
    };
    let (at, until) = (first.at, last.until);
    let mut sum = Elided::default();
    for row in pending.drain(..) {
        sum.add(&row);
    }
    out.push(Row {
        at,
        until,
        kind: RowKind::Elided(sum),
        changes: Vec::new(),
        notes: Vec::new(),
    });
}

impl Elided {
    fn add(&mut self, row: &Row) {
        self.rows += 1;
        match &row.kind {
            RowKind::Segment(s) => {
                self.segments += 1;
                self.octets += u64::from(s.len);
                self.retransmissions += usize::from(s.retransmission.is_some());
                self.lost += usize::from(s.is_lost());
            }
            RowKind::Band(b) => {
                self.segments += b.segments;
                self.octets += u64::try_from(b.end - b.seq).unwrap_or(0);
            }
            RowKind::Acks(a) => self.segments += a.segments,
            _ => {}
        }
    }

    /// What was left out, in words.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{} rows of bulk transfer, {}",
            grouped(self.rows as u64),
            super::quantity::octets(self.octets)
        );
        for (count, what) in [(self.lost, "lost"), (self.retransmissions, "retransmitted")] {
            if count > 0 {
                text += &format!(", {} {what}", grouped(count as u64));
            }
        }
        text
    }
}

fn segment(row: &Row) -> Option<&Segment> {
    match &row.kind {
        RowKind::Segment(s) => Some(s),
        _ => None,
    }
}

fn must_stay(row: &Row) -> bool {
    let is_control = |s: &Segment| {
        s.flags()
            .intersects(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST)
            || s.is_zero_window()
    };
    !row.changes.is_empty()
        || matches!(row.kind, RowKind::LeftOut { .. } | RowKind::Message { .. })
        || segment(row).is_some_and(is_control)
}

fn is_anomaly(row: &Row) -> bool {
    segment(row).is_some_and(|s| s.is_lost() || s.retransmission.is_some() || s.is_out_of_order)
        || row.notes.iter().any(|n| n.important)
}
