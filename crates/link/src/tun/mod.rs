//! TUN: IP packets to and from a kernel's own stack.
//!
//! A super-segment crosses in one system call each way where the kernel takes it (vnet headers,
//! `TUNSETOFFLOAD`); what it refuses when it comes to it is cut here, then and from then on.
//!
//! A TUN device never pushes back: the kernel drops what it sends us when its ring is full, so a
//! [`TunConfig::tx_queue_len`] beyond the default of 500 packets helps a busy reader.

pub mod read_write;
mod slab;
pub mod sys;
#[cfg(test)]
mod tests;

use crate::outbox::Outbox;
use crate::{Capabilities, Link, Medium, Source, wire_packets};
use bytes::{Buf, Bytes};
use handfast_base::Instant;
use handfast_wire::{Batch, Checksum, GsoKind, Packet, VirtioNetHeader};
use rustix::io::Errno;
use slab::Slabs;
use std::io;
use std::mem::{replace, swap};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The longest packet that a length field can tell.
const IP_MAX: u32 = 65_535;
/// A packet up to here is copied out of the slab, for it would pin all of it.
const COPY_MAX: usize = 512;

/// Octets after which a call of `receive` reads no more: what is read is used while it is still in
/// the processor's cache, and the slabs come round soon.
const RECEIVE_MOST: u32 = 256 << 10;

/// How a TUN interface is opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TunConfig {
    /// Name of the interface, created if absent; the kernel numbers a `%d`. At most 15 octets.
    pub name: String,
    /// Largest IP packet in octets, set on the interface.
    pub mtu: u32,
    /// Whether more queues of the same interface may be opened, by the same name.
    pub multi_queue: bool,
    /// Packets that may wait for us in the kernel; `None` leaves its default. Needs
    /// `CAP_NET_ADMIN` over the machine and not over the network namespace alone.
    pub tx_queue_len: Option<u32>,
    /// Largest TCP super-segment in octets of IP packet. Beyond 65,535 a kernel takes them for
    /// IPv4 and for its own addresses only; those of IPv6 are cut to 65,535 on the way.
    pub gso_tcp: u32,
}

impl Default for TunConfig {
    /// `handfast%d`, MTU 1,500, one queue, super-segments up to 65,535 octets.
    fn default() -> TunConfig {
        TunConfig {
            name: "handfast%d".into(),
            mtu: 1500,
            multi_queue: false,
            tx_queue_len: None,
            gso_tcp: IP_MAX,
        }
    }
}

/// Opens a queue of a TUN interface. Its addresses, routes and state are left as they are.
///
/// # Errors
/// Those of [`sys::open_queue`], [`sys::set_mtu`] and [`sys::set_tx_queue_len`].
pub fn open(config: &TunConfig) -> io::Result<Tun> {
    let (fd, name) = sys::open_queue(&config.name, config.multi_queue)?;
    sys::set_mtu(&name, config.mtu)?;
    if let Some(packets) = config.tx_queue_len {
        sys::set_tx_queue_len(&name, packets)?;
    }
    let mut tun = Tun::from_fd(fd, config.mtu)?;
    tun.capabilities.gso_tcp = config.gso_tcp;
    Ok(tun)
}

/// One queue of a TUN interface.
#[derive(Debug)]
pub struct Tun {
    fd: OwnedFd,
    name: String,
    offload: sys::Offload,
    capabilities: Capabilities,
    limits: Limits,
    slabs: Slabs,
    /// Pieces of super-segments that the kernel refuses.
    outbox: Outbox,
    counters: TunCounters,
}

/// Packets that did not pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TunCounters {
    /// Read with a vnet header that contradicts the packet, or cut off.
    pub malformed: u64,
    /// Written, and refused by the kernel however plain.
    pub refused: u64,
}

/// The most octets of a super-segment that the kernel has not refused, 0 = none.
#[derive(Clone, Copy, Debug)]
struct Limits {
    tcp_v4: u32,
    tcp_v6: u32,
    udp: u32,
}

impl Tun {
    /// The queue behind a descriptor that somebody else has attached, such as one received from a
    /// process in another network namespace; `mtu` is that of the interface. Asks the kernel for
    /// all the offload it has.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] when it is no TUN queue with vnet headers and without
    /// packet information; those of the ioctls.
    pub fn from_fd(fd: OwnedFd, mtu: u32) -> io::Result<Tun> {
        let (name, flags) = sys::attached(&fd)?;
        let asked = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
        if flags & asked != asked {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a TUN queue with IFF_NO_PI and IFF_VNET_HDR",
            ));
        }
        rustix::io::ioctl_fionbio(&fd, true)?;
        sys::set_vnet_header_size(&fd, sys::VNET_HEADER_SIZE)?;
        let offload = sys::probe_offload(&fd)?;
        Ok(Tun::over(fd, name, offload, mtu))
    }

    /// A queue that is set up, or something else that keeps the bounds of packets.
    fn over(fd: OwnedFd, name: String, offload: sys::Offload, mtu: u32) -> Tun {
        // A kernel that hands over super-datagrams also takes them (Linux 6.2).
        let udp = match offload.contains(sys::Offload::TCP_UDP) {
            true => IP_MAX,
            false => 0,
        };
        Tun {
            fd,
            name,
            offload,
            capabilities: Capabilities {
                checksum: true,
                gso_tcp: IP_MAX,
                gso_udp: udp,
                ..Capabilities::ip(mtu)
            },
            limits: Limits {
                tcp_v4: u32::MAX,
                tcp_v6: IP_MAX,
                udp,
            },
            slabs: Slabs::default(),
            outbox: Outbox::new(),
            counters: TunCounters::default(),
        }
    }

    /// Name of the interface, as it was when opened.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the kernel may leave undone in the packets we read.
    pub fn offload(&self) -> sys::Offload {
        self.offload
    }

    /// What did not pass so far.
    pub fn counters(&self) -> TunCounters {
        self.counters
    }

    /// Allows super-segments of up to `octets`, as [`TunConfig::gso_tcp`] does.
    pub fn set_gso_tcp(&mut self, octets: u32) {
        self.capabilities.gso_tcp = octets;
    }

    /// Reads one packet into `packet`, which is empty; false when none waits.
    fn read(&mut self, packet: &mut Packet) -> Result<bool, Errno> {
        const HEADER: usize = VirtioNetHeader::LEN;
        loop {
            let slab = self.slabs.room();
            let room = slab.capacity();
            let len = match read_write::read_packet(&self.fd, slab) {
                Ok(len) => len,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Ok(false),
                Err(e) => return Err(e),
            };
            let header = VirtioNetHeader::parse(slab);
            let octets = slab.get(HEADER..).unwrap_or(&[]);
            if octets.len() <= Packet::HEAD_CAPACITY {
                packet.reserve_head(octets.len()).copy_from_slice(octets);
                slab.clear();
            } else if octets.len() <= COPY_MAX {
                packet.payload.push(Bytes::copy_from_slice(octets));
                slab.clear();
            } else {
                let mut whole = slab.split().freeze();
                whole.advance(HEADER);
                packet.payload.push(whole);
            }
            // A read that fills all there is room for may have been cut off.
            let is_whole = !packet.is_empty() && len < room;
            if is_whole && header.is_ok_and(|header| header.apply(packet, 0).is_ok()) {
                return Ok(true);
            }
            self.counters.malformed += 1;
            packet.clear();
        }
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
        let header = VirtioNetHeader::for_packet(packet, 0).to_octets();
        loop {
            return match read_write::write_packet(&self.fd, &header, packet) {
                Ok(()) => Ok(true),
                Err(Errno::INTR) => continue,
                // Down is full, too: the kernel tells the descriptor when it is up.
                Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM | Errno::IO) => Ok(false),
                Err(Errno::INVAL) => self.write_refused(packet),
                Err(e) => Err(e),
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

impl Link for Tun {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn receive(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        self.flush(now)?;
        let mut count = 0;
        let mut octets = 0;
        while octets < RECEIVE_MOST
            && let Some(slot) = batch.push_slot()
        {
            match self.read(slot) {
                Ok(true) => {
                    count += 1;
                    octets += slot.len();
                }
                Ok(false) => {
                    batch.unpush();
                    break;
                }
                Err(e) => {
                    batch.unpush();
                    // An error stays, and is told when nothing else is.
                    return if count > 0 { Ok(count) } else { Err(e.into()) };
                }
            }
        }
        Ok(count)
    }

    fn transmit(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
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

    /// When pieces that the kernel had no room for are offered again.
    fn poll_timeout(&self) -> Option<Instant> {
        self.outbox.poll_timeout()
    }

    fn readiness(&self) -> Source<'_> {
        Source::Fd(self.fd.as_fd())
    }
}

impl AsFd for Tun {
    /// For [`read_write`], ioctls and `poll`.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
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
