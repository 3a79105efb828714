//! UDP sockets, as the stack carries their datagrams.

use crate::icmp::Problem;
use crate::interface::{Addressee, Work};
use crate::receive::Arrived;
use crate::udp::{Arrival, Cast, Datagram, Outbound, UdpError, UdpFamily, UdpOptions, UdpTable};
use crate::{IfaceId, SocketId, Stack, fragment};
use core::net::{IpAddr, SocketAddr};
use handfast_base::Instant;
use handfast_wire::{Batch, Checksum, Discard, IpHeader, Packet};

/// Octets that one socket may send before the next in line has its turn.
const QUANTUM: u32 = 16 * 1024;

impl Stack {
    /// A new UDP socket, neither bound nor connected.
    ///
    /// # Errors
    /// [`UdpError::NoMemory`].
    pub fn udp_open(
        &mut self,
        family: UdpFamily,
        options: UdpOptions,
    ) -> Result<SocketId, UdpError> {
        if self.budget.is_tight(0) {
            return Err(UdpError::NoMemory);
        }
        Ok(self.udp.open(family, options))
    }

    /// Binds a socket to an address and port of ours, and to an interface if one is named. The
    /// unspecified address stands for all of the family, port 0 for an ephemeral one. Returns the
    /// port.
    ///
    /// # Errors
    /// As [`UdpTable::bind`].
    pub fn udp_bind(
        &mut self,
        id: SocketId,
        local: SocketAddr,
        iface: Option<IfaceId>,
    ) -> Result<u16, UdpError> {
        let random = self.random();
        let interfaces = &self.network.interfaces;
        self.udp
            .bind(id, local, iface, random, |address, iface| match iface {
                Some(id) => interfaces
                    .get(id)
                    .is_some_and(|i| i.addresses.may_be_source(address)),
                None => interfaces.is_ours(address),
            })
    }

    /// Connects a socket to one peer: it gets that peer's datagrams alone, sends there by
    /// default, and is told of errors.
    ///
    /// # Errors
    /// As [`UdpTable::connect`].
    pub fn udp_connect(
        &mut self,
        id: SocketId,
        remote: SocketAddr,
        now: Instant,
    ) -> Result<(), UdpError> {
        let random = self.random();
        let network = &self.network;
        let connected = self
            .udp
            .connect(id, remote, random, |to| network.datagram_egress(to, now));
        self.settle_udp();
        connected
    }

    /// Ends the connection to a peer; the socket keeps its port.
    ///
    /// # Errors
    /// As [`UdpTable::disconnect`].
    pub fn udp_disconnect(&mut self, id: SocketId) -> Result<(), UdpError> {
        self.udp.disconnect(id)
    }

    /// Queues a datagram, or several of one size.
    ///
    /// # Errors
    /// As [`UdpTable::send`], and [`UdpError::NoMemory`]; the datagram is left as it is.
    pub fn udp_send(
        &mut self,
        id: SocketId,
        datagram: &mut Outbound,
        now: Instant,
    ) -> Result<(), UdpError> {
        if self.budget.is_tight(datagram.payload.len() as usize) {
            return Err(UdpError::NoMemory);
        }
        let random = self.random();
        let network = &self.network;
        let queued = self.udp.send(id, datagram, random, now, |to| {
            network.datagram_egress(to, now)
        })?;
        if queued.is_first
            && let Some(iface) = self.network.interfaces.get_mut(queued.iface)
        {
            iface.dirty.push_back(Work::Udp(queued.index));
        }
        self.settle_udp();
        Ok(())
    }

    /// Takes the oldest datagram out.
    ///
    /// # Errors
    /// As [`UdpTable::receive`].
    pub fn udp_receive(&mut self, id: SocketId) -> Result<Datagram, UdpError> {
        let received = self.udp.receive(id);
        self.settle_udp();
        received
    }

    /// Takes the oldest error nobody was told of, and whom it is about if not the connected peer.
    ///
    /// # Errors
    /// [`UdpError::Closed`].
    pub fn udp_take_error(
        &mut self,
        id: SocketId,
    ) -> Result<Option<(Option<SocketAddr>, UdpError)>, UdpError> {
        self.udp.take_error(id)
    }

    /// A socket's options, to be changed.
    ///
    /// # Errors
    /// [`UdpError::Closed`].
    pub fn udp_options_mut(&mut self, id: SocketId) -> Result<&mut UdpOptions, UdpError> {
        self.udp.options_mut(id)
    }

    /// Joins a multicast group on an interface; joining again changes nothing.
    ///
    /// # Errors
    /// As [`UdpTable::join`]; [`UdpError::NoRoute`] when there is no such interface.
    pub fn udp_join(
        &mut self,
        id: SocketId,
        iface: IfaceId,
        group: IpAddr,
    ) -> Result<(), UdpError> {
        self.network
            .interfaces
            .get(iface)
            .ok_or(UdpError::NoRoute)?;
        self.udp.join(id, iface, group).map(|_| ())
    }

    /// Leaves a group.
    ///
    /// # Errors
    /// As [`UdpTable::leave`].
    pub fn udp_leave(
        &mut self,
        id: SocketId,
        iface: IfaceId,
        group: IpAddr,
    ) -> Result<(), UdpError> {
        self.udp.leave(id, iface, group).map(|_| ())
    }

    /// Ends a socket. What it was told to send is still sent. False when it was closed before.
    pub fn udp_close(&mut self, id: SocketId) -> bool {
        let closed = self.udp.close(id);
        self.settle_udp();
        closed
    }

    /// All UDP sockets, to be asked: addresses, options, readiness, what would be read next.
    pub fn udp(&self) -> &UdpTable {
        &self.udp
    }

    pub(crate) fn udp_input(
        &mut self,
        arrived: &Arrived,
        packet: &mut Packet,
        now: Instant,
    ) -> Result<(), Discard> {
        if arrived.addressee == Addressee::Foreign {
            return self.foreign_udp_input(arrived, packet);
        }
        let delivered = self.deliver_datagram(arrived, packet);
        if delivered == Err(Discard::UdpPort) {
            self.refuse(arrived, packet, Problem::Port, now);
        }
        delivered
    }

    fn deliver_datagram(&mut self, arrived: &Arrived, packet: &mut Packet) -> Result<(), Discard> {
        let ip = &arrived.ip;
        let mut reply_source = None;
        let cast = match arrived.addressee {
            Addressee::Many => {
                let iface = self.network.interfaces.get(arrived.iface);
                let mut own = iface.into_iter().flat_map(|i| i.addresses.iter());
                reply_source = own
                    .find(|a| a.prefix.address().is_ipv4() == ip.source.is_ipv4())
                    .map(|a| a.prefix.address());
                match ip.destination.is_multicast() {
                    true => Cast::Multicast,
                    false => Cast::Broadcast,
                }
            }
            _ => Cast::Unicast,
        };
        let room = self.budget.room();
        let delivered = self.udp.datagram_arrives(
            Arrival {
                packet,
                ip,
                transport: arrived.transport,
                end: arrived.end,
                iface: arrived.iface,
                cast,
                reply_source,
            },
            room,
        );
        self.settle_udp();
        delivered
    }

    /// One socket's turn; true when it is to have another.
    pub(crate) fn transmit_udp(&mut self, index: u32, id: IfaceId, out: &mut Batch) -> bool {
        let Some(iface) = self.network.interfaces.get(id) else {
            return false;
        };
        let (mtu, gso_max) = (iface.mtu, iface.gso_max_udp);
        let checksum = self.network.interfaces.checksum(id);
        let mut octets = 0;
        let has_more = loop {
            if octets >= QUANTUM {
                break true;
            }
            let Some(packet) = out.push_slot() else {
                break true;
            };
            let sent = self.udp.poll_transmit(index, id, gso_max, checksum, packet);
            let Some(loop_back) = sent else {
                out.unpush();
                break false;
            };
            octets += packet.len();
            if loop_back {
                let copy = packet.clone();
                self.loop_back(id, copy);
            }
            if packet.gso.is_none() && packet.len() > mtu {
                let random = self.random();
                if let Some(iface) = self.network.interfaces.get_mut(id)
                    && !fragment::fragment(packet, mtu, random, &mut iface.answers)
                {
                    iface.metrics.answers_lost += 1;
                }
                out.unpush();
                break true;
            }
        };
        self.settle_udp();
        has_more
    }

    /// Gives local members of a group what we send to it.
    fn loop_back(&mut self, iface: IfaceId, mut copy: Packet) {
        let Ok((ip, transport, end)) = IpHeader::parse(copy.headers(), copy.len()) else {
            return;
        };
        copy.checksum = Checksum::Verified;
        let arrived = Arrived {
            iface,
            ip,
            addressee: Addressee::Many,
            transport,
            end,
        };
        // Nobody may be there, or have room; that concerns nobody else.
        let _ = self.deliver_datagram(&arrived, &mut copy);
    }

    fn settle_udp(&mut self) {
        self.budget.settle(&mut self.udp_charged, self.udp.memory());
    }
}
