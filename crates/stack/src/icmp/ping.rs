use super::input::IcmpEvent;
use alloc::collections::{BTreeMap, VecDeque};
use core::net::IpAddr;
use handfast_base::{Duration, Instant};
use handfast_wire::icmp::{Echo, Icmpv4, Icmpv6, QuotedTransport};
use handfast_wire::{IpHeader, Packet, SendReason};

/// Requests that may be unanswered; the oldest is forgotten when there are more.
const OUTSTANDING: usize = 256;

/// Echo requests to one host: numbers them, and knows which reply belongs to which.
#[derive(Clone, Debug)]
pub struct Ping {
    remote: IpAddr,
    identifier: u16,
    next_sequence: u16,
    outstanding: VecDeque<(u16, Instant)>,
}

impl Ping {
    /// Requests to `remote` with an identifier from [`Identifiers`].
    pub fn new(remote: IpAddr, identifier: u16) -> Ping {
        Ping {
            remote,
            identifier,
            next_sequence: 0,
            outstanding: VecDeque::new(),
        }
    }

    /// Whom the requests go to.
    pub fn remote(&self) -> IpAddr {
        self.remote
    }

    /// What tells its replies from those to others.
    pub fn identifier(&self) -> u16 {
        self.identifier
    }

    /// What to put into the request that leaves `now`.
    pub fn request(&mut self, now: Instant) -> Echo {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.wrapping_add(1);
        if self.outstanding.len() == OUTSTANDING {
            self.outstanding.pop_front();
        }
        self.outstanding.push_back((sequence, now));
        Echo {
            identifier: self.identifier,
            sequence,
        }
    }

    /// The time since the request that this reply answers; `None` if it answers none, or one that
    /// was answered before.
    pub fn on_reply(&mut self, source: IpAddr, echo: Echo, now: Instant) -> Option<Duration> {
        if source != self.remote || echo.identifier != self.identifier {
            return None;
        }
        let sent = self.take(echo.sequence)?;
        Some(now.since(sent))
    }

    /// The sequence number of the request that an ICMP error is about; `None` if it is about none
    /// that waits for an answer. The request stops waiting.
    pub fn on_error(&mut self, event: &IcmpEvent) -> Option<u16> {
        let QuotedTransport::Echo(echo) = event.quote.transport else {
            return None;
        };
        if event.quote.destination != self.remote || echo.identifier != self.identifier {
            return None;
        }
        self.take(echo.sequence)?;
        Some(echo.sequence)
    }

    fn take(&mut self, sequence: u16) -> Option<Instant> {
        let at = self.outstanding.iter().position(|(s, _)| *s == sequence)?;
        self.outstanding.remove(at).map(|(_, sent)| sent)
    }
}

/// Who has which echo identifier. An owner is the caller's number for it.
#[derive(Clone, Debug, Default)]
pub struct Identifiers(BTreeMap<u16, u32>);

impl Identifiers {
    /// None taken.
    pub const fn new() -> Identifiers {
        Identifiers(BTreeMap::new())
    }

    /// Takes a free identifier for `owner`, near a random one; `None` when all are taken.
    pub fn allocate(&mut self, owner: u32, random: u16) -> Option<u16> {
        // Goes around at most once, and past as many as are taken.
        let free = (0..=u16::MAX)
            .map(|step| random.wrapping_add(step))
            .find(|identifier| !self.0.contains_key(identifier))?;
        self.0.insert(free, owner);
        Some(free)
    }

    /// Who has the identifier.
    pub fn owner(&self, identifier: u16) -> Option<u32> {
        self.0.get(&identifier).copied()
    }

    /// Gives an identifier back.
    pub fn release(&mut self, identifier: u16) {
        self.0.remove(&identifier);
    }
}

/// Writes an echo request into `out`, whose payload is the data to be returned; `ip` names source,
/// destination and hop limit. False, with the head empty, when these are of different families.
pub fn write_echo_request(ip: &IpHeader, echo: Echo, out: &mut Packet) -> bool {
    out.reason = SendReason::Datagram;
    match ip.destination {
        IpAddr::V4(_) => out.write_icmpv4(ip, &Icmpv4::EchoRequest(echo)),
        IpAddr::V6(_) => out.write_icmpv6(ip, &Icmpv6::EchoRequest(echo)),
    }
}
