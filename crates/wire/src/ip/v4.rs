use super::Protocol;
use crate::Discard;
use core::net::Ipv4Addr;
use handfast_checksum::Sum;

/// Length of a header without options.
pub(super) const LEN: usize = 20;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;

/// The IPv4 header (RFC 791, section 3.1), options left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv4Header {
    /// DSCP in the upper six bits (RFC 2474), ECN in the lower two (RFC 3168).
    pub traffic_class: u8,
    /// Octets of header and data as on the wire; 0 for a super-segment beyond 65,535.
    pub total_len: u16,
    /// Identification.
    pub identification: u16,
    /// DF.
    pub dont_fragment: bool,
    /// MF.
    pub more_fragments: bool,
    /// Fragment offset in octets, a multiple of 8.
    pub fragment_offset: u16,
    /// Time to live.
    pub ttl: u8,
    /// Protocol of the data.
    pub protocol: Protocol,
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
}

impl Ipv4Header {
    /// The header at the start of `octets`, its length with options, and the length of the whole
    /// packet without link padding. The header checksum is verified; options are checked and
    /// skipped, except that a source route with hops left is not for the host (RFC 1122,
    /// section 3.2.1.8).
    ///
    /// `packet_len` is what the link delivered, of which `octets` is the start. A total length of
    /// zero stands for all of it if that is more than the field can say.
    ///
    /// # Errors
    /// One of the `Ip` reasons of [`Discard`].
    #[inline]
    pub fn parse(octets: &[u8], packet_len: u32) -> Result<(Ipv4Header, usize, u32), Discard> {
        let Some(f) = octets.first_chunk::<LEN>() else {
            return Err(Discard::IpTruncated);
        };
        if f[0] >> 4 != 4 {
            return Err(Discard::IpVersion);
        }
        let header_len = usize::from(f[0] & 0xf) * 4;
        if header_len < LEN {
            return Err(Discard::IpHeaderLength);
        }
        let Some(header) = octets.get(..header_len) else {
            return Err(Discard::IpHeaderLength);
        };
        if sum(header).fold() != 0xffff {
            return Err(Discard::IpChecksum);
        }
        let total_len = u16::from_be_bytes([f[2], f[3]]);
        let end = match total_len {
            0 if packet_len > 0xffff => packet_len,
            len => u32::from(len),
        };
        if end < header_len as u32 || end > packet_len {
            return Err(Discard::IpTotalLength);
        }
        if header_len > LEN {
            check_options(&header[LEN..])?;
        }
        let fragment = u16::from_be_bytes([f[6], f[7]]);
        let value = Ipv4Header {
            traffic_class: f[1],
            total_len,
            identification: u16::from_be_bytes([f[4], f[5]]),
            dont_fragment: fragment & DONT_FRAGMENT != 0,
            more_fragments: fragment & MORE_FRAGMENTS != 0,
            fragment_offset: fragment << 3,
            ttl: f[8],
            protocol: Protocol(f[9]),
            source: Ipv4Addr::new(f[12], f[13], f[14], f[15]),
            destination: Ipv4Addr::new(f[16], f[17], f[18], f[19]),
        };
        Ok((value, header_len, end))
    }

    /// Writes the header, checksum included, to the start of `out` and returns its length of 20;
    /// writes nothing and returns 0 when `out` is too short.
    #[inline]
    pub fn emit(&self, out: &mut [u8]) -> usize {
        let Some(out) = out.first_chunk_mut::<LEN>() else {
            return 0;
        };
        let fragment = self.fragment_offset >> 3
            | if self.dont_fragment { DONT_FRAGMENT } else { 0 }
            | if self.more_fragments {
                MORE_FRAGMENTS
            } else {
                0
            };
        out[0] = 0x45;
        out[1] = self.traffic_class;
        out[2..4].copy_from_slice(&self.total_len.to_be_bytes());
        out[4..6].copy_from_slice(&self.identification.to_be_bytes());
        out[6..8].copy_from_slice(&fragment.to_be_bytes());
        out[8] = self.ttl;
        out[9] = self.protocol.0;
        out[10..12].copy_from_slice(&[0, 0]);
        out[12..16].copy_from_slice(&self.source.octets());
        out[16..20].copy_from_slice(&self.destination.octets());
        let checksum = sum(out).finish();
        out[10..12].copy_from_slice(&checksum.to_be_bytes());
        LEN
    }
}

/// A header is a handful of words: not worth the call that long data is.
#[inline(always)]
fn sum(header: &[u8]) -> Sum {
    let (words, _) = header.as_chunks::<4>();
    words
        .iter()
        .fold(Sum::ZERO, |sum, w| sum.add_u32(u32::from_be_bytes(*w)))
}

/// RFC 791, section 3.1, "Options". What means nothing to us is passed over (MUST-50).
#[cold]
fn check_options(mut options: &[u8]) -> Result<(), Discard> {
    const END: u8 = 0;
    const NOP: u8 = 1;
    const LOOSE_SOURCE_ROUTE: u8 = 131;
    const STRICT_SOURCE_ROUTE: u8 = 137;
    loop {
        match *options {
            [] | [END, ..] => return Ok(()),
            [NOP, ref rest @ ..] => options = rest,
            [kind, len, ref rest @ ..] if len >= 2 => {
                let Some((value, rest)) = rest.split_at_checked(usize::from(len) - 2) else {
                    return Err(Discard::IpOption);
                };
                if matches!(kind, LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE)
                    && value.first().is_none_or(|pointer| *pointer <= len)
                {
                    return Err(Discard::IpOption);
                }
                options = rest;
            }
            _ => return Err(Discard::IpOption),
        }
    }
}
