//! Counters of a run as OpenMetrics text, version 1.0, and served over HTTP.

mod exposition;
mod server;
#[cfg(test)]
mod tests;

pub use exposition::{Kind, Sample, exposition};
pub use server::{Serving, serve};

use handfast::Metric;
use handfast_link::impaired::Counters;

use super::ledger::Totals;

/// What each name of [`Metric`] means.
const HELP: [(&str, &str); 9] = [
    (
        "handfast_memory_bytes",
        "Memory that buffers of the stack hold",
    ),
    (
        "handfast_memory_limit_bytes",
        "Memory that buffers of the stack may hold",
    ),
    ("handfast_connections", "TCP connections of the stack"),
    ("handfast_half_open", "TCP handshakes that are not complete"),
    ("handfast_time_wait", "TCP connections in TIME-WAIT"),
    ("handfast_listeners", "TCP listeners"),
    ("handfast_timers", "Timers that are set"),
    ("handfast_tcp_events_total", "What TCP did, by event"),
    ("handfast_discards_total", "Packets thrown away, by reason"),
];

/// Everything that is counted in a run: the stack's figures, the relay's, the link's.
pub fn samples(stack: &[Metric], relay: &Totals, link: Option<[Counters; 2]>) -> Vec<Sample> {
    let mut samples: Vec<Sample> = stack.iter().map(of_stack).collect();
    samples.extend(of_relay(relay));
    samples.extend(link.into_iter().flat_map(of_link));
    samples
}

fn of_stack(metric: &Metric) -> Sample {
    let help = HELP.iter().find(|(name, _)| *name == metric.name);
    let kind = match metric.name.ends_with("_total") {
        true => Kind::Counter,
        false => Kind::Gauge,
    };
    let label = metric.label.clone();
    Sample {
        name: metric.name,
        help: help.map_or("", |(_, help)| help),
        kind,
        labels: label.into_iter().collect(),
        value: metric.value as f64,
    }
}

fn of_relay(totals: &Totals) -> Vec<Sample> {
    let counter = |name, help, labels: &[(&'static str, &str)], value: u64| Sample {
        name,
        help,
        kind: Kind::Counter,
        labels: labels.iter().map(|(k, v)| (*k, (*v).to_owned())).collect(),
        value: value as f64,
    };
    let connections = |outcome, value| {
        counter(
            "handfast_relay_connections_total",
            "TCP connections of the program that are over, by outcome",
            &[("outcome", outcome)],
            value,
        )
    };
    let way = ["up", "down"];
    let both = |name, help, values: [u64; 2]| {
        way.into_iter()
            .zip(values)
            .map(move |(way, value)| counter(name, help, &[("direction", way)], value))
    };
    let mut samples = vec![
        connections("complete", totals.connections - totals.broken),
        connections("broken", totals.broken),
        connections("refused", totals.refused),
    ];
    samples.extend(both(
        "handfast_relay_tcp_bytes_total",
        "Octets that went over TCP connections that are over",
        [totals.octets_up, totals.octets_down],
    ));
    samples.push(counter(
        "handfast_relay_udp_flows_total",
        "UDP flows that are over",
        &[],
        totals.udp_flows,
    ));
    samples.extend(both(
        "handfast_relay_udp_datagrams_total",
        "UDP datagrams of flows that are over",
        totals.datagrams,
    ));
    samples.extend(both(
        "handfast_relay_udp_bytes_total",
        "Octets of UDP datagrams of flows that are over",
        totals.datagram_octets,
    ));
    samples.extend(both(
        "handfast_relay_echo_messages_total",
        "Echo requests passed on, and answers to them",
        totals.pings,
    ));
    samples
}

fn of_link(ways: [Counters; 2]) -> Vec<Sample> {
    type Count = fn(&Counters) -> u64;
    let fates: [(&str, Count); 8] = [
        ("sent", |c| c.sent),
        ("delivered", |c| c.delivered),
        ("lost", |c| c.lost),
        ("queue_full", |c| c.queue_full),
        ("marked", |c| c.marked),
        ("duplicated", |c| c.duplicated),
        ("reordered", |c| c.reordered),
        ("corrupted", |c| c.corrupted),
    ];
    let ways: Vec<_> = ["up", "down"].into_iter().zip(ways).collect();
    let sample = |name, help, kind, labels, value| Sample {
        name,
        help,
        kind,
        labels,
        value,
    };
    let mut samples = Vec::new();
    for (way, counters) in &ways {
        for (fate, count) in fates {
            samples.push(sample(
                "handfast_link_packets_total",
                "Packets on the impaired link, by what became of them",
                Kind::Counter,
                vec![("direction", (*way).to_owned()), ("fate", fate.to_owned())],
                count(counters) as f64,
            ));
        }
    }
    for (way, counters) in &ways {
        samples.push(sample(
            "handfast_link_delay_seconds_total",
            "Time that delivered packets were under way, added up",
            Kind::Counter,
            vec![("direction", (*way).to_owned())],
            counters.delay.total.as_secs_f64(),
        ));
    }
    samples
}
