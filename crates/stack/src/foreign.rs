//! Datagrams and pings to other hosts, for who stands in for these: a relay, a translator.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use handfast_wire::icmp::Echo;
use handfast_wire::udp::UdpHeader;
use handfast_wire::{IpHeader, Payload, Protocol};

/// Pieces of one super-segment, as many as devices take.
const PIECES: u32 = 64;

/// A packet that arrived for another host, or that is to be sent in the name of one.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Foreign {
    /// A datagram, or several of one size.
    Datagram(ForeignDatagram),
    /// An echo request; sent, an echo reply.
    Echo(ForeignEcho),
}

/// A datagram, or several of one size, from and to the same endpoints.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForeignDatagram {
    /// Who sends it.
    pub source: SocketAddr,
    /// For whom it is.
    pub destination: SocketAddr,
    /// The data.
    pub payload: Payload,
    /// If not 0: the data is datagrams of this many octets, the last one perhaps shorter.
    pub segment_size: u16,
    /// Hop limit (time to live) that it arrived with; sent, 0 is the stack's own.
    pub hop_limit: u8,
    /// DSCP in the upper six bits (RFC 2474), ECN in the lower two (RFC 3168).
    pub traffic_class: u8,
}

/// An echo request, or the reply to one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForeignEcho {
    /// Who sends it.
    pub source: IpAddr,
    /// For whom it is.
    pub destination: IpAddr,
    /// Its identifier and sequence number.
    pub echo: Echo,
    /// The data.
    pub payload: Payload,
    /// Hop limit (time to live) that it arrived with; sent, 0 is the stack's own.
    pub hop_limit: u8,
}

/// Why a packet was not sent in the name of another host.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ForeignError {
    /// The socket was closed.
    Closed,
    /// Too much waits to leave; [`Readiness::WRITABLE`](handfast_tcp::Readiness::WRITABLE) tells when there is room.
    WouldBlock,
    /// The stack holds as much as it may.
    NoMemory,
    /// No route to the destination.
    NoRoute,
    /// Longer than a datagram can be, or the pieces of several do not fit the way.
    TooBig,
    /// The addresses are of different families.
    Family,
}

impl fmt::Display for ForeignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ForeignError::Closed => "socket closed",
            ForeignError::WouldBlock => "too much waits to leave",
            ForeignError::NoMemory => "no memory left",
            ForeignError::NoRoute => "no route to the destination",
            ForeignError::TooBig => "longer than what fits",
            ForeignError::Family => "addresses of different families",
        })
    }
}

impl core::error::Error for ForeignError {}

impl Foreign {
    /// What each packet counts beside its data.
    pub(crate) const OVERHEAD: usize = 256;

    /// Who sends it; an echo has port 0.
    pub fn source(&self) -> SocketAddr {
        match self {
            Foreign::Datagram(d) => d.source,
            Foreign::Echo(e) => SocketAddr::new(e.source, 0),
        }
    }

    /// For whom it is; an echo has port 0.
    pub fn destination(&self) -> SocketAddr {
        match self {
            Foreign::Datagram(d) => d.destination,
            Foreign::Echo(e) => SocketAddr::new(e.destination, 0),
        }
    }

    /// The data.
    pub fn payload(&self) -> &Payload {
        match self {
            Foreign::Datagram(d) => &d.payload,
            Foreign::Echo(e) => &e.payload,
        }
    }

    pub(crate) fn cost(&self) -> usize {
        self.payload().len() as usize + Foreign::OVERHEAD
    }

    /// Its IP header, with `hop_limit` if it has none of its own.
    pub(crate) fn header(&self, hop_limit: u8) -> IpHeader {
        let (source, destination) = (self.source().ip(), self.destination().ip());
        let (protocol, own, traffic_class) = match self {
            Foreign::Datagram(d) => (Protocol::UDP, d.hop_limit, d.traffic_class),
            Foreign::Echo(e) if source.is_ipv4() => (Protocol::ICMP, e.hop_limit, 0),
            Foreign::Echo(e) => (Protocol::ICMPV6, e.hop_limit, 0),
        };
        let mut ip = IpHeader::new(source, destination, protocol);
        ip.hop_limit = if own == 0 { hop_limit } else { own };
        ip.traffic_class = traffic_class;
        ip
    }
}

impl ForeignDatagram {
    pub(crate) fn udp(&self) -> UdpHeader {
        UdpHeader {
            source_port: self.source.port(),
            destination_port: self.destination.port(),
        }
    }

    /// Octets of data in the next packet.
    pub(crate) fn next_len(&self, headers: u32, gso_max: u32) -> u32 {
        match u32::from(self.segment_size) {
            0 => self.payload.len(),
            size => size * (gso_max.saturating_sub(headers) / size).clamp(1, PIECES),
        }
    }
}

impl From<ForeignDatagram> for Foreign {
    fn from(datagram: ForeignDatagram) -> Foreign {
        Foreign::Datagram(datagram)
    }
}

impl From<ForeignEcho> for Foreign {
    fn from(echo: ForeignEcho) -> Foreign {
        Foreign::Echo(echo)
    }
}

/// Whether a packet can leave by a link of this MTU at all.
pub(crate) fn check(packet: &Foreign, mtu: u32) -> Result<(), ForeignError> {
    let (source, destination) = (packet.source(), packet.destination());
    if source.is_ipv4() != destination.is_ipv4() {
        return Err(ForeignError::Family);
    }
    let ip_len = if source.is_ipv4() { 20 } else { 40 };
    let headers = ip_len + UdpHeader::LEN as u32;
    // The length fields are of 16 bits; IPv6's does not count its header.
    let most = u32::from(u16::MAX)
        - if ip_len == 20 {
            headers
        } else {
            headers - ip_len
        };
    let len = packet.payload().len();
    let fits = match packet {
        Foreign::Datagram(d) if d.segment_size > 0 && len > d.segment_size.into() => {
            len <= most && u32::from(d.segment_size) <= mtu.saturating_sub(headers)
        }
        _ => len <= most,
    };
    if fits {
        Ok(())
    } else {
        Err(ForeignError::TooBig)
    }
}
