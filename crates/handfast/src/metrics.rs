use handfast_stack::Stack;

/// One figure of a stack, under a name that stays.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Metric {
    /// `handfast_` and what it counts; a counter ends in `_total`.
    pub name: &'static str,
    /// The label that tells figures of one name apart, such as the reason of a discard.
    pub label: Option<(&'static str, String)>,
    /// The value.
    pub value: u64,
}

pub(crate) fn of(stack: &Stack) -> Vec<Metric> {
    let usage = stack.usage();
    let gauges = [
        ("handfast_memory_bytes", usage.memory),
        ("handfast_memory_limit_bytes", usage.memory_limit),
        ("handfast_connections", usage.connections),
        ("handfast_half_open", usage.half_open),
        ("handfast_time_wait", usage.time_wait),
        ("handfast_listeners", usage.listeners),
        ("handfast_timers", usage.timers),
    ];
    let gauges = gauges.map(|(name, value)| Metric {
        name,
        label: None,
        value: value as u64,
    });
    let tcp = stack.metrics().tcp.iter().map(|(event, value)| Metric {
        name: "handfast_tcp_events_total",
        label: Some(("event", event.into())),
        value,
    });
    let discards = stack
        .metrics()
        .iter_discards()
        .map(|(reason, value)| Metric {
            name: "handfast_discards_total",
            label: Some(("reason", reason.name().into())),
            value,
        });
    gauges.into_iter().chain(tcp).chain(discards).collect()
}
