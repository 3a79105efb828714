//! What became of the program's connections, flows and pings: bounded, however many there are.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use handfast::TcpInfo;

/// How many connections are kept from the beginning, and how many from the end.
const KEPT: usize = 4_096;

/// Keeps what is told. A handle: clones share it.
#[derive(Clone)]
pub struct Ledger {
    began: Instant,
    inner: Arc<Mutex<Inner>>,
}

/// One TCP connection that is over, or still open at the end.
#[derive(Clone, Debug)]
pub struct ConnectionLine {
    /// Who opened it.
    pub opened: Opened,
    /// The program's end.
    pub program: SocketAddr,
    /// The other end, as the program knows it.
    pub destination: SocketAddr,
    /// The name by which the program had asked for that address.
    pub name: Option<String>,
    /// Octets from the program.
    pub octets_up: u64,
    /// Octets to the program.
    pub octets_down: u64,
    /// How long the destination took to answer; `None` if it did not.
    pub answered: Option<Duration>,
    /// From the SYN to the end.
    pub lasted: Duration,
    /// Our connection just before its end, if there was one.
    pub info: Option<TcpInfo>,
    /// How it ended.
    pub end: Ending,
}

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The program.
    ByProgram,
    /// Somebody who connected to a published port.
    Published,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Both sides closed in order.
    Closed,
    /// The program reset it.
    ProgramReset,
    /// The destination reset it.
    DestinationReset,
    /// It never came to be; why, in a few words.
    Refused(String),
    /// It broke off; why, in a few words.
    Failed(String),
    /// The program ended first.
    Open,
}

/// Sums over everything that was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// TCP connections that came to be.
    pub connections: u64,
    /// TCP connections that did not.
    pub refused: u64,
    /// TCP connections that broke off or were reset.
    pub broken: u64,
    /// Octets from the program over TCP.
    pub octets_up: u64,
    /// Octets to the program over TCP.
    pub octets_down: u64,
    /// Segments that our side sent again.
    pub retransmissions: u64,
    /// Timeouts of our side.
    pub timeouts: u64,
    /// UDP flows.
    pub udp_flows: u64,
    /// Datagrams from the program, and to it.
    pub datagrams: [u64; 2],
    /// Octets of those.
    pub datagram_octets: [u64; 2],
    /// Echo requests, and answers to them.
    pub pings: [u64; 2],
}

#[derive(Default)]
struct Inner {
    first: Vec<ConnectionLine>,
    last: VecDeque<ConnectionLine>,
    left_out: u64,
    totals: Totals,
}

/// What a [`Ledger`] holds.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Connections in the order of their end; where there are very many, without the middle.
    pub connections: Vec<ConnectionLine>,
    /// How many are missing from the middle.
    pub left_out: u64,
    /// Sums over all.
    pub totals: Totals,
}

impl Default for Ledger {
    fn default() -> Ledger {
        Ledger::new()
    }
}

impl Ledger {
    /// An empty one that begins now.
    pub fn new() -> Ledger {
        Ledger {
            began: Instant::now(),
            inner: Arc::default(),
        }
    }

    /// How long ago it began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// A connection is over.
    pub fn connection(&self, line: ConnectionLine) {
        let mut inner = self.lock();
        inner.totals.add(&line);
        inner.keep(line);
    }

    /// A UDP flow is over: datagrams and octets from the program and to it.
    pub fn udp_flow(&self, datagrams: [u64; 2], octets: [u64; 2]) {
        let totals = &mut self.lock().totals;
        totals.udp_flows += 1;
        for way in 0..2 {
            totals.datagrams[way] += datagrams[way];
            totals.datagram_octets[way] += octets[way];
        }
    }

    /// So many echo requests were passed on, and so many answers came.
    pub fn pings(&self, requests: u64, answers: u64) {
        let totals = &mut self.lock().totals;
        totals.pings[0] += requests;
        totals.pings[1] += answers;
    }

    /// The sums so far.
    pub fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// All that is kept.
    pub fn account(&self) -> Account {
        let inner = self.lock();
        Account {
            connections: inner.first.iter().chain(&inner.last).cloned().collect(),
            left_out: inner.left_out,
            totals: inner.totals,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn keep(&mut self, line: ConnectionLine) {
        if self.first.len() < KEPT {
            self.first.push(line);
            return;
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
            self.left_out += 1;
        }
        self.last.push_back(line);
    }
}

impl Account {
    /// Adds a connection that nobody told the ledger of.
    pub fn add(&mut self, line: ConnectionLine) {
        self.totals.add(&line);
        self.connections.push(line);
    }
}

impl Totals {
    fn add(&mut self, line: &ConnectionLine) {
        match line.end {
            Ending::Refused(_) => self.refused += 1,
            _ => self.connections += 1,
        }
        let broken = [Ending::ProgramReset, Ending::DestinationReset];
        self.broken +=
            u64::from(broken.contains(&line.end) || matches!(line.end, Ending::Failed(_)));
        self.octets_up += line.octets_up;
        self.octets_down += line.octets_down;
        if let Some(info) = &line.info {
            self.retransmissions += u64::from(info.retransmissions);
            self.timeouts += u64::from(info.timeouts);
        }
    }
}
