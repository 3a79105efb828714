//! The ladder as plain sentences, for screen readers and for pasting.

use super::quantity::{grouped, millis};
use super::{Ladder, Row, RowKind, Segment, SegmentKind, sequence};
use handfast_base::Duration;
use handfast_wire::Fate;
use handfast_wire::tcp::TcpFlags;

impl Ladder {
    /// One numbered sentence or two for each row that is a packet, in order, each line ended by
    /// a line feed. Silences are left to the times.
    pub fn sentences(&self) -> String {
        let mut out = String::new();
        let mut number = 0;
        for row in &self.rows {
            let Some(text) = self.sentence(row) else {
                continue;
            };
            number += 1;
            out += &format!("{number}. {text}");
            for c in &row.changes {
                out += &format!(" {} is now {}.", self.title(c.side), c.to);
            }
            let is_news = |text: &&str| !matches!(&row.kind, RowKind::Segment(s) if sequence::fate_text(s.fate) == **text);
            let notes = row.notes.iter().map(|n| n.text.as_str()).filter(is_news);
            let notes: Vec<&str> = notes.collect();
            if !notes.is_empty() {
                out += &format!(" Note: {}.", notes.join(", "));
            }
            out.push('\n');
        }
        for remark in &self.remarks {
            out += &format!("Note: {remark}.\n");
        }
        out
    }

    fn sentence(&self, row: &Row) -> Option<String> {
        let at = ms(row.at);
        Some(match &row.kind {
            RowKind::Segment(s) => format!("At {at}, {} sends {}.", self.title(s.from), words(s)),
            RowKind::Band(b) => format!(
                "At {at}, {} sends {} data segments, {} bytes, sequence {} to {}{}.",
                self.title(b.from),
                grouped(b.segments as u64),
                b.end - b.seq,
                b.seq,
                b.end,
                arrives("; the last arrives at", b.arrival, row.until),
            ),
            RowKind::Acks(a) if a.first == a.last => format!(
                "At {at}, {} repeats the ACK of {} {} times{}{}.",
                self.title(a.from),
                a.last,
                grouped(a.segments as u64),
                out_of_order(&a.sack),
                arrives("; the last arrives at", a.arrival, row.until),
            ),
            RowKind::Acks(a) => format!(
                "At {at}, {} sends {} ACKs, acknowledging {} to {}{}.",
                self.title(a.from),
                grouped(a.segments as u64),
                a.first,
                a.last,
                arrives("; the last arrives at", a.arrival, row.until),
            ),
            RowKind::Message { from, text, fate } => {
                let from = self.title(*from);
                match sequence::fate_text(*fate) {
                    fate if fate.is_empty() => format!("At {at}, from the side of {from}: {text}."),
                    fate => format!("At {at}, from the side of {from}: {text}; it is {fate}."),
                }
            }
            RowKind::State => format!("At {at}, a state changes without a packet."),
            RowKind::Idle { .. } => return None,
            RowKind::Elided(e) => format!("Left out here: {}.", e.text()),
            RowKind::LeftOut { events } => {
                format!(
                    "{} events are missing here: the log was full.",
                    grouped(*events)
                )
            }
        })
    }
}

fn out_of_order(sack: &[(i64, i64)]) -> String {
    let blocks = sack.iter();
    blocks
        .map(|(left, right)| format!(", and {left} to {right} out of order"))
        .collect()
}

fn words(s: &Segment) -> String {
    let mut text = s.flags().to_string();
    if s.retransmission.is_some() {
        text += " (retransmission)";
    }
    if s.fate == Fate::Duplicate {
        text += " (a copy made by the link)";
    }
    if s.len > 0 {
        let first = s.seq + i64::from(s.flags().contains(TcpFlags::SYN));
        let end = first + i64::from(s.len);
        text += &format!(", {} bytes, sequence {first} to {end}", s.len);
    }
    if let Some(ack) = s.ack {
        text += &format!(", acknowledging {ack}");
    }
    text += &out_of_order(&s.sack);
    if s.is_zero_window() {
        text += ", with a closed window";
    }
    match (s.kind(), s.fate) {
        (SegmentKind::Lost | SegmentKind::Discarded, fate) => {
            let fate = sequence::fate_text(fate);
            let (what, why) = fate.split_once(": ").unwrap_or((&fate, "no reason known"));
            text + &format!("; it is {what} ({why})")
        }
        _ => text + &arrives("; it arrives at", s.arrival, s.at),
    }
}

/// Names the arrival, where a link knows it to differ from the departure.
fn arrives(words: &str, arrival: Option<Duration>, sent: Duration) -> String {
    match arrival {
        Some(at) if at != sent => format!("{words} {}", ms(at)),
        _ => String::new(),
    }
}

/// A point in time, with three decimals only where one would not tell the truth.
fn ms(at: Duration) -> String {
    let is_coarse = at.as_nanos().is_multiple_of(100_000);
    format!("{} ms", millis(at, if is_coarse { 1 } else { 3 }))
}
