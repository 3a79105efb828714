//! The way up: from a packet to whom it is for.

use crate::icmp::{self, Problem};
use crate::interface::Addressee;
use crate::trace::ShortHeader;
use crate::tuple::endpoint;
use crate::{IfaceId, Stack, TraceEvent};
use handfast_base::Instant;
use handfast_wire::{Discard, IpHeader, Packet, Protocol};

/// What IP found out about a packet.
#[derive(Clone, Copy)]
pub(crate) struct Arrived {
    pub(crate) iface: IfaceId,
    pub(crate) ip: IpHeader,
    pub(crate) addressee: Addressee,
    /// Where what follows the IP header begins in the packet.
    pub(crate) transport: usize,
    /// Where the packet ends; beyond is link padding.
    pub(crate) end: u32,
}

impl Stack {
    /// Takes in one packet that arrived on `iface`, and leaves its slot empty. What it leads to
    /// is then there to be polled: output, events, another deadline.
    ///
    /// Hand over all packets that have arrived before calling [`timeout`](Stack::timeout), so
    /// that nothing expires whose answer is already here.
    pub fn receive(&mut self, iface: IfaceId, packet: &mut Packet, now: Instant) {
        let len = packet.len();
        let Some(interface) = self.network.interfaces.get_mut(iface) else {
            packet.clear();
            return;
        };
        interface.metrics.packets_in += 1;
        interface.metrics.octets_in += u64::from(len);
        // Read before the packet is taken apart, and only for those who look.
        let header = self
            .trace
            .is_on()
            .then(|| ShortHeader::of(packet))
            .flatten();
        let result = match self.table.demux.recall(iface, packet) {
            Some((index, place)) => self.tcp_train_input(index, place, packet, now),
            None => self.ip_input(iface, packet, now),
        };
        if let Err(reason) = result {
            self.metrics.discard(reason);
            self.trace.push(|| TraceEvent::Discard {
                at: now,
                iface,
                reason,
                header,
            });
        }
        packet.clear();
    }

    fn ip_input(
        &mut self,
        iface: IfaceId,
        packet: &mut Packet,
        now: Instant,
    ) -> Result<(), Discard> {
        let (ip, transport, end) = IpHeader::parse(packet.headers(), packet.len())?;
        let arrived = Arrived {
            addressee: self.network.interfaces.addressee(iface, &ip)?,
            iface,
            ip,
            transport,
            end,
        };
        if ip.fragment.is_some() {
            return self.fragment_input(&arrived, packet, now);
        }
        self.transport_input(&arrived, packet, now)
    }

    fn fragment_input(
        &mut self,
        arrived: &Arrived,
        packet: &mut Packet,
        now: Instant,
    ) -> Result<(), Discard> {
        if arrived.addressee == Addressee::Foreign && !self.takes_foreign() {
            return Err(Discard::IpDestination);
        }
        if self.budget.is_tight(packet.len() as usize) {
            return Err(Discard::NoMemory);
        }
        let Arrived {
            ref ip,
            transport,
            end,
            ..
        } = *arrived;
        let whole = self
            .reassembly
            .fragment_arrives(ip, packet, transport, end, now);
        self.settle_reassembly();
        if !whole? {
            return Ok(());
        }
        let (ip, transport, end) = IpHeader::parse(packet.headers(), packet.len())?;
        // Nobody cuts what is cut.
        if ip.fragment.is_some() {
            return Err(Discard::IpFragment);
        }
        let arrived = Arrived {
            ip,
            transport,
            end,
            ..*arrived
        };
        self.transport_input(&arrived, packet, now)
    }

    pub(crate) fn settle_reassembly(&mut self) {
        let held = self.reassembly.memory();
        self.budget.settle(&mut self.reassembly_charged, held);
    }

    fn transport_input(
        &mut self,
        arrived: &Arrived,
        packet: &mut Packet,
        now: Instant,
    ) -> Result<(), Discard> {
        let ip = &arrived.ip;
        packet.verify_transport(ip, arrived.transport, arrived.end)?;
        match ip.protocol {
            Protocol::TCP => self.tcp_input(arrived, packet, now),
            Protocol::UDP => self.udp_input(arrived, packet, now),
            Protocol::ICMP if ip.source.is_ipv4() => self.icmp_input(arrived, packet, now),
            Protocol::ICMPV6 if ip.source.is_ipv6() => self.icmp_input(arrived, packet, now),
            _ if arrived.addressee == Addressee::Foreign => Err(Discard::IpDestination),
            _ => {
                // Behind extension headers, the field that names the protocol is not known.
                if arrived.transport == ip.header_len() || ip.source.is_ipv4() {
                    self.refuse(arrived, packet, Problem::Protocol { pointer: 6 }, now);
                }
                Err(Discard::IpProtocol)
            }
        }
    }

    /// Tells the sender of a packet what is wrong with it, if anything may be said.
    pub(crate) fn refuse(
        &mut self,
        arrived: &Arrived,
        packet: &Packet,
        problem: Problem,
        now: Instant,
    ) {
        if arrived.addressee != Addressee::Us {
            return;
        }
        let to = endpoint(arrived.ip.source, 0, arrived.iface.0);
        let Some(id) = self.network.egress(to) else {
            return;
        };
        let random = self.random();
        if !self.icmp_errors.allows(arrived.ip.source, random, now) {
            self.metrics.discard(Discard::IcmpRateLimited);
            return;
        }
        let interfaces = &self.network.interfaces;
        let mut answer = Packet::new();
        let written = icmp::write_error(
            packet,
            &arrived.ip,
            arrived.transport,
            arrived.end,
            problem,
            arrived.ip.destination,
            interfaces.get(id).map_or(0, |i| i.mtu),
            |a| interfaces.is_broadcast(a),
            &mut answer,
        );
        if written {
            self.network.interfaces.answer(id, answer);
        }
    }
}
