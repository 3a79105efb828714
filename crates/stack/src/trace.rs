use crate::{IfaceId, Stack};
use alloc::collections::VecDeque;
use core::net::{IpAddr, SocketAddr};
use handfast_base::Instant;
use handfast_tcp::{Decision, State};
use handfast_wire::tcp::{TcpFlags, TcpHeader};
use handfast_wire::{Discard, IpHeader, Packet, Protocol};

/// Something that happened inside the stack, for whoever draws or judges it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TraceEvent {
    /// A connection went from one state to another (RFC 9293, section 3.3.2). The passive open
    /// begins in LISTEN; the end of TIME-WAIT is CLOSED.
    State {
        /// When.
        at: Instant,
        /// Our end.
        local: SocketAddr,
        /// The other end.
        remote: SocketAddr,
        /// The state before.
        from: State,
        /// The state after.
        to: State,
    },
    /// A packet was thrown away.
    Discard {
        /// When.
        at: Instant,
        /// Where it arrived.
        iface: IfaceId,
        /// Why.
        reason: Discard,
        /// What it was, as far as that could be read.
        header: Option<ShortHeader>,
    },
    /// A connection decided something, or drew conclusions. Only with
    /// [`StackConfig::decisions`](crate::StackConfig::decisions).
    Decision {
        /// Our end.
        local: SocketAddr,
        /// The other end.
        remote: SocketAddr,
        /// When, and what.
        decision: Decision,
    },
}

/// Decisions that a connection keeps until they are told, which is after each input and output.
pub(crate) const DECISIONS: usize = 65_536;

impl Stack {
    /// Tells what a connection has decided since the last time.
    #[cold]
    pub(crate) fn tell_decisions(&mut self, index: u32) {
        let Some(socket) = self.table.connections.get_mut(index) else {
            return;
        };
        let tuple = socket.tuple.get();
        while let Some(decision) = socket.connection.poll_decision() {
            self.trace.push(|| TraceEvent::Decision {
                local: tuple.local,
                remote: tuple.remote,
                decision,
            });
        }
    }
}

/// What a reader needs to know a packet again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShortHeader {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// The protocol after IP.
    pub protocol: Protocol,
    /// The TCP header's gist, for TCP.
    pub tcp: Option<ShortTcp>,
    /// Octets of the whole packet.
    pub len: u32,
}

/// The gist of a TCP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShortTcp {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// SEG.SEQ.
    pub seq: u32,
    /// SEG.ACK.
    pub ack: u32,
    /// Control bits.
    pub flags: TcpFlags,
}

impl ShortHeader {
    /// What can be read of a packet.
    pub(crate) fn of(packet: &Packet) -> Option<ShortHeader> {
        let headers = packet.headers();
        let (ip, offset, _) = IpHeader::parse(headers, packet.len()).ok()?;
        let tcp = (ip.protocol == Protocol::TCP && ip.fragment.is_none())
            .then(|| TcpHeader::parse(headers.get(offset..)?).ok())
            .flatten();
        Some(ShortHeader::new(
            &ip,
            tcp.as_ref().map(|t| &t.0),
            packet.len(),
        ))
    }

    pub(crate) fn new(ip: &IpHeader, tcp: Option<&TcpHeader>, len: u32) -> ShortHeader {
        ShortHeader {
            source: ip.source,
            destination: ip.destination,
            protocol: ip.protocol,
            tcp: tcp.map(|t| ShortTcp {
                source_port: t.source_port,
                destination_port: t.destination_port,
                seq: t.seq.0,
                ack: t.ack.0,
                flags: t.flags,
            }),
            len,
        }
    }
}

/// A bounded queue of events. When it is full new ones are counted and lost, so that what is read
/// is a gapless beginning.
#[derive(Debug)]
pub(crate) struct Trace {
    events: VecDeque<TraceEvent>,
    capacity: usize,
    lost: u64,
}

impl Trace {
    pub(crate) fn new(capacity: usize) -> Trace {
        Trace {
            events: VecDeque::new(),
            capacity,
            lost: 0,
        }
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.capacity > 0
    }

    #[inline]
    pub(crate) fn push(&mut self, event: impl FnOnce() -> TraceEvent) {
        if self.events.len() < self.capacity {
            self.events.push_back(event());
        } else if self.is_on() {
            self.lost += 1;
        }
    }

    pub(crate) fn pop(&mut self) -> Option<TraceEvent> {
        self.events.pop_front()
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }
}
