use super::*;
use alloc::vec::Vec;
use bytes::Bytes;
use handfast_base::Rng;
use handfast_wire::udp::UdpHeader;
use handfast_wire::{Checksum, Discard, IpHeader, Packet, Payload, Protocol};

mod binding;
mod demultiplexing;
mod errors;
mod groups;
mod receiving;
mod sending;

pub(super) const ETH: IfaceId = IfaceId(1);
pub(super) const TUN: IfaceId = IfaceId(2);
pub(super) const ROOM: usize = 1 << 30;

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A table in a host with 192.0.2.1, 2001:db8::1 and fe80::1 on ETH, and 10.0.0.1 on TUN.
pub(super) struct Host {
    pub(super) table: UdpTable,
    pub(super) rng: Rng,
    pub(super) now: Instant,
}

const OURS: [(&str, IfaceId); 4] = [
    ("192.0.2.1", ETH),
    ("2001:db8::1", ETH),
    ("fe80::1", ETH),
    ("10.0.0.1", TUN),
];

fn is_ours(address: IpAddr, iface: Option<IfaceId>) -> bool {
    OURS.iter()
        .any(|(a, i)| ip(a) == address && iface.is_none_or(|iface| iface == *i))
}

pub(super) fn route(wanted: &Wanted) -> Result<Egress, UdpError> {
    let destination = wanted.destination.ip();
    let by_prefix = match destination {
        IpAddr::V4(a) if a.octets()[0] == 10 => TUN,
        IpAddr::V4(a) if a.octets()[0] == 203 => return Err(UdpError::NoRoute),
        _ => ETH,
    };
    let iface = wanted.iface.unwrap_or(by_prefix);
    let default = match destination {
        IpAddr::V6(a) if a.is_unicast_link_local() => ip("fe80::1"),
        IpAddr::V6(_) => ip("2001:db8::1"),
        IpAddr::V4(_) if iface == TUN => ip("10.0.0.1"),
        IpAddr::V4(_) => ip("192.0.2.1"),
    };
    let source = wanted.source.unwrap_or(default);
    if !is_ours(source, None) {
        return Err(UdpError::LocalAddress);
    }
    let broadcast = [ip("192.0.2.255"), ip("255.255.255.255")];
    Ok(Egress {
        iface,
        source,
        mtu: 1500,
        cast: match destination {
            d if d.is_multicast() => Cast::Multicast,
            d if broadcast.contains(&d) => Cast::Broadcast,
            _ => Cast::Unicast,
        },
    })
}

impl Host {
    pub(super) fn new() -> Host {
        Host::with_ports(Ports::RANGE)
    }

    pub(super) fn with_ports(range: core::ops::RangeInclusive<u16>) -> Host {
        let ports = Ports::new([5; 16], range).ok();
        Host {
            table: UdpTable::new(&[7; 16], ports),
            rng: Rng::new(1),
            now: Instant::from_secs(100),
        }
    }

    pub(super) fn open(&mut self, family: UdpFamily) -> SocketId {
        self.table.open(family, UdpOptions::default())
    }

    pub(super) fn bind_on(
        &mut self,
        id: SocketId,
        local: &str,
        iface: Option<IfaceId>,
    ) -> Result<u16, UdpError> {
        let random = self.rng.next_u32();
        self.table.bind(id, at(local), iface, random, is_ours)
    }

    /// A socket bound to an address, of that address's family.
    pub(super) fn bound(&mut self, local: &str) -> SocketId {
        let family = match at(local) {
            SocketAddr::V4(_) => UdpFamily::V4,
            SocketAddr::V6(_) => UdpFamily::V6,
        };
        let id = self.open(family);
        self.bind_on(id, local, None).unwrap();
        id
    }

    pub(super) fn connect(&mut self, id: SocketId, remote: &str) -> Result<(), UdpError> {
        let random = self.rng.next_u32();
        self.table.connect(id, at(remote), random, route)
    }

    pub(super) fn send(
        &mut self,
        id: SocketId,
        to: Option<&str>,
        data: &[u8],
    ) -> Result<Queued, UdpError> {
        let mut datagram = Outbound {
            to: to.map(at),
            payload: payload(data),
            ..Outbound::default()
        };
        self.send_datagram(id, &mut datagram)
    }

    pub(super) fn send_datagram(
        &mut self,
        id: SocketId,
        datagram: &mut Outbound,
    ) -> Result<Queued, UdpError> {
        let random = self.rng.next_u32();
        self.table.send(id, datagram, random, self.now, route)
    }

    /// All packets of a socket for an interface.
    pub(super) fn transmit(&mut self, index: u32, iface: IfaceId, gso_max: u32) -> Vec<Packet> {
        let mut packets = Vec::new();
        let mut packet = Packet::new();
        while let Some(_loops) =
            self.table
                .poll_transmit(index, iface, gso_max, Checksum::None, &mut packet)
        {
            packets.push(core::mem::take(&mut packet));
        }
        packets
    }

    pub(super) fn arrive(
        &mut self,
        source: &str,
        destination: &str,
        iface: IfaceId,
        data: &[u8],
    ) -> Result<(), Discard> {
        let mut packet = packet(source, destination, data);
        self.arrive_packet(&mut packet, iface, ROOM)
    }

    pub(super) fn arrive_packet(
        &mut self,
        packet: &mut Packet,
        iface: IfaceId,
        room: usize,
    ) -> Result<(), Discard> {
        let gso = packet.gso;
        let mut packet = Packet::from_bytes(packet.to_bytes());
        packet.gso = gso;
        let (header, transport, end) = IpHeader::parse(packet.headers(), packet.len())?;
        if gso.is_none() {
            packet.verify_transport(&header, transport, end)?;
        }
        let cast = match header.destination {
            d if d.is_multicast() => Cast::Multicast,
            d if [ip("192.0.2.255"), ip("255.255.255.255")].contains(&d) => Cast::Broadcast,
            _ => Cast::Unicast,
        };
        let reply_source = match header.destination {
            IpAddr::V4(_) => ip("192.0.2.1"),
            IpAddr::V6(_) => ip("fe80::1"),
        };
        let arrival = Arrival {
            packet: &mut packet,
            ip: &header,
            transport,
            end,
            iface,
            cast,
            reply_source: Some(reply_source),
        };
        self.table.datagram_arrives(arrival, room)
    }

    /// Data of all that waits, in order.
    pub(super) fn read_all(&mut self, id: SocketId) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Ok(datagram) = self.table.receive(id) {
            all.push(datagram.payload.to_bytes().to_vec());
        }
        all
    }
}

pub(super) fn payload(data: &[u8]) -> Payload {
    Payload::from(Bytes::copy_from_slice(data))
}

pub(super) fn packet(source: &str, destination: &str, data: &[u8]) -> Packet {
    let (source, destination) = (at(source), at(destination));
    let header = IpHeader::new(source.ip(), destination.ip(), Protocol::UDP);
    let udp = UdpHeader {
        source_port: source.port(),
        destination_port: destination.port(),
    };
    let mut packet = Packet::new();
    packet.payload = payload(data);
    assert!(packet.write_udp(&header, &udp, 0, Checksum::None));
    packet
}

/// A packet that was sent, taken apart: its ends, its header, its data.
pub(super) fn read(packet: &Packet) -> (SocketAddr, SocketAddr, IpHeader, Vec<u8>) {
    let packet = Packet::from_bytes(packet.to_bytes());
    let (header, transport, end) = IpHeader::parse(packet.headers(), packet.len()).unwrap();
    assert_eq!(header.protocol, Protocol::UDP);
    packet.verify_transport(&header, transport, end).unwrap();
    let octets = packet.to_bytes();
    let (udp, len) = UdpHeader::parse(&octets[transport..], end - transport as u32).unwrap();
    let data = &octets[transport + UdpHeader::LEN..transport + len as usize];
    (
        SocketAddr::new(header.source, udp.source_port),
        SocketAddr::new(header.destination, udp.destination_port),
        header,
        data.to_vec(),
    )
}
