//! The report for machines. Times are whole nanoseconds, sizes octets; what is not known is null.

use std::time::Duration;

use handfast_link::impaired::{Counters, Impairment, Queue};
use handfast_trace::ladder::LadderOptions;
use serde_json::{Value, json};

use super::{Ended, Summary};
use crate::recording::flows::{FlowCounts, SegmentCounts};
use crate::run::ledger::{ConnectionLine, Ending, Opened};

/// The version of this format: it changes when something that was there is gone or means something
/// else.
const VERSION: u32 = 1;

impl Summary<'_> {
    /// All of it.
    pub(super) fn json(&self) -> Value {
        let (options, outcome, totals) = (self.options, self.outcome, &self.account.totals);
        let command = options.command.iter().map(|part| part.to_string_lossy());
        let ended = match outcome.ended {
            Ended::Code(code) => json!({"code": code}),
            Ended::Signal(number) => json!({"signal": number}),
        };
        let link = self.recording.counters().map(|[up, down]| {
            json!({
                "seed": options.seed,
                "up": {"asked": asked(&options.up), "measured": measured(&up)},
                "down": {"asked": asked(&options.down), "measured": measured(&down)},
            })
        });
        let lines = self.numbered();
        let connections = lines
            .iter()
            .map(|(line, flow)| connection(line, flow.as_ref()));
        let metrics = self.stack.iter().map(|m| {
            let label = m
                .label
                .as_ref()
                .map(|(name, value)| json!({ *name: value }));
            json!({"name": m.name, "label": label, "value": m.value})
        });
        json!({
            "handfast": env!("CARGO_PKG_VERSION"),
            "version": VERSION,
            "command": command.collect::<Vec<_>>(),
            "ended": ended,
            "lasted_ns": nanos(outcome.lasted),
            "left_behind": outcome.left_behind,
            "backend": outcome.backend,
            "mtu": options.mtu,
            "link": link,
            "tcp": {
                "connections": connections.collect::<Vec<_>>(),
                "left_out": self.account.left_out,
                "opened": totals.connections,
                "failed": totals.refused,
                "broken": totals.broken,
                "octets_up": totals.octets_up,
                "octets_down": totals.octets_down,
            },
            "udp": {
                "flows": totals.udp_flows,
                "datagrams_up": totals.datagrams[0],
                "datagrams_down": totals.datagrams[1],
                "octets_up": totals.datagram_octets[0],
                "octets_down": totals.datagram_octets[1],
            },
            "ping": {"requests": totals.pings[0], "answers": totals.pings[1]},
            "ladders": self.drawn(),
            "metrics": metrics.collect::<Vec<_>>(),
        })
    }

    /// The ladders of the connections that are drawn.
    fn drawn(&self) -> Value {
        let Some(which) = &self.options.report.ladder else {
            return Value::Null;
        };
        let all = self.recording.connections();
        let chosen = self.chosen(which, &all).into_iter();
        let ladder = |c| self.recording.ladder(c, &LadderOptions::default());
        chosen
            .filter_map(ladder)
            .map(|ladder| ladder.json())
            .collect()
    }
}

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

fn asked(of: &Impairment) -> Value {
    let rate = of.rate.map(|rate| {
        let queue = match rate.queue {
            Queue::Packets(n) => json!({"packets": n}),
            Queue::Octets(n) => json!({"octets": n}),
            _ => Value::Null,
        };
        json!({"bits_per_second": rate.bits_per_second, "queue": queue})
    });
    json!({
        "loss": of.loss,
        "burst": of.burst,
        "delay_ns": nanos(of.delay),
        "jitter_ns": nanos(of.jitter),
        "rate": rate,
        "reorder": of.reorder,
        "duplicate": of.duplicate,
        "corrupt": of.corrupt,
        "ecn_mark_octets": of.ecn_mark,
        "hop": of.hop.map(|hop| json!({"mtu": hop.mtu, "tells": hop.tells})),
    })
}

fn measured(c: &Counters) -> Value {
    json!({
        "sent": c.sent,
        "sent_octets": c.sent_octets,
        "delivered": c.delivered,
        "delivered_octets": c.delivered_octets,
        "lost": c.lost,
        "too_big": c.too_big,
        "queue_full": c.queue_full,
        "marked": c.marked,
        "duplicated": c.duplicated,
        "reordered": c.reordered,
        "corrupted": c.corrupted,
        "queue_most_packets": c.queue_most,
        "queue_most_octets": c.queue_most_octets,
        "delay": {
            "mean_ns": c.mean_delay().map(nanos),
            "least_ns": nanos(c.delay.least),
            "most_ns": nanos(c.delay.most),
        },
    })
}

fn connection(line: &ConnectionLine, flow: Option<&FlowCounts>) -> Value {
    let info = line.info.map(|i| {
        json!({
            "rtt_ns": nanos(i.rtt),
            "min_rtt_ns": nanos(i.min_rtt),
            "mss": i.snd_mss,
            "cwnd": i.cwnd,
            "retransmissions": i.retransmissions,
            "timeouts": i.timeouts,
        })
    });
    let (end, why) = match &line.end {
        Ending::Closed => ("closed", None),
        Ending::ProgramReset => ("program_reset", None),
        Ending::DestinationReset => ("destination_reset", None),
        Ending::Refused(why) => ("not_opened", Some(why)),
        Ending::Failed(why) => ("broken_off", Some(why)),
        Ending::Open => ("open", None),
    };
    json!({
        "opened_by": match line.opened {
            Opened::ByProgram => "program",
            Opened::Published => "published",
        },
        "program": line.program.to_string(),
        "destination": line.destination.to_string(),
        "name": line.name,
        "octets_up": line.octets_up,
        "octets_down": line.octets_down,
        "answered_ns": line.answered.map(nanos),
        "lasted_ns": nanos(line.lasted),
        "end": end,
        "why": why,
        "ours": info,
        "segments": flow.map(|f| json!({
            "up": segments(&f.received),
            "down": segments(&f.sent),
            "causes": {
                "handshake": f.causes.handshake,
                "timeout": f.causes.timeout,
                "fast": f.causes.fast,
                "recovery": f.causes.recovery,
            },
        })),
    })
}

fn segments(of: &SegmentCounts) -> Value {
    json!({
        "sent": of.segments,
        "octets": of.octets,
        "retransmissions": of.retransmissions,
        "lost": of.lost,
        "corrupted": of.corrupted,
    })
}
