//! The ladder as JSON. Times are whole nanoseconds from the first row, numbers are relative to
//! the ISNs, `raw` holds the absolute ones.

use super::{Band, Change, End, Ladder, Note, Row, RowKind, Segment, Side, label, sequence};
use handfast_base::Duration;
use handfast_wire::SendReason;
use serde_json::{Map, Value, json};

impl Ladder {
    /// The whole model as JSON: `left`, `right`, `start_ns`, `rows`, `remarks`.
    pub fn json(&self) -> Value {
        json!({
            "left": end(&self.left),
            "right": end(&self.right),
            "start_ns": self.start.as_nanos(),
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "remarks": self.remarks,
        })
    }
}

fn end(e: &End) -> Value {
    json!({
        "name": e.name,
        "address": e.address.to_string(),
        "states_derived": e.states_derived,
    })
}

fn blocks(sack: &[(i64, i64)]) -> Value {
    sack.iter().map(|&(l, r)| json!([l, r])).collect()
}

fn row(r: &Row) -> Value {
    let mut object = Map::new();
    object.insert("at".into(), nanos(r.at));
    object.insert("until".into(), nanos(r.until));
    let (kind, body) = match &r.kind {
        RowKind::Segment(s) => ("segment", segment(s)),
        RowKind::Band(b) => ("band", band(b)),
        RowKind::Acks(a) => (
            "acks",
            json!({
                "from": side(a.from), "segments": a.segments, "first": a.first, "last": a.last,
                "window": a.window, "sack": blocks(&a.sack), "arrival": a.arrival.map(nanos),
            }),
        ),
        RowKind::Message { from, text, fate } => (
            "message",
            json!({"from": side(*from), "text": text, "fate": sequence::fate_text(*fate)}),
        ),
        RowKind::State => ("state", json!({})),
        RowKind::Idle {
            duration,
            time_wait,
        } => (
            "idle",
            json!({"duration": nanos(*duration), "time_wait": time_wait}),
        ),
        RowKind::Elided(e) => (
            "elided",
            json!({
                "rows": e.rows, "segments": e.segments, "octets": e.octets,
                "retransmissions": e.retransmissions, "lost": e.lost,
            }),
        ),
        RowKind::LeftOut { events } => ("left_out", json!({"events": events})),
    };
    object.insert("kind".into(), kind.into());
    object.insert(kind.into(), body);
    object.insert("changes".into(), r.changes.iter().map(change).collect());
    object.insert("notes".into(), r.notes.iter().map(note).collect());
    Value::Object(object)
}

fn segment(s: &Segment) -> Value {
    let h = &s.header;
    json!({
        "from": side(s.from),
        "class": format!("{:?}", s.kind()).to_lowercase(),
        "arrival": s.arrival.map(nanos),
        "label": label::parts(s, false).join(" "),
        "flags": s.flags().to_string(),
        "seq": s.seq,
        "end": s.end(),
        "ack": s.ack,
        "len": s.len,
        "window": s.window,
        "sack": blocks(&s.sack),
        "fate": sequence::fate_text(s.fate),
        "reason": (s.reason != SendReason::Unknown).then(|| s.reason.to_string()),
        "retransmission": s.retransmission.map(|why| why.to_string()),
        "out_of_order": s.is_out_of_order,
        "probe": s.probe.map(|why| why.to_string()),
        "duplicate_ack": s.duplicate_ack,
        "window_update": s.is_window_update,
        "zero_window": s.is_zero_window(),
        "raw": {
            "source_port": h.source_port,
            "destination_port": h.destination_port,
            "seq": h.seq.0,
            "ack": h.ack.0,
            "window": h.window,
            "urgent_pointer": h.urgent_pointer,
            "mss": h.options.mss,
            "window_scale": h.options.window_scale,
            "sack_permitted": h.options.sack_permitted,
            "timestamps": h.options.timestamps.map(|t| json!([t.value, t.echo])),
        },
    })
}

fn band(b: &Band) -> Value {
    json!({
        "from": side(b.from), "segments": b.segments, "seq": b.seq, "end": b.end,
        "arrival": b.arrival.map(nanos),
    })
}

fn change(c: &Change) -> Value {
    json!({
        "at": nanos(c.at), "side": side(c.side), "from": c.from.name(), "to": c.to.name(),
    })
}

fn note(n: &Note) -> Value {
    json!({"text": n.text, "important": n.important})
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Left => "left",
        Side::Right => "right",
    }
}

fn nanos(d: Duration) -> Value {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX).into()
}
