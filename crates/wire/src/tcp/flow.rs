use crate::tcp::FIXED;
use crate::{Ecn, IpHeader, Packet, Protocol};
use core::net::IpAddr;
use handfast_checksum::Sum;

/// Octets of source, destination and ports, in IPv6.
const KEY: usize = 36;

/// What all packets of one TCP flow in one direction have in common, taken from one of them: by
/// it the next one is known again without being parsed anew.
#[derive(Clone, Debug)]
pub struct TcpFlow {
    is_v4: bool,
    /// Source, destination and ports as they lie in the packet.
    key: [u8; KEY],
    /// Sum of the pseudo-header without its length.
    pseudo_header: Sum,
}

/// Where a packet of a known flow has its parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpPlace {
    /// Offset of the TCP header.
    pub transport: usize,
    /// Where the packet ends; beyond is link padding.
    pub end: u32,
    /// The ECN field.
    pub ecn: Ecn,
}

impl TcpFlow {
    /// The flow of a packet that was found sound, with this IP header. `None` when it has IP
    /// options or extension headers, is a fragment, or is not TCP.
    #[inline]
    pub fn of(packet: &Packet, ip: &IpHeader) -> Option<TcpFlow> {
        let octets = packet.headers();
        let is_v4 = ip.source.is_ipv4();
        let mut key = [0; KEY];
        match ip.source {
            IpAddr::V4(_) => key[..12].copy_from_slice(plain_v4(octets)?),
            IpAddr::V6(_) => key.copy_from_slice(plain_v6(octets)?),
        }
        let pseudo_header = ip.pseudo_header(0);
        Some(TcpFlow {
            is_v4,
            key,
            pseudo_header,
        })
    }

    /// Where a received packet has its parts, if it is one more of this flow and sound: the IP
    /// header's lengths and checksum and, unless it is [trusted](crate::Checksum::is_trusted), the TCP
    /// checksum have been verified. `None` says nothing: the packet is to be parsed.
    #[inline]
    pub fn place_in(&self, packet: &Packet) -> Option<TcpPlace> {
        let octets = packet.headers();
        let (transport, end, traffic_class) = if self.is_v4 {
            if *plain_v4(octets)? != self.key[..12] {
                return None;
            }
            let header = octets.first_chunk::<20>()?;
            if sum(header).fold() != 0xffff {
                return None;
            }
            let end = u16::from_be_bytes([header[2], header[3]]);
            (20, u32::from(end), header[1])
        } else {
            if *plain_v6(octets)? != self.key {
                return None;
            }
            let len = u16::from_be_bytes([octets[4], octets[5]]);
            (40, 40 + u32::from(len), octets[0] << 4 | octets[1] >> 4)
        };
        let len = end.checked_sub(transport as u32)?;
        let fits = len >= FIXED as u32 && end <= packet.len();
        let is_sound = fits
            && (packet.checksum.is_trusted() || {
                let sum = packet.sum(transport as u32, end);
                let pseudo_header = self.pseudo_header.add_u32(len);
                pseudo_header.combine(sum, false).fold() == 0xffff
            });
        is_sound.then_some(TcpPlace {
            transport,
            end,
            ecn: Ecn::from_traffic_class(traffic_class),
        })
    }
}

/// Source, destination and ports of a TCP packet of IPv4 that is whole and has no options.
#[inline(always)]
fn plain_v4(octets: &[u8]) -> Option<&[u8; 12]> {
    let f = octets.first_chunk::<24>()?;
    let fragment = u16::from_be_bytes([f[6], f[7]]) & 0x3fff;
    if f[0] != 0x45 || fragment != 0 || f[9] != Protocol::TCP.0 {
        return None;
    }
    f.last_chunk()
}

/// Source, destination and ports of a TCP packet of IPv6 without extension headers.
#[inline(always)]
fn plain_v6(octets: &[u8]) -> Option<&[u8; KEY]> {
    let f = octets.first_chunk::<44>()?;
    if f[0] >> 4 != 6 || f[6] != Protocol::TCP.0 {
        return None;
    }
    f.last_chunk()
}

#[inline(always)]
fn sum(header: &[u8; 20]) -> Sum {
    let (words, _) = header.as_chunks::<4>();
    words
        .iter()
        .fold(Sum::ZERO, |sum, w| sum.add_u32(u32::from_be_bytes(*w)))
}
