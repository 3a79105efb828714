//! Flows that share a path, and what part of it each of them gets.

use crate::{Handle, Host, LinkConfig, Sim};
use bytes::Bytes;
use handfast::base::{Duration, Instant};
use handfast::congestion::Congestion;
use handfast::link::impaired::{Impairment, Queue, Rate};
use handfast::{Config, TcpConnector, TcpInfo, TcpListener, TcpStream};
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

/// What a transfer repeats, and each write hands over; its length is no multiple of any segment.
const PATTERN: usize = 65_521;
static TEXT: [u8; PATTERN] = pattern();

const fn pattern() -> [u8; PATTERN] {
    let mut text = [0; PATTERN];
    let mut i = 0;
    while i < PATTERN {
        text[i] = (i ^ i >> 7) as u8;
        i += 1;
    }
    text
}

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

/// A flow.
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
    done_at: Rc<Cell<Option<Instant>>>,
    info: Rc<Cell<Option<TcpInfo>>>,
    gave_up: Rc<Cell<bool>>,
}

impl Flow {
    /// Octets that the receiver's application has read. It has compared them.
    pub fn received(&self) -> u64 {
        self.received.get()
    }

    /// When it had read the last of them.
    pub fn done_at(&self) -> Option<Instant> {
        self.done_at.get()
    }

    /// The sender's connection, as of its last write; none before that.
    pub fn info(&self) -> Option<TcpInfo> {
        self.info.get()
    }

    /// Whether an end of it has given up for want of a sign; the other may wait for it for ever.
    /// Losses go by packets: one long burst may swallow all that a connection tries for minutes.
    pub fn has_given_up(&self) -> bool {
        self.gave_up.get()
    }

    /// Any other end is a fault.
    fn give_up(&self, error: &io::Error) {
        let kinds = [io::ErrorKind::TimedOut, io::ErrorKind::ConnectionReset];
        assert!(kinds.contains(&error.kind()), "a connection: {error}");
        self.gave_up.set(true);
    }

    async fn write(&self, stream: &TcpStream, octets: u64) -> io::Result<()> {
        let mut left = octets;
        while left > 0 {
            let len = left.min(PATTERN as u64);
            let mut chunk = Bytes::from_static(&TEXT[..len as usize]);
            stream.write_bytes(&mut chunk).await?;
            left -= len;
            self.info.set(stream.info().ok());
        }
        // Held until the other end has read all: to drop it would say nothing more of it.
        stream.shutdown_write()?;
        assert!(stream.read_bytes(1).await?.is_empty());
        self.info.set(stream.info().ok().or(self.info.take()));
        Ok(())
    }

    async fn read(&self, clock: &Handle, stream: &TcpStream, octets: u64) -> io::Result<()> {
        while self.received.get() < octets {
            let chunk = stream.read_bytes(PATTERN).await?;
            assert!(!chunk.is_empty(), "the end comes early");
            let at = (self.received.get() % PATTERN as u64) as usize;
            let (first, rest) = chunk.split_at(chunk.len().min(PATTERN - at));
            assert!(TEXT[at..].starts_with(first) && TEXT.starts_with(rest));
            self.received.set(self.received.get() + chunk.len() as u64);
        }
        self.done_at.set(Some(clock.now()));
        Ok(())
    }
}

/// A run of some flows over one path.
pub struct Rivalry {
    sim: Sim,
    sender: Host,
    receiver: Host,
    bits_per_second: u64,
    flows: Vec<Flow>,
    last_start: Instant,
}

impl Rivalry {
    /// Flows without end over a bottleneck; nothing has happened yet.
    pub fn new(seed: u64, bottleneck: Bottleneck, rivals: &[Rival]) -> Rivalry {
        let mut rivalry = Rivalry::over(seed, bottleneck.link(), bottleneck.bits_per_second);
        for rival in rivals {
            rivalry.add(*rival, u64::MAX);
        }
        rivalry
    }

    /// A path, `link`'s from its first end to its second, without any flow so far. Shares are parts of
    /// so many bits a second.
    pub fn over(seed: u64, link: LinkConfig, bits_per_second: u64) -> Rivalry {
        let sim = Sim::new(seed);
        let sender = sim.host("sender", &["10.0.0.1/24"]);
        let receiver = sim.host("receiver", &["10.0.0.2/24"]);
        sim.connect(&sender, &receiver, link);
        Rivalry {
            sim,
            sender,
            receiver,
            bits_per_second,
            flows: Vec::new(),
            last_start: Instant::ZERO,
        }
    }

    /// A flow of so many octets. A connection that is not answered is tried again.
    pub fn add(&mut self, rival: Rival, octets: u64) -> Flow {
        let flow = Flow::default();
        let port = 1000 + self.flows.len() as u16;
        let to = SocketAddr::new(self.receiver.ip(), port);
        let (net, reading) = (self.receiver.net().clone(), flow.clone());
        let clock = self.sim.handle();
        self.sim.spawn(async move {
            let listener = TcpListener::bind(&net, to).await.expect("a free port");
            let (stream, _) = listener.accept().await.expect("a connection");
            let read = reading.read(&clock, &stream, octets).await;
            read.unwrap_or_else(|e| reading.give_up(&e));
        });
        let (net, writing) = (self.sender.net().clone(), flow.clone());
        let clock = self.sim.handle();
        let config = Config {
            congestion: rival.congestion,
            ..Config::default()
        };
        self.sim.spawn(async move {
            clock.sleep(rival.start).await;
            let connector = TcpConnector::new().config(config);
            let stream = loop {
                match connector.clone().connect(&net, to).await {
                    Ok(stream) => break stream,
                    Err(e) => writing.give_up(&e),
                }
            };
            let written = writing.write(&stream, octets).await;
            written.unwrap_or_else(|e| writing.give_up(&e));
        });
        self.last_start = self.last_start.max(Instant::ZERO + rival.start);
        self.flows.push(flow.clone());
        flow
    }

    /// The flows, in their order.
    pub fn flows(&self) -> &[Flow] {
        &self.flows
    }

    /// The simulation.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// The part of the path's rate that each flow got in so long a time from the start of the last:
    /// nothing of its beginning is left out.
    pub fn shares(&self, time: Duration) -> Vec<f64> {
        self.shares_between(self.last_start, self.last_start + time)
    }

    /// The part of the path's rate that each flow got from then till then.
    pub fn shares_between(&self, from: Instant, to: Instant) -> Vec<f64> {
        self.sim.run_until(from);
        let before: Vec<u64> = self.flows.iter().map(Flow::received).collect();
        self.sim.run_until(to);
        let whole = self.bits_per_second as f64 / 8.0 * to.since(from).as_secs_f64();
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
