//! The UDP header (RFC 768).

use crate::{Checksum, Discard, GsoKind, IpHeader, Packet};

/// A UDP header: a validated value. Its length follows from the data.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct UdpHeader {
    /// Source port; 0 if no reply is wanted.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
}

impl UdpHeader {
    /// Length of the header.
    pub const LEN: usize = 8;

    /// The header at the start of `datagram`, and the length of header and data. `available` is
    /// what IP says there is, of which `datagram` is the start; the datagram may be shorter. A
    /// length field of zero stands for all of it if that is more than the field can say. The
    /// checksum is not looked at.
    ///
    /// # Errors
    /// [`Discard::UdpTruncated`].
    #[inline]
    pub fn parse(datagram: &[u8], available: u32) -> Result<(UdpHeader, u32), Discard> {
        let Some(&[a, b, c, d, e, f, _, _]) = datagram.first_chunk() else {
            return Err(Discard::UdpTruncated);
        };
        let len = match u32::from(u16::from_be_bytes([e, f])) {
            0 if available > 0xffff => available,
            len => len,
        };
        if len < Self::LEN as u32 || len > available {
            return Err(Discard::UdpTruncated);
        }
        let header = UdpHeader {
            source_port: u16::from_be_bytes([a, b]),
            destination_port: u16::from_be_bytes([c, d]),
        };
        Ok((header, len))
    }

    /// Writes the header of `payload_len` octets of data to the start of `out`, with the checksum
    /// field zero, and returns its length of 8. A length that does not fit its field is written
    /// as zero. Writes nothing and returns 0 when `out` is too short.
    #[inline]
    pub fn emit(&self, out: &mut [u8], payload_len: u32) -> usize {
        let Some(out) = out.first_chunk_mut() else {
            return 0;
        };
        let [a, b] = self.source_port.to_be_bytes();
        let [c, d] = self.destination_port.to_be_bytes();
        let len = payload_len.saturating_add(Self::LEN as u32);
        let [e, f] = u16::try_from(len).unwrap_or(0).to_be_bytes();
        *out = [a, b, c, d, e, f, 0, 0];
        Self::LEN
    }
}

impl Packet {
    /// Writes `ip` and `udp` into the head, in front of the payload that is there already, and
    /// sets [`checksum`](Packet::checksum) and [`gso`](Packet::gso), all as
    /// [`write_tcp`](Packet::write_tcp) does. `ip.protocol` is to be UDP.
    #[inline]
    pub fn write_udp(
        &mut self,
        ip: &IpHeader,
        udp: &UdpHeader,
        segment_size: u16,
        checksum: Checksum,
    ) -> bool {
        let ip_len = ip.header_len();
        let payload_len = self.payload.len();
        let head = self.reserve_head(Packet::HEAD_CAPACITY);
        let udp_len = udp.emit(&mut head[ip_len..], payload_len);
        self.finish_head(ip, udp_len, GsoKind::Udp, segment_size) && {
            self.fill_checksum(ip, ip_len, checksum);
            true
        }
    }
}
