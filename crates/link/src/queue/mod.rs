//! Packets over a descriptor that keeps their bounds: what TUN, packet-socket and datagram links
//! share.

pub mod read_write;
mod slab;
#[cfg(test)]
mod tests;

use self::read_write::READ_ROOM;
use crate::outbox::{Outbox, RETRY};
use crate::{Medium, wire_packets};
use bytes::{Buf, Bytes, BytesMut};
use handfast_base::Instant;
use handfast_wire::{Batch, Checksum, Discard, GsoKind, Packet, VirtioNetHeader};
use rustix::io::Errno;
use slab::Slabs;
use std::io;
use std::mem::{replace, swap};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The longest packet that a length field can tell.
pub(crate) const IP_MAX: u32 = 65_535;
/// A packet up to here is copied out of the slab, for it would pin all of it.
const COPY_MAX: usize = 512;

/// Octets after which a call of `receive` reads no more: what is read is used while it is still in
/// the processor's cache, and the slabs come round soon.
const RECEIVE_MOST: u32 = 256 << 10;

/// Reads that came to nothing after which a call of `receive` lets others have their turn.
const SKIP_MOST: u32 = 256;

/// The most octets in front of an IP packet: a vnet header and an Ethernet header.
const FRONT_MAX: usize = VirtioNetHeader::LEN + 14;

/// What differs between descriptors: the octets in front of each IP packet, and what errors mean.
pub(crate) trait Framing: Send {
    /// How many octets are in front of each IP packet.
    fn len(&self) -> usize;

    /// Reads one packet and what is in front of it, as [`read_write::read_packet`] does.
    fn read(&mut self, fd: BorrowedFd<'_>, slab: &mut BytesMut) -> Result<usize, Errno> {
        read_write::read_packet(fd, slab)
    }

    /// What the octets in front of a packet say of it, positions counted from its IP header;
    /// `None` for a packet that is none of ours.
    fn parse(&mut self, front: &[u8]) -> Result<Option<VirtioNetHeader>, Discard>;

    /// Writes the octets in front of a packet.
    fn write(&self, packet: &Packet, front: &mut [u8]);

    /// Whether a read of no octets means that the other end is gone.
    fn ends(&self) -> bool {
        false
    }

    /// What a failed read of the descriptor means.
    fn read_failed(&self, fd: BorrowedFd<'_>, error: Errno) -> Failure;

    /// What a failed write to the descriptor means.
    fn write_failed(&self, fd: BorrowedFd<'_>, error: Errno) -> Failure;
}

/// What the error of a system call means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// Nothing to read, or no room to write, until the descriptor says so.
    Wait,
    /// No room to write, and nobody will tell when there is some.
    Retry,
    /// This packet asks for more than the kernel can do: it is to be written more plainly.
    Plainer,
    /// This packet is lost, and that is all.
    Lost,
    /// The device is gone.
    Broken,
}

/// What came of a read.
enum Read {
    Packet,
    /// Something that is no packet of ours.
    Skipped,
    Nothing,
}

/// Packets that did not pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QueueCounters {
    /// Read with a vnet header that contradicts the packet, or cut off.
    pub malformed: u64,
    /// Written, and refused by the kernel however plain.
    pub refused: u64,
}

/// The most octets of a super-segment that the kernel has not refused, 0 = none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) tcp_v4: u32,
    pub(crate) tcp_v6: u32,
    pub(crate) udp: u32,
}

/// A descriptor from which one read takes a packet and to which one write gives one.
#[derive(Debug)]
pub(crate) struct Queue<F> {
    pub(crate) fd: OwnedFd,
    pub(crate) framing: F,
    pub(crate) limits: Limits,
    pub(crate) counters: QueueCounters,
    slabs: Slabs,
    /// Pieces of super-segments that the kernel refuses.
    outbox: Outbox,
    /// Whether the kernel had no room and will not tell when it has.
    is_full: bool,
    retry: Option<Instant>,
    /// Whether there is more to read although nothing came of the last call.
    more: bool,
}

impl<F: Framing> Queue<F> {
    pub(crate) fn new(fd: OwnedFd, framing: F, limits: Limits) -> Queue<F> {
        Queue {
            fd,
            framing,
            limits,
            counters: QueueCounters::default(),
            slabs: Slabs::default(),
            outbox: Outbox::new(),
            is_full: false,
            retry: None,
            more: false,
        }
    }

    /// As [`Link::receive`](crate::Link::receive).
    pub(crate) fn receive(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        self.flush(now)?;
        let (mut count, mut octets, mut skipped) = (0, 0, 0);
        self.more = false;
        while octets < RECEIVE_MOST
            && let Some(slot) = batch.push_slot()
        {
            let read = self.read(slot);
            if let Ok(Read::Packet) = read {
                count += 1;
                octets += slot.len();
                continue;
            }
            batch.unpush();
            match read {
                Ok(Read::Nothing) => break,
                Ok(_) if skipped < SKIP_MOST => skipped += 1,
                Ok(_) => {
                    self.more = true;
                    break;
                }
                // An error stays, and is told when nothing else is.
                Err(_) if count > 0 => break,
                Err(e) => return Err(e.into()),
            }
        }
        Ok(count)
    }

    /// As [`Link::transmit`](crate::Link::transmit).
    pub(crate) fn transmit(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        self.is_full = false;
        let sent = self.write_batch(now, batch);
        self.retry = self.is_full.then(|| now + RETRY);
        sent
    }

    /// When what the kernel had no room for is to be offered again, where it will not tell; in the
    /// past when there is more to read although nothing came of the last call.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let more = self.more.then_some(Instant::ZERO);
        let times = [more, self.outbox.poll_timeout(), self.retry];
        times.into_iter().flatten().min()
    }

    fn write_batch(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        if !self.flush(now)? {
            return Ok(0);
        }
        let mut count = 0;
        let mut failed = None;
        for packet in batch.packets_mut() {
            match self.write(packet) {
                Ok(true) => count += 1,
                Ok(false) => break,
                Err(e) => {
                    failed = Some(e);
                    break;
                }
            }
            if !self.outbox.tried(now) {
                break;
            }
        }
        batch.consume(count);
        match failed {
            Some(e) if count == 0 => Err(e.into()),
            _ => Ok(count),
        }
    }

    /// Reads one packet into `packet`, which is empty and, unless there is one, stays so.
    fn read(&mut self, packet: &mut Packet) -> Result<Read, Errno> {
        let slab = self.slabs.room();
        let len = match self.framing.read(self.fd.as_fd(), slab) {
            Ok(0) if self.framing.ends() => return Err(Errno::PIPE),
            Ok(len) => len,
            Err(Errno::INTR) => return Ok(Read::Skipped),
            Err(e) => match self.framing.read_failed(self.fd.as_fd(), e) {
                Failure::Wait | Failure::Retry => return Ok(Read::Nothing),
                Failure::Lost | Failure::Plainer => {
                    self.counters.malformed += 1;
                    return Ok(Read::Skipped);
                }
                Failure::Broken => return Err(e),
            },
        };
        let front = self.framing.len();
        let header = match slab.split_at_checked(front) {
            // A read that fills all the room that is promised may have been cut off.
            Some((front, [_, ..])) if len < READ_ROOM => self.framing.parse(front),
            _ => Err(Discard::VirtioHeader),
        };
        let Ok(Some(header)) = header else {
            self.counters.malformed += u64::from(header.is_err());
            slab.clear();
            return Ok(Read::Skipped);
        };
        let octets = &slab[front..];
        if octets.len() <= Packet::HEAD_CAPACITY {
            packet.reserve_head(octets.len()).copy_from_slice(octets);
            slab.clear();
        } else if octets.len() <= COPY_MAX {
            packet.payload.push(Bytes::copy_from_slice(octets));
            slab.clear();
        } else {
            let mut whole = slab.split().freeze();
            whole.advance(front);
            packet.payload.push(whole);
        }
        if header.apply(packet, 0).is_err() {
            self.counters.malformed += 1;
            packet.clear();
            return Ok(Read::Skipped);
        }
        Ok(Read::Packet)
    }

    /// Writes a packet, in pieces where the kernel has refused the whole; false when it is full,
    /// and the packet then as before.
    fn write(&mut self, packet: &mut Packet) -> Result<bool, Errno> {
        if let Some(gso) = packet.gso {
            let limit = *self.limits.of(gso.kind);
            if packet.len() > limit {
                return self.write_pieces(packet, limit, Checksum::Partial);
            }
        }
        let mut front = [0; FRONT_MAX];
        let front = &mut front[..self.framing.len()];
        self.framing.write(packet, front);
        loop {
            let failure = match read_write::write_packet(&self.fd, front, packet) {
                Ok(()) => return Ok(true),
                Err(Errno::INTR) => continue,
                Err(e) => (self.framing.write_failed(self.fd.as_fd(), e), e),
            };
            return match failure {
                (Failure::Wait, _) => Ok(false),
                (Failure::Retry, _) => {
                    self.is_full = true;
                    Ok(false)
                }
                (Failure::Plainer, _) => self.write_refused(packet),
                (Failure::Lost, _) => {
                    self.counters.refused += 1;
                    Ok(true)
                }
                (Failure::Broken, e) => Err(e),
            };
        }
    }

    /// Writes more plainly what the kernel does not take as it is.
    #[cold]
    fn write_refused(&mut self, packet: &mut Packet) -> Result<bool, Errno> {
        if let Some(gso) = packet.gso {
            let limit = if packet.len() > IP_MAX { IP_MAX } else { 0 };
            *self.limits.of(gso.kind) = limit;
            return self.write_pieces(packet, limit, Checksum::Partial);
        }
        if packet.checksum == Checksum::Partial {
            return self.write_pieces(packet, 0, Checksum::None);
        }
        self.counters.refused += 1;
        Ok(true)
    }

    /// Writes the pieces of a packet; those the kernel has no room for wait in the outbox, and so
    /// the packet is always taken.
    fn write_pieces(
        &mut self,
        packet: &mut Packet,
        limit: u32,
        checksum: Checksum,
    ) -> Result<bool, Errno> {
        let mut pieces = Batch::new(usize::MAX);
        wire_packets::fit(packet, Medium::Ip, limit, checksum, |piece| {
            pieces
                .push_slot()
                .into_iter()
                .for_each(|slot| swap(slot, piece));
        });
        let is_plainer = |piece: &Packet| {
            let fits = piece.gso.is_none() || piece.len() <= limit;
            fits && (checksum == Checksum::Partial || piece.checksum != Checksum::Partial)
        };
        if !pieces.packets().iter().all(is_plainer) {
            // What cannot be parsed cannot be cut.
            self.counters.refused += 1;
            return Ok(true);
        }
        self.write_all(&mut pieces)?;
        Ok(true)
    }

    /// Writes packets until the kernel is full; the rest goes to the outbox.
    fn write_all(&mut self, packets: &mut Batch) -> Result<(), Errno> {
        for packet in packets.packets_mut() {
            if !self.outbox.packets.is_empty() || !self.write(packet)? {
                let slot = self.outbox.packets.push_slot();
                slot.into_iter().for_each(|slot| swap(slot, packet));
            }
        }
        Ok(())
    }

    fn flush(&mut self, now: Instant) -> io::Result<bool> {
        if self.outbox.packets.is_empty() {
            return Ok(true);
        }
        let mut waiting = replace(&mut self.outbox.packets, Batch::new(usize::MAX));
        self.write_all(&mut waiting)?;
        Ok(self.outbox.tried(now))
    }
}

impl Limits {
    fn of(&mut self, kind: GsoKind) -> &mut u32 {
        match kind {
            GsoKind::TcpV4 => &mut self.tcp_v4,
            GsoKind::TcpV6 => &mut self.tcp_v6,
            GsoKind::Udp => &mut self.udp,
        }
    }
}
