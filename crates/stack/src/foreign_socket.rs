//! The socket of who stands in for other hosts.

use crate::foreign::{Foreign, ForeignDatagram, ForeignEcho, ForeignError, check};
use crate::icmp::{self, Problem};
use crate::interface::{Addressee, Work};
use crate::receive::Arrived;
use crate::tuple::endpoint;
use crate::{BindError, IfaceId, SocketId, SocketKind, Stack, fragment};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use handfast_tcp::Readiness;
use handfast_wire::icmp::{Echo, HEADER_LEN, Icmpv4, Icmpv6};
use handfast_wire::udp::UdpHeader;
use handfast_wire::{Batch, Checksum, Discard, IpHeader, Packet, SendReason};

/// Octets that are sent before the next in line has its turn.
const QUANTUM: u32 = 16 * 1024;

/// What waits to be taken, and what waits to be sent. There is one such socket in a stack.
#[derive(Debug, Default)]
pub(crate) struct ForeignQueue {
    is_open: bool,
    /// Tells the handle of this socket from those of its predecessors.
    generation: u32,
    waiting: VecDeque<Foreign>,
    waiting_octets: usize,
    lanes: Vec<Lane>,
    leaving_octets: usize,
    /// How many octets may wait, in each direction.
    limit: usize,
    /// Somebody was refused.
    is_starved: bool,
    pub(crate) events: Readiness,
}

/// What waits for one interface.
#[derive(Debug)]
struct Lane {
    iface: IfaceId,
    queue: VecDeque<Foreign>,
}

impl ForeignQueue {
    pub(crate) fn is_live(&self, id: SocketId) -> bool {
        self.is_open && id.kind == SocketKind::Foreign && id.generation == self.generation
    }

    fn id(&self) -> SocketId {
        SocketId {
            kind: SocketKind::Foreign,
            index: 0,
            generation: self.generation,
        }
    }

    /// An interface is gone, and with it what waited for it.
    pub(crate) fn remove_interface(&mut self, iface: IfaceId) -> usize {
        let Some(at) = self.lanes.iter().position(|lane| lane.iface == iface) else {
            return 0;
        };
        let lost = self.lanes.remove(at);
        let octets = lost.queue.iter().map(Foreign::cost).sum();
        self.leaving_octets -= octets;
        octets
    }

    /// Writes the next packet for `iface` into `packet` and returns how many octets wait no longer.
    fn next(
        &mut self,
        iface: IfaceId,
        gso_max: u32,
        hop_limit: u8,
        checksum: Checksum,
        packet: &mut Packet,
    ) -> Option<usize> {
        let at = self.lanes.iter().position(|lane| lane.iface == iface)?;
        let queue = &mut self.lanes[at].queue;
        let Some(next) = queue.front_mut() else {
            // Only now: while there is a lane, the interface has us on its list.
            self.lanes.remove(at);
            return None;
        };
        let before = next.cost();
        let ip = next.header(hop_limit);
        let left = match next {
            Foreign::Datagram(d) => {
                let headers = (ip.header_len() + UdpHeader::LEN) as u32;
                let take = d.next_len(headers, gso_max);
                packet.payload = d.payload.slice(0, take);
                d.payload.advance(take);
                packet.reason = SendReason::Datagram;
                packet.write_udp(&ip, &d.udp(), d.segment_size, checksum);
                d.payload.len()
            }
            Foreign::Echo(e) => {
                packet.payload = core::mem::take(&mut e.payload);
                packet.reason = SendReason::EchoReply;
                match ip.source {
                    IpAddr::V4(_) => packet.write_icmpv4(&ip, &Icmpv4::EchoReply(e.echo)),
                    IpAddr::V6(_) => packet.write_icmpv6(&ip, &Icmpv6::EchoReply(e.echo)),
                };
                0
            }
        };
        let after = if left > 0 { next.cost() } else { 0 };
        if left == 0 {
            queue.pop_front();
        }
        self.leaving_octets -= before - after;
        Some(before - after)
    }
}

impl Stack {
    /// Takes in datagrams and echo requests to addresses that are not ours from now on: up to
    /// `octets` of them may wait, each with 256 on top, and as many to leave. A stack has one such
    /// socket.
    ///
    /// # Errors
    /// [`BindError::AddressInUse`] while there is one.
    pub fn foreign_open(&mut self, octets: usize) -> Result<SocketId, BindError> {
        if self.foreign.is_open {
            return Err(BindError::AddressInUse);
        }
        self.foreign.is_open = true;
        self.foreign.limit = octets;
        Ok(self.foreign.id())
    }

    /// Ends the socket. What it was told to send is still sent. False when it was closed before.
    pub fn foreign_close(&mut self, id: SocketId) -> bool {
        if !self.foreign.is_live(id) {
            return false;
        }
        self.budget.refund(self.foreign.waiting_octets);
        self.foreign.waiting = VecDeque::new();
        self.foreign.waiting_octets = 0;
        self.foreign.is_open = false;
        self.foreign.is_starved = false;
        self.foreign.events = Readiness::empty();
        self.foreign.generation = self.foreign.generation.wrapping_add(1);
        true
    }

    /// The next packet that is for another host.
    pub fn foreign_receive(&mut self, id: SocketId) -> Option<Foreign> {
        if !self.foreign.is_live(id) {
            return None;
        }
        let next = self.foreign.waiting.pop_front()?;
        self.foreign.waiting_octets -= next.cost();
        self.budget.refund(next.cost());
        Some(next)
    }

    /// Sends a packet in the name of another host: a datagram that does not fit the link in
    /// fragments, several of one size as super-segments where the link takes these.
    ///
    /// # Errors
    /// A [`ForeignError`]; the packet is left as it is then.
    pub fn foreign_send(&mut self, id: SocketId, packet: &mut Foreign) -> Result<(), ForeignError> {
        if !self.foreign.is_live(id) {
            return Err(ForeignError::Closed);
        }
        let iface = self.network.egress(packet.destination());
        let iface = iface.ok_or(ForeignError::NoRoute)?;
        let mtu = self.network.interfaces.get(iface).map_or(0, |i| i.mtu);
        check(packet, mtu)?;
        let cost = packet.cost();
        if self.foreign.leaving_octets + cost > self.foreign.limit.max(cost) {
            self.foreign.is_starved = true;
            return Err(ForeignError::WouldBlock);
        }
        if self.budget.is_tight(cost) {
            return Err(ForeignError::NoMemory);
        }
        let queued = match packet {
            Foreign::Datagram(d) => Foreign::Datagram(ForeignDatagram {
                payload: core::mem::take(&mut d.payload),
                ..*d
            }),
            Foreign::Echo(e) => Foreign::Echo(ForeignEcho {
                payload: core::mem::take(&mut e.payload),
                ..*e
            }),
        };
        self.budget.charge(cost);
        self.foreign.leaving_octets += cost;
        let lanes = &mut self.foreign.lanes;
        match lanes.iter_mut().find(|lane| lane.iface == iface) {
            Some(lane) => lane.queue.push_back(queued),
            None => {
                lanes.push(Lane {
                    iface,
                    queue: VecDeque::from([queued]),
                });
                if let Some(out) = self.network.interfaces.get_mut(iface) {
                    out.dirty.push_back(Work::Foreign);
                }
            }
        }
        Ok(())
    }

    /// Tells who sent a packet to another host what became of it, in the name of `reporter`; by
    /// default in that of the host itself where only that can say so or we have no address, else
    /// in ours. False when nothing can be said.
    pub fn foreign_reject(
        &mut self,
        packet: &Foreign,
        problem: Problem,
        reporter: Option<IpAddr>,
    ) -> bool {
        let mut offending = Packet::new();
        let ip = packet.header(self.config.hop_limit);
        let (source, destination) = (packet.source(), packet.destination());
        match packet {
            Foreign::Datagram(d) => {
                offending.payload = match d.segment_size {
                    0 => d.payload.clone(),
                    size => d.payload.slice(0, size.into()),
                };
                offending.write_udp(&ip, &d.udp(), 0, Checksum::None);
            }
            Foreign::Echo(e) => {
                offending.payload = e.payload.clone();
                icmp::write_echo_request(&ip, e.echo, &mut offending);
            }
        }
        let to = SocketAddr::new(source.ip(), 0);
        let reporter = reporter.or_else(|| match problem {
            // The host itself says so.
            Problem::Port | Problem::Protocol { .. } => Some(destination.ip()),
            _ => self.network.source_for(to).or(Some(destination.ip())),
        });
        let (Some(reporter), Some(id)) = (reporter, self.network.egress(to)) else {
            return false;
        };
        let Ok((ip, transport, end)) = IpHeader::parse(offending.headers(), offending.len()) else {
            return false;
        };
        let interfaces = &self.network.interfaces;
        let mut answer = Packet::new();
        icmp::write_error(
            &offending,
            &ip,
            transport,
            end,
            problem,
            reporter,
            interfaces.get(id).map_or(0, |i| i.mtu),
            |a| interfaces.is_broadcast(a),
            &mut answer,
        ) && self.network.interfaces.answer(id, answer)
    }

    pub(crate) fn foreign_udp_input(
        &mut self,
        arrived: &Arrived,
        packet: &mut Packet,
    ) -> Result<(), Discard> {
        self.may_take_foreign(packet.len())?;
        let headers = packet.headers().get(arrived.transport..).unwrap_or(&[]);
        let start = arrived.transport as u32;
        let (udp, len) = UdpHeader::parse(headers, arrived.end - start)?;
        let segment_size = packet.gso.map_or(0, |gso| gso.size);
        self.queue_foreign(Foreign::Datagram(ForeignDatagram {
            source: endpoint(arrived.ip.source, udp.source_port, arrived.iface.0),
            destination: endpoint(arrived.ip.destination, udp.destination_port, 0),
            payload: packet.take_payload(start + UdpHeader::LEN as u32, start + len),
            segment_size,
            hop_limit: arrived.ip.hop_limit,
            traffic_class: arrived.ip.traffic_class,
        }));
        Ok(())
    }

    pub(crate) fn foreign_echo_input(
        &mut self,
        arrived: &Arrived,
        echo: Echo,
        packet: &mut Packet,
    ) -> Result<(), Discard> {
        debug_assert_eq!(arrived.addressee, Addressee::Foreign);
        self.may_take_foreign(packet.len())?;
        let start = (arrived.transport + HEADER_LEN) as u32;
        self.queue_foreign(Foreign::Echo(ForeignEcho {
            source: arrived.ip.source,
            destination: arrived.ip.destination,
            echo,
            payload: packet.take_payload(start, arrived.end),
            hop_limit: arrived.ip.hop_limit,
        }));
        Ok(())
    }

    /// The turn of what is sent in others' names; true when it is to have another.
    pub(crate) fn transmit_foreign(&mut self, id: IfaceId, out: &mut Batch) -> bool {
        let Some(iface) = self.network.interfaces.get(id) else {
            return false;
        };
        let (mtu, gso_max) = (iface.mtu, iface.gso_max_udp);
        let checksum = self.network.interfaces.checksum(id);
        let hop_limit = self.config.hop_limit;
        let mut octets = 0;
        let has_more = loop {
            if octets >= QUANTUM {
                break true;
            }
            let Some(packet) = out.push_slot() else {
                break true;
            };
            let foreign = &mut self.foreign;
            let Some(freed) = foreign.next(id, gso_max, hop_limit, checksum, packet) else {
                out.unpush();
                break false;
            };
            self.budget.refund(freed);
            octets += packet.len();
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
        if self.foreign.is_starved && self.foreign.leaving_octets <= self.foreign.limit / 2 {
            self.foreign.is_starved = false;
            self.signal_foreign(Readiness::WRITABLE);
        }
        has_more
    }

    /// Whether somebody stands in for other hosts.
    pub(crate) fn takes_foreign(&self) -> bool {
        self.foreign.is_open
    }

    fn may_take_foreign(&self, octets: u32) -> Result<(), Discard> {
        let octets = octets as usize + Foreign::OVERHEAD;
        if !self.foreign.is_open {
            Err(Discard::IpDestination)
        } else if self.budget.is_tight(octets) {
            Err(Discard::NoMemory)
        } else if self.foreign.waiting_octets + octets > self.foreign.limit {
            Err(Discard::UdpQueueFull)
        } else {
            Ok(())
        }
    }

    fn queue_foreign(&mut self, packet: Foreign) {
        self.foreign.waiting_octets += packet.cost();
        self.budget.charge(packet.cost());
        self.foreign.waiting.push_back(packet);
        self.signal_foreign(Readiness::READABLE);
    }

    fn signal_foreign(&mut self, event: Readiness) {
        if self.foreign.events.is_empty() {
            self.ready.push_back(self.foreign.id());
        }
        self.foreign.events |= event;
    }
}
