//! Scenarios by chance.

use super::scenario::{Outage, Plan, Scenario, Shrinking};
use crate::LinkConfig;
use crate::transfer::{Close, Manners, Transfer};
use handfast::base::{Duration, Instant, Rng};
use handfast::congestion::Congestion;
use handfast::link::impaired::{Hop, Impairment, Queue, Rate, Reordering};
use handfast::stack::SynCookies;
use handfast::{Buffer, Config, Ecn, KeepAlive, MtuProbing, QuickAck};

/// Octets that one run moves at most.
const OCTETS: f64 = 6e6;

impl Scenario {
    /// The scenario of this seed.
    pub fn random(seed: u64) -> Scenario {
        // Other dice than the simulation's own, which has the same seed.
        let mut dice = Dice(Rng::new(seed ^ 0x5CE7_A210));
        let is_v6 = dice.chance(0.5);
        let hosts = if dice.chance(0.25) { 3 } else { 2 };
        let links: Vec<LinkConfig> = (0..if hosts == 3 { 3 } else { 1 })
            .map(|_| dice.link(is_v6))
            .collect();
        let count = match dice.below(20) {
            0..10 => 1,
            10..19 => dice.whole(2, 6),
            _ => dice.whole(8, 40),
        };
        let mut is_cut = false;
        let outages = match dice.below(20) {
            0 => {
                is_cut = true;
                vec![dice.outage(&links, None)]
            }
            1..3 => (0..dice.whole(1, 3))
                .map(|_| {
                    let time = dice.time(0.01, 30.0);
                    dice.outage(&links, Some(time))
                })
                .collect(),
            _ => Vec::new(),
        };
        let shrinkings = match dice.chance(0.1) {
            true => vec![dice.shrinking(&links, is_v6)],
            false => Vec::new(),
        };
        let memory = match dice.chance(0.05) {
            true => dice.log(300_000.0, 8e6) as usize,
            false => 256 << 20,
        };
        let segments = dice.log(200.0, 2500.0) / count as f64;
        let mut connections: Vec<Plan> = (0..count)
            .map(|_| dice.plan(hosts, is_v6, &links, segments, OCTETS / count as f64))
            .collect();
        if is_cut && dice.chance(0.5) {
            // Somebody who waits for long, too.
            connections[0].transfer.client.pause_limit = Duration::from_secs(600);
        }
        let mut scenario = Scenario {
            seed,
            is_v6,
            hosts,
            memory,
            links,
            outages,
            shrinkings,
            connections,
        };
        // Dice of their own, so that the rest of a seed's scenario stays what it was.
        Dice(Rng::new(seed ^ 0x0407_1280)).hops(&mut scenario);
        if scenario.is_memory_short() {
            // What was dropped for want of memory, no link can tell.
            let all = scenario.connections.iter_mut();
            all.for_each(|plan| plan.transfer.patience = None);
        }
        scenario
    }
}

struct Dice(Rng);

impl Dice {
    fn chance(&mut self, probability: f64) -> bool {
        self.0.chance(probability)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    fn whole(&mut self, least: u64, most: u64) -> u64 {
        least + self.0.below(most - least + 1)
    }

    /// From `least` to `most`, each order of magnitude as likely as the next.
    fn log(&mut self, least: f64, most: f64) -> f64 {
        least * (most / least).powf(self.0.unit())
    }

    /// So many seconds, likewise.
    fn time(&mut self, least: f64, most: f64) -> Duration {
        Duration::from_nanos((self.log(least, most) * 1e9) as u64)
    }

    /// One of these.
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.0.below(of.len() as u64) as usize]
    }

    // ---- links -------------------------------------------------------------------------------

    fn link(&mut self, is_v6: bool) -> LinkConfig {
        let least = if is_v6 { 1280 } else { 296 };
        let mtu = match self.below(10) {
            0..5 => 1500,
            5 => self.one(&[least, 1280]),
            6 => self.one(&[1492, 1400, 4352, 9000]),
            7 => 65_535,
            _ => self.log(f64::from(least), 9000.0) as u32,
        };
        let gso = match self.below(3) {
            0 => 0,
            1 => 65_535,
            _ => self.log(f64::from(mtu), 300_000.0) as u32,
        };
        // Often the same both ways, but for the seed.
        let up = self.impairment();
        let down = if self.chance(0.5) {
            up
        } else {
            self.impairment()
        };
        LinkConfig {
            up,
            down,
            mtu,
            gso,
            checksum: self.chance(0.5),
        }
    }

    fn impairment(&mut self) -> Impairment {
        let delay = match self.below(8) {
            0 => Duration::ZERO,
            1..4 => self.time(0.000_01, 0.005),
            4..7 => self.time(0.005, 0.1),
            _ => self.time(0.1, 0.7),
        };
        let jitter = match self.chance(0.5) {
            true => delay.mul_f64(self.0.unit() * 0.6),
            false => Duration::ZERO,
        };
        let rate = self.chance(0.5).then(|| {
            let bits_per_second = self.log(250e3, 1e9) as u64;
            let queue = match self.chance(0.5) {
                true => Queue::Packets(self.log(4.0, 1000.0) as u32),
                false => Queue::Octets(self.log(9e3, 1e6) as u64),
            };
            Rate {
                bits_per_second,
                queue,
            }
        });
        // Most paths do everything wrong, some this or that.
        let often = if self.chance(0.7) { 1.0 } else { 0.4 };
        let mut maybe = |often: f64, least, most| match self.chance(often) {
            true => self.log(least, most),
            false => 0.0,
        };
        let [loss, reorder, duplicate, corrupt] = [
            maybe(often, 0.002, 0.15),
            maybe(often, 0.002, 0.1),
            maybe(often, 0.002, 0.1),
            maybe(often, 0.002, 0.05),
        ];
        let burst = maybe(0.3, 1.0, 6.0);
        let reordering = match self.chance(0.3) {
            true => Reordering::Overtake,
            false => Reordering::HoldBack {
                packets: self.whole(0, 10) as u32,
                time: self.time(0.000_1, 0.1),
            },
        };
        Impairment {
            loss,
            burst,
            delay,
            jitter,
            rate,
            reorder,
            reordering,
            duplicate,
            corrupt,
            ecn_mark: self.chance(0.5).then(|| self.log(3e3, 1e5) as u64),
            hop: None,
        }
    }

    /// Hops that carry less than the link, some of them in silence.
    fn hops(&mut self, scenario: &mut Scenario) {
        let least = if scenario.is_v6 { 1280 } else { 552 };
        for link in &mut scenario.links {
            if link.mtu <= least || !self.chance(0.15) {
                continue;
            }
            let mut hop = |link: &LinkConfig| Hop {
                mtu: self.log(f64::from(least), f64::from(link.mtu)) as u32,
                tells: self.chance(0.5),
            };
            let (up, down) = (hop(link), hop(link));
            match self.below(3) {
                0 => link.up.hop = Some(up),
                1 => link.down.hop = Some(down),
                _ => (link.up.hop, link.down.hop) = (Some(up), Some(down)),
            }
        }
        for plan in &mut scenario.connections {
            for config in [&mut plan.client_config, &mut plan.server_config] {
                if self.chance(0.1) {
                    config.mtu_probing = MtuProbing::Always;
                }
            }
        }
    }

    fn outage(&mut self, links: &[LinkConfig], time: Option<Duration>) -> Outage {
        Outage {
            link: self.below(links.len() as u64) as usize,
            at: Instant::ZERO + self.time(0.01, 60.0),
            time,
        }
    }

    fn shrinking(&mut self, links: &[LinkConfig], is_v6: bool) -> Shrinking {
        let link = self.below(links.len() as u64) as usize;
        let (least, most) = (if is_v6 { 1280 } else { 296 }, links[link].mtu);
        Shrinking {
            link,
            at: Instant::ZERO + self.time(0.01, 30.0),
            mtu: self.log(f64::from(least.min(most)), f64::from(most)) as u32,
        }
    }

    // ---- connections -------------------------------------------------------------------------

    fn plan(
        &mut self,
        hosts: usize,
        is_v6: bool,
        links: &[LinkConfig],
        segments: f64,
        limit: f64,
    ) -> Plan {
        let client = self.below(hosts as u64) as usize;
        let server = (client + self.whole(1, hosts as u64 - 1) as usize) % hosts;
        let link = &links[Scenario::link_between(client, server)];
        let mss = f64::from(link.mtu - if is_v6 { 60 } else { 40 });
        let octets = (segments * mss).min(limit);
        let share = match self.below(4) {
            0 => 1.0,
            1 => 0.0,
            _ => self.0.unit(),
        };
        let (up, down) = ((octets * share) as u64, (octets * (1.0 - share)) as u64);
        let [client_close, server_close] = self.closes(up, down);
        let transfer = Transfer {
            seed: self.0.next_u64(),
            up,
            down,
            client: self.manners(up, down, client_close),
            server: self.manners(down, up, server_close),
            patience: Some(patience(link)),
        };
        let is_simultaneous = self.chance(0.05);
        Plan {
            client,
            server,
            at: Instant::ZERO + self.time(0.000_001, 5.0),
            is_simultaneous,
            fast_open: self.chance(0.2),
            // The ACK that completes a handshake of which the server kept nothing may be lost, and
            // then only what the client says can bring the connection about.
            syn_cookies: match up > 0 && self.chance(0.2) {
                true => SynCookies::Always,
                false => SynCookies::WhenFull,
            },
            backlog: self.one(&[1, 4, 1024, 1024]),
            accept_after: match self.chance(0.2) {
                true => self.time(0.001, 3.0),
                false => Duration::ZERO,
            },
            client_config: self.config(),
            server_config: self.config(),
            transfer,
        }
    }

    fn closes(&mut self, up: u64, down: u64) -> [Close; 2] {
        use Close::{Abort, AfterPeer, Leave, WhenWritten};
        let mut after = |octets: u64| self.below(octets + 1);
        let early = [
            Abort(after(down)),
            Leave(after(down)),
            Abort(after(up)),
            Leave(after(up)),
        ];
        match self.below(40) {
            0..12 => [WhenWritten, AfterPeer],
            12..24 => [AfterPeer, WhenWritten],
            24..38 => [WhenWritten, WhenWritten],
            38 => [early[self.below(2) as usize], WhenWritten],
            _ => [WhenWritten, early[2 + self.below(2) as usize]],
        }
    }

    fn manners(&mut self, to_write: u64, to_read: u64, close: Close) -> Manners {
        // Neither so small that each octet is a packet of its own.
        let mut sizes = |octets: u64| {
            let least = (octets as f64 / 2000.0).max(1.0);
            let most = self.log(least, least.max(200_000.0)) as usize;
            match self.chance(0.3) {
                true => most..=most,
                false => 1..=most * 2,
            }
        };
        let (write, read) = (sizes(to_write), sizes(to_read));
        let pause = match self.below(4) {
            0 => self.log(0.000_1, 0.1),
            _ => 0.0,
        };
        Manners {
            write,
            read,
            pause,
            pause_limit: self.time(0.001, 20.0),
            close,
        }
    }

    fn config(&mut self) -> Config {
        let mut buffer = || match self.chance(0.4) {
            true => Buffer::Fixed(self.log(1500.0, 300_000.0) as u32),
            false => Buffer::Auto {
                least: self.log(3000.0, 300_000.0) as u32,
                most: 4 << 20,
            },
        };
        let (send_buffer, receive_buffer) = (buffer(), buffer());
        Config {
            nodelay: self.chance(0.4),
            delayed_ack: match self.below(4) {
                0 => Duration::ZERO,
                1 => self.time(0.001, 0.45),
                _ => Duration::from_millis(40),
            },
            // So that an end whose peer has gone hears of it some day.
            keep_alive: Some(KeepAlive::default()),
            send_buffer,
            receive_buffer,
            mss: self.chance(0.1).then(|| self.log(88.0, 9000.0) as u16),
            time_wait: self.time(0.1, 120.0),
            timestamps: self.chance(0.7),
            window_scaling: self.chance(0.8),
            sack: self.chance(0.75),
            ecn: self.one(&[Ecn::Off, Ecn::Passive, Ecn::On, Ecn::Accurate]),
            congestion: match self.chance(0.1) {
                true => Congestion::DCTCP,
                false => self.one(&Congestion::NAMED),
            },
            cork: self.chance(0.05),
            quick_ack: self.one(&[QuickAck::Start, QuickAck::Always, QuickAck::Never]),
            notsent_lowat: self.chance(0.2).then(|| self.log(1.0, 100_000.0) as u32),
            fast_path: self.chance(0.8),
            initial_window: self.one(&[1, 2, 4, 10, 10, 10]),
            ..Config::default()
        }
    }
}

/// What the next octets may take when nothing is lost: an initial retransmission timeout, or
/// some round trips of a path whose queues are full.
fn patience(link: &LinkConfig) -> Duration {
    let trip: Duration = [link.up, link.down].iter().map(one_way).sum();
    Duration::from_secs(3) + trip * 6
}

fn one_way(of: &Impairment) -> Duration {
    let late = match of.reordering {
        Reordering::HoldBack { time, .. } if of.reorder > 0.0 => time * 2,
        _ => Duration::ZERO,
    };
    let queue = of.rate.map_or(Duration::ZERO, |rate| {
        let octets = match rate.queue {
            Queue::Packets(packets) => u64::from(packets) * 65_535,
            Queue::Octets(octets) => octets,
            _ => 0,
        };
        rate.serialization(u32::try_from(octets + 12 * 65_535).unwrap_or(u32::MAX))
    });
    of.delay + of.jitter + late + queue
}
