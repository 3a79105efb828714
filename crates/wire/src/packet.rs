use crate::{Payload, SendReason};
use bytes::Bytes;

/// Room for the headers we build: Ethernet and VLAN (18), IPv4 at most or IPv6 (60), TCP (60).
const HEAD_CAPACITY: usize = 138;
/// Where the IP header starts, so that a link header can be prepended.
const LINK_HEADROOM: u8 = 18;

/// One packet on its way between the stack and a link, from 1 octet to a super-segment of
/// several hundred KiB.
///
/// A packet is its *head* followed by its *payload*. What we send has its headers in the head
/// (inline, no allocation) and the application's data by reference in the payload. What arrived
/// from a device has an empty head and one slice of the device's receive slab as payload, in
/// which headers are parsed in place.
#[derive(Clone, Debug)]
pub struct Packet {
    head: [u8; HEAD_CAPACITY],
    start: u8,
    end: u8,
    /// How far the transport checksum is done.
    pub checksum: Checksum,
    /// Why the stack sent it; [`SendReason::Unknown`] for a packet that arrived.
    pub reason: SendReason,
    /// Set on a packet that is to be cut into wire-sized segments by the link or the device.
    pub gso: Option<Gso>,
    /// What follows the head.
    pub payload: Payload,
}

/// State of a packet's transport (TCP or UDP) checksum.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Checksum {
    /// The field is to be taken as it is: complete when sent, unchecked when received.
    #[default]
    None,
    /// The field holds the folded, *not* complemented sum of the pseudo-header; whoever puts the
    /// packet on a wire completes it. A received packet in this state never crossed a wire, and
    /// counts as verified.
    Partial,
    /// Somebody trusted (the kernel, the other end of a memory link) has checked it.
    Verified,
}

impl Checksum {
    /// Whether a receiver may skip its own check.
    #[inline]
    pub fn is_trusted(self) -> bool {
        self != Checksum::None
    }
}

/// Generic segmentation offload: how a super-segment is to be cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gso {
    /// The protocol whose headers are repeated on every piece.
    pub kind: GsoKind,
    /// Payload octets of each piece but the last; never 0 on a packet from the stack.
    pub size: u16,
}

/// The protocol of a super-segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GsoKind {
    /// TCP over IPv4.
    TcpV4,
    /// TCP over IPv6.
    TcpV6,
    /// UDP over IPv4 or IPv6.
    Udp,
}

impl Packet {
    /// The most octets a head can hold.
    pub const HEAD_CAPACITY: usize = HEAD_CAPACITY - LINK_HEADROOM as usize;

    /// The most octets that [`prepend`](Packet::prepend) can put in front of a head.
    pub const LINK_HEADROOM: usize = LINK_HEADROOM as usize;

    /// An empty packet.
    #[inline]
    pub fn new() -> Packet {
        Packet {
            head: [0; HEAD_CAPACITY],
            start: LINK_HEADROOM,
            end: LINK_HEADROOM,
            checksum: Checksum::None,
            reason: SendReason::Unknown,
            gso: None,
            payload: Payload::new(),
        }
    }

    /// A packet as a device delivered it: all octets in one slice.
    pub fn from_bytes(bytes: Bytes) -> Packet {
        let mut p = Packet::new();
        p.payload.push(bytes);
        p
    }

    /// Back to empty, ready for reuse; keeps no reference to anything.
    #[inline]
    pub fn clear(&mut self) {
        self.start = LINK_HEADROOM;
        self.end = LINK_HEADROOM;
        self.checksum = Checksum::None;
        self.reason = SendReason::Unknown;
        self.gso = None;
        self.payload.clear();
    }

    /// Octets in all.
    #[inline]
    pub fn len(&self) -> u32 {
        u32::from(self.end - self.start) + self.payload.len()
    }

    /// Whether there are no octets.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The head: headers that the stack built, empty for a packet from a device.
    #[inline]
    pub fn head(&self) -> &[u8] {
        &self.head[usize::from(self.start)..usize::from(self.end)]
    }

    /// The head, to be written.
    #[inline]
    pub fn head_mut(&mut self) -> &mut [u8] {
        &mut self.head[usize::from(self.start)..usize::from(self.end)]
    }

    /// Makes the head `len` octets long (at most [`Packet::HEAD_CAPACITY`], silently cut) and
    /// returns it to be written. Its old content may be anything.
    #[inline]
    pub fn reserve_head(&mut self, len: usize) -> &mut [u8] {
        self.start = LINK_HEADROOM;
        self.end = LINK_HEADROOM + len.min(Self::HEAD_CAPACITY) as u8;
        self.head_mut()
    }

    /// Makes the head `len` octets longer at its front, for a link header, and returns these to be
    /// written; their old content may be anything. `None`, with the head as it was, when there is no room.
    #[inline]
    pub fn prepend(&mut self, len: usize) -> Option<&mut [u8]> {
        let start = usize::from(self.start).checked_sub(len)?;
        let front = start..usize::from(self.start);
        self.start = start as u8;
        Some(&mut self.head[front])
    }

    /// Cuts the end of the head off, keeping at most `len` octets.
    #[inline]
    pub(crate) fn truncate_head(&mut self, len: usize) {
        self.end = self.start + self.head().len().min(len) as u8;
    }

    /// The octets in which headers are to be parsed: the head, or the first slice of a packet
    /// from a device. All headers lie in here, or the packet is malformed.
    #[inline]
    pub fn headers(&self) -> &[u8] {
        if self.end > self.start {
            self.head()
        } else {
            self.payload.slices().first().map_or(&[], |s| s)
        }
    }

    /// Takes `start..end` (offsets from the first octet of the packet; `end` is cut to what
    /// there is) out of the packet as a payload, leaving the packet empty. Copies only octets
    /// that lie in the head.
    #[inline]
    pub fn take_payload(&mut self, start: u32, end: u32) -> Payload {
        let mut out = Payload::new();
        self.move_payload(start, end, &mut out);
        out
    }

    /// As [`take_payload`](Packet::take_payload), into a payload that is there already; what that
    /// held is forgotten.
    #[inline]
    pub fn move_payload(&mut self, start: u32, end: u32, out: &mut Payload) {
        let head = self.head().len() as u32;
        out.clear();
        core::mem::swap(&mut self.payload, out);
        if start >= head {
            out.advance(start - head);
        } else {
            let rest = Bytes::copy_from_slice(&self.head()[start as usize..]);
            let tail = core::mem::replace(out, Payload::from(rest));
            tail.slices().iter().for_each(|s| out.push(s.clone()));
        }
        out.truncate(end.saturating_sub(start));
        self.clear();
    }

    /// All octets as one slice; by reference for a packet from a device, else copied.
    pub fn to_bytes(&self) -> Bytes {
        if self.head().is_empty() {
            return self.payload.to_bytes();
        }
        let mut all = alloc::vec![0; self.len() as usize];
        let head = self.head();
        all[..head.len()].copy_from_slice(head);
        self.payload.copy_to(&mut all[head.len()..]);
        Bytes::from(all)
    }

    /// How many wire packets this is: 1, or the pieces of a super-segment whose headers take
    /// `header_len` octets.
    pub fn wire_packets(&self, header_len: u32) -> u32 {
        match self.gso {
            Some(g) if g.size > 0 => self
                .len()
                .saturating_sub(header_len)
                .div_ceil(u32::from(g.size))
                .max(1),
            _ => 1,
        }
    }
}

impl Default for Packet {
    fn default() -> Packet {
        Packet::new()
    }
}
