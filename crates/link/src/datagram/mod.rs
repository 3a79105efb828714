//! IP packets over a Unix socket that keeps their bounds, one a datagram: packet in, socket out, as
//! sandboxes and VPN clients hand over a network by a descriptor.
//!
//! ```
//! use handfast_base::Instant;
//! use handfast_link::{Link, datagram};
//! use handfast_wire::{Batch, Packet};
//! use std::os::unix::net::UnixDatagram;
//!
//! let (ours, theirs) = UnixDatagram::pair()?;
//! let mut link = datagram::from_fd(ours.into(), 1500)?;
//! let mut batch = Batch::new(8);
//! batch.push(Packet::from_bytes("an IP packet".into())).unwrap();
//! link.transmit(Instant::ZERO, &mut batch)?;
//! let mut octets = [0; 1500];
//! assert_eq!(theirs.recv(&mut octets)?, 12);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! When the other end is closed, sending is an error. So is receiving from a `SOCK_SEQPACKET` socket;
//! of a `SOCK_DGRAM` socket the kernel tells only those who send.

#[cfg(test)]
mod tests;

pub use crate::queue::QueueCounters as DatagramCounters;

use crate::queue::{Failure, Framing, IP_MAX, Limits, Queue};
use crate::{Capabilities, Link, Source};
use handfast_base::Instant;
use handfast_wire::{Batch, Discard, Packet, VirtioNetHeader};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, sockopt};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The link over `fd`, a connected Unix socket of type `SOCK_DGRAM` or `SOCK_SEQPACKET`, which is
/// made non-blocking. A datagram is an IP packet of at most `mtu` octets with all its checksums.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] when it is no such socket, `ENOTSOCK` when it is none at all.
pub fn from_fd(fd: OwnedFd, mtu: u32) -> io::Result<DatagramSocket> {
    DatagramSocket::new(fd, Capabilities::ip(mtu), false)
}

/// As [`from_fd`], for an other end that wants a vnet header of ten octets in front of each packet
/// (virtio 1.2, section 5.1.6.1), both ways: then a datagram may be a super-segment of up to 65,535
/// octets, and checksums may be left undone.
///
/// # Errors
/// Those of [`from_fd`].
pub fn from_fd_with_vnet_header(fd: OwnedFd, mtu: u32) -> io::Result<DatagramSocket> {
    let capabilities = Capabilities {
        checksum: true,
        gso_tcp: IP_MAX,
        gso_udp: IP_MAX,
        ..Capabilities::ip(mtu)
    };
    DatagramSocket::new(fd, capabilities, true)
}

/// A Unix socket of which each datagram is a packet.
#[derive(Debug)]
pub struct DatagramSocket {
    capabilities: Capabilities,
    queue: Queue<Datagram>,
}

impl DatagramSocket {
    fn new(fd: OwnedFd, capabilities: Capabilities, vnet: bool) -> io::Result<DatagramSocket> {
        let kind = sockopt::socket_type(&fd)?;
        let keeps_bounds = [SocketType::DGRAM, SocketType::SEQPACKET].contains(&kind);
        if sockopt::socket_domain(&fd)? != AddressFamily::UNIX || !keeps_bounds {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a Unix socket that keeps the bounds of datagrams",
            ));
        }
        rustix::io::ioctl_fionbio(&fd, true)?;
        let framing = Datagram {
            vnet,
            ends: kind == SocketType::SEQPACKET,
        };
        let limits = Limits {
            tcp_v4: IP_MAX,
            tcp_v6: IP_MAX,
            udp: IP_MAX,
        };
        Ok(DatagramSocket {
            capabilities,
            queue: Queue::new(fd, framing, limits),
        })
    }

    /// What did not pass so far.
    pub fn counters(&self) -> DatagramCounters {
        self.queue.counters
    }
}

impl Link for DatagramSocket {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn receive(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        self.queue.receive(now, batch)
    }

    fn transmit(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        self.queue.transmit(now, batch)
    }

    /// When what the kernel had no room for is offered again.
    fn poll_timeout(&self) -> Option<Instant> {
        self.queue.poll_timeout()
    }

    fn readiness(&self) -> Source<'_> {
        Source::Fd(self.as_fd())
    }
}

impl AsFd for DatagramSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.fd.as_fd()
    }
}

/// A vnet header or nothing, and the errors of a Unix socket.
#[derive(Debug)]
struct Datagram {
    vnet: bool,
    ends: bool,
}

impl Framing for Datagram {
    fn len(&self) -> usize {
        if self.vnet { VirtioNetHeader::LEN } else { 0 }
    }

    fn parse(&mut self, front: &[u8]) -> Result<Option<VirtioNetHeader>, Discard> {
        match self.vnet {
            true => VirtioNetHeader::parse(front).map(Some),
            false => Ok(Some(VirtioNetHeader::default())),
        }
    }

    fn write(&self, packet: &Packet, front: &mut [u8]) {
        let header = VirtioNetHeader::for_packet(packet, 0).to_octets();
        front
            .iter_mut()
            .zip(header)
            .for_each(|(to, from)| *to = from);
    }

    fn ends(&self) -> bool {
        self.ends
    }

    fn read_failed(&self, _: BorrowedFd<'_>, error: Errno) -> Failure {
        match error {
            Errno::AGAIN => Failure::Wait,
            _ => Failure::Broken,
        }
    }

    fn write_failed(&self, _: BorrowedFd<'_>, error: Errno) -> Failure {
        match error {
            Errno::AGAIN => Failure::Wait,
            Errno::NOBUFS | Errno::NOMEM => Failure::Retry,
            Errno::MSGSIZE => Failure::Plainer,
            _ => Failure::Broken,
        }
    }
}
