//! Headers in front of a payload: the way down (RFC 1122, section 1.3.3).

use crate::tcp::TcpHeader;
use crate::{Checksum, Gso, GsoKind, IpHeader, Packet, Protocol};
use core::net::IpAddr;
use handfast_checksum::Sum;

impl Packet {
    /// Writes `ip` and `tcp` into the head, in front of the payload that is there already, and
    /// sets [`checksum`](Packet::checksum) and [`gso`](Packet::gso). Neither allocates nor moves
    /// the payload.
    ///
    /// With more than `segment_size` octets of payload the packet becomes a super-segment, to be
    /// cut into pieces of that many; 0 means never. With [`Checksum::Partial`], and on every
    /// super-segment, the checksum is left for whoever puts the packet on a wire; else it is
    /// completed here, which reads the payload once. `ip.protocol` is to be TCP.
    ///
    /// Returns false, with the head empty, when the addresses are of different families.
    #[inline]
    pub fn write_tcp(
        &mut self,
        ip: &IpHeader,
        tcp: &TcpHeader,
        segment_size: u16,
        checksum: Checksum,
    ) -> bool {
        let kind = match ip.destination {
            IpAddr::V4(_) => GsoKind::TcpV4,
            IpAddr::V6(_) => GsoKind::TcpV6,
        };
        let ip_len = ip.header_len();
        let head = self.reserve_head(Packet::HEAD_CAPACITY);
        let tcp_len = tcp.emit(&mut head[ip_len..]);
        self.finish_head(ip, tcp_len, kind, segment_size) && {
            self.fill_checksum(ip, ip_len, checksum);
            true
        }
    }

    /// Writes the IP header for a transport header of `transport_len` octets that lies behind it,
    /// cuts the head to length and decides whether this is a super-segment.
    #[inline]
    pub(crate) fn finish_head(
        &mut self,
        ip: &IpHeader,
        transport_len: usize,
        kind: GsoKind,
        segment_size: u16,
    ) -> bool {
        let payload_len = self.payload.len();
        let len = payload_len.saturating_add(transport_len as u32);
        let ip_len = ip.emit(self.head_mut(), len);
        self.truncate_head(if ip_len > 0 {
            ip_len + transport_len
        } else {
            0
        });
        let is_super = segment_size > 0 && payload_len > u32::from(segment_size);
        self.gso = is_super.then_some(Gso {
            kind,
            size: segment_size,
        });
        ip_len > 0
    }

    /// Fills in the checksum of the transport header at `transport` in the head.
    #[inline]
    pub(crate) fn fill_checksum(&mut self, ip: &IpHeader, transport: usize, checksum: Checksum) {
        let len = self.len() - transport as u32;
        let pseudo = match ip.protocol {
            Protocol::ICMP => Sum::ZERO,
            _ => ip.pseudo_header(len),
        };
        let value = if checksum == Checksum::Partial || self.gso.is_some() {
            self.checksum = Checksum::Partial;
            pseudo.fold()
        } else {
            self.checksum = Checksum::None;
            let sum = pseudo.combine(self.sum(transport as u32, self.len()), false);
            ip.protocol.checksum_field(sum)
        };
        let field = ip
            .protocol
            .checksum_offset()
            .map(|offset| transport + offset);
        if let Some(out) = field.and_then(|at| self.head_mut().get_mut(at..at + 2)) {
            out.copy_from_slice(&value.to_be_bytes());
        }
    }
}
