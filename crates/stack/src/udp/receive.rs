//! The way up.

use super::socket::{KEEP, OVERHEAD};
use super::{Cast, UdpError, UdpTable};
use crate::IfaceId;
use crate::socket_id::SocketId;
use crate::tuple::endpoint;
use alloc::collections::VecDeque;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use handfast_tcp::Readiness;
use handfast_wire::udp::UdpHeader;
use handfast_wire::{Discard, IpHeader, Packet};

/// A datagram that was received, and what is known of its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// The data.
    pub payload: handfast_wire::Payload,
    /// Who sent it. The port may be 0, to which nobody can reply.
    pub remote: SocketAddr,
    /// From where to reply: the address it was sent to, or if that is a broadcast or multicast
    /// address, one of the interface that it arrived on (unspecified if that has none).
    pub local: SocketAddr,
    /// The address it was sent to.
    pub destination: IpAddr,
    /// Where it arrived.
    pub iface: IfaceId,
    /// Its hop limit, or time to live.
    pub hop_limit: u8,
    /// DSCP in the upper six bits, ECN in the lower two.
    pub traffic_class: u8,
}

impl Datagram {
    pub(super) fn charge(&self) -> u32 {
        self.payload.len().saturating_add(OVERHEAD)
    }
}

/// A received packet whose transport header is UDP's and whose checksum is good.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// The packet; its payload is taken out.
    pub packet: &'a mut Packet,
    /// Its IP header.
    pub ip: &'a IpHeader,
    /// Where the UDP header starts in the packet.
    pub transport: usize,
    /// Where the packet ends without link padding.
    pub end: u32,
    /// Where it arrived.
    pub iface: IfaceId,
    /// What its destination is to that interface.
    pub cast: Cast,
    /// An address of that interface, for replies to what was not sent to one host.
    pub reply_source: Option<IpAddr>,
}

impl UdpTable {
    /// Takes in a datagram, by reference, for the most specifically bound socket, or for each one
    /// that a broadcast or multicast datagram reaches. A packet that the link has merged out of
    /// several is taken apart. `room` is how many octets the stack may still hold.
    ///
    /// The checksum has been verified by
    /// [`verify_transport`](handfast_wire::Packet::verify_transport).
    ///
    /// # Errors
    /// [`Discard::UdpTruncated`]; [`Discard::UdpPort`], which is to be answered by port unreachable
    /// if anything may be; [`Discard::UdpQueueFull`] or [`Discard::NoMemory`] if nobody had room.
    pub fn datagram_arrives(&mut self, arrival: Arrival<'_>, room: usize) -> Result<(), Discard> {
        let Arrival {
            packet,
            ip,
            transport,
            end,
            iface,
            cast,
            reply_source,
        } = arrival;
        let start = packet.headers().get(transport..).unwrap_or(&[]);
        let (header, len) = UdpHeader::parse(start, end.saturating_sub(transport as u32))?;
        let remote = endpoint(ip.source, header.source_port, iface.0);
        let port = header.destination_port;
        let one;
        let all;
        let receivers = match cast {
            Cast::Unicast => {
                let found = self.demux.find(ip.destination, port, remote, iface);
                one = [found.ok_or(Discard::UdpPort)?];
                &one[..]
            }
            Cast::Broadcast | Cast::Multicast => {
                all = self.listeners(ip.destination, port, remote, iface, cast);
                &all[..]
            }
        };
        if receivers.is_empty() {
            return Err(Discard::UdpPort);
        }
        let local = match cast {
            Cast::Unicast => ip.destination,
            _ => reply_source.unwrap_or(match ip.destination {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            }),
        };
        let size = packet.gso.map_or(0, |gso| u32::from(gso.size));
        let first = transport as u32;
        let payload = packet.take_payload(first + UdpHeader::LEN as u32, first + len);
        let mut datagram = Datagram {
            payload,
            remote,
            local: endpoint(local, port, iface.0),
            destination: ip.destination,
            iface,
            hop_limit: ip.hop_limit,
            traffic_class: ip.traffic_class,
        };
        if let ([only], 0) = (receivers, size) {
            return self.enqueue(*only, datagram, room);
        }
        let whole = core::mem::take(&mut datagram.payload);
        let size = if size == 0 { whole.len().max(1) } else { size };
        let (mut at, mut result) = (0, Err(Discard::UdpQueueFull));
        let held = self.memory;
        loop {
            for receiver in receivers {
                let piece = Datagram {
                    payload: whole.slice(at, size),
                    ..datagram.clone()
                };
                let left = room.saturating_sub(self.memory - held);
                result = result.or(self.enqueue(*receiver, piece, left));
            }
            at = at.saturating_add(size);
            if at >= whole.len() {
                return result;
            }
        }
    }

    /// The sockets that a broadcast or multicast datagram reaches: all that match.
    fn listeners(
        &self,
        destination: IpAddr,
        port: u16,
        remote: SocketAddr,
        iface: IfaceId,
        cast: Cast,
    ) -> alloc::vec::Vec<u32> {
        let mut matching = self.with_port(port);
        matching.retain(|index| {
            self.sockets.get(*index).is_some_and(|s| {
                s.is_at(destination)
                    && s.iface.is_none_or(|i| i == iface)
                    && s.remote.is_none_or(|r| r == remote)
                    && (cast != Cast::Multicast || s.hears(iface, destination))
            })
        });
        matching
    }

    fn enqueue(&mut self, index: u32, datagram: Datagram, room: usize) -> Result<(), Discard> {
        let socket = self.sockets.get_mut(index).ok_or(Discard::UdpPort)?;
        let charge = datagram.charge();
        let total = socket.received_octets.saturating_add(charge);
        let is_full = total > socket.options.receive_limit && !socket.received.is_empty();
        if is_full || charge as usize > room {
            socket.dropped += 1;
            return Err(match is_full {
                true => Discard::UdpQueueFull,
                false => Discard::NoMemory,
            });
        }
        socket.received_octets = total;
        socket.received.push_back(datagram);
        self.memory += charge as usize;
        self.signal(index, Readiness::READABLE);
        Ok(())
    }

    /// Takes the oldest datagram.
    ///
    /// # Errors
    /// [`UdpError::WouldBlock`] when there is none; [`UdpError::Closed`]; an error of the network
    /// that nobody was told of, once.
    pub fn receive(&mut self, id: SocketId) -> Result<Datagram, UdpError> {
        let index = self.index(id)?;
        let socket = self.sockets.get_mut(index).ok_or(UdpError::Closed)?;
        if let Some(error) = socket.pending.take() {
            return Err(error);
        }
        let datagram = socket.received.pop_front().ok_or(UdpError::WouldBlock)?;
        if socket.received.is_empty() && socket.received.capacity() > KEEP {
            socket.received = VecDeque::new();
        }
        socket.received_octets -= datagram.charge();
        self.memory -= datagram.charge() as usize;
        Ok(datagram)
    }

    /// What [`receive`](UdpTable::receive) would give, left where it is; so is an error.
    ///
    /// # Errors
    /// As [`receive`](UdpTable::receive).
    pub fn peek(&self, id: SocketId) -> Result<&Datagram, UdpError> {
        let socket = self.socket(id)?;
        match socket.pending {
            Some(error) => Err(error),
            None => socket.received.front().ok_or(UdpError::WouldBlock),
        }
    }
}
