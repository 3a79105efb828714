//! W5's paths: 100 Mbit/s of IP packets, 50 ms round trip, a drop-tail queue of one bandwidth-delay
//! product unless the row says otherwise; impairments are those of the sender's direction.

use handfast_sim::handfast::base::Duration;
use handfast_sim::handfast::link::impaired::{Impairment, Queue, Rate};

/// Bits of IP packet per second.
pub const RATE: u64 = 100_000_000;
/// There and back, without queues.
pub const ROUND_TRIP: Duration = Duration::from_millis(50);

/// A name, the sender's direction, and whether chance has a part in it.
pub type Row = (&'static str, Impairment, bool);

/// All of them.
pub fn rows() -> Vec<Row> {
    let clean = Impairment {
        delay: ROUND_TRIP / 2,
        rate: Some(Rate {
            bits_per_second: RATE,
            queue: Queue::bandwidth_delay_product(RATE, ROUND_TRIP),
        }),
        ..Impairment::default()
    };
    let lossy = |loss| Impairment { loss, ..clean };
    let burst = Impairment {
        loss: 0.01,
        burst: 5.0,
        ..clean
    };
    let reorder = Impairment {
        reorder: 0.01,
        ..clean
    };
    let tail_drop = Impairment {
        rate: Some(Rate {
            bits_per_second: RATE,
            queue: Queue::bandwidth_delay_product(RATE, ROUND_TRIP / 10),
        }),
        ..clean
    };
    vec![
        ("loss 0", clean, false),
        ("loss 0.1 %", lossy(0.001), true),
        ("loss 1 %", lossy(0.01), true),
        ("loss 3 %", lossy(0.03), true),
        ("reorder 1 %", reorder, true),
        ("loss 1 % in bursts of 5", burst, true),
        ("tail drop: queue 0.1 BDP", tail_drop, false),
    ]
}

/// The receiver's direction of a path: its delay and rate, and nothing else.
pub fn way_back(up: &Impairment) -> Impairment {
    Impairment {
        delay: up.delay,
        rate: up.rate,
        ..Impairment::default()
    }
}
