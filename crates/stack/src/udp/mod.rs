//! UDP sockets (RFC 768; RFC 1122, section 4.1; RFC 8085).
//!
//! [`UdpTable`] holds the sockets of one stack. It finds whom a datagram is for, keeps what is to
//! be read and what is to be sent, and knows nothing of routes: who calls it says how a
//! destination is reached.

mod bind;
mod demux;
mod error;
mod multicast;
mod receive;
mod send;
mod socket;
#[cfg(test)]
mod tests;

pub use error::UdpError;
pub use receive::{Arrival, Datagram};
pub use send::{Egress, Outbound, Queued, Wanted};
pub use socket::{UdpFamily, UdpOptions};

use crate::IfaceId;
use crate::ports::Ports;
use crate::slots::Slots;
use crate::socket_id::{SocketId, SocketKind};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::net::{IpAddr, SocketAddr};
use demux::Demux;
use handfast_base::Instant;
use handfast_tcp::{IcmpError, NetError, Readiness};
use handfast_wire::icmp::QuotedTransport;
use socket::Socket;

use crate::icmp::IcmpEvent;
use crate::tuple::endpoint;

/// What a destination address is to the interface it is sent by or arrived on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cast {
    /// One host.
    Unicast,
    /// All hosts of a link.
    Broadcast,
    /// A group.
    Multicast,
}

/// All UDP sockets of a stack.
///
/// Calls name a socket by its [`SocketId`]; one that was closed is refused with
/// [`UdpError::Closed`].
#[derive(Debug)]
pub struct UdpTable {
    sockets: Slots<Socket>,
    demux: Demux,
    /// Every bound socket by its port.
    by_port: BTreeSet<(u16, u32)>,
    /// `None`: the configured range is empty.
    ports: Option<Ports>,
    /// How many sockets have joined a group on an interface.
    memberships: BTreeMap<(IfaceId, IpAddr), u32>,
    /// Sockets with events, each once.
    ready: VecDeque<SocketId>,
    /// Octets held, bookkeeping included.
    memory: usize,
}

impl UdpTable {
    /// No sockets. `key` is secret; `ports` are for sockets that name none.
    pub fn new(key: &[u8; 16], ports: Option<Ports>) -> UdpTable {
        UdpTable {
            sockets: Slots::new(),
            demux: Demux::new(key),
            by_port: BTreeSet::new(),
            ports,
            memberships: BTreeMap::new(),
            ready: VecDeque::new(),
            memory: 0,
        }
    }

    /// A new socket, neither bound nor connected.
    pub fn open(&mut self, family: UdpFamily, options: UdpOptions) -> SocketId {
        let index = self.sockets.insert(Socket::new(family, options));
        self.id(index)
    }

    /// Ends a socket. What it was told to send is still sent; its port is free at once. False if
    /// it was closed before.
    pub fn close(&mut self, id: SocketId) -> bool {
        let Ok(index) = self.index(id) else {
            return false;
        };
        self.unbind(index);
        self.leave_all(index);
        let Some(socket) = self.sockets.get_mut(index) else {
            return false;
        };
        self.memory -= socket.forget_received();
        if socket.has_output() {
            socket.is_closing = true;
            self.sockets.revoke(index);
        } else {
            self.sockets.remove(index);
        }
        true
    }

    /// Number of sockets, closed ones that have something left to send included.
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Octets held for applications and peers, bookkeeping included.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// The local address and port: the unspecified address while it is bound to any, port 0 while
    /// it is bound to none.
    ///
    /// # Errors
    /// [`UdpError::Closed`].
    pub fn local(&self, id: SocketId) -> Result<SocketAddr, UdpError> {
        let socket = self.socket(id)?;
        let address = socket.local.unwrap_or(socket.family.unspecified());
        let zone = socket.iface.map_or(0, |i| i.0);
        Ok(endpoint(address, socket.port, zone))
    }

    /// The peer it is connected to.
    ///
    /// # Errors
    /// [`UdpError::Closed`].
    pub fn remote(&self, id: SocketId) -> Result<Option<SocketAddr>, UdpError> {
        Ok(self.socket(id)?.remote)
    }

    /// The options.
    ///
    /// # Errors
    /// [`UdpError::Closed`].
    pub fn options(&self, id: SocketId) -> Result<&UdpOptions, UdpError> {
        Ok(&self.socket(id)?.options)
    }

    /// The options, to be changed. [`UdpOptions::reuse`] acts when the socket is bound, the
    /// others on the next datagram.
    ///
    /// # Errors
    /// [`UdpError::Closed`].
    pub fn options_mut(&mut self, id: SocketId) -> Result<&mut UdpOptions, UdpError> {
        let index = self.index(id)?;
        let socket = self.sockets.get_mut(index).ok_or(UdpError::Closed)?;
        Ok(&mut socket.options)
    }

    /// Datagrams lost because the receive queue was full.
    ///
    /// # Errors
    /// [`UdpError::Closed`].
    pub fn dropped(&self, id: SocketId) -> Result<u64, UdpError> {
        Ok(self.socket(id)?.dropped)
    }

    /// What a call would find now: [`Readiness::READABLE`] exactly when
    /// [`receive`](UdpTable::receive) and [`peek`](UdpTable::peek) would not say
    /// [`UdpError::WouldBlock`], [`Readiness::WRITABLE`] when [`send`](UdpTable::send) would not,
    /// [`Readiness::ERROR`] when [`take_error`](UdpTable::take_error) has something.
    ///
    /// # Errors
    /// [`UdpError::Closed`].
    pub fn readiness(&self, id: SocketId) -> Result<Readiness, UdpError> {
        Ok(self.socket(id)?.readiness())
    }

    /// What has happened on a socket since it was asked last; each socket once, in the order of
    /// the first event.
    pub fn pop_ready(&mut self) -> Option<(SocketId, Readiness)> {
        loop {
            let id = self.ready.pop_front()?;
            if let Ok(index) = self.index(id)
                && let Some(socket) = self.sockets.get_mut(index)
            {
                let events = core::mem::take(&mut socket.events);
                return Some((id, events));
            }
        }
    }

    /// Takes the oldest error nobody was told of: whom it is about, if it is not the connected
    /// peer alone, and what it is.
    ///
    /// # Errors
    /// [`UdpError::Closed`].
    pub fn take_error(
        &mut self,
        id: SocketId,
    ) -> Result<Option<(Option<SocketAddr>, UdpError)>, UdpError> {
        let index = self.index(id)?;
        let socket = self.sockets.get_mut(index).ok_or(UdpError::Closed)?;
        if let Some(error) = socket.pending.take() {
            return Ok(Some((None, error)));
        }
        let noted = socket.noted.take();
        Ok(noted.map(|(about, why)| (Some(about), UdpError::Unreachable(why))))
    }

    /// An ICMP error about a datagram that we are said to have sent; `zone` is the interface it
    /// came in by. True if some socket did send there lately: the error is believed, and a smaller
    /// path MTU may be remembered.
    ///
    /// A connected socket's next call fails with a hard error. Soft errors, and those about what
    /// an unconnected socket sent, fail no call: they are there for
    /// [`take_error`](UdpTable::take_error).
    pub fn on_icmp_error(&mut self, event: &IcmpEvent, zone: IfaceId, now: Instant) -> bool {
        let quote = &event.quote;
        let QuotedTransport::Udp {
            source_port,
            destination_port,
        } = quote.transport
        else {
            return false;
        };
        let remote = endpoint(quote.destination, destination_port, zone.0);
        let mut believed = false;
        for index in self.with_port(source_port) {
            let Some(socket) = self.sockets.get_mut(index) else {
                continue;
            };
            let is_connected = socket.remote == Some(remote);
            let has_sent = is_connected || socket.sent_lately(remote, now);
            if !socket.is_at(quote.source) || !has_sent {
                continue;
            }
            believed = true;
            match event.error {
                IcmpError::Hard(why) if is_connected => {
                    socket.pending = Some(UdpError::Unreachable(why));
                    self.signal(index, Readiness::all_errors());
                }
                IcmpError::Hard(why) | IcmpError::Soft(why) => {
                    socket.noted = Some((remote, why));
                    self.signal(index, Readiness::ERROR);
                }
                // The next send that is too big says so.
                _ => {}
            }
        }
        believed
    }

    /// An interface is gone: sockets bound to it lose their binding and their memberships of
    /// groups there, and are told.
    pub fn remove_interface(&mut self, iface: IfaceId) {
        for index in self.indices() {
            let Some(socket) = self.sockets.get_mut(index) else {
                continue;
            };
            self.memory -= socket.forget_lane(iface);
            let is_bound = socket.iface == Some(iface);
            let is_done = socket.is_closing && !socket.has_output();
            self.leave_interface(index, iface);
            if is_bound {
                self.expel(index);
            }
            if is_done {
                self.sockets.remove(index);
            } else {
                self.room_made(index);
            }
        }
    }

    /// An address is no longer ours: sockets bound to it lose their binding and are told.
    pub fn remove_address(&mut self, address: IpAddr) {
        for index in self.indices() {
            let socket = self.sockets.get(index);
            if socket.is_some_and(|s| s.local == Some(address)) {
                self.expel(index);
            }
        }
    }

    fn expel(&mut self, index: u32) {
        self.unbind(index);
        if let Some(socket) = self.sockets.get_mut(index) {
            socket.pending = Some(UdpError::Unreachable(NetError::NetworkUnreachable));
            self.signal(index, Readiness::all_errors());
        }
    }

    /// Wakes who was refused, once half of the limit is free.
    fn room_made(&mut self, index: u32) {
        if let Some(socket) = self.sockets.get_mut(index)
            && socket.is_starved
            && socket.unsent_octets <= socket.options.send_limit / 2
        {
            socket.is_starved = false;
            self.signal(index, Readiness::WRITABLE);
        }
    }

    fn indices(&self) -> alloc::vec::Vec<u32> {
        self.sockets.iter().map(|(index, _)| index).collect()
    }

    /// The sockets with this local port.
    fn with_port(&self, port: u16) -> alloc::vec::Vec<u32> {
        let range = self.by_port.range((port, 0)..=(port, u32::MAX));
        range.map(|(_, index)| *index).collect()
    }

    fn id(&self, index: u32) -> SocketId {
        SocketId {
            kind: SocketKind::Udp,
            index,
            generation: self.sockets.generation(index),
        }
    }

    fn index(&self, id: SocketId) -> Result<u32, UdpError> {
        let is_live = id.kind == SocketKind::Udp && self.sockets.is_live(id.index, id.generation);
        is_live.then_some(id.index).ok_or(UdpError::Closed)
    }

    fn socket(&self, id: SocketId) -> Result<&Socket, UdpError> {
        let index = self.index(id)?;
        self.sockets.get(index).ok_or(UdpError::Closed)
    }

    fn signal(&mut self, index: u32, events: Readiness) {
        let id = self.id(index);
        if let Some(socket) = self.sockets.get_mut(index)
            && !socket.is_closing
        {
            if socket.events.is_empty() {
                self.ready.push_back(id);
            }
            socket.events |= events;
        }
    }
}

/// What an error makes a socket ready for: every call that tells of it.
trait AllErrors {
    fn all_errors() -> Readiness;
}

impl AllErrors for Readiness {
    fn all_errors() -> Readiness {
        Readiness::READABLE | Readiness::WRITABLE | Readiness::ERROR
    }
}
