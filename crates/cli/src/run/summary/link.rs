//! What was asked of the link, and what it did.

use handfast_link::impaired::{Counters, Impairment, Queue};

use super::{Summary, words};
use crate::size;
use crate::terminal::Terminal;

impl Summary<'_> {
    /// Each direction: asked and measured, side by side; and the seed.
    pub(super) fn link(&self, terminal: &mut Terminal) {
        let Some(counters) = self.recording.counters() else {
            return;
        };
        let seed = self.options.seed;
        terminal.line(&format!(
            "  {:<9} {seed} (--seed {seed} repeats it)",
            "seed"
        ));
        let asked = [("up", &self.options.up), ("down", &self.options.down)];
        for ((way, asked), measured) in asked.into_iter().zip(counters) {
            terminal.line(&format!("  {way:<9} asked     {}", in_words(asked)));
            terminal.line(&format!(
                "  {:<9} measured  {}",
                "",
                measured_words(asked, &measured)
            ));
        }
    }
}

/// `loss 2%, delay 20 ms ± 5 ms, rate 10 mbit, queue 125 KB`.
fn in_words(asked: &Impairment) -> String {
    let mut parts = Vec::new();
    if asked.loss > 0.0 {
        let burst = match asked.burst {
            1.0.. => format!(" in runs of {}", words::digits(asked.burst)),
            _ => String::new(),
        };
        parts.push(format!("loss {}{burst}", words::percent(asked.loss)));
    }
    match (asked.delay.is_zero(), asked.jitter.is_zero()) {
        (true, true) => {}
        (_, true) => parts.push(format!("delay {}", words::duration(asked.delay))),
        (_, false) => parts.push(format!(
            "delay {} ± {}",
            words::duration(asked.delay),
            words::duration(asked.jitter)
        )),
    }
    if let Some(rate) = asked.rate {
        let queue = match rate.queue {
            Queue::Packets(n) => words::count(u64::from(n), "packet"),
            Queue::Octets(n) => size::format(n),
            _ => "of another kind".to_owned(),
        };
        parts.push(format!(
            "rate {}, queue {queue}",
            words::rate(rate.bits_per_second)
        ));
    }
    if let Some(octets) = asked.ecn_mark {
        parts.push(format!("marks beyond {}", size::format(octets)));
    }
    if let Some(hop) = asked.hop {
        let how = if hop.tells { "" } else { " that is silent" };
        parts.push(format!("a hop of {} octets{how}", hop.mtu));
    }
    let shares = [
        ("reorder", asked.reorder),
        ("duplicate", asked.duplicate),
        ("corrupt", asked.corrupt),
    ];
    parts.extend(
        shares
            .into_iter()
            .filter(|(_, share)| *share > 0.0)
            .map(|(name, share)| format!("{name} {}", words::percent(share))),
    );
    match parts.is_empty() {
        true => "nothing".to_owned(),
        false => parts.join(", "),
    }
}

/// `157 packets: 3 lost (1.91%), delay 20.3 ms (20.1 ms to 25.2 ms)`.
fn measured_words(asked: &Impairment, c: &Counters) -> String {
    if c.sent == 0 {
        return "no packets".to_owned();
    }
    let share = |n: u64| words::percent(n as f64 / c.sent as f64);
    let mut parts = Vec::new();
    let mut add = |n: u64, what: &str, wanted: bool| {
        if n > 0 || wanted {
            parts.push(format!("{} {what} ({})", words::grouped(n), share(n)));
        }
    };
    add(c.lost - c.too_big, "lost", asked.loss > 0.0);
    add(c.too_big, "too big for the hop", asked.hop.is_some());
    add(c.queue_full, "lost for a full queue", false);
    add(c.marked, "marked", asked.ecn_mark.is_some());
    add(c.reordered, "out of order", asked.reorder > 0.0);
    add(c.duplicated, "doubled", asked.duplicate > 0.0);
    add(c.corrupted, "corrupted", asked.corrupt > 0.0);
    if let Some(mean) = c.mean_delay() {
        let [mean, least, most] = [mean, c.delay.least, c.delay.most].map(words::duration);
        parts.push(format!("delay {mean} ({least} to {most})"));
    }
    if asked.rate.is_some() && c.queue_most > 0 {
        let packets = words::count(c.queue_most, "packet");
        parts.push(format!("at most {packets} waiting"));
    }
    format!("{}: {}", words::count(c.sent, "packet"), parts.join(", "))
}
