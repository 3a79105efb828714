//! IP packets to and from a kernel's own stack over a packet socket on one end of a veth pair:
//! where there is no `/dev/net/tun`.
//!
//! ```text
//!   our stack --- packet socket on `near` ===(veth)=== `far` --- the kernel's stack and its programs
//! ```
//!
//! The near end is up and has no addresses, with IPv6 disabled; the far end has `IFF_NOARP`, the
//! addresses and the routes. With `IFF_NOARP` the kernel addresses what it sends to the far end's
//! own MAC address, so that the kernel behind the near end takes it for somebody else's and leaves
//! it alone. A kernel throws away what it sends before the carrier is seen, which is some time after
//! both ends are up: wait for the far end's operational state. The Ethernet headers are put on and
//! taken off here: to the stack it is a link of IP packets.
//!
//! A super-segment crosses whole both ways (`PACKET_VNET_HDR`). Like a TUN device a packet socket never
//! pushes back on the kernel: what finds no room is [dropped](PacketSocket::dropped). Where the
//! machine's limits leave a socket a small buffer, in which six super-segments are too many, the
//! kernel puts what arrives into a ring of 240 slots instead.

mod ring;
pub mod sys;
#[cfg(test)]
mod tests;

pub use crate::queue::QueueCounters as PacketCounters;

use crate::queue::{Failure, Framing, IP_MAX, Limits, Queue, read_write};
use crate::{Capabilities, Link, Source};
use bytes::BytesMut;
use handfast_base::Instant;
use handfast_wire::{Batch, Discard, Packet, VirtioNetHeader};
use ring::Ring;
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// An Ethernet address.
pub type MacAddress = [u8; 6];

/// Octets of an Ethernet header.
const ETHERNET: usize = 14;
/// The largest super-segment that a veth passes whole: its frame is shorter than 65,536 octets.
const SUPER_MAX: u32 = IP_MAX - ETHERNET as u32;

const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];

/// The link over `fd`, a packet socket for whole frames that is bound to one end of a veth pair
/// ([`sys::open`]), such as one received from a process in another network namespace. `mtu` is
/// that of the interface, in octets of IP packet; what is sent goes from `own_mac` to `peer_mac`,
/// the address of the pair's other end.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] when it is no such socket; `ENOPROTOOPT` from a kernel without
/// vnet headers on packet sockets.
pub fn from_fd(
    fd: OwnedFd,
    mtu: u32,
    own_mac: MacAddress,
    peer_mac: MacAddress,
) -> io::Result<PacketSocket> {
    if !sys::is_packet_socket(&fd)? {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a packet socket for whole frames",
        ));
    }
    rustix::io::ioctl_fionbio(&fd, true)?;
    sys::set_vnet_header(&fd)?;
    // A kernel that does not know it shows us the sender's address, and we look at that anyhow.
    let _ = sys::ignore_outgoing(&fd);
    let is_small = rustix::net::sockopt::socket_recv_buffer_size(&fd)? < sys::BUFFER;
    let ring = is_small.then(|| Ring::new(&fd).ok()).flatten();
    Ok(PacketSocket::over(fd, ring, mtu, own_mac, peer_mac))
}

/// A packet socket on one end of a veth pair.
#[derive(Debug)]
pub struct PacketSocket {
    capabilities: Capabilities,
    queue: Queue<Ethernet>,
    dropped: u64,
}

impl PacketSocket {
    /// A socket that is set up, or something else that keeps the bounds of frames.
    fn over(
        fd: OwnedFd,
        ring: Option<Ring>,
        mtu: u32,
        own_mac: MacAddress,
        peer_mac: MacAddress,
    ) -> PacketSocket {
        let limits = Limits {
            tcp_v4: SUPER_MAX,
            tcp_v6: SUPER_MAX,
            udp: SUPER_MAX,
        };
        let framing = Ethernet {
            ring,
            own_mac,
            peer_mac,
            ignored: 0,
        };
        PacketSocket {
            capabilities: Capabilities {
                checksum: true,
                gso_tcp: SUPER_MAX,
                gso_udp: SUPER_MAX,
                ..Capabilities::ip(mtu)
            },
            queue: Queue::new(fd, framing, limits),
            dropped: 0,
        }
    }

    /// What did not pass so far.
    pub fn counters(&self) -> PacketCounters {
        self.queue.counters
    }

    /// Frames so far that carried neither IPv4 nor IPv6, or came from ourselves.
    pub fn ignored(&self) -> u64 {
        self.queue.framing.ignored
    }

    /// Frames so far that found no room to wait for us in the kernel.
    ///
    /// # Errors
    /// That of [`sys::take_dropped`].
    pub fn dropped(&mut self) -> io::Result<u64> {
        self.dropped += u64::from(sys::take_dropped(&self.queue.fd)?);
        Ok(self.dropped)
    }
}

impl Link for PacketSocket {
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

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.fd.as_fd()
    }
}

/// A vnet header and an Ethernet header, and the errors of a packet socket.
#[derive(Debug)]
struct Ethernet {
    ring: Option<Ring>,
    own_mac: MacAddress,
    peer_mac: MacAddress,
    ignored: u64,
}

impl Framing for Ethernet {
    fn len(&self) -> usize {
        VirtioNetHeader::LEN + ETHERNET
    }

    fn read(&mut self, fd: BorrowedFd<'_>, slab: &mut BytesMut) -> Result<usize, Errno> {
        let from_ring = self.ring.as_mut().and_then(|ring| ring.read(slab));
        // Without a frame the socket tells whether it is well.
        from_ring.map_or_else(|| read_write::read_packet(fd, slab), Ok)
    }

    fn parse(&mut self, front: &[u8]) -> Result<Option<VirtioNetHeader>, Discard> {
        let (vnet, ethernet) = front
            .split_at_checked(VirtioNetHeader::LEN)
            .ok_or(Discard::VirtioHeader)?;
        let is_ip = [IPV4, IPV6].iter().any(|kind| ethernet.ends_with(kind));
        if !is_ip || ethernet.get(6..12) == Some(&self.own_mac) {
            self.ignored += 1;
            return Ok(None);
        }
        let mut vnet = VirtioNetHeader::parse(vnet)?;
        // Where summing starts inside of the Ethernet header, it ends up outside of the packet.
        vnet.csum_start = vnet.csum_start.wrapping_sub(ETHERNET as u16);
        Ok(Some(vnet))
    }

    fn write(&self, packet: &Packet, front: &mut [u8]) {
        let mut vnet = VirtioNetHeader::for_packet(packet, 0);
        if vnet.flags != 0 {
            vnet.csum_start += ETHERNET as u16;
        }
        if vnet.gso_type != 0 {
            vnet.hdr_len += ETHERNET as u16;
        }
        let version = packet.headers().first().map_or(0, |octet| octet >> 4);
        let parts = [
            &vnet.to_octets()[..],
            &self.peer_mac,
            &self.own_mac,
            if version == 6 { &IPV6 } else { &IPV4 },
        ];
        let octets = parts.into_iter().flatten();
        front
            .iter_mut()
            .zip(octets)
            .for_each(|(to, &from)| *to = from);
    }

    fn read_failed(&self, fd: BorrowedFd<'_>, error: Errno) -> Failure {
        match error {
            Errno::AGAIN => Failure::Wait,
            // Told once when the interface goes down, and nothing arrives until it is up.
            Errno::NETDOWN if has_interface(fd) => Failure::Wait,
            // A super-segment of a kind that this kernel has no vnet header for.
            Errno::INVAL => Failure::Lost,
            _ => Failure::Broken,
        }
    }

    fn write_failed(&self, fd: BorrowedFd<'_>, error: Errno) -> Failure {
        match error {
            Errno::AGAIN => Failure::Wait,
            Errno::NOBUFS | Errno::NOMEM => Failure::Retry,
            Errno::INVAL | Errno::MSGSIZE => Failure::Plainer,
            // As with any network card whose cable is out.
            Errno::NETDOWN if has_interface(fd) => Failure::Lost,
            _ => Failure::Broken,
        }
    }
}

fn has_interface(fd: BorrowedFd<'_>) -> bool {
    sys::has_interface(fd).unwrap_or(false)
}
