//! Seeded loss, delay, rate, reordering, duplication and corruption.
//!
//! [`pair`] joins two ends in memory, [`Impaired`] puts a real link behind such a path, and a
//! [`Path`] is one direction alone. Time is whatever the caller says it is: the same seed and the
//! same calls give the same packets at the same nanosecond.
//!
//! ```
//! use handfast_base::{Duration, Instant};
//! use handfast_link::impaired::{self, Impairment, PairConfig, Queue, Rate};
//! use handfast_link::Link;
//! use handfast_wire::{Batch, Packet};
//!
//! let dsl = Impairment {
//!     loss: 0.02,
//!     delay: Duration::from_millis(25),
//!     rate: Some(Rate {
//!         bits_per_second: 16_000_000,
//!         queue: Queue::bandwidth_delay_product(16_000_000, Duration::from_millis(50)),
//!     }),
//!     ..Impairment::default()
//! };
//! let config = PairConfig { up: dsl, down: dsl, seed: 7, ..PairConfig::default() };
//! let (mut left, mut right) = impaired::pair(&config);
//!
//! let mut batch = Batch::new(8);
//! batch.push(Packet::from_bytes(vec![0; 1000].into())).unwrap();
//! left.transmit(Instant::ZERO, &mut batch)?;
//! let arrival = Instant::from_micros(25_500); // 8,000 bits at 16 Mb/s, then the delay
//! assert_eq!(right.poll_timeout(), Some(arrival));
//! assert_eq!(right.receive(arrival, &mut batch)?, 1);
//! # Ok::<(), std::io::Error>(())
//! ```

mod bottleneck;
mod counters;
mod dice;
mod hop;
mod impairment;
mod mark;
mod pair;
mod path;
#[cfg(test)]
mod tests;
mod wrapped;

pub use counters::{Counters, CountersHandle, Delay};
pub use hop::Hop;
pub use impairment::{Impairment, Queue, Rate, Reordering};
pub use pair::{End, PairConfig, pair};
pub use path::{Choose, Path, Verdict};
pub use wrapped::Impaired;

/// Packets that may be under way in one direction before a path pushes back.
pub const CAPACITY: usize = 65_536;
