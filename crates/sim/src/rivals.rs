//! Bulk flows that share a bottleneck, and what part of it each of them gets.

use crate::{LinkConfig, Sim};
use bytes::Bytes;
use handfast::base::{Duration, Instant};
use handfast::congestion::Congestion;
use handfast::link::impaired::{Impairment, Queue, Rate};
use handfast::{Config, TcpConnector, TcpInfo, TcpListener};
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

/// What each write hands over.
static TEXT: [u8; 1 << 16] = [7; 1 << 16];

/// A drop-tail bottleneck between two hosts.
#[derive(Clone, Copy, Debug)]
pub struct Bottleneck {
    /// Its rate, counted in packets of IP.
    pub bits_per_second: u64,
    /// There and back without a queue.
    pub round_trip: Duration,
    /// What its queue holds, in hundredths of rate times round trip.
    pub queue: u32,
}

impl Bottleneck {
    /// The way there; the way back has its rate and delay and an endless queue.
    pub fn link(&self) -> LinkConfig {
        let rate = Rate::new(self.bits_per_second);
        let drained_in = self.round_trip * self.queue / 100;
        let down = Impairment {
            delay: self.round_trip / 2,
            rate: Some(rate),
            ..Impairment::default()
        };
        let queue = Queue::bandwidth_delay_product(self.bits_per_second, drained_in);
        LinkConfig {
            up: Impairment {
                rate: Some(Rate { queue, ..rate }),
                ..down
            },
            down,
            checksum: true,
            ..LinkConfig::default()
        }
    }
}

/// A flow that always has something to send.
#[derive(Clone, Copy, Debug)]
pub struct Rival {
    /// Its algorithm.
    pub congestion: Congestion,
    /// When it begins.
    pub start: Duration,
}

/// What has become of a flow so far.
#[derive(Clone, Default)]
pub struct Flow {
    received: Rc<Cell<u64>>,
    info: Rc<Cell<Option<TcpInfo>>>,
}

impl Flow {
    /// Octets that the receiver's application has read.
    pub fn received(&self) -> u64 {
        self.received.get()
    }

    /// The sender's connection, as of its last write.
    pub fn info(&self) -> Option<TcpInfo> {
        self.info.get()
    }
}

/// A run of some flows over one bottleneck.
pub struct Rivalry {
    sim: Sim,
    bottleneck: Bottleneck,
    flows: Vec<Flow>,
    last_start: Instant,
}

impl Rivalry {
    /// Nothing has happened yet.
    pub fn new(seed: u64, bottleneck: Bottleneck, rivals: &[Rival]) -> Rivalry {
        let sim = Sim::new(seed);
        let sender = sim.host("sender", &["10.0.0.1/24"]);
        let receiver = sim.host("receiver", &["10.0.0.2/24"]);
        sim.connect(&sender, &receiver, bottleneck.link());
        let mut flows = Vec::new();
        for (port, rival) in (1000..).zip(rivals) {
            let flow = Flow::default();
            let to = SocketAddr::new(receiver.ip(), port);
            let (net, received) = (receiver.net().clone(), flow.received.clone());
            sim.spawn(async move {
                let (stream, _) = TcpListener::bind(&net, to).await?.accept().await?;
                loop {
                    let chunk = stream.read_bytes(1 << 20).await?;
                    received.set(received.get() + chunk.len() as u64);
                }
                #[expect(unreachable_code, reason = "says what the loop's errors are")]
                io::Result::Ok(())
            });
            let (net, info) = (sender.net().clone(), flow.info.clone());
            let (clock, start) = (sim.handle(), rival.start);
            let config = Config {
                congestion: rival.congestion,
                ..Config::default()
            };
            sim.spawn(async move {
                clock.sleep(start).await;
                let connector = TcpConnector::new().config(config);
                let stream = connector.connect(&net, to).await?;
                loop {
                    stream.write_bytes(&mut Bytes::from_static(&TEXT)).await?;
                    info.set(stream.info().ok());
                }
                #[expect(unreachable_code, reason = "says what the loop's errors are")]
                io::Result::Ok(())
            });
            flows.push(flow);
        }
        let starts = rivals.iter().map(|r| Instant::ZERO + r.start);
        Rivalry {
            sim,
            bottleneck,
            flows,
            last_start: starts.max().unwrap_or(Instant::ZERO),
        }
    }

    /// The flows, in their order.
    pub fn flows(&self) -> &[Flow] {
        &self.flows
    }

    /// The simulation.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// The part of the bottleneck's rate that each flow got in so long a time from the start of the
    /// last: nothing of its beginning is left out.
    pub fn shares(&self, time: Duration) -> Vec<f64> {
        self.sim.run_until(self.last_start);
        let before: Vec<u64> = self.flows.iter().map(Flow::received).collect();
        self.sim.run_until(self.last_start + time);
        let whole = self.bottleneck.bits_per_second as f64 / 8.0 * time.as_secs_f64();
        let part = |(flow, before): (&Flow, u64)| (flow.received() - before) as f64 / whole;
        self.flows.iter().zip(before).map(part).collect()
    }
}

/// Jain's index of fairness: 1 when all have the same, 1 / n when one of n has all.
pub fn jain(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|s| s * s).sum();
    sum * sum / (shares.len() as f64 * squares)
}
