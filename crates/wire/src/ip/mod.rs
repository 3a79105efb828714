//! IPv4 and IPv6 headers, each as itself and both as one [`IpHeader`].

mod extension_headers;
mod headers;
mod v4;
mod v6;

pub use extension_headers::{UpperLayer, upper_layer};
pub(crate) use headers::Headers;
pub use v4::Ipv4Header;
pub use v6::Ipv6Header;

use crate::Discard;
use core::fmt;
use core::net::IpAddr;

/// An IP protocol number, as in the IPv4 Protocol and IPv6 Next Header fields.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Protocol(pub u8);

impl Protocol {
    /// IPv6 hop-by-hop options (RFC 8200, section 4.3).
    pub const HOP_BY_HOP: Protocol = Protocol(0);
    /// ICMP for IPv4 (RFC 792).
    pub const ICMP: Protocol = Protocol(1);
    /// IGMP (RFC 3376).
    pub const IGMP: Protocol = Protocol(2);
    /// TCP (RFC 9293).
    pub const TCP: Protocol = Protocol(6);
    /// UDP (RFC 768).
    pub const UDP: Protocol = Protocol(17);
    /// IPv6 routing header (RFC 8200, section 4.4).
    pub const ROUTING: Protocol = Protocol(43);
    /// IPv6 fragment header (RFC 8200, section 4.5).
    pub const FRAGMENT: Protocol = Protocol(44);
    /// ICMP for IPv6 (RFC 4443).
    pub const ICMPV6: Protocol = Protocol(58);
    /// Nothing follows (RFC 8200, section 4.7).
    pub const NO_NEXT_HEADER: Protocol = Protocol(59);
    /// IPv6 destination options (RFC 8200, section 4.6).
    pub const DESTINATION_OPTIONS: Protocol = Protocol(60);
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Protocol::ICMP => "ICMP",
            Protocol::IGMP => "IGMP",
            Protocol::TCP => "TCP",
            Protocol::UDP => "UDP",
            Protocol::ICMPV6 => "ICMPv6",
            Protocol(other) => return write!(f, "protocol {other}"),
        })
    }
}

/// The ECN field: the last two bits of the traffic class (RFC 3168, section 5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u8)]
pub enum Ecn {
    /// The transport does not use ECN.
    #[default]
    NotEct = 0,
    /// ECN-capable, ECT(1).
    Ect1 = 1,
    /// ECN-capable, ECT(0).
    Ect0 = 2,
    /// Congestion experienced.
    Ce = 3,
}

impl Ecn {
    /// From the low two bits of a traffic class.
    #[inline]
    pub const fn from_traffic_class(traffic_class: u8) -> Ecn {
        match traffic_class & 3 {
            0 => Ecn::NotEct,
            1 => Ecn::Ect1,
            2 => Ecn::Ect0,
            _ => Ecn::Ce,
        }
    }
}

/// The place of a fragment in its datagram (RFC 791, section 3.2; RFC 8200, section 4.5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fragment {
    /// First octet of the datagram's fragmentable part that it carries; a multiple of 8.
    pub offset: u16,
    /// Whether more of the datagram follows.
    pub more: bool,
}

/// What a host needs to know of an IPv4 or IPv6 header: a validated value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IpHeader {
    /// Source address.
    pub source: IpAddr,
    /// Destination address, of the same family as the source.
    pub destination: IpAddr,
    /// What follows the header, in IPv6 after any extension headers. On a [`Fragment`] of IPv6:
    /// what follows the fragment header, which may be another extension header.
    pub protocol: Protocol,
    /// Hop limit; the time to live of IPv4.
    pub hop_limit: u8,
    /// DSCP in the upper six bits (RFC 2474), ECN in the lower two (RFC 3168).
    pub traffic_class: u8,
    /// Flow label, 20 bits (RFC 6437); 0 in IPv4.
    pub flow_label: u32,
    /// Identification: 16 bits in IPv4; in IPv6 32 bits, and 0 unless `fragment` is there.
    pub identification: u32,
    /// Routers must not fragment it; always so in IPv6.
    pub dont_fragment: bool,
    /// The place of this fragment; `None` for a whole datagram.
    pub fragment: Option<Fragment>,
}

impl IpHeader {
    /// The most octets [`emit`](IpHeader::emit) writes: IPv6 with a fragment header.
    pub const MAX_LEN: usize = v6::LEN + extension_headers::FRAGMENT_LEN;

    /// A header with hop limit 64, don't fragment, and all else zero.
    #[inline]
    pub const fn new(source: IpAddr, destination: IpAddr, protocol: Protocol) -> IpHeader {
        IpHeader {
            source,
            destination,
            protocol,
            hop_limit: 64,
            traffic_class: 0,
            flow_label: 0,
            identification: 0,
            dont_fragment: true,
            fragment: None,
        }
    }

    /// The ECN field.
    #[inline]
    pub const fn ecn(&self) -> Ecn {
        Ecn::from_traffic_class(self.traffic_class)
    }

    /// Sets the ECN field, leaving the DSCP as it is.
    #[inline]
    pub const fn set_ecn(&mut self, ecn: Ecn) {
        self.traffic_class = self.traffic_class & !3 | ecn as u8;
    }

    /// Parses the IP header of a packet of `packet_len` octets of which `headers` are the first;
    /// all headers must lie in these. Returns it with the offset of what follows it (and its
    /// extension headers), and the offset at which the packet ends: what is beyond `end` is link
    /// padding. `offset <= end <= packet_len`.
    ///
    /// A length field of zero means "to the end of the packet" where a packet is too long for the
    /// field, as super-segments from a device can be (RFC 2675 gives IPv6 the idea).
    ///
    /// # Errors
    /// One of the `Ip` reasons of [`Discard`].
    #[inline]
    pub fn parse(headers: &[u8], packet_len: u32) -> Result<(IpHeader, usize, u32), Discard> {
        match headers.first().map(|first| first >> 4) {
            Some(4) => {
                let (h, header_len, total_len) = Ipv4Header::parse(headers, packet_len)?;
                let fragment = (h.more_fragments || h.fragment_offset > 0).then_some(Fragment {
                    offset: h.fragment_offset,
                    more: h.more_fragments,
                });
                let header = IpHeader {
                    source: IpAddr::V4(h.source),
                    destination: IpAddr::V4(h.destination),
                    protocol: h.protocol,
                    hop_limit: h.ttl,
                    traffic_class: h.traffic_class,
                    flow_label: 0,
                    identification: u32::from(h.identification),
                    dont_fragment: h.dont_fragment,
                    fragment,
                };
                Ok((header, header_len, total_len))
            }
            Some(6) => {
                let (h, mut end) = Ipv6Header::parse(headers, packet_len)?;
                let inside = &headers[..headers.len().min(end as usize)];
                let upper = upper_layer(h.next_header, inside, v6::LEN)?;
                if let Some(jumbo) = upper.jumbo_len {
                    end = v6::jumbo_end(&h, jumbo, packet_len)?;
                }
                let header = IpHeader {
                    source: IpAddr::V6(h.source),
                    destination: IpAddr::V6(h.destination),
                    protocol: upper.protocol,
                    hop_limit: h.hop_limit,
                    traffic_class: h.traffic_class,
                    flow_label: h.flow_label,
                    identification: upper.identification,
                    dont_fragment: true,
                    fragment: upper.fragment,
                };
                Ok((header, upper.offset, end))
            }
            Some(_) => Err(Discard::IpVersion),
            None => Err(Discard::IpTruncated),
        }
    }

    /// Octets [`emit`](IpHeader::emit) writes: 20, 40, or 48 for a fragment of IPv6.
    #[inline]
    pub const fn header_len(&self) -> usize {
        match (self.destination, self.fragment) {
            (IpAddr::V4(_), _) => v4::LEN,
            (IpAddr::V6(_), None) => v6::LEN,
            (IpAddr::V6(_), Some(_)) => Self::MAX_LEN,
        }
    }

    /// Writes the header of a packet with `payload_len` octets after it to the start of `out`, and
    /// returns its length. A length that does not fit its field is written as zero, as
    /// super-segments have it. Writes nothing and returns 0 when `out` is too short or the
    /// addresses are of different families.
    #[inline]
    pub fn emit(&self, out: &mut [u8], payload_len: u32) -> usize {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let total_len = payload_len.saturating_add(v4::LEN as u32);
                Ipv4Header {
                    traffic_class: self.traffic_class,
                    total_len: u16::try_from(total_len).unwrap_or(0),
                    identification: self.identification as u16,
                    dont_fragment: self.dont_fragment,
                    more_fragments: self.fragment.is_some_and(|f| f.more),
                    fragment_offset: self.fragment.map_or(0, |f| f.offset),
                    ttl: self.hop_limit,
                    protocol: self.protocol,
                    source,
                    destination,
                }
                .emit(out)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let Some(room) = out.get_mut(..self.header_len()) else {
                    return 0;
                };
                let extension_len = room.len() - v6::LEN;
                let payload_len = payload_len.saturating_add(extension_len as u32);
                let mut header = Ipv6Header {
                    traffic_class: self.traffic_class,
                    flow_label: self.flow_label,
                    payload_len: u16::try_from(payload_len).unwrap_or(0),
                    next_header: self.protocol,
                    hop_limit: self.hop_limit,
                    source,
                    destination,
                };
                if let Some(fragment) = self.fragment {
                    header.next_header = Protocol::FRAGMENT;
                    extension_headers::emit_fragment(
                        &mut room[v6::LEN..],
                        self.protocol,
                        fragment,
                        self.identification,
                    );
                }
                header.emit(room);
                room.len()
            }
            _ => 0,
        }
    }
}
