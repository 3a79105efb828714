use super::Protocol;
use crate::Discard;
use core::net::Ipv6Addr;

/// Length of the header.
pub(super) const LEN: usize = 40;

/// The IPv6 header (RFC 8200, section 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv6Header {
    /// DSCP in the upper six bits (RFC 2474), ECN in the lower two (RFC 3168).
    pub traffic_class: u8,
    /// Flow label, 20 bits.
    pub flow_label: u32,
    /// Octets after this header as on the wire; 0 for a super-segment beyond 65,535.
    pub payload_len: u16,
    /// What follows this header, possibly an extension header.
    pub next_header: Protocol,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
}

impl Ipv6Header {
    /// The header at the start of `octets`, and the length of the whole packet without link
    /// padding.
    ///
    /// `packet_len` is what the link delivered, of which `octets` is the start. A payload length
    /// of zero stands for all of it if that is more than the field can say.
    ///
    /// # Errors
    /// [`Discard::IpTruncated`], [`Discard::IpVersion`] or [`Discard::IpTotalLength`].
    #[inline]
    pub fn parse(octets: &[u8], packet_len: u32) -> Result<(Ipv6Header, u32), Discard> {
        let Some((f, _)) = octets.split_first_chunk::<LEN>() else {
            return Err(Discard::IpTruncated);
        };
        let first = u32::from_be_bytes([f[0], f[1], f[2], f[3]]);
        if first >> 28 != 6 {
            return Err(Discard::IpVersion);
        }
        let payload_len = u16::from_be_bytes([f[4], f[5]]);
        let end = match payload_len {
            0 if packet_len > LEN as u32 + 0xffff => packet_len,
            len => LEN as u32 + u32::from(len),
        };
        if end > packet_len {
            return Err(Discard::IpTotalLength);
        }
        let mut source = [0; 16];
        let mut destination = [0; 16];
        source.copy_from_slice(&f[8..24]);
        destination.copy_from_slice(&f[24..40]);
        let value = Ipv6Header {
            traffic_class: (first >> 20) as u8,
            flow_label: first & 0xf_ffff,
            payload_len,
            next_header: Protocol(f[6]),
            hop_limit: f[7],
            source: source.into(),
            destination: destination.into(),
        };
        Ok((value, end))
    }

    /// Writes the header to the start of `out` and returns its length of 40; writes nothing and
    /// returns 0 when `out` is too short.
    #[inline]
    pub fn emit(&self, out: &mut [u8]) -> usize {
        let Some(out) = out.first_chunk_mut::<LEN>() else {
            return 0;
        };
        let first = 6 << 28 | u32::from(self.traffic_class) << 20 | self.flow_label & 0xf_ffff;
        out[0..4].copy_from_slice(&first.to_be_bytes());
        out[4..6].copy_from_slice(&self.payload_len.to_be_bytes());
        out[6] = self.next_header.0;
        out[7] = self.hop_limit;
        out[8..24].copy_from_slice(&self.source.octets());
        out[24..40].copy_from_slice(&self.destination.octets());
        LEN
    }
}

/// The end of a packet with a jumbo payload option (RFC 2675, section 3): the option must be
/// needed, the length field zero, and the octets there.
pub(super) fn jumbo_end(h: &Ipv6Header, jumbo: u32, packet_len: u32) -> Result<u32, Discard> {
    let end = jumbo.saturating_add(LEN as u32);
    if h.payload_len == 0 && jumbo > 0xffff && end <= packet_len {
        Ok(end)
    } else {
        Err(Discard::IpTotalLength)
    }
}
