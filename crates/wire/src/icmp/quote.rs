use super::Echo;
use crate::ip::upper_layer;
use crate::{Discard, Protocol, SeqNumber};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The start of the packet that an ICMP error is about, as far as it is needed to find whom to
/// tell (RFC 1122, section 3.2.2; RFC 4443, section 2.4).
///
/// It is what *we* sent: `source` is our address. Routers change a packet on its way (hop limit,
/// checksum), so nothing but these fields is checked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Quote {
    /// Source of the quoted packet.
    pub source: IpAddr,
    /// Its destination.
    pub destination: IpAddr,
    /// Its length in octets, IP header included, as it says itself; 0 if too long to be said.
    /// Tells the size that did not fit when a router does not (RFC 1191, section 5).
    pub packet_len: u32,
    /// What it carried.
    pub transport: QuotedTransport,
}

/// What tells the sender of a quoted packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum QuotedTransport {
    /// TCP.
    Tcp {
        /// Source port: ours.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
        /// SEG.SEQ, which must be of data in flight for the error to count (RFC 5927, section 4).
        seq: SeqNumber,
    },
    /// UDP.
    Udp {
        /// Source port: ours.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
    },
    /// An echo request or reply.
    Echo(Echo),
    /// Another protocol.
    Other(Protocol),
}

impl Quote {
    /// The quotation in an ICMP error for IPv4: what follows its eight octets.
    ///
    /// # Errors
    /// [`Discard::IcmpQuote`]: not IPv4, cut off before the end of the ports and sequence number,
    /// not a first fragment, or itself an ICMP error or of an unknown ICMP type.
    pub fn parse_v4(octets: &[u8]) -> Result<Quote, Discard> {
        Quote::v4(octets).ok_or(Discard::IcmpQuote)
    }

    /// The quotation in an ICMP error for IPv6: what follows its eight octets.
    ///
    /// # Errors
    /// [`Discard::IcmpQuote`], as for [`parse_v4`](Quote::parse_v4).
    pub fn parse_v6(octets: &[u8]) -> Result<Quote, Discard> {
        Quote::v6(octets).ok_or(Discard::IcmpQuote)
    }

    fn v4(octets: &[u8]) -> Option<Quote> {
        let f = octets.first_chunk::<20>()?;
        let header_len = usize::from(f[0] & 0xf) * 4;
        let fragment_offset = u16::from_be_bytes([f[6], f[7]]) & 0x1fff;
        if f[0] >> 4 != 4 || header_len < f.len() || fragment_offset > 0 {
            return None;
        }
        let protocol = Protocol(f[9]);
        let body = octets.get(header_len..)?.first_chunk()?;
        Some(Quote {
            source: Ipv4Addr::new(f[12], f[13], f[14], f[15]).into(),
            destination: Ipv4Addr::new(f[16], f[17], f[18], f[19]).into(),
            packet_len: u16::from_be_bytes([f[2], f[3]]).into(),
            transport: match (protocol, body[0]) {
                (Protocol::ICMPV6, _) => return None,
                (Protocol::ICMP, 0 | 8) => QuotedTransport::echo(body),
                (Protocol::ICMP, _) => return None,
                _ => QuotedTransport::parse(protocol, body),
            },
        })
    }

    fn v6(octets: &[u8]) -> Option<Quote> {
        let f = octets.first_chunk::<40>()?;
        let ([source, destination], _) = f[8..].as_chunks::<16>() else {
            return None;
        };
        if f[0] >> 4 != 6 {
            return None;
        }
        let upper = upper_layer(Protocol(f[6]), octets, f.len()).ok()?;
        if upper.fragment.is_some_and(|fragment| fragment.offset > 0) {
            return None;
        }
        // Behind a first fragment's header there may be more of the chain.
        let upper = upper_layer(upper.protocol, octets, upper.offset).ok()?;
        let body = octets.get(upper.offset..)?.first_chunk()?;
        let payload_len = u16::from_be_bytes([f[4], f[5]]);
        Some(Quote {
            source: Ipv6Addr::from(*source).into(),
            destination: Ipv6Addr::from(*destination).into(),
            packet_len: match payload_len {
                0 => 0,
                len => u32::from(len) + f.len() as u32,
            },
            transport: match (upper.protocol, body[0]) {
                (Protocol::ICMP, _) => return None,
                (Protocol::ICMPV6, 128 | 129) => QuotedTransport::echo(body),
                (Protocol::ICMPV6, _) => return None,
                _ => QuotedTransport::parse(upper.protocol, body),
            },
        })
    }
}

impl QuotedTransport {
    fn parse(protocol: Protocol, &[a, b, c, d, e, f, g, h]: &[u8; 8]) -> QuotedTransport {
        let source_port = u16::from_be_bytes([a, b]);
        let destination_port = u16::from_be_bytes([c, d]);
        match protocol {
            Protocol::TCP => QuotedTransport::Tcp {
                source_port,
                destination_port,
                seq: SeqNumber(u32::from_be_bytes([e, f, g, h])),
            },
            Protocol::UDP => QuotedTransport::Udp {
                source_port,
                destination_port,
            },
            other => QuotedTransport::Other(other),
        }
    }

    fn echo(&[_, _, _, _, a, b, c, d]: &[u8; 8]) -> QuotedTransport {
        QuotedTransport::Echo(Echo::from_octets([a, b, c, d]))
    }
}
