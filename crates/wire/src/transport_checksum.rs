//! The checksum of TCP, UDP and ICMP over pseudo-header, header and payload.

use crate::udp::UdpHeader;
use crate::{Checksum, Discard, IpHeader, Packet, Protocol};
use core::iter;
use core::net::IpAddr;
use handfast_checksum::{Sum, pseudo_v4, pseudo_v6, sum_pieces};

impl IpHeader {
    /// The sum of the pseudo-header in front of `transport_len` octets of transport header and
    /// data (RFC 9293, section 3.1; RFC 8200, section 8.1). Zero for addresses of different
    /// families.
    #[inline]
    pub fn pseudo_header(&self, transport_len: u32) -> Sum {
        let protocol = self.protocol.0;
        match (self.source, self.destination) {
            (IpAddr::V4(s), IpAddr::V4(d)) => {
                pseudo_v4(s.octets(), d.octets(), protocol, transport_len)
            }
            (IpAddr::V6(s), IpAddr::V6(d)) => {
                pseudo_v6(s.octets(), d.octets(), protocol, transport_len)
            }
            _ => Sum::ZERO,
        }
    }
}

impl Protocol {
    /// The checksum field for this sum: in UDP, zero is sent as all ones (RFC 768).
    #[inline]
    pub(crate) fn checksum_field(self, sum: Sum) -> u16 {
        match sum.finish() {
            0 if self == Protocol::UDP => 0xffff,
            field => field,
        }
    }

    /// Where the checksum field is in the transport header.
    #[inline]
    pub(crate) fn checksum_offset(self) -> Option<usize> {
        match self {
            Protocol::TCP => Some(16),
            Protocol::UDP => Some(6),
            Protocol::ICMP | Protocol::ICMPV6 => Some(2),
            _ => None,
        }
    }
}

impl Packet {
    /// Checks the transport checksum (MUST-3) of a received packet whose IP header is `ip` and whose
    /// transport header and data are the octets `transport..end`, in one pass over them. A packet
    /// of a [trusted](Checksum::is_trusted) state passes at once, one of a protocol without a
    /// checksum we know too. Not for a fragment: its datagram is checked when reassembled.
    ///
    /// # Errors
    /// [`Discard::TcpChecksum`], [`Discard::UdpChecksum`], [`Discard::IcmpChecksum`];
    /// [`Discard::UdpTruncated`] when the UDP length is impossible, and
    /// [`Discard::UdpZeroChecksumV6`], even in a trusted state.
    #[inline]
    pub fn verify_transport(
        &self,
        ip: &IpHeader,
        transport: usize,
        end: u32,
    ) -> Result<(), Discard> {
        if ip.protocol == Protocol::UDP {
            return self.verify_udp(ip, transport, end);
        }
        if self.checksum.is_trusted() {
            return Ok(());
        }
        let start = transport as u32;
        let len = end.saturating_sub(start);
        let (pseudo, reason) = match ip.protocol {
            Protocol::TCP => (ip.pseudo_header(len), Discard::TcpChecksum),
            Protocol::ICMP => (Sum::ZERO, Discard::IcmpChecksum),
            Protocol::ICMPV6 => (ip.pseudo_header(len), Discard::IcmpChecksum),
            _ => return Ok(()),
        };
        self.expect_ones(pseudo, start, end, reason)
    }

    fn verify_udp(&self, ip: &IpHeader, transport: usize, end: u32) -> Result<(), Discard> {
        let start = transport as u32;
        let header = self.headers().get(transport..).unwrap_or(&[]);
        let (_, len) = UdpHeader::parse(header, end.saturating_sub(start))?;
        match (self.checksum, [header[6], header[7]], ip.destination) {
            (Checksum::Partial, ..) => Ok(()),
            (_, [0, 0], IpAddr::V4(_)) => Ok(()),
            (_, [0, 0], IpAddr::V6(_)) => Err(Discard::UdpZeroChecksumV6),
            (Checksum::Verified, ..) => Ok(()),
            (Checksum::None, ..) => {
                let pseudo = ip.pseudo_header(len);
                self.expect_ones(pseudo, start, start + len, Discard::UdpChecksum)
            }
        }
    }

    #[inline]
    fn expect_ones(
        &self,
        pseudo: Sum,
        start: u32,
        end: u32,
        otherwise: Discard,
    ) -> Result<(), Discard> {
        match pseudo.combine(self.sum(start, end), false).fold() {
            0xffff => Ok(()),
            _ => Err(otherwise),
        }
    }

    /// The sum of the packet's octets `start..end`, cut to what there is, as if `start` were even.
    #[inline]
    pub(crate) fn sum(&self, start: u32, end: u32) -> Sum {
        let (mut skip, mut left) = (start as usize, end.saturating_sub(start) as usize);
        let slices = self.payload.slices().iter().map(|s| &s[..]);
        sum_pieces(iter::once(self.head()).chain(slices).map(|piece| {
            let (skipped, piece) = piece.split_at(skip.min(piece.len()));
            skip -= skipped.len();
            let piece = &piece[..left.min(piece.len())];
            left -= piece.len();
            piece
        }))
    }
}
