//! What sockets can do that `std` has no name for, as their like for tasks has it.

use super::wait::{wait, would_block};
use super::{TcpListener, TcpStream, UdpSocket, first_of};
use crate::{
    Config, Interest, Net, PendingSyn, TcpConnector, TcpInfo, TcpListenerBuilder, TcpSnapshot,
};
use bytes::Bytes;
use handfast_stack::udp::{Datagram, Outbound, UdpOptions};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

impl TcpStream {
    /// As [`connect`](TcpStream::connect), with these settings: keys, Fast Open, a local address,
    /// options from the SYN on.
    ///
    /// # Errors
    /// As [`connect`](TcpStream::connect).
    pub fn connect_with(
        net: &Net,
        addr: impl ToSocketAddrs,
        settings: TcpConnector,
    ) -> io::Result<TcpStream> {
        first_of(addr, |addr| {
            TcpStream::within(net, addr, None, settings.clone())
        })
    }

    /// As [`connect_timeout`](TcpStream::connect_timeout), with these settings.
    ///
    /// # Errors
    /// As [`connect_timeout`](TcpStream::connect_timeout).
    pub fn connect_timeout_with(
        net: &Net,
        addr: &SocketAddr,
        timeout: Duration,
        settings: TcpConnector,
    ) -> io::Result<TcpStream> {
        TcpStream::within(net, *addr, Some(timeout), settings)
    }

    /// As [`import`](TcpStream::import), with these settings; where to connect from is the value's
    /// to say.
    ///
    /// # Errors
    /// As [`import`](TcpStream::import).
    pub fn import_with(
        net: &Net,
        snapshot: TcpSnapshot,
        settings: TcpConnector,
    ) -> io::Result<TcpStream> {
        settings.import(net, snapshot).map(TcpStream::from)
    }

    /// What there is to be known of the connection.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn info(&self) -> io::Result<TcpInfo> {
        self.get_ref().info()
    }

    /// Reads up to `max` octets without a copy; empty at the end. Waits as a read does.
    ///
    /// # Errors
    /// `WouldBlock` when the time for reads is over; why the connection is dead.
    pub fn read_bytes(&self, max: usize) -> io::Result<Bytes> {
        let read = self.wait(Interest::Read, self.get_ref().read_bytes(max));
        self.tell_once(read, || Ok(Bytes::new()))
    }

    /// Writes all of `data` without a copy, and leaves in it what was not taken. Waits as a write
    /// does.
    ///
    /// # Errors
    /// `WouldBlock` when the time for writes is over; why the connection is dead.
    pub fn write_bytes(&self, data: &mut Bytes) -> io::Result<()> {
        let written = self.wait(Interest::Write, self.get_ref().write_bytes(data));
        self.tell_once(written, || Err(ErrorKind::BrokenPipe.into()))
    }

    /// Waits until the peer has acknowledged all that was written. Waits as a write does.
    ///
    /// # Errors
    /// `WouldBlock` when the time for writes is over; why the connection is dead.
    pub fn acknowledged(&self) -> io::Result<()> {
        self.wait(Interest::Write, self.get_ref().acknowledged())
    }

    /// Ends it with a reset; what is queued is thrown away.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn abort(&self) -> io::Result<()> {
        self.get_ref().abort()
    }

    /// Changes options of the connection.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn configure(&self, change: impl FnOnce(&mut Config)) -> io::Result<()> {
        self.get_ref().configure(change)
    }
}

impl TcpListener {
    /// As [`bind`](TcpListener::bind), with these settings: keys, backlog, Fast Open, decisions
    /// before the handshake.
    ///
    /// # Errors
    /// As [`bind`](TcpListener::bind).
    pub fn bind_with(
        net: &Net,
        addr: impl ToSocketAddrs,
        settings: TcpListenerBuilder,
    ) -> io::Result<TcpListener> {
        first_of(addr, |addr| {
            settings.clone().bind(net, addr).map(TcpListener::from)
        })
    }

    /// Waits for the next request of a listener that decides about each
    /// ([`TcpListenerBuilder::pending`]). [`accept_pending`](TcpListener::accept_pending) goes on
    /// with it.
    ///
    /// # Errors
    /// `NotConnected` when the listener is gone; `WouldBlock` when it does not wait and there is none.
    pub fn pending(&self) -> io::Result<PendingSyn> {
        self.wait(self.get_ref().pending())
    }

    /// Answers a request with SYN,ACK, and waits until the handshake is complete.
    ///
    /// # Errors
    /// `NotConnected` when the peer has given up, or does not answer.
    pub fn accept_pending(&self, request: PendingSyn) -> io::Result<TcpStream> {
        let accepted = wait(&self.get_ref().net, None, request.accept());
        accepted.map_or_else(would_block, |stream| stream.map(TcpStream::from))
    }
}

impl UdpSocket {
    /// As [`bind`](UdpSocket::bind), with these options.
    ///
    /// # Errors
    /// As [`bind`](UdpSocket::bind).
    pub fn bind_with(
        net: &Net,
        addr: impl ToSocketAddrs,
        options: UdpOptions,
    ) -> io::Result<UdpSocket> {
        first_of(addr, |addr| {
            crate::UdpSocket::bind_with(net, addr, options.clone()).map(UdpSocket::from)
        })
    }

    /// Sends a datagram by reference, or several of one size.
    ///
    /// # Errors
    /// As [`send_to`](UdpSocket::send_to).
    pub fn send_datagram(&self, datagram: Outbound) -> io::Result<()> {
        self.wait(Interest::Write, self.get_ref().send_datagram(datagram))
    }

    /// Receives a datagram by reference, with all that is known of its way.
    ///
    /// # Errors
    /// As [`recv_from`](UdpSocket::recv_from).
    pub fn recv_datagram(&self) -> io::Result<Datagram> {
        self.wait(Interest::Read, self.get_ref().recv_datagram())
    }

    /// Its options.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn options(&self) -> io::Result<UdpOptions> {
        self.get_ref().options()
    }

    /// Changes its options.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn configure(&self, change: impl FnOnce(&mut UdpOptions)) -> io::Result<()> {
        self.get_ref().configure(change)
    }
}
