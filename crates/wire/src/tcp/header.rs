//! Octets to [`TcpHeader`] and back.

use super::{TcpFlags, TcpHeader, TcpOptions, Timestamps};
use crate::{Discard, SeqNumber};

/// Length of a header without options.
pub(crate) const FIXED: usize = 20;
/// NOP, NOP, then kind and length of the timestamps option: what nearly every segment carries.
const NOP_NOP_TIMESTAMPS: [u8; 4] = [1, 1, 8, 10];

impl TcpHeader {
    /// The most octets a header can take: data offset 15.
    pub const MAX_LEN: usize = 60;

    /// The header at the start of `segment` and its length in octets. Reserved bits are ignored
    /// and unknown options skipped (RFC 9293, section 3.1); the checksum is not looked at.
    ///
    /// # Errors
    /// [`Discard::TcpTruncated`] or [`Discard::TcpOption`].
    #[inline]
    pub fn parse(segment: &[u8]) -> Result<(TcpHeader, usize), Discard> {
        let mut header = TcpHeader::default();
        let header_len = header.parse_from(segment)?;
        Ok((header, header_len))
    }

    /// As [`parse`](TcpHeader::parse), into a value that is there already, which moves less: most
    /// options are absent, and absent ones are quickly written. After an error the value is
    /// anything.
    ///
    /// # Errors
    /// As [`parse`](TcpHeader::parse).
    #[inline]
    pub fn parse_from(&mut self, segment: &[u8]) -> Result<usize, Discard> {
        let Some((f, rest)) = segment.split_first_chunk::<FIXED>() else {
            return Err(Discard::TcpTruncated);
        };
        let header_len = usize::from(f[12] >> 4) * 4;
        let Some(options) = header_len.checked_sub(FIXED).and_then(|n| rest.get(..n)) else {
            return Err(Discard::TcpTruncated);
        };
        self.source_port = u16::from_be_bytes([f[0], f[1]]);
        self.destination_port = u16::from_be_bytes([f[2], f[3]]);
        self.seq = SeqNumber(u32::from_be_bytes([f[4], f[5], f[6], f[7]]));
        self.ack = SeqNumber(u32::from_be_bytes([f[8], f[9], f[10], f[11]]));
        self.flags = TcpFlags::from_bits_truncate(u16::from_be_bytes([f[12] & 1, f[13]]));
        self.window = u16::from_be_bytes([f[14], f[15]]);
        self.urgent_pointer = u16::from_be_bytes([f[18], f[19]]);
        match TcpOptions::parse_common(options) {
            Some(timestamps) => {
                self.options = TcpOptions::default();
                self.options.timestamps = timestamps;
            }
            None => self.options = TcpOptions::parse_each(options)?,
        }
        Ok(header_len)
    }

    /// Octets [`emit`](TcpHeader::emit) writes: 20 to 60, a multiple of 4.
    #[inline]
    pub fn header_len(&self) -> usize {
        match self.options.only_timestamps() {
            Some(None) => FIXED,
            Some(Some(_)) => FIXED + 12,
            None => FIXED + self.options.to_octets().1,
        }
    }

    /// Writes the header to the start of `out` with the checksum field zero, and returns its
    /// length. Options beyond the 40 octets there are room for are left out, SACK blocks from the
    /// last on before any other. Writes nothing and returns 0 when `out` is too short.
    #[inline]
    pub fn emit(&self, out: &mut [u8]) -> usize {
        match self.options.only_timestamps() {
            Some(None) => self.emit_with(out, &[]),
            Some(Some(t)) => {
                let [a, b, c, d] = NOP_NOP_TIMESTAMPS;
                let [e, f, g, h] = t.value.to_be_bytes();
                let [i, j, k, l] = t.echo.to_be_bytes();
                self.emit_with(out, &[a, b, c, d, e, f, g, h, i, j, k, l])
            }
            None => {
                let (options, len) = self.options.to_octets();
                self.emit_with(out, &options[..len])
            }
        }
    }

    #[inline(always)]
    fn emit_with(&self, out: &mut [u8], options: &[u8]) -> usize {
        let header_len = FIXED + options.len();
        let Some(out) = out.get_mut(..header_len) else {
            return 0;
        };
        let (fixed, rest) = out.split_at_mut(FIXED);
        rest.copy_from_slice(options);
        fixed[0..2].copy_from_slice(&self.source_port.to_be_bytes());
        fixed[2..4].copy_from_slice(&self.destination_port.to_be_bytes());
        fixed[4..8].copy_from_slice(&self.seq.0.to_be_bytes());
        fixed[8..12].copy_from_slice(&self.ack.0.to_be_bytes());
        let offset_and_flags = (header_len as u16 / 4) << 12 | self.flags.bits() & 0x1ff;
        fixed[12..14].copy_from_slice(&offset_and_flags.to_be_bytes());
        fixed[14..16].copy_from_slice(&self.window.to_be_bytes());
        fixed[16..18].copy_from_slice(&[0, 0]);
        fixed[18..20].copy_from_slice(&self.urgent_pointer.to_be_bytes());
        header_len
    }
}

impl TcpOptions {
    /// `Some` when there are no options, or timestamps and nothing else.
    #[inline]
    fn only_timestamps(&self) -> Option<Option<Timestamps>> {
        let others = self.mss.is_some()
            | self.window_scale.is_some()
            | self.sack_permitted
            | !self.sack.is_empty()
            | self.user_timeout.is_some()
            | self.fast_open.is_some()
            | self.md5.is_some()
            | self.authentication.is_some()
            | self.accurate_ecn.is_some();
        (!others).then_some(self.timestamps)
    }

    /// The options in `octets`, what follows the fixed header. One of a known kind but with a
    /// length that kind cannot have is skipped; where a kind is repeated the last one counts.
    ///
    /// # Errors
    /// [`Discard::TcpOption`]: a length of 0 or 1, or beyond the end.
    #[inline]
    pub fn parse(octets: &[u8]) -> Result<TcpOptions, Discard> {
        match TcpOptions::parse_common(octets) {
            Some(timestamps) => Ok(TcpOptions {
                timestamps,
                ..TcpOptions::default()
            }),
            None => TcpOptions::parse_each(octets),
        }
    }

    /// What nearly every segment has: nothing, or timestamps in the usual place. `None` when it
    /// must be looked at option by option.
    #[inline]
    fn parse_common(octets: &[u8]) -> Option<Option<Timestamps>> {
        if octets.is_empty() {
            return Some(None);
        }
        match <&[u8; 12]>::try_from(octets) {
            Ok(&[a, b, c, d, e, f, g, h, i, j, k, l]) if [a, b, c, d] == NOP_NOP_TIMESTAMPS => {
                Some(Some(Timestamps {
                    value: u32::from_be_bytes([e, f, g, h]),
                    echo: u32::from_be_bytes([i, j, k, l]),
                }))
            }
            _ => None,
        }
    }
}
