//! What the benchmarks of handfast share: a clock that is read outside the timed part, medians,
//! two stacks joined in memory, and a load that a program puts on whatever carries it.

pub mod bridge;
pub mod floor;
pub mod load;
pub mod memory;
pub mod namespace;
pub mod paths;
pub mod processor;
pub mod relays;
pub mod smoltcp_pair;

use std::time::Instant;

/// Runs `work` `times` times after one warm-up; the seconds of each run, sorted.
pub fn measure(times: usize, mut work: impl FnMut()) -> Vec<f64> {
    work();
    let mut seconds: Vec<f64> = (0..times)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds
}

/// Minimum, median and maximum of sorted figures.
pub fn spread(sorted: &[f64]) -> (f64, f64, f64) {
    (
        sorted[0],
        sorted[sorted.len() / 2],
        sorted[sorted.len() - 1],
    )
}
