//! Links: what moves packets between a stack and the world, in batches, without parsing them.
//!
//! A [`Link`] never drops silently: what it cannot take stays in the batch, and that is the
//! back-pressure the stack feels.

#[cfg(target_os = "linux")]
pub mod datagram;
pub mod impaired;
pub mod memory;
#[cfg(all(test, target_os = "linux"))]
mod namespace;
pub mod observed;
pub mod offload;
mod outbox;
#[cfg(target_os = "linux")]
pub mod packet;
#[cfg(target_os = "linux")]
mod queue;
#[cfg(target_os = "linux")]
pub mod repair;
#[cfg(test)]
mod sample;
#[cfg(target_os = "linux")]
pub mod tun;
mod wire_packets;

use handfast_base::Instant;
use handfast_wire::Batch;
use std::io;
use std::os::fd::BorrowedFd;
use std::task::Waker;

/// Octets after which a link may leave packets for the next call of [`Link::receive`] although
/// more would fit.
pub const RECEIVE_LEAST: u32 = 64 << 10;

/// Moves packets in batches.
pub trait Link: Send {
    /// What the link can do; constant for its life.
    fn capabilities(&self) -> &Capabilities;

    /// Appends packets that have arrived by `now` to `batch`; returns how many. Never blocks. Fewer
    /// than fit, and less than [`RECEIVE_LEAST`] octets of them, mean that no more are there, unless
    /// [`poll_timeout`](Link::poll_timeout) is in the past.
    ///
    /// # Errors
    /// The device is gone or broken; "would block" is not an error.
    fn receive(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize>;

    /// Sends packets from the front of `batch`, consuming those it took; returns how many. A
    /// partial send is back-pressure: the rest stays and is offered again, at the latest when the
    /// descriptor of [`readiness`](Link::readiness) is writable or at
    /// [`poll_timeout`](Link::poll_timeout).
    ///
    /// # Errors
    /// The device is gone or broken; a full device queue is not an error.
    fn transmit(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize>;

    /// When the link itself next has something to deliver, in either direction, for links with a
    /// clock of their own: then call [`receive`](Link::receive). In the past means now.
    fn poll_timeout(&self) -> Option<Instant>;

    /// How to wait for packets to receive.
    fn readiness(&self) -> Source<'_>;

    /// Has `waker` woken, until another replaces it, when a link without a descriptor has packets
    /// where there were none, has them earlier than [`poll_timeout`](Link::poll_timeout) told, or
    /// has room again after a partial send. A link with a descriptor needs none.
    fn set_waker(&mut self, _waker: &Waker) {}
}

impl<L: Link + ?Sized> Link for Box<L> {
    fn capabilities(&self) -> &Capabilities {
        (**self).capabilities()
    }

    fn receive(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        (**self).receive(now, batch)
    }

    fn transmit(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        (**self).transmit(now, batch)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        (**self).poll_timeout()
    }

    fn readiness(&self) -> Source<'_> {
        (**self).readiness()
    }

    fn set_waker(&mut self, waker: &Waker) {
        (**self).set_waker(waker);
    }
}

/// How a driver learns that a link has packets.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// Readable when packets wait, and writable when there is room for them.
    Fd(BorrowedFd<'a>),
    /// Only [`Link::poll_timeout`] and asking tell.
    Polled,
}

/// What a link can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// What a packet starts with.
    pub medium: Medium,
    /// Largest IP packet on the wire, in octets, link header not counted.
    pub mtu: u32,
    /// Whether [`Checksum::Partial`](handfast_wire::Checksum::Partial) packets may be sent.
    pub checksum: bool,
    /// Largest TCP super-segment in octets of IP packet; 0 = none, may exceed 65,535.
    pub gso_tcp: u32,
    /// Largest UDP super-segment in octets of IP packet; 0 = none.
    pub gso_udp: u32,
    /// Packets worth handing over at once.
    pub batch: usize,
}

impl Capabilities {
    /// IP packets of at most `mtu` octets, 64 at once, with everything done by the sender.
    pub const fn ip(mtu: u32) -> Capabilities {
        Capabilities {
            medium: Medium::Ip,
            mtu,
            checksum: false,
            gso_tcp: 0,
            gso_udp: 0,
            batch: 64,
        }
    }
}

/// What a packet on a link starts with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Medium {
    /// The IP header.
    Ip,
    /// An Ethernet header.
    Ethernet,
}
