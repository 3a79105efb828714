//! Datagrams and pings to other hosts, for who stands in for these: a relay, a translator.

use crate::Stack;
use crate::icmp::{self, Problem};
use crate::interface::Addressee;
use crate::receive::Arrived;
use crate::tuple::endpoint;
use alloc::collections::VecDeque;
use core::net::{IpAddr, SocketAddr};
use handfast_wire::icmp::{Echo, HEADER_LEN, Icmpv4, Icmpv6};
use handfast_wire::udp::UdpHeader;
use handfast_wire::{Checksum, Discard, IpHeader, Packet, Payload, Protocol, SendReason};

/// What each packet counts beside its data.
const OVERHEAD: usize = 256;

/// A packet that arrived for another host, or that is to be sent in the name of one.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Foreign {
    /// A datagram.
    Datagram {
        /// Who sends it.
        source: SocketAddr,
        /// For whom it is.
        destination: SocketAddr,
        /// The data.
        payload: Payload,
    },
    /// An echo request; sent, an echo reply.
    Echo {
        /// Who sends it.
        source: IpAddr,
        /// For whom it is.
        destination: IpAddr,
        /// Its identifier and sequence number.
        echo: Echo,
        /// The data.
        payload: Payload,
    },
}

impl Foreign {
    fn cost(&self) -> usize {
        let (Foreign::Datagram { payload, .. } | Foreign::Echo { payload, .. }) = self;
        payload.len() as usize + OVERHEAD
    }
}

/// What waits to be taken.
#[derive(Debug, Default)]
pub(crate) struct ForeignQueue {
    waiting: VecDeque<Foreign>,
    octets: usize,
    limit: usize,
}

impl Stack {
    /// Whether datagrams and echo requests to addresses that are not ours are taken in, for
    /// [`poll_foreign`](Stack::poll_foreign): up to this many octets of them, each with 256 on
    /// top. 0, as it is at first, takes none.
    pub fn accept_foreign(&mut self, octets: usize) {
        self.foreign.limit = octets;
    }

    /// The next packet that is for another host.
    pub fn poll_foreign(&mut self) -> Option<Foreign> {
        let next = self.foreign.waiting.pop_front()?;
        self.foreign.octets -= next.cost();
        self.budget.refund(next.cost());
        Some(next)
    }

    /// Sends a packet in the name of another host. False, with nothing sent, when there is no
    /// route to its destination, it does not fit the way there, or too much waits to leave.
    pub fn send_foreign(&mut self, packet: Foreign) -> bool {
        let mut out = Packet::new();
        let (to, written) = match packet {
            Foreign::Datagram {
                source,
                destination,
                payload,
            } => {
                let ip = self.foreign_header(source.ip(), destination.ip(), Protocol::UDP);
                let udp = UdpHeader {
                    source_port: source.port(),
                    destination_port: destination.port(),
                };
                out.payload = payload;
                out.reason = SendReason::Datagram;
                (destination, out.write_udp(&ip, &udp, 0, Checksum::None))
            }
            Foreign::Echo {
                source,
                destination,
                echo,
                payload,
            } => {
                out.payload = payload;
                out.reason = SendReason::EchoReply;
                let written = match source {
                    IpAddr::V4(_) => {
                        let ip = self.foreign_header(source, destination, Protocol::ICMP);
                        out.write_icmpv4(&ip, &Icmpv4::EchoReply(echo))
                    }
                    IpAddr::V6(_) => {
                        let ip = self.foreign_header(source, destination, Protocol::ICMPV6);
                        out.write_icmpv6(&ip, &Icmpv6::EchoReply(echo))
                    }
                };
                (SocketAddr::new(destination, 0), written)
            }
        };
        let Some(id) = self.network.egress(to) else {
            return false;
        };
        let mtu = self.network.interfaces.get(id).map_or(0, |i| i.mtu);
        if !written || out.len() > mtu.max(1) && !self.cut_foreign(&mut out, id, mtu) {
            return false;
        }
        out.is_empty() || self.network.interfaces.answer(id, out)
    }

    /// Tells who sent a datagram to another host that it cannot be reached. False when nothing
    /// can be said.
    pub fn reject_foreign(&mut self, packet: &Foreign, problem: Problem) -> bool {
        let mut offending = Packet::new();
        let (source, destination) = match packet {
            Foreign::Datagram {
                source,
                destination,
                payload,
            } => {
                let ip = self.foreign_header(source.ip(), destination.ip(), Protocol::UDP);
                let udp = UdpHeader {
                    source_port: source.port(),
                    destination_port: destination.port(),
                };
                offending.payload = payload.clone();
                offending.write_udp(&ip, &udp, 0, Checksum::None);
                (source.ip(), destination.ip())
            }
            Foreign::Echo {
                source,
                destination,
                echo,
                payload,
            } => {
                offending.payload = payload.clone();
                let protocol = match source {
                    IpAddr::V4(_) => Protocol::ICMP,
                    IpAddr::V6(_) => Protocol::ICMPV6,
                };
                let ip = self.foreign_header(*source, *destination, protocol);
                icmp::write_echo_request(&ip, *echo, &mut offending);
                (*source, *destination)
            }
        };
        let to = SocketAddr::new(source, 0);
        let reporter = match problem {
            // The host itself says so.
            Problem::Port | Problem::Protocol { .. } => Some(destination),
            _ => self.network.source_for(to),
        };
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
        let size = packet.gso.map_or(u32::MAX, |gso| u32::from(gso.size));
        let whole = packet.take_payload(start + UdpHeader::LEN as u32, start + len);
        let mut at = 0;
        loop {
            self.queue_foreign(Foreign::Datagram {
                source: endpoint(arrived.ip.source, udp.source_port, arrived.iface.0),
                destination: endpoint(arrived.ip.destination, udp.destination_port, 0),
                payload: whole.slice(at, size),
            });
            at = at.saturating_add(size);
            if at >= whole.len() {
                return Ok(());
            }
        }
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
        self.queue_foreign(Foreign::Echo {
            source: arrived.ip.source,
            destination: arrived.ip.destination,
            echo,
            payload: packet.take_payload(start, arrived.end),
        });
        Ok(())
    }

    fn may_take_foreign(&self, octets: u32) -> Result<(), Discard> {
        let octets = octets as usize + OVERHEAD;
        if self.foreign.limit == 0 {
            Err(Discard::IpDestination)
        } else if self.budget.is_tight(octets) {
            Err(Discard::NoMemory)
        } else if self.foreign.octets + octets > self.foreign.limit {
            Err(Discard::UdpQueueFull)
        } else {
            Ok(())
        }
    }

    fn queue_foreign(&mut self, packet: Foreign) {
        self.foreign.octets += packet.cost();
        self.budget.charge(packet.cost());
        self.foreign.waiting.push_back(packet);
    }

    fn foreign_header(&self, source: IpAddr, destination: IpAddr, protocol: Protocol) -> IpHeader {
        let mut ip = IpHeader::new(source, destination, protocol);
        ip.hop_limit = self.config.hop_limit;
        ip
    }

    /// Cuts a packet that does not fit, and leaves it empty; false when that fails.
    fn cut_foreign(&mut self, packet: &mut Packet, id: crate::IfaceId, mtu: u32) -> bool {
        let random = self.random();
        let Some(iface) = self.network.interfaces.get_mut(id) else {
            return false;
        };
        let cut = crate::fragment::fragment(packet, mtu, random, &mut iface.answers);
        packet.clear();
        cut
    }
}
