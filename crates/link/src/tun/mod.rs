//! TUN: IP packets to and from a kernel's own stack.
//!
//! A super-segment crosses in one system call each way where the kernel takes it (vnet headers,
//! `TUNSETOFFLOAD`); what it refuses when it comes to it is cut here, then and from then on.
//!
//! A TUN device never pushes back: the kernel drops what it sends us when its ring is full, so a
//! [`TunConfig::tx_queue_len`] beyond the default of 500 packets helps a busy reader.

pub mod sys;
#[cfg(test)]
mod tests;

pub use crate::queue::QueueCounters as TunCounters;
pub use crate::queue::read_write;

use crate::queue::{Failure, Framing, IP_MAX, Limits, Queue};
use crate::{Capabilities, Link, Source};
use handfast_base::Instant;
use handfast_wire::{Batch, Discard, Packet, VirtioNetHeader};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

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
    name: String,
    offload: sys::Offload,
    capabilities: Capabilities,
    queue: Queue<Vnet>,
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
        let limits = Limits {
            tcp_v4: u32::MAX,
            tcp_v6: IP_MAX,
            udp,
        };
        Tun {
            name,
            offload,
            capabilities: Capabilities {
                checksum: true,
                gso_tcp: IP_MAX,
                gso_udp: udp,
                ..Capabilities::ip(mtu)
            },
            queue: Queue::new(fd, Vnet, limits),
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
        self.queue.counters
    }

    /// Allows super-segments of up to `octets`, as [`TunConfig::gso_tcp`] does.
    pub fn set_gso_tcp(&mut self, octets: u32) {
        self.capabilities.gso_tcp = octets;
    }
}

impl Link for Tun {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn receive(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        self.queue.receive(now, batch)
    }

    fn transmit(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        self.queue.transmit(now, batch)
    }

    /// When pieces that the kernel had no room for are offered again.
    fn poll_timeout(&self) -> Option<Instant> {
        self.queue.poll_timeout()
    }

    fn readiness(&self) -> Source<'_> {
        Source::Fd(self.as_fd())
    }
}

impl AsFd for Tun {
    /// For [`read_write`], ioctls and `poll`.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.fd.as_fd()
    }
}

/// A vnet header alone, and the errors of a TUN queue.
#[derive(Debug)]
struct Vnet;

impl Framing for Vnet {
    fn len(&self) -> usize {
        VirtioNetHeader::LEN
    }

    fn parse(&mut self, front: &[u8]) -> Result<Option<VirtioNetHeader>, Discard> {
        VirtioNetHeader::parse(front).map(Some)
    }

    fn write(&self, packet: &Packet, front: &mut [u8]) {
        front.copy_from_slice(&VirtioNetHeader::for_packet(packet, 0).to_octets());
    }

    fn read_failed(&self, _: BorrowedFd<'_>, error: Errno) -> Failure {
        match error {
            Errno::AGAIN => Failure::Wait,
            _ => Failure::Broken,
        }
    }

    fn write_failed(&self, _: BorrowedFd<'_>, error: Errno) -> Failure {
        match error {
            // Down is full, too: the kernel tells the descriptor when it is up.
            Errno::AGAIN | Errno::IO => Failure::Wait,
            Errno::NOBUFS | Errno::NOMEM => Failure::Retry,
            Errno::INVAL => Failure::Plainer,
            _ => Failure::Broken,
        }
    }
}
