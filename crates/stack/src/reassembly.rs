//! Putting fragments together again (RFC 791, section 3.2; RFC 8200, section 4.5).
//!
//! A set of fragments that overlap is dropped as a whole (RFC 5722; RFC 8200, section 4.5), and so
//! is the oldest when there are too many: nothing a stranger sends makes us hold more, or look at
//! more, than the few constants here say.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::IpAddr;
use handfast_base::{Duration, Instant};
use handfast_wire::{Discard, IpHeader, Packet, Payload, Protocol};

#[cfg(test)]
mod tests;

/// How long a set may take to be complete (RFC 1122, section 3.3.2; RFC 8200, section 4.5).
const TIMEOUT: Duration = Duration::from_secs(60);
/// Datagrams that may be incomplete at once.
const SETS: usize = 64;
/// Fragments of one datagram: as many as 64 KiB take on links of 576 octets, and some.
const FRAGMENTS: usize = 160;
/// Octets held in all.
const OCTETS: usize = 1 << 20;
/// What each fragment counts beside its data.
const OVERHEAD: usize = 128;
/// The longest datagram: its length field is of 16 bits.
const LONGEST: u32 = 0xffff;
/// The bits of ECN in the traffic class (RFC 3168, section 5).
const ECN: u8 = 0b11;

/// Datagrams of which not all fragments have come, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    sets: VecDeque<Set>,
    octets: usize,
}

/// What the fragments of one datagram have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    identification: u32,
    /// In IPv4 only (RFC 8200 leaves it out, for it may differ).
    protocol: Option<Protocol>,
}

#[derive(Debug)]
struct Set {
    key: Key,
    expires: Instant,
    /// Without gaps between those that follow each other, or with; never overlapping. By offset.
    pieces: Vec<Piece>,
    /// The header of the first fragment, once that is there.
    first: Option<IpHeader>,
    /// Where the datagram ends, once that is known.
    end: Option<u32>,
    /// Whether any fragment had each codepoint of ECN.
    ecn: [bool; 4],
    /// Nothing will come of it, but what still comes of it must not begin another.
    is_spoilt: bool,
}

#[derive(Debug)]
struct Piece {
    offset: u32,
    data: Payload,
}

impl Reassembly {
    /// Takes in a fragment: octets `transport..end` of `packet`, which is left empty. When it was
    /// the last that was missing, `packet` is the whole datagram, without a fragment header and
    /// with nothing about its checksum known; else false.
    ///
    /// # Errors
    /// [`Discard::IpFragment`] for one that cannot be right, or that has come to nothing with its
    /// whole set.
    pub(crate) fn fragment_arrives(
        &mut self,
        ip: &IpHeader,
        packet: &mut Packet,
        transport: usize,
        end: u32,
        now: Instant,
    ) -> Result<bool, Discard> {
        self.expire(now);
        let place = ip.fragment.ok_or(Discard::IpFragment)?;
        let offset = u32::from(place.offset);
        let len = end.saturating_sub(transport as u32);
        let is_aligned = !place.more || len.is_multiple_of(8) && len > 0;
        if !is_aligned || offset + len > LONGEST {
            return Err(Discard::IpFragment);
        }
        let key = Key {
            source: ip.source,
            destination: ip.destination,
            identification: ip.identification,
            protocol: ip.source.is_ipv4().then_some(ip.protocol),
        };
        let at = match self.sets.iter().position(|set| set.key == key) {
            Some(at) => at,
            None => self.begin(key, now),
        };
        let piece = Piece {
            offset,
            data: packet.take_payload(transport as u32, end),
        };
        let cost = piece.cost();
        let set = &mut self.sets[at];
        match set.add(piece, place.more, ip) {
            Ok(true) => self.octets += cost,
            // It was there already.
            Ok(false) => return Ok(false),
            Err(()) => {
                self.octets -= set.spoil();
                return Err(Discard::IpFragment);
            }
        }
        if let Some(octets) = set.whole() {
            let octets = octets.ok_or(Discard::IpFragment);
            self.remove(at);
            *packet = Packet::from_bytes(octets?);
            return Ok(true);
        }
        while self.octets > OCTETS {
            self.remove(0);
        }
        Ok(false)
    }

    /// Octets held.
    pub(crate) fn memory(&self) -> usize {
        self.octets
    }

    fn begin(&mut self, key: Key, now: Instant) -> usize {
        if self.sets.len() >= SETS {
            self.remove(0);
        }
        self.sets.push_back(Set {
            key,
            expires: now + TIMEOUT,
            pieces: Vec::new(),
            first: None,
            end: None,
            ecn: [false; 4],
            is_spoilt: false,
        });
        self.sets.len() - 1
    }

    /// When [`expire`](Reassembly::expire) has something to do.
    #[inline]
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.sets.front().map(|set| set.expires)
    }

    /// Forgets what has taken too long.
    #[inline]
    pub(crate) fn expire(&mut self, now: Instant) {
        while self.sets.front().is_some_and(|set| set.expires <= now) {
            self.remove(0);
        }
    }

    fn remove(&mut self, at: usize) {
        if let Some(mut set) = self.sets.remove(at) {
            self.octets -= set.spoil();
        }
    }
}

impl Set {
    /// Adds a fragment: false if it was there already.
    fn add(&mut self, piece: Piece, more: bool, ip: &IpHeader) -> Result<bool, ()> {
        let (start, end) = (piece.offset, piece.end());
        let at = self.pieces.partition_point(|p| p.offset < start);
        if let Some(same) = self.pieces.get(at)
            && same.offset == start
            && same.data == piece.data
            && (more || self.end == Some(end))
        {
            return Ok(false);
        }
        let before = at
            .checked_sub(1)
            .map_or(0, |before| self.pieces[before].end());
        let after = self.pieces.get(at).map_or(u32::MAX, |after| after.offset);
        let last = self.pieces.last().map_or(0, Piece::end);
        let is_beyond = match (self.end, more) {
            // Nothing follows the last one, and there is but one last one.
            (Some(known), true) => end > known,
            (Some(_), false) => true,
            (None, true) => false,
            (None, false) => end < last,
        };
        if self.is_spoilt
            || is_beyond
            || start < before
            || end > after
            || self.pieces.len() >= FRAGMENTS
        {
            return Err(());
        }
        if !more {
            self.end = Some(end);
        }
        if start == 0 {
            self.first = Some(*ip);
        }
        self.ecn[usize::from(ip.traffic_class & ECN)] = true;
        self.pieces.insert(at, piece);
        Ok(true)
    }

    /// Once all is there: the datagram, or nothing if it must not be.
    fn whole(&self) -> Option<Option<Bytes>> {
        let (mut ip, end) = (self.first?, self.end?);
        let mut at = 0;
        for piece in &self.pieces {
            if piece.offset != at {
                return None;
            }
            at = piece.end();
        }
        if at != end {
            return None;
        }
        // RFC 3168, section 5.3: congestion met by one was met by all, unless one cannot have
        // met it.
        let [not_capable, _, _, congested] = self.ecn;
        if congested && not_capable {
            return Some(None);
        }
        if congested {
            ip.traffic_class |= ECN;
        }
        ip.fragment = None;
        ip.dont_fragment = false;
        let header_len = ip.header_len();
        // With its header it must fit the length field again, which in IPv6 leaves that out.
        let counted = if ip.source.is_ipv4() {
            header_len as u32
        } else {
            0
        };
        if end + counted > LONGEST {
            return Some(None);
        }
        let mut octets = vec![0; header_len + end as usize];
        ip.emit(&mut octets, end);
        for piece in &self.pieces {
            piece
                .data
                .copy_to(&mut octets[header_len + piece.offset as usize..]);
        }
        Some(Some(Bytes::from(octets)))
    }

    /// Forgets what is held, and returns how much that was.
    fn spoil(&mut self) -> usize {
        self.is_spoilt = true;
        self.pieces.drain(..).map(|piece| piece.cost()).sum()
    }
}

impl Piece {
    fn end(&self) -> u32 {
        self.offset + self.data.len()
    }

    fn cost(&self) -> usize {
        self.data.len() as usize + OVERHEAD
    }
}
