//! One destination of one endpoint: who may answer, for how long, and how much was said.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::Instant;

/// A flow that nobody has answered (RFC 4787, REQ-5: no less than two minutes).
const UNANSWERED: Duration = Duration::from_secs(120);
/// A flow that goes both ways (RFC 4787, REQ-5 c).
const ANSWERED: Duration = Duration::from_secs(300);
/// A flow whose one question is answered (RFC 4787, REQ-5 a).
const DNS_ANSWERED: Duration = Duration::from_secs(10);
const DNS: u16 = 53;

/// What a flow came to.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct UdpReport {
    /// The program's endpoint.
    pub program: SocketAddr,
    /// Its peer, as the program sees it.
    pub destination: SocketAddr,
    /// The name by which it was asked for.
    pub name: Option<String>,
    /// Whether the peer began, at a published port.
    pub is_published: bool,
    /// Datagrams from the program.
    pub datagrams_up: u64,
    /// Datagrams to the program.
    pub datagrams_down: u64,
    /// Octets of data from the program.
    pub octets_up: u64,
    /// Octets of data to the program.
    pub octets_down: u64,
    /// From the first datagram to the last.
    pub lasted: Duration,
    /// Why it ended.
    pub end: FlowEnd,
}

/// Why a flow ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum FlowEnd {
    /// Nothing was said for long enough.
    Idle,
    /// It was idle for longest, and its place was needed.
    Evicted,
    /// The relay ended.
    Stopped,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Direction {
    Up,
    Down,
}

#[derive(Debug)]
pub(super) struct Flow {
    /// The peer's address on the machine's side.
    pub(super) outside: SocketAddr,
    pub(super) is_published: bool,
    began: Instant,
    pub(super) last: Instant,
    datagrams: [u64; 2],
    octets: [u64; 2],
}

impl Flow {
    pub(super) fn new(outside: SocketAddr, is_published: bool, now: Instant) -> Flow {
        Flow {
            outside,
            is_published,
            began: now,
            last: now,
            datagrams: [0; 2],
            octets: [0; 2],
        }
    }

    pub(super) fn count(&mut self, way: Direction, datagrams: u64, octets: u64, now: Instant) {
        self.last = now;
        self.datagrams[way as usize] += datagrams;
        self.octets[way as usize] += octets;
    }

    /// When it is over if nothing more is said.
    pub(super) fn expires(&self) -> Instant {
        let is_answered = self.datagrams.iter().all(|count| *count > 0);
        self.last
            + match is_answered {
                false => UNANSWERED,
                true if self.outside.port() == DNS && !self.is_published => DNS_ANSWERED,
                true => ANSWERED,
            }
    }

    pub(super) fn report(
        &self,
        program: SocketAddr,
        destination: SocketAddr,
        name: Option<String>,
        end: FlowEnd,
    ) -> UdpReport {
        UdpReport {
            program,
            destination,
            name,
            is_published: self.is_published,
            datagrams_up: self.datagrams[Direction::Up as usize],
            datagrams_down: self.datagrams[Direction::Down as usize],
            octets_up: self.octets[Direction::Up as usize],
            octets_down: self.octets[Direction::Down as usize],
            lasted: self.last - self.began,
            end,
        }
    }
}
