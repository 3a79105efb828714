//! From a log to a ladder.

use super::sequence::{self, Analysis};
use super::states::states_of;
use super::{Change, End, Ladder, LadderOptions, Row, RowKind, Segment, Side, collapse, elide};
use crate::log::{ConnectionSummary, Event, EventLog, OtherEvent, StateChange, events_of};
use handfast_base::{Duration, Instant};
use handfast_tcp::State;
use std::net::SocketAddr;

impl Ladder {
    /// The ladder of one connection of this log, as [`EventLog::connections`] lists it. Without
    /// rows if the log does not hold that connection any more.
    pub fn of(log: &EventLog, connection: &ConnectionSummary) -> Ladder {
        Ladder::with(log, connection, &LadderOptions::default())
    }

    /// As [`Ladder::of`], made to measure.
    pub fn with(log: &EventLog, connection: &ConnectionSummary, options: &LadderOptions) -> Ladder {
        let events = events_of(log, connection);
        let segments = events.iter().filter_map(|e| match e {
            Event::Segment(s) => Some(s),
            _ => None,
        });
        let analysis = sequence::analyse(&segments.collect::<Vec<_>>(), connection.left);
        let start = connection.start;
        let ends = [connection.left, connection.right];
        let resumes_at = log.resumes_at().map(|at| at.since(start));
        let sides = [Side::Left, Side::Right].map(|side| {
            let reported: Vec<StateChange> = events
                .iter()
                .filter_map(|e| match e {
                    Event::State(c) if c.local == ends[side as usize] => Some(*c),
                    _ => None,
                })
                .collect();
            states_of(side, &analysis, &reported, start, resumes_at, options)
        });
        let end = |side: Side| End {
            name: name_of(ends[side as usize], options),
            address: ends[side as usize],
            states_derived: sides[side as usize].is_derived,
        };
        let (left, right) = (end(Side::Left), end(Side::Right));
        let remarks = remarks(&analysis);
        let full_segment = analysis.full_segment;
        let round_trip = analysis.round_trip.unwrap_or_default();

        let mut rows: Vec<Row> = analysis.segments.into_iter().map(segment_row).collect();
        let mut loose = Vec::new();
        for side in sides {
            for (row, change) in side.changes {
                match row {
                    Some(i) => rows[i].changes.push(change),
                    None => loose.push(state_row(change)),
                }
            }
            for (i, note) in side.notes {
                rows[i].notes.push(note);
            }
        }
        rows.extend(loose);
        rows.extend(events.iter().filter_map(|e| match e {
            Event::Other(o) => Some(message_row(o, connection.left, start)),
            _ => None,
        }));
        rows.sort_by_key(|r| r.at);
        if let Some(at) = resumes_at {
            let i = rows.partition_point(|r| r.at < at);
            if i > 0 && i < rows.len() {
                let events = log.left_out();
                rows.insert(i, plain_row(rows[i].at, RowKind::LeftOut { events }));
            }
        }
        let idle = options.idle.max(round_trip * 2);
        let rows = collapse::collapse(rows, full_segment, options.band_at_least, idle);
        let rows = insert_idle(rows, idle);
        Ladder {
            left,
            right,
            start,
            rows: elide::elide(rows, options.max_rows),
            remarks,
        }
    }
}

fn name_of(address: SocketAddr, options: &LadderOptions) -> String {
    let mut names = options.names.iter();
    let found = names.find(|(a, _)| *a == address);
    found.map(|(_, name)| name.clone()).unwrap_or_default()
}

fn remarks(analysis: &Analysis) -> Vec<String> {
    let guessed = "a SYN was not seen: numbers may count from the first segment seen, windows may \
                   be unscaled";
    Vec::from_iter(analysis.is_syn_missing.then(|| guessed.to_string()))
}

fn plain_row(at: Duration, kind: RowKind) -> Row {
    Row {
        at,
        until: at,
        kind,
        changes: Vec::new(),
        notes: Vec::new(),
    }
}

fn segment_row(mut segment: Segment) -> Row {
    let notes = std::mem::take(&mut segment.notes);
    Row {
        notes,
        ..plain_row(segment.at, RowKind::Segment(segment))
    }
}

fn state_row(change: Change) -> Row {
    Row {
        changes: vec![change],
        ..plain_row(change.at, RowKind::State)
    }
}

fn message_row(o: &OtherEvent, left: SocketAddr, start: Instant) -> Row {
    // An ICMP error goes against the segment that it is about.
    let is_about_left = o.about.is_some_and(|(source, _)| source == left);
    plain_row(
        o.at.since(start),
        RowKind::Message {
            from: if is_about_left {
                Side::Right
            } else {
                Side::Left
            },
            text: o.text.to_string(),
            fate: o.fate,
        },
    )
}

/// Puts a row into every silence of at least `idle`.
fn insert_idle(rows: Vec<Row>, idle: Duration) -> Vec<Row> {
    let mut out: Vec<Row> = Vec::with_capacity(rows.len());
    let mut last = rows.first().map_or(Duration::ZERO, |r| r.at);
    for row in rows {
        let gap = row.at.saturating_sub(last);
        if gap >= idle && !out.is_empty() {
            let time_wait = matches!(row.kind, RowKind::State)
                && row.changes.iter().any(|c| c.from == State::TimeWait);
            out.push(plain_row(
                last,
                RowKind::Idle {
                    duration: gap,
                    time_wait,
                },
            ));
        }
        last = last.max(row.until);
        out.push(row);
    }
    out
}
