//! Headers in front of a payload: the way down (RFC 1122, section 1.3.3).

use crate::tcp::TcpHeader;
use crate::{Checksum, Ecn, Gso, GsoKind, IpHeader, Packet, Protocol};
use core::net::IpAddr;
use handfast_checksum::Sum;

/// Where the checksum is in a TCP header.
const TCP_CHECKSUM: usize = 16;

/// What all segments of one TCP flow have in common: the IP header but for its length, and the
/// sums over what does not change.
#[derive(Clone, Debug)]
pub struct TcpEncapsulation {
    octets: [u8; IpHeader::MAX_LEN],
    ip_len: u8,
    kind: GsoKind,
    /// Sum of an IPv4 header without its length.
    header: Sum,
    /// Sum of the pseudo-header without its length.
    pseudo_header: Sum,
}

impl TcpEncapsulation {
    /// The encapsulation with this IP header, whose protocol is to be TCP; `None` when its
    /// addresses are of different families.
    #[inline]
    pub fn new(ip: &IpHeader) -> Option<TcpEncapsulation> {
        let mut octets = [0; IpHeader::MAX_LEN];
        let ip_len = ip.emit(&mut octets, 0);
        let mut header = Sum::ZERO;
        let kind = match ip.destination {
            IpAddr::V4(_) => {
                put(&mut octets, 2, 0);
                put(&mut octets, 10, 0);
                header = header.add_bytes(&octets[..ip_len]);
                GsoKind::TcpV4
            }
            IpAddr::V6(_) => GsoKind::TcpV6,
        };
        (ip_len > 0).then_some(TcpEncapsulation {
            octets,
            ip_len: ip_len as u8,
            kind,
            header,
            pseudo_header: ip.pseudo_header(0),
        })
    }

    /// Writes the IP header in front of `len` octets to the start of `out`. A length that does not
    /// fit its field is written as zero, as super-segments have it.
    #[inline]
    fn emit_ip(&self, out: &mut [u8], len: u32, ecn: Ecn) {
        let ip_len = usize::from(self.ip_len);
        if self.kind == GsoKind::TcpV4
            && let Some(out) = out.first_chunk_mut::<20>()
        {
            out.copy_from_slice(&self.octets[..20]);
            let field = u16::try_from(len.saturating_add(20)).unwrap_or(0);
            put(out, 2, field);
            out[1] |= ecn as u8;
            let header = self.header.add_u16(field).add_u16(ecn as u16);
            put(out, 10, header.finish());
        } else {
            let extensions = (ip_len as u32).saturating_sub(40);
            out[..ip_len].copy_from_slice(&self.octets[..ip_len]);
            put(
                out,
                4,
                u16::try_from(len.saturating_add(extensions)).unwrap_or(0),
            );
            if let Some(class) = out.get_mut(1) {
                *class |= (ecn as u8) << 4;
            }
        }
    }
}

/// Writes one word, if there is room.
#[inline(always)]
fn put(out: &mut [u8], at: usize, word: u16) {
    if let Some(out) = out.get_mut(at..at + 2) {
        out.copy_from_slice(&word.to_be_bytes());
    }
}

impl Packet {
    /// Writes `ip` and `tcp` into the head, in front of the payload that is there already, and
    /// sets [`checksum`](Packet::checksum) and [`gso`](Packet::gso). Neither allocates nor moves
    /// the payload.
    ///
    /// With more than `segment_size` octets of payload the packet becomes a super-segment, to be
    /// cut into pieces of that many; 0 means never. With [`Checksum::Partial`], and on every
    /// super-segment, the checksum is left for whoever puts the packet on a wire; else it is
    /// completed here (MUST-2), which reads the payload once. `ip.protocol` is to be TCP.
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
        let Some(flow) = TcpEncapsulation::new(ip) else {
            self.reserve_head(0);
            return false;
        };
        self.write_tcp_segment(&flow, tcp, segment_size, checksum, Ecn::NotEct);
        true
    }

    /// As [`write_tcp`](Packet::write_tcp), with the part made beforehand that all segments of a
    /// flow share. Its ECN field is to be zero, and becomes `ecn`, which may differ from one segment
    /// to the next (RFC 3168, 6.1).
    #[inline]
    pub fn write_tcp_segment(
        &mut self,
        flow: &TcpEncapsulation,
        tcp: &TcpHeader,
        segment_size: u16,
        checksum: Checksum,
        ecn: Ecn,
    ) {
        let ip_len = usize::from(flow.ip_len);
        let payload_len = self.payload.len();
        let is_super = segment_size > 0 && payload_len > u32::from(segment_size);
        let is_partial = is_super || checksum == Checksum::Partial;
        let head = self.reserve_head(Packet::HEAD_CAPACITY);
        let tcp_len = tcp.emit(&mut head[ip_len..]);
        let len = payload_len.saturating_add(tcp_len as u32);
        flow.emit_ip(head, len, ecn);
        let pseudo = flow.pseudo_header.add_u32(len);
        if is_partial {
            put(head, ip_len + TCP_CHECKSUM, pseudo.fold());
        }
        self.truncate_head(ip_len + tcp_len);
        self.gso = is_super.then_some(Gso {
            kind: flow.kind,
            size: segment_size,
        });
        self.checksum = Checksum::Partial;
        if !is_partial {
            self.checksum = Checksum::None;
            let sum = pseudo.combine(self.sum(ip_len as u32, self.len()), false);
            put(self.head_mut(), ip_len + TCP_CHECKSUM, sum.finish());
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
