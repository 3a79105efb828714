//! Two connections with random options and random applications on a faulty wire: every octet
//! arrives in order or the connection is reported dead, nothing is stuck, nothing spins, and the
//! same seed gives the same log.

use super::harness::*;
use crate::{
    Buffer, Config, Connection, ConnectionError, Ecn, KeepAlive, MtuProbing, Path, Readiness, State,
};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use handfast_base::{Duration, Instant, Rng};
use handfast_wire::SeqNumber;

/// What an application does, decided beforehand.
#[derive(Debug)]
struct App {
    data: Vec<u8>,
    sent: usize,
    /// Largest single write.
    chunk: usize,
    /// It writes with the urgent flag now and then.
    urgent: bool,
    /// How long it thinks before each read, at most; zero: never.
    sleeps: Duration,
    /// When it may read again.
    wakes: Option<Instant>,
    /// When it gives up, if it does.
    aborts: Option<Instant>,
    /// It closes as soon as the peer has been heard, and sends what fits until then.
    closes_at_once: bool,
    /// It changes options while the connection lives.
    tinkers: bool,
    /// It lets go of the connection when it closes.
    lets_go: bool,
    closed: bool,
    aborted: bool,
    /// What poll_readiness has said and was not acted on.
    ready: Readiness,
    at_end: bool,
    rng: Rng,
}

/// One run, decided by its seed.
struct Swarm {
    wire: Wire,
    apps: [App; 2],
    loss: f64,
    seed: u64,
}

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.below(from.len() as u64) as usize]
}

fn config(rng: &mut Rng) -> Config {
    let buffers = [1, 2, 7, 64, 100, 999, 1460, 5_000, 70_000, 300_000, 4 << 20];
    let wide = rng.chance(0.5);
    let size = |rng: &mut Rng| {
        let least: u32 = if wide { 300_000 } else { pick(rng, &buffers) };
        let most = least.saturating_mul(pick(rng, &[2, 64]));
        match rng.chance(0.4) {
            true => Buffer::Auto { least, most },
            false => Buffer::Fixed(least),
        }
    };
    Config {
        nodelay: rng.chance(0.5),
        delayed_ack: Duration::from_millis(pick(rng, &[0, 1, 40, 200, 490])),
        send_buffer: size(rng),
        receive_buffer: size(rng),
        notsent_lowat: pick(rng, &[None, None, None, Some(1_000), Some(20_000)]),
        mss: pick(
            rng,
            &[
                None,
                None,
                Some(1),
                Some(64),
                Some(536),
                Some(1000),
                Some(9000),
            ],
        ),
        timestamps: rng.chance(0.6),
        window_scaling: rng.chance(0.7),
        mtu_probing: pick(
            rng,
            &[
                MtuProbing::Off,
                MtuProbing::BlackHole,
                MtuProbing::BlackHole,
                MtuProbing::Always,
            ],
        ),
        base_mtu: pick(rng, &[0, 576, 1024, 1024, u16::MAX]),
        initial_window: pick(rng, &[1, 2, 10, 10]),
        ecn: pick(
            rng,
            &[
                Ecn::Off,
                Ecn::Passive,
                Ecn::On,
                Ecn::Accurate,
                Ecn::Accurate,
            ],
        ),
        rto_min: Duration::from_millis(pick(rng, &[0, 10, 200, 1000])),
        time_wait: Duration::from_secs(600),
        // Else one whose peer's reset was lost waits for ever, and rightly so.
        keep_alive: Some(KeepAlive {
            idle: Duration::from_secs(40),
            interval: Duration::from_secs(10),
            count: 12,
            garbage_octet: rng.chance(0.2),
        }),
        ..Config::default()
    }
}

impl Swarm {
    fn new(seed: u64) -> Swarm {
        let mut rng = Rng::new(seed);
        let now = Instant::from_secs(10);
        let simultaneous = rng.chance(0.1);
        let mtu = pick(&mut rng, &[68, 100, 576, 1500, 1500, 9000]);
        let host = |rng: &mut Rng, active: bool| {
            let config = Arc::new(config(rng));
            let path = Path {
                gso_max: pick(rng, &[0, 0, 3000, 65_535, 256 * 1024]),
                estimate: pick(rng, &[u32::MAX, u32::MAX, u32::MAX, 68, 600, 1400]),
                searching: rng.chance(0.5),
                ..Path::new(mtu, 20)
            };
            let iss = SeqNumber(pick(
                rng,
                &[0, 1000, u32::MAX, u32::MAX - 1, u32::MAX - 5000, 1 << 31],
            ));
            let end = if active {
                let offset = rng.next_u32();
                End::Open(Connection::open(config.clone(), path, iss, offset, now))
            } else {
                End::Listening
            };
            let mut host = Host::new(end, config, path, iss);
            host.deaf = true; // the application reads
            host
        };
        let hosts = [host(&mut rng, true), host(&mut rng, simultaneous)];
        let loss = pick(&mut rng, &[0.0, 0.0, 0.01, 0.05, 0.1, 0.2, 0.3]);
        let twice = pick(&mut rng, &[0.0, 0.01, 0.2]);
        let late = pick(&mut rng, &[0.0, 0.02, 0.3]);
        let marks = pick(&mut rng, &[0.0, 0.01, 0.1, 1.0]);
        let small = hosts.iter().any(|h| {
            h.config.receive_buffer.least() < 100
                || h.config.mss.is_some_and(|m| m < 64)
                || h.config.send_buffer.least() < 100
        }) || mtu < 200;
        let app = |rng: &mut Rng| {
            let most = if small { 400 } else { 120_000 };
            let size = pick(rng, &[0, 1, 100, most / 3, most]);
            let data = pattern(rng.below(size as u64 + 1) as usize, seed ^ 0xda7a);
            App {
                data,
                sent: 0,
                chunk: pick(rng, &[1, 50, 1460, 10_000, 1 << 20]),
                urgent: rng.chance(0.1),
                sleeps: Duration::from_millis(pick(rng, &[0, 0, 1, 300, 20_000])),
                wakes: None,
                aborts: rng
                    .chance(0.1)
                    .then(|| now + Duration::from_millis(rng.below(5_000))),
                closes_at_once: rng.chance(0.05),
                tinkers: rng.chance(0.1),
                lets_go: rng.chance(0.2),
                closed: false,
                aborted: false,
                ready: Readiness::all(),
                at_end: false,
                rng: rng.fork(),
            }
        };
        let apps = [app(&mut rng), app(&mut rng)];
        let mut wire = Wire::between(hosts, now);
        wire.delay = Duration::from_micros(pick(&mut rng, &[0, 10, 1_000, 20_000, 150_000]));
        wire.fault = Box::new(move |_, _, _| {
            let draws = (rng.chance(loss), rng.chance(twice), rng.chance(late));
            let mark = rng.chance(marks);
            match draws {
                (true, _, _) => Verdict::Drop,
                (_, true, _) => Verdict::Duplicate,
                (_, _, true) => Verdict::Late(rng.below(100_000)),
                _ if mark => Verdict::Mark,
                _ => Verdict::Pass,
            }
        });
        Swarm {
            wire,
            apps,
            loss,
            seed,
        }
    }

    /// Both applications do what they are woken for, and nothing else.
    fn act(&mut self) {
        for (host, app) in self.wire.hosts.iter_mut().zip(&mut self.apps) {
            let now = self.wire.now;
            let (End::Open(c) | End::Waiting(_, c) | End::Ended(c)) = &mut host.end else {
                continue;
            };
            app.ready |= c.poll_readiness();
            if app.aborts.is_some_and(|at| at <= now) && c.state() != State::Closed {
                app.aborts = None;
                app.aborted = true;
                c.abort();
            }
            if app.tinkers && app.rng.chance(0.05) {
                app.tinker(c);
                c.timeout(now); // the deadline is another one now
            }
            app.write(c, now);
            app.read(c, now, &mut host.received);
        }
        self.wire.flush();
    }

    fn next(&self) -> Option<Instant> {
        let wakes = self.apps.iter().flat_map(|a| [a.wakes, a.aborts]).flatten();
        let past = wakes.filter(|&at| at > self.wire.now);
        self.wire.next().into_iter().chain(past).min()
    }

    fn has_ended(&self) -> bool {
        let quiet = |(host, app): (&Host, &App)| match &host.end {
            End::Listening => true,
            End::Half(_) => false,
            End::Open(c) => c.state() == State::Closed && (app.at_end || app.aborted),
            End::Waiting(_, c) | End::Ended(c) => app.at_end || app.aborted || !c.has_unread(),
        };
        self.wire.hosts.iter().zip(&self.apps).all(quiet)
    }

    /// A measure of how far everything has got: whatever counts as progress changes it.
    fn progress(&self) -> (usize, usize, Vec<State>, usize) {
        let [a, b] = &self.wire.hosts;
        let states = self.wire.hosts.iter().map(Host::state).collect();
        let acked = self.apps.iter().map(|a| a.sent).sum();
        (a.received.len(), b.received.len(), states, acked)
    }

    fn run(mut self) -> Wire {
        // What may pass without progress: whatever the reader sleeps and keep-alive waits, and
        // with loss all that back-off allows.
        let patience = match self.loss {
            0.0 => 60,
            ..0.15 => 450,
            _ => 1500,
        };
        let mut last = self.progress();
        let mut since = self.wire.now;
        for _ in 0..2_000_000 {
            self.act();
            if self.has_ended() {
                self.check();
                return self.wire;
            }
            let Some(next) = self.next() else {
                panic!(
                    "seed {}: nothing will ever happen: {}",
                    self.seed,
                    self.describe()
                );
            };
            let progress = self.progress();
            if progress != last {
                (last, since) = (progress, self.wire.now);
            }
            assert!(
                next.since(since) < Duration::from_secs(patience),
                "seed {}: no progress since {since:?}: {}",
                self.seed,
                self.describe()
            );
            self.wire.go(next);
        }
        panic!("seed {}: too many events: {}", self.seed, self.describe());
    }

    fn check(&self) {
        let error = |i: usize| match &self.wire.hosts[i].end {
            End::Open(c) | End::Waiting(_, c) | End::Ended(c) => c.error(),
            _ => None,
        };
        let aborted = self.apps.iter().any(|a| a.aborted);
        let orphaned = self.apps.iter().any(|a| a.lets_go);
        for i in 0..2 {
            let (from, to) = (&self.apps[i], &self.wire.hosts[1 - i]);
            let wrong = from.data.iter().zip(&to.received).position(|(a, b)| a != b);
            assert!(
                wrong.is_none() && to.received.len() <= from.sent,
                "seed {}: host {i} was misheard at {wrong:?}: {}",
                self.seed,
                self.describe()
            );
            let clean = error(0).is_none() && error(1).is_none() && !aborted;
            let both = self
                .wire
                .hosts
                .iter()
                .all(|h| !matches!(h.end, End::Listening));
            if clean && both && !orphaned {
                assert_eq!(
                    to.received.len(),
                    from.sent,
                    "seed {}: host {i} was not heard to the end: {}",
                    self.seed,
                    self.describe()
                );
            }
            if !aborted && !orphaned && self.loss <= 0.05 {
                assert_eq!(error(i), None, "seed {}: {}", self.seed, self.describe());
            }
            if !aborted && !orphaned {
                let legal = matches!(
                    error(i),
                    None | Some(ConnectionError::TimedOut | ConnectionError::Reset)
                );
                assert!(legal, "seed {}: {}", self.seed, self.describe());
            }
        }
    }

    fn describe(&self) -> String {
        let mut out = alloc::format!("loss {} at {:?}\n", self.loss, self.wire.now);
        for (host, app) in self.wire.hosts.iter().zip(&self.apps) {
            out += &alloc::format!(
                "{:?} {:?} received {} sent {} of {}, closed {}, end {}, aborted {}, lets go {}, {:?}\n{:?}\n",
                host.state(),
                host.path,
                host.received.len(),
                app.sent,
                app.data.len(),
                app.closed,
                app.at_end,
                app.aborted,
                app.lets_go,
                app.ready,
                match &host.end {
                    End::Open(c) | End::Waiting(_, c) | End::Ended(c) =>
                        Some((&c.tcb, &c.timers, &c.config, c.error)),
                    _ => None,
                },
            );
        }
        let shown = std::env::var("SWARM_LOG").map_or(40, |n| n.parse().unwrap_or(40));
        let from = self.wire.log.len().saturating_sub(shown);
        for (at, who, h, len, why) in &self.wire.log[from..] {
            out += &alloc::format!(
                "{at:?} {who} {} seq={} ack={} len={len} win={} {why}\n",
                h.flags,
                h.seq,
                h.ack,
                h.window
            );
        }
        out
    }
}

impl App {
    fn write(&mut self, c: &mut Connection, now: Instant) {
        if self.closed
            || !self
                .ready
                .intersects(Readiness::WRITABLE | Readiness::CONNECTED)
        {
            return;
        }
        while self.sent < self.data.len() && !self.closes_at_once {
            let end = self.data.len().min(self.sent + self.chunk);
            let mut data = Bytes::copy_from_slice(&self.data[self.sent..end]);
            let urgent = self.urgent && self.rng.chance(0.1);
            let taken = if urgent {
                c.send_urgent(&mut data)
            } else {
                c.send(&mut data)
            };
            match taken {
                Ok(0) => {
                    self.ready -= Readiness::WRITABLE | Readiness::CONNECTED;
                    return;
                }
                Ok(n) => self.sent += n,
                Err(_) => {
                    self.closed = true;
                    return;
                }
            }
        }
        if c.state() == State::SynSent {
            return; // to close now would forget what is queued
        }
        if self.closes_at_once {
            let mut some = Bytes::copy_from_slice(&self.data);
            self.sent += c.send(&mut some).unwrap_or(0);
        }
        self.closed = true;
        if c.close(now).is_ok() && self.lets_go {
            c.orphan(now);
        }
    }

    fn tinker(&mut self, c: &mut Connection) {
        let (path, other) = (c.path(), config(&mut self.rng));
        match self.rng.below(6) {
            0 => c.configure(|k| k.nodelay = other.nodelay),
            1 => c.configure(|k| k.delayed_ack = other.delayed_ack),
            2 => c.configure(|k| k.receive_buffer = other.receive_buffer),
            3 => c.configure(|k| k.send_buffer = other.send_buffer),
            4 => c.configure(|k| k.keep_alive = other.keep_alive),
            // The wire does not mind; what was announced stays announced.
            _ => c.set_path(Path {
                mtu: 68.max(path.mtu / 2 + self.rng.below(u64::from(path.mtu)) as u32),
                ..path
            }),
        }
    }

    fn read(&mut self, c: &mut Connection, now: Instant, into: &mut Vec<u8>) {
        if !self.ready.intersects(Readiness::READABLE) || self.at_end {
            return;
        }
        match self.wakes {
            Some(at) if at > now => return,
            Some(_) => self.wakes = None,
            None if !self.sleeps.is_zero() && self.rng.chance(0.2) => {
                let most = self.sleeps.as_nanos() as u64;
                self.wakes = Some(now + Duration::from_nanos(self.rng.below(most) + 1));
                return;
            }
            None => {}
        }
        let most = 1 + self.rng.below(20_000) as usize;
        let mut read = 0;
        while let Some(bytes) = c.receive(most) {
            into.extend_from_slice(&bytes);
            c.release(bytes.len() as u32);
            read += bytes.len();
            if !self.sleeps.is_zero() && read > most {
                self.wakes = Some(now + Duration::from_millis(1));
                return;
            }
        }
        self.ready -= Readiness::READABLE;
        self.at_end = c.is_read_closed();
    }
}

/// One life from its seed, with the fast path or without.
pub(super) fn life(seed: u64, fast_path: bool) -> Wire {
    let mut swarm = Swarm::new(seed);
    for host in &mut swarm.wire.hosts {
        Arc::make_mut(&mut host.config).fast_path = fast_path;
        if let End::Open(c) = &mut host.end {
            Arc::make_mut(&mut c.config).fast_path = fast_path;
        }
    }
    swarm.run()
}

/// How many seeds to run, from where: `SWARM_SEEDS=first..last` for more, or for one again.
fn seeds() -> core::ops::Range<u64> {
    let wanted = std::env::var("SWARM_SEEDS").ok();
    let Some(text) = wanted else { return 0..6_000 };
    let (first, last) = text.split_once("..").unwrap_or((&text, ""));
    let first = first.parse().expect("SWARM_SEEDS=first..last");
    first..last.parse().unwrap_or(first + 1)
}

#[test]
fn every_octet_arrives_in_order_or_the_connection_is_reported_dead() {
    for seed in seeds() {
        Swarm::new(seed).run();
    }
}

#[test]
fn the_same_seed_gives_the_same_log() {
    for seed in 0..100 {
        let (a, b) = (Swarm::new(seed).run(), Swarm::new(seed).run());
        assert_eq!(a.log, b.log, "seed {seed}");
    }
}
