use super::first_of;
use super::wait::Patience;
use crate::stack::IfaceId;
use crate::stack::udp::UdpOptions;
use crate::{Interest, Net};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

/// A UDP socket over a handfast stack, as `std::net::UdpSocket` is one over the system's.
///
/// Clones share it, its time limits and whether it blocks.
pub struct UdpSocket(Arc<Shared>);

struct Shared {
    socket: crate::UdpSocket,
    patience: Patience,
}

impl UdpSocket {
    /// A socket bound to the first of these addresses that will do; port 0 is chosen.
    ///
    /// # Errors
    /// Why the last of them will not do: `AddrInUse`, or `AddrNotAvailable` when it is not ours.
    pub fn bind(net: &Net, addr: impl ToSocketAddrs) -> io::Result<UdpSocket> {
        UdpSocket::bind_with(net, addr, UdpOptions::default())
    }

    /// Receives a datagram, what does not fit cut off; returns its length and sender.
    ///
    /// # Errors
    /// `WouldBlock` when none came in time; what the network said of an earlier datagram, once.
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.wait(Interest::Read, self.get_ref().recv_from(buf))
    }

    /// As [`recv_from`](UdpSocket::recv_from), and leaves the datagram where it is.
    ///
    /// # Errors
    /// As [`recv_from`](UdpSocket::recv_from).
    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.wait(Interest::Read, self.get_ref().peek_from(buf))
    }

    /// Sends a datagram to the first of these addresses, waiting for room if need be; returns its
    /// length.
    ///
    /// # Errors
    /// `InvalidInput` when there are none; why it cannot be sent; what the network said of an
    /// earlier one, once.
    pub fn send_to(&self, buf: &[u8], addr: impl ToSocketAddrs) -> io::Result<usize> {
        let to = addr.to_socket_addrs()?.next();
        let to =
            to.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "the name has no addresses"))?;
        self.wait(Interest::Write, self.get_ref().send_to(buf, to))
    }

    /// The connected peer.
    ///
    /// # Errors
    /// `NotConnected` when there is none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.get_ref().peer_addr()
    }

    /// Our address and port.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.get_ref().local_addr()
    }

    /// Another handle to the same socket.
    ///
    /// # Errors
    /// None.
    pub fn try_clone(&self) -> io::Result<UdpSocket> {
        Ok(UdpSocket(self.0.clone()))
    }

    /// How long receiving waits; `None`: for ever.
    ///
    /// # Errors
    /// `InvalidInput` for zero.
    pub fn set_read_timeout(&self, dur: Option<Duration>) -> io::Result<()> {
        self.0.patience.set_timeout(Interest::Read, dur)
    }

    /// How long sending waits for room; `None`: for ever.
    ///
    /// # Errors
    /// `InvalidInput` for zero.
    pub fn set_write_timeout(&self, dur: Option<Duration>) -> io::Result<()> {
        self.0.patience.set_timeout(Interest::Write, dur)
    }

    /// As set by [`set_read_timeout`](UdpSocket::set_read_timeout).
    ///
    /// # Errors
    /// None.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.0.patience.timeout(Interest::Read))
    }

    /// As set by [`set_write_timeout`](UdpSocket::set_write_timeout).
    ///
    /// # Errors
    /// None.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.0.patience.timeout(Interest::Write))
    }

    /// Allows datagrams to broadcast addresses, or forbids them.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.get_ref().set_broadcast(broadcast)
    }

    /// Whether datagrams to broadcast addresses are allowed.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.get_ref().broadcast()
    }

    /// Whether members of a group here get what is sent to it here, over IPv4.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.get_ref()
            .configure(|options| options.multicast_loop = on)
    }

    /// As set by [`set_multicast_loop_v4`](UdpSocket::set_multicast_loop_v4).
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.get_ref()
            .options()
            .map(|options| options.multicast_loop)
    }

    /// Hop limit of multicast datagrams.
    ///
    /// # Errors
    /// `InvalidInput` beyond 255; `NotConnected` when the socket is gone.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        let ttl = hop_limit(ttl)?;
        self.get_ref()
            .configure(|options| options.multicast_hop_limit = ttl)
    }

    /// Hop limit of multicast datagrams.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.get_ref()
            .options()
            .map(|options| options.multicast_hop_limit.into())
    }

    /// Hop limit of other datagrams.
    ///
    /// # Errors
    /// `InvalidInput` beyond 1 to 255; `NotConnected` when the socket is gone.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        let ttl = hop_limit(ttl)?;
        if ttl == 0 {
            return Err(io::Error::new(ErrorKind::InvalidInput, "ttl is 1 to 255"));
        }
        self.get_ref().configure(|options| options.hop_limit = ttl)
    }

    /// Hop limit of other datagrams.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn ttl(&self) -> io::Result<u32> {
        self.get_ref()
            .options()
            .map(|options| options.hop_limit.into())
    }

    /// Joins a multicast group on an interface.
    ///
    /// # Errors
    /// `InvalidInput` for what is no group's address.
    pub fn join_multicast(&self, group: IpAddr, interface: IfaceId) -> io::Result<()> {
        self.get_ref().join_multicast(group, interface)
    }

    /// Leaves a multicast group.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn leave_multicast(&self, group: IpAddr, interface: IfaceId) -> io::Result<()> {
        self.get_ref().leave_multicast(group, interface)
    }

    /// Takes the error that waits on the socket.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.get_ref().take_error()
    }

    /// Connects to the first of these addresses that will do: the socket gets that peer's
    /// datagrams alone, sends there by default, and is told when nobody is there.
    ///
    /// # Errors
    /// Why the last of them will not do.
    pub fn connect(&self, addr: impl ToSocketAddrs) -> io::Result<()> {
        first_of(addr, |addr| {
            self.wait(Interest::Write, self.get_ref().connect(addr))
        })
    }

    /// Sends a datagram to the connected peer.
    ///
    /// # Errors
    /// As [`send_to`](UdpSocket::send_to), and `NotConnected`.
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.wait(Interest::Write, self.get_ref().send(buf))
    }

    /// Receives a datagram.
    ///
    /// # Errors
    /// As [`recv_from`](UdpSocket::recv_from).
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.recv_from(buf).map(|(len, _)| len)
    }

    /// As [`recv`](UdpSocket::recv), and leaves the datagram where it is.
    ///
    /// # Errors
    /// As [`recv_from`](UdpSocket::recv_from).
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.peek_from(buf).map(|(len, _)| len)
    }

    /// Whether calls on this socket, by whatever handle, fail with `WouldBlock` instead of waiting.
    ///
    /// # Errors
    /// None.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.0.patience.set_nonblocking(nonblocking);
        Ok(())
    }

    /// The same socket for tasks, with all that `std` has no name for.
    pub fn get_ref(&self) -> &crate::UdpSocket {
        &self.0.socket
    }

    /// Waits as long as calls of this kind may.
    pub(super) fn wait<T>(
        &self,
        of: Interest,
        future: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        self.0.patience.wait(&self.get_ref().net, of, future)
    }
}

fn hop_limit(ttl: u32) -> io::Result<u8> {
    u8::try_from(ttl).map_err(|_| io::Error::new(ErrorKind::InvalidInput, "ttl is at most 255"))
}

impl From<crate::UdpSocket> for UdpSocket {
    /// The same socket, for threads.
    fn from(socket: crate::UdpSocket) -> UdpSocket {
        let patience = Patience::default();
        UdpSocket(Arc::new(Shared { socket, patience }))
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get_ref().fmt(f)
    }
}
