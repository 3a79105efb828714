//! Very many connections at once between two hosts, every octet compared at both ends.

use crate::transfer::{EndReport, Role, Transfer};
use crate::{Host, LinkConfig, Sim, Traffic};
use handfast::base::{Instant, Rng};
use handfast::stack::{StackConfig, Usage};
use handfast::{TcpConnector, TcpListener, TcpStream};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// How many, and what they do.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// Decides everything.
    pub seed: u64,
    /// Connections that are all open before the first octet is sent; at most 60,000.
    pub connections: u16,
    /// Octets that each sends each way.
    pub octets: RangeInclusive<u64>,
    /// The link.
    pub link: LinkConfig,
    /// Limits of both stacks.
    pub stack: StackConfig,
}

impl Default for Crowd {
    /// 10,000 connections with 32 to 96 KiB each way, over a link without delay that takes
    /// super-segments and leaves checksums out; stacks with their default limits.
    fn default() -> Crowd {
        Crowd {
            seed: 1,
            connections: 10_000,
            octets: 32 << 10..=96 << 10,
            link: LinkConfig {
                gso: 65_535,
                checksum: true,
                ..LinkConfig::default()
            },
            stack: StackConfig::default(),
        }
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct CrowdReport {
    /// Connections that were open at the same time.
    pub open: usize,
    /// Connections of which every octet came, both ways.
    pub delivered: usize,
    /// Octets that were read and compared, at both ends together.
    pub compared: u64,
    /// What client and server held when all were open and nothing was sent.
    pub idle: [Usage; 2],
    /// The most that client and server held of each at any time.
    pub peak: [Usage; 2],
    /// What client and server held at the very end.
    pub rest: [Usage; 2],
    /// What crossed the link.
    pub traffic: Traffic,
    /// When the last connection was forgotten.
    pub at: Instant,
    /// What went wrong.
    pub faults: Vec<String>,
}

/// The server's port.
const PORT: u16 = 80;
/// The clients' ports begin here.
const FIRST: u16 = 2000;

/// Opens all connections, lets each play its transfer when all are open, and waits until both
/// stacks have forgotten them.
pub fn run(crowd: &Crowd) -> CrowdReport {
    let sim = Sim::new(crowd.seed);
    let hosts = [("client", "10.0.0.1/24"), ("server", "10.0.0.2/24")];
    let hosts = hosts.map(|(name, ip)| sim.host_with(name, &[ip], crowd.stack.clone()));
    sim.connect(&hosts[0], &hosts[1], crowd.link);
    let count = usize::from(crowd.connections);
    let gate = Rc::new(Gate::new(2 * count));
    let ends: Rc<RefCell<Vec<EndReport>>> = Rc::default();
    let server_addr = SocketAddr::new(hosts[1].ip(), PORT);

    let listener = TcpListener::builder().backlog(count);
    let listener = listener
        .bind(hosts[1].net(), server_addr)
        .expect("a listener");
    let (handle, crowd_, gate_, ends_) = (sim.handle(), crowd.clone(), gate.clone(), ends.clone());
    let accepting = sim.spawn(async move {
        for _ in 0..count {
            let (stream, peer) = listener.accept().await?;
            let transfer = crowd_.transfer(peer.port());
            let (handle, gate, ends) = (handle.clone(), gate_.clone(), ends_.clone());
            let of = handle.clone();
            handle.spawn(async move {
                gate.pass().await;
                let end = transfer.run(Role::Server, &of, stream).await;
                ends.borrow_mut().push(end);
            });
        }
        io::Result::Ok(())
    });
    let connecting: Vec<_> = (FIRST..FIRST + crowd.connections)
        .map(|port| {
            let (handle, net) = (sim.handle(), hosts[0].net().clone());
            let (transfer, gate, ends) = (crowd.transfer(port), gate.clone(), ends.clone());
            let local = SocketAddr::new(hosts[0].ip(), port);
            sim.spawn(async move {
                let stream: TcpStream = TcpConnector::new()
                    .local(local)
                    .connect(&net, server_addr)
                    .await?;
                gate.pass().await;
                let end = transfer.run(Role::Client, &handle, stream).await;
                ends.borrow_mut().push(end);
                io::Result::Ok(())
            })
        })
        .collect();
    let (hosts_, gate_) = (hosts.clone(), gate.clone());
    let observing = sim.spawn(async move {
        gate_.filled().await;
        let idle = hosts_.map(|host| usage(&host));
        gate_.open();
        idle
    });

    let mut faults = Vec::new();
    if let Err(stuck) = sim.run() {
        // Ten thousand stuck tasks tell no more than the first ones.
        let stuck = stuck.to_string();
        let lines: Vec<&str> = stuck.lines().take(10).collect();
        faults.push(lines.join("\n"));
    } else if !sim.run_to_rest() {
        faults.push("the network comes to no rest".into());
    }
    let failed = connecting.iter().filter_map(|task| task.take()?.err());
    faults.extend(failed.take(10).map(|e| format!("no connection: {e}")));
    faults.extend(
        accepting
            .take()
            .and_then(Result::err)
            .map(|e| e.to_string()),
    );
    let ends = ends.take();
    let wrong = ends.iter().filter(|end| !end.is_complete());
    faults.extend(wrong.take(10).map(EndReport::to_string));
    let rest = hosts.each_ref().map(usage);
    CrowdReport {
        open: gate.arrived.get() / 2,
        delivered: ends.iter().filter(|end| end.is_complete()).count() / 2,
        compared: ends.iter().map(|end| end.read).sum(),
        idle: observing.take().unwrap_or(rest),
        peak: hosts.each_ref().map(Host::peak_usage),
        rest,
        traffic: sim.traffic(),
        at: sim.now(),
        faults,
    }
}

impl Crowd {
    /// The transfer of the client at this port, which both ends know.
    fn transfer(&self, port: u16) -> Transfer {
        let mut dice = Rng::new(self.seed << 16 | u64::from(port));
        let (least, most) = (*self.octets.start(), *self.octets.end());
        let mut octets = || least + dice.below(most - least + 1);
        let (up, down) = (octets(), octets());
        Transfer::new(dice.next_u64(), up, down)
    }
}

impl CrowdReport {
    /// Whether every octet came, and nothing is left.
    pub fn is_good(&self) -> bool {
        self.faults.is_empty()
            && self
                .rest
                .iter()
                .all(|u| u.memory == 0 && u.connections == 0)
    }
}

impl fmt::Display for CrowdReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "open at once          {}", self.open)?;
        writeln!(f, "every octet came      {}", self.delivered)?;
        writeln!(f, "octets compared       {}", self.compared)?;
        writeln!(f, "packets               {}", self.traffic.packets)?;
        writeln!(f, "virtual time          {:?}", self.at)?;
        for (name, [idle, peak, rest]) in [
            ("client", [self.idle[0], self.peak[0], self.rest[0]]),
            ("server", [self.idle[1], self.peak[1], self.rest[1]]),
        ] {
            writeln!(f, "{name}, octets held")?;
            let each = idle.memory / idle.connections.max(1);
            writeln!(
                f,
                "  all idle            {} ({each} a connection)",
                idle.memory
            )?;
            writeln!(
                f,
                "  at most             {} of {}",
                peak.memory, peak.memory_limit
            )?;
            writeln!(
                f,
                "  at the end          {} ({} connections, {} in TIME-WAIT)",
                rest.memory, rest.connections, rest.time_wait
            )?;
        }
        for fault in &self.faults {
            writeln!(f, "FAULT: {fault}")?;
        }
        write!(f, "{}", if self.is_good() { "good" } else { "NOT GOOD" })
    }
}

fn usage(host: &Host) -> Usage {
    host.net().engine().inspect(|stack| stack.usage())
}

/// Where tasks wait until all are there and somebody opens.
struct Gate {
    expected: usize,
    arrived: Cell<usize>,
    is_open: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
    keeper: RefCell<Option<Waker>>,
}

impl Gate {
    fn new(expected: usize) -> Gate {
        Gate {
            expected,
            arrived: Cell::new(0),
            is_open: Cell::new(false),
            waiting: RefCell::default(),
            keeper: RefCell::default(),
        }
    }

    async fn pass(&self) {
        self.arrived.set(self.arrived.get() + 1);
        if self.arrived.get() == self.expected {
            self.keeper.take().into_iter().for_each(Waker::wake);
        }
        poll_fn(|cx| {
            if self.is_open.get() {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    async fn filled(&self) {
        poll_fn(|cx| {
            if self.arrived.get() == self.expected {
                return Poll::Ready(());
            }
            *self.keeper.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn open(&self) {
        self.is_open.set(true);
        self.waiting.take().into_iter().for_each(Waker::wake);
    }
}
