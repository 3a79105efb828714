//! Sockets for ICMP echo.

use crate::icmp::{Ping, write_echo_request};
use crate::interface::Addressee;
use crate::receive::Arrived;
use crate::tuple::endpoint;
use crate::{ConnectError, SocketId, SocketKind, Stack};
use alloc::collections::VecDeque;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use handfast_base::{Duration, Instant};
use handfast_tcp::{IcmpError, Readiness};
use handfast_wire::icmp::{Echo, HEADER_LEN};
use handfast_wire::{Discard, IpHeader, Packet, Payload, Protocol};

/// Events that may wait unread on one socket.
const WAITING: usize = 64;
/// What a socket counts against the memory.
const COST: usize = 4096;

/// What came of an echo request.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PingEvent {
    /// It was answered.
    Reply {
        /// Which one.
        sequence: u16,
        /// After what time.
        round_trip: Duration,
        /// Hop limit, or time to live, left when it arrived.
        hop_limit: u8,
        /// What came back.
        payload: Payload,
    },
    /// It was not, and this is why.
    Error {
        /// Which one.
        sequence: u16,
        /// Who says so.
        reporter: IpAddr,
        /// What it says.
        error: IcmpError,
    },
}

/// Why an echo request was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum PingError {
    /// The socket was closed.
    Closed,
    /// Too much waits to leave; try again after the next
    /// [`poll_transmit`](Stack::poll_transmit).
    WouldBlock,
    /// No route to the destination.
    NoRoute,
    /// It does not fit the way there.
    TooBig {
        /// Octets of data that would.
        max: u32,
    },
}

impl fmt::Display for PingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PingError::Closed => "socket closed",
            PingError::WouldBlock => "too much waits to leave",
            PingError::NoRoute => "no route to the destination",
            PingError::TooBig { max } => return write!(f, "longer than the {max} octets that fit"),
        })
    }
}

impl core::error::Error for PingError {}

#[derive(Debug)]
pub(crate) struct PingSocket {
    ping: Ping,
    local: IpAddr,
    remote: SocketAddr,
    hop_limit: u8,
    waiting: VecDeque<PingEvent>,
    pub(crate) events: Readiness,
}

impl Stack {
    /// A socket for echo requests to one host; `zone` is the interface of a link-local address,
    /// else 0.
    ///
    /// # Errors
    /// [`ConnectError::NoRoute`], [`ConnectError::NoPorts`] when all identifiers are taken,
    /// [`ConnectError::NoMemory`].
    pub fn ping_open(&mut self, remote: IpAddr, zone: u32) -> Result<SocketId, ConnectError> {
        let to = endpoint(remote, 0, zone);
        let local = self.network.source_for(to).ok_or(ConnectError::NoRoute)?;
        if self.budget.is_tight(COST) {
            return Err(ConnectError::NoMemory);
        }
        let random = self.random() as u16;
        let index = self.pings.insert(PingSocket {
            ping: Ping::new(remote, 0),
            local,
            remote: to,
            hop_limit: self.config.hop_limit,
            waiting: VecDeque::new(),
            events: Readiness::empty(),
        });
        let identifier = self.ping_identifiers.allocate(index, random);
        let (Some(identifier), Some(socket)) = (identifier, self.pings.get_mut(index)) else {
            self.pings.remove(index);
            return Err(ConnectError::NoPorts);
        };
        socket.ping = Ping::new(remote, identifier);
        self.budget.charge(COST);
        Ok(self.ping_id(index))
    }

    /// Hop limit (time to live) of the requests sent from now on; 0 is taken as 1. False when the
    /// socket was closed.
    pub fn ping_set_hop_limit(&mut self, id: SocketId, hop_limit: u8) -> bool {
        let index = self.ping_index(id);
        let socket = index.and_then(|index| self.pings.get_mut(index));
        socket.map(|s| s.hop_limit = hop_limit.max(1)).is_some()
    }

    /// Sends an echo request with this data; returns its sequence number.
    ///
    /// # Errors
    /// A [`PingError`]; nothing is sent then.
    pub fn ping_send(
        &mut self,
        id: SocketId,
        payload: Payload,
        now: Instant,
    ) -> Result<u16, PingError> {
        let index = self.ping_index(id).ok_or(PingError::Closed)?;
        let socket = self.pings.get_mut(index).ok_or(PingError::Closed)?;
        let iface = self.network.egress(socket.remote);
        let iface = iface.ok_or(PingError::NoRoute)?;
        let protocol = match socket.local {
            IpAddr::V4(_) => Protocol::ICMP,
            IpAddr::V6(_) => Protocol::ICMPV6,
        };
        let mut ip = IpHeader::new(socket.local, socket.remote.ip(), protocol);
        ip.hop_limit = socket.hop_limit;
        let mtu = self.network.datagram_mtu(iface, socket.remote.ip(), now);
        let max = mtu.saturating_sub((ip.header_len() + HEADER_LEN) as u32);
        if payload.len() > max {
            return Err(PingError::TooBig { max });
        }
        let out = self.network.interfaces.get_mut(iface);
        let out = out.ok_or(PingError::NoRoute)?;
        let packet = out.answers.push_slot().ok_or(PingError::WouldBlock)?;
        let echo = socket.ping.request(now);
        packet.payload = payload;
        write_echo_request(&ip, echo, packet);
        Ok(echo.sequence)
    }

    /// Takes the oldest event out.
    pub fn ping_receive(&mut self, id: SocketId) -> Option<PingEvent> {
        let index = self.ping_index(id)?;
        self.pings.get_mut(index)?.waiting.pop_front()
    }

    /// Ends a socket. False when it was closed before.
    pub fn ping_close(&mut self, id: SocketId) -> bool {
        let index = self.ping_index(id);
        let Some(socket) = index.and_then(|index| self.pings.remove(index)) else {
            return false;
        };
        self.ping_identifiers.release(socket.ping.identifier());
        self.budget.refund(COST);
        true
    }

    pub(crate) fn echo_reply_input(
        &mut self,
        arrived: &Arrived,
        echo: Echo,
        packet: &mut Packet,
        now: Instant,
    ) -> Result<(), Discard> {
        if arrived.addressee != Addressee::Us {
            return Err(Discard::IpDestination);
        }
        let index = self.ping_identifiers.owner(echo.identifier);
        let index = index.ok_or(Discard::IcmpType)?;
        let socket = self.pings.get_mut(index).ok_or(Discard::IcmpType)?;
        let round_trip = socket.ping.on_reply(arrived.ip.source, echo, now);
        let round_trip = round_trip.ok_or(Discard::IcmpType)?;
        let start = (arrived.transport + HEADER_LEN) as u32;
        let event = PingEvent::Reply {
            sequence: echo.sequence,
            round_trip,
            hop_limit: arrived.ip.hop_limit,
            payload: packet.take_payload(start, arrived.end),
        };
        self.tell_ping(index, event)
    }

    pub(crate) fn ping_error(
        &mut self,
        event: &crate::icmp::IcmpEvent,
        echo: Echo,
    ) -> Result<(), Discard> {
        let index = self.ping_identifiers.owner(echo.identifier);
        let index = index.ok_or(Discard::IcmpQuote)?;
        let socket = self.pings.get_mut(index).ok_or(Discard::IcmpQuote)?;
        let sequence = socket.ping.on_error(event).ok_or(Discard::IcmpQuote)?;
        let event = PingEvent::Error {
            sequence,
            reporter: event.reporter,
            error: event.error,
        };
        self.tell_ping(index, event)
    }

    fn tell_ping(&mut self, index: u32, event: PingEvent) -> Result<(), Discard> {
        let id = self.ping_id(index);
        let socket = self.pings.get_mut(index).ok_or(Discard::IcmpType)?;
        if socket.waiting.len() >= WAITING {
            return Err(Discard::UdpQueueFull);
        }
        socket.waiting.push_back(event);
        if socket.events.is_empty() {
            self.ready.push_back(id);
        }
        socket.events |= Readiness::READABLE;
        Ok(())
    }

    fn ping_id(&self, index: u32) -> SocketId {
        SocketId {
            kind: SocketKind::Ping,
            index,
            generation: self.pings.generation(index),
        }
    }

    fn ping_index(&self, id: SocketId) -> Option<u32> {
        (id.kind == SocketKind::Ping && self.pings.is_live(id.index, id.generation))
            .then_some(id.index)
    }
}
