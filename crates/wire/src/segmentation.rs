//! Cutting super-segments into wire packets, in software.

use crate::ip::Headers;
use crate::tcp::TcpFlags;
use crate::{Checksum, Discard, Packet, Protocol, SeqNumber};
use bytes::Bytes;
use handfast_checksum::{Sum, pseudo_v4, pseudo_v6, sum};

/// Hands `emit` the wire packets that `packet`, whose IP header starts at `ip` (0, or the length
/// of a link header), stands for: the pieces of a super-segment in order, or the packet itself.
/// The payload goes by reference. `emit` may keep a piece by taking it out of its slot.
///
/// Each piece has its own length, IPv4 identification (counted on from the packet's), sequence
/// number and urgent pointer; FIN and PSH are on the last piece only, CWR on the first only. With
/// [`Checksum::Partial`] the pieces' checksums stay partial, else they are completed; so this also
/// completes the checksum of a packet that is not to be cut. A packet that is neither cut nor
/// partial is handed on as it is.
///
/// Returns how many packets were emitted.
///
/// # Errors
/// [`Discard::Oversized`], with nothing emitted: the headers of a packet to be cut or completed
/// cannot be found, are of a protocol we do not know, or do not fit a [`Packet`]'s head.
pub fn segment(
    packet: &Packet,
    ip: usize,
    checksum: Checksum,
    mut emit: impl FnMut(&mut Packet),
) -> Result<u32, Discard> {
    let size = match packet.gso {
        Some(gso) if gso.size > 0 => gso.size.into(),
        _ if packet.checksum == Checksum::Partial && checksum != Checksum::Partial => u32::MAX,
        _ => {
            emit(&mut packet.clone());
            return Ok(1);
        }
    };
    let cutter = Cutter::new(packet, ip).ok_or(Discard::Oversized)?;
    Ok(cutter.cut(size, checksum, emit))
}

struct Cutter<'a> {
    packet: &'a Packet,
    at: Headers,
    /// Length of all headers, link header included.
    headers_len: usize,
    /// End of the packet without link padding.
    end: u32,
    /// The sum of a pseudo-header of length 0.
    pseudo: Sum,
    /// A UDP packet without a checksum stays without.
    has_checksum: bool,
}

impl Cutter<'_> {
    fn new(packet: &Packet, ip: usize) -> Option<Cutter<'_>> {
        let octets = packet.headers();
        let at = Headers::find(octets, ip)?;
        let headers_len = at.payload(octets)?;
        if ip > Packet::LINK_HEADROOM || headers_len - ip > Packet::HEAD_CAPACITY {
            return None;
        }
        let h = &octets[ip..];
        let protocol = at.protocol.0;
        let can_be_cut = matches!(at.protocol, Protocol::TCP | Protocol::UDP);
        if packet.gso.is_some() && !can_be_cut {
            return None;
        }
        let (len, pseudo) = match at.version {
            4 => (
                u32::from(u16::from_be_bytes([h[2], h[3]])),
                pseudo_v4(
                    *h[12..].first_chunk()?,
                    *h[16..].first_chunk()?,
                    protocol,
                    0,
                ),
            ),
            _ => (
                40 + u32::from(u16::from_be_bytes([h[4], h[5]])),
                pseudo_v6(*h[8..].first_chunk()?, *h[24..].first_chunk()?, protocol, 0),
            ),
        };
        // A length too long for its field is zero, which is shorter than the headers.
        let end = match ip as u32 + len {
            end if end < headers_len as u32 => packet.len(),
            end => end.min(packet.len()),
        };
        let has_checksum = match at.protocol {
            Protocol::UDP => octets[at.transport + 6..][..2] != [0, 0],
            _ => true,
        };
        Some(Cutter {
            packet,
            at,
            headers_len,
            end,
            pseudo,
            has_checksum,
        })
    }

    fn cut(&self, size: u32, checksum: Checksum, mut emit: impl FnMut(&mut Packet)) -> u32 {
        let mut payload = self
            .packet
            .clone()
            .take_payload(self.headers_len as u32, self.end);
        let (mut index, mut start, total) = (0, 0, payload.len());
        let mut slices = payload.drain();
        let mut slice = Bytes::new();
        let mut piece = Packet::new();
        loop {
            let len = size.min(total - start);
            piece.clear();
            piece.reason = self.packet.reason;
            let mut want = len as usize;
            while want > 0 {
                if slice.is_empty() {
                    let Some(next) = slices.next() else { break };
                    slice = next;
                }
                let part = slice.split_to(want.min(slice.len()));
                want -= part.len();
                piece.payload.push(part);
            }
            self.write_headers(&mut piece, index, start, start + len == total);
            self.fill_checksum(&mut piece, checksum);
            emit(&mut piece);
            index += 1;
            start += len;
            if start >= total {
                return index;
            }
        }
    }

    /// Writes the headers of piece `index`, whose payload begins `start` octets into that of the
    /// whole.
    fn write_headers(&self, piece: &mut Packet, index: u32, start: u32, is_last: bool) {
        let (ip, transport) = (self.at.ip, self.at.transport);
        piece.reserve_head(self.headers_len - ip);
        piece.prepend(ip);
        let len = piece.len();
        let h = piece.head_mut();
        h.copy_from_slice(&self.packet.headers()[..self.headers_len]);

        let after = |offset: usize| {
            u16::try_from(len - offset as u32)
                .unwrap_or(0)
                .to_be_bytes()
        };
        match self.at.version {
            4 => {
                let (h, _) = h[ip..].split_at_mut(transport - ip);
                h[2..4].copy_from_slice(&after(ip));
                let id = u16::from_be_bytes([h[4], h[5]]).wrapping_add(index as u16);
                h[4..6].copy_from_slice(&id.to_be_bytes());
                h[10..12].fill(0);
                let checksum = sum(h).finish();
                h[10..12].copy_from_slice(&checksum.to_be_bytes());
            }
            _ => h[ip + 4..ip + 6].copy_from_slice(&after(ip + 40)),
        }
        let t = &mut h[transport..];
        match self.at.protocol {
            Protocol::UDP => t[4..6].copy_from_slice(&after(transport)),
            Protocol::TCP => cut_tcp(t, start, is_last),
            _ => {}
        }
    }

    fn fill_checksum(&self, piece: &mut Packet, checksum: Checksum) {
        let Some(offset) = self.at.protocol.checksum_offset() else {
            return;
        };
        if !self.has_checksum {
            return;
        }
        let start = self.at.transport;
        let field = start + offset..start + offset + 2;
        let len = piece.len() - start as u32;
        let pseudo = match self.at.protocol {
            Protocol::ICMP => Sum::ZERO,
            _ => self.pseudo.add_u32(len),
        };
        let value = if checksum == Checksum::Partial {
            piece.checksum = Checksum::Partial;
            pseudo.fold()
        } else {
            piece.head_mut()[field.clone()].fill(0);
            let sum = pseudo.combine(piece.sum(start as u32, piece.len()), false);
            self.at.protocol.checksum_field(sum)
        };
        piece.head_mut()[field].copy_from_slice(&value.to_be_bytes());
    }
}

/// Makes the TCP header of a whole that of the piece `start` octets into it.
fn cut_tcp(t: &mut [u8], start: u32, is_last: bool) {
    let mut flags = TcpFlags::from_bits_retain(t[13].into());
    if !is_last {
        flags -= TcpFlags::FIN | TcpFlags::PSH;
    }
    if start > 0 {
        flags -= TcpFlags::CWR;
        let seq = SeqNumber(u32::from_be_bytes([t[4], t[5], t[6], t[7]])) + start;
        t[4..8].copy_from_slice(&seq.0.to_be_bytes());
        let urgent = u32::from(u16::from_be_bytes([t[18], t[19]])).saturating_sub(start);
        t[18..20].copy_from_slice(&(urgent as u16).to_be_bytes());
        if urgent == 0 {
            flags -= TcpFlags::URG;
        }
    }
    t[13] = flags.bits() as u8;
}
