//! What was measured, as tables.

use crate::{OTHERS, Row, Step, TRANSFERS};
use handfast_bench::relays::Relay;
use handfast_bench::spread;

/// Prints two tables, what failed, and how quiet the machine was.
pub(crate) fn print(rows: &[Row]) {
    println!(
        "\nTCP, Gb/s (least..most); then CPU seconds a GiB of the relay, and of client, relay and \
         server together\n"
    );
    println!("| | down, 1 flow | down, 8 flows | up, 1 flow | up, 8 flows |");
    println!("|---|---|---|---|---|");
    for row in rows {
        let cells = TRANSFERS.map(|step| match row.spread(step, 0) {
            Some((least, median, most)) => format!(
                "**{median:.2}** ({least:.2}..{most:.2}); {}, {}",
                row.median(step, 1, 2),
                row.median(step, 2, 2)
            ),
            None => row.missing(step),
        });
        println!("| {} | {} |", row.name(), cells.join(" | "));
    }
    println!("\nSmall messages and datagrams\n");
    println!(
        "| | ping-pong p50, us | p99, us | connections/s, 1 at once | 8 at once | UDP down, Gb/s \
         | UDP up, Gb/s | start to first octet, ms |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for row in rows {
        let [_, ping, one, eight, down, up] = OTHERS;
        let cells = [
            row.median(ping, 0, 1),
            row.median(ping, 1, 1),
            row.median(one, 0, 0),
            row.median(eight, 0, 0),
            row.median(down, 0, 2),
            row.median(up, 0, 2),
            middle(row.set_up.clone()).map_or("-".into(), |(_, ms, _)| format!("{ms:.1}")),
        ];
        println!("| {} | {} |", row.name(), cells.join(" | "));
    }
    println!();
    for row in rows {
        if let Some(problem) = &row.problem {
            println!("{}: {problem}", row.name());
        }
        for (step, (times, last)) in &row.failed {
            println!(
                "{}: {} failed {times} times, the last time: {last}",
                row.name(),
                step.name()
            );
        }
    }
    let lost: f64 = rows.iter().flat_map(|row| row.all(Step::Check, 0)).sum();
    println!("Compared datagrams that did not come back: {lost:.0}");
    let others = rows
        .iter()
        .flat_map(|row| TRANSFERS.map(|step| row.all(step, 3)));
    if let Some((least, median, most)) = middle(others.flatten().collect()) {
        println!(
            "Processors busy with anything else during the TCP transfers: {median:.2} \
             ({least:.2}..{most:.2})"
        );
    }
}

impl Row {
    fn name(&self) -> String {
        match self.relay {
            Relay::Direct => self.relay.name().to_owned(),
            _ => format!("{}, {}", self.relay.name(), self.mtu),
        }
    }

    fn all(&self, step: Step, figure: usize) -> Vec<f64> {
        let rounds = self.figures.get(&step).into_iter().flatten();
        rounds.map(|figures| figures[figure]).collect()
    }

    fn spread(&self, step: Step, figure: usize) -> Option<(f64, f64, f64)> {
        middle(self.all(step, figure))
    }

    fn median(&self, step: Step, figure: usize, digits: usize) -> String {
        match self.spread(step, figure) {
            Some((_, median, _)) => format!("{median:.digits$}"),
            None => self.missing(step),
        }
    }

    fn missing(&self, step: Step) -> String {
        let failed = self.failed.contains_key(&step) || self.problem.is_some();
        if failed { "failed" } else { "-" }.into()
    }
}

/// Least, median and most, if there are any.
fn middle(mut figures: Vec<f64>) -> Option<(f64, f64, f64)> {
    figures.sort_by(f64::total_cmp);
    (!figures.is_empty()).then(|| spread(&figures))
}
