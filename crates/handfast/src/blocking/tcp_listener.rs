use super::TcpStream;
use super::wait::Patience;
use crate::{Interest, Net};
use std::fmt;
use std::io;
use std::iter::FusedIterator;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

/// Listens for TCP connections, as `std::net::TcpListener` does.
///
/// Clones share it; when the last is dropped, connections that nobody has accepted are reset.
pub struct TcpListener(Arc<Shared>);

struct Shared {
    listener: crate::TcpListener,
    patience: Patience,
}

impl TcpListener {
    /// Listens on the first of these addresses that will do; port 0 is chosen. Connections of an
    /// earlier listener in TIME-WAIT are no hindrance, as with `std`. For other settings there is
    /// [`bind_with`](TcpListener::bind_with).
    ///
    /// # Errors
    /// Why the last of them will not do: `AddrInUse`, or `AddrNotAvailable` when it is not ours.
    pub fn bind(net: &Net, addr: impl ToSocketAddrs) -> io::Result<TcpListener> {
        let settings = crate::TcpListener::builder().reuse_address(true);
        TcpListener::bind_with(net, addr, settings)
    }

    /// Where it listens.
    ///
    /// # Errors
    /// `NotConnected` when the listener is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.get_ref().local_addr()
    }

    /// Another handle to the same listener.
    ///
    /// # Errors
    /// None.
    pub fn try_clone(&self) -> io::Result<TcpListener> {
        Ok(TcpListener(self.0.clone()))
    }

    /// Waits for the next connection; returns it, which blocks, with the peer's address.
    ///
    /// # Errors
    /// `NotConnected` when the listener is gone.
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let accepted = self.wait(self.get_ref().accept());
        accepted.map(|(stream, peer)| (stream.into(), peer))
    }

    /// Connections for ever, each as [`accept`](TcpListener::accept) gives it.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// Whether accepting, by whatever handle, fails with `WouldBlock` instead of waiting.
    ///
    /// # Errors
    /// None.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.0.patience.set_nonblocking(nonblocking);
        Ok(())
    }

    /// Takes the error that waits on the listener: there never is one.
    ///
    /// # Errors
    /// `NotConnected` when the listener is gone.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.local_addr().map(|_| None)
    }

    /// Waits as long as accepting may.
    pub(super) fn wait<T>(&self, future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let net = &self.get_ref().net;
        self.0.patience.wait(net, Interest::Read, future)
    }

    /// The same listener for tasks, with all that `std` has no name for.
    pub fn get_ref(&self) -> &crate::TcpListener {
        &self.0.listener
    }
}

impl From<crate::TcpListener> for TcpListener {
    /// The same listener, for threads.
    fn from(listener: crate::TcpListener) -> TcpListener {
        let patience = Patience::default();
        TcpListener(Arc::new(Shared { listener, patience }))
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get_ref().fmt(f)
    }
}

/// What [`TcpListener::incoming`] returns: it never ends.
#[derive(Debug)]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<io::Result<TcpStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl FusedIterator for Incoming<'_> {}
