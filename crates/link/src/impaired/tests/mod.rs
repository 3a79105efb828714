mod corruption;
mod counters;
mod hops;
mod links;
mod marks;
mod statistics;
mod timing;

use super::*;
use crate::Medium;
use crate::observed::Watchers;
use handfast_base::{Duration, Instant, Rng};
use handfast_wire::{Batch, Direction, Fate, Observation, Observer, Packet};
use std::sync::{Arc, Mutex};

/// A packet of `len` octets that begins with `number`.
fn numbered(number: u32, len: usize) -> Packet {
    let mut octets = number.to_be_bytes().to_vec();
    octets.resize(len, 0);
    Packet::from_bytes(octets.into())
}

fn number(packet: &Packet) -> u32 {
    u32::from_be_bytes(*packet.headers().first_chunk().unwrap())
}

/// What an observer saw of a numbered packet.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Seen {
    number: u32,
    at: Instant,
    arrival: Option<Instant>,
    direction: Direction,
    fate: Fate,
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Seen>>>);

impl Observer for Log {
    fn on_packet(&mut self, seen: Observation<'_>) {
        self.0.lock().unwrap().push(Seen {
            number: number(seen.packet),
            at: seen.at,
            arrival: seen.arrival,
            direction: seen.direction,
            fate: seen.fate,
        });
    }
}

impl Log {
    fn observer(&self) -> Option<Box<dyn Observer>> {
        Some(Box::new(self.clone()))
    }

    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// What came of numbered packets, sent `every` so long: what was seen, and (arrival, number).
struct Outcome {
    seen: Vec<Seen>,
    arrived: Vec<(Instant, u32)>,
    counters: Counters,
}

fn run(impairment: Impairment, seed: u64, count: u32, len: usize, every: Duration) -> Outcome {
    let mut path = Path::new(impairment, Medium::Ip, &mut Rng::new(seed));
    let log = Log::default();
    let mut observer = log.observer();
    let mut batch = Batch::new(64);
    let mut arrived = Vec::new();
    let mut deliver = |path: &mut Path, until: Instant| {
        let mut batch = Batch::new(7);
        while let Some(at) = path.poll_timeout().filter(|at| *at <= until) {
            assert!(path.receive(at, &mut batch) > 0);
            arrived.extend(batch.packets().iter().map(|p| (at, number(p))));
            batch.clear();
        }
    };
    for n in 0..count {
        let now = Instant::ZERO + every * n;
        deliver(&mut path, now);
        batch.push(numbered(n, len)).unwrap();
        assert_eq!(
            path.send(
                now,
                &mut batch,
                &mut Watchers::one(Medium::Ip, &mut observer, Direction::Sent)
            ),
            1
        );
    }
    deliver(&mut path, Instant::FAR_FUTURE);
    assert!(path.is_empty());
    Outcome {
        seen: log.take(),
        arrived,
        counters: path.counters(),
    }
}

fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
