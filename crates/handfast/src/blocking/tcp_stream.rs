use super::wait::{Patience, nonzero, wait, would_block};
use crate::socket::{WRITE_LIMIT, copy_out};
use crate::{ConnectionError, Interest, Net, Readiness, TcpConnector, TcpSnapshot};
use bytes::Bytes;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A TCP connection over a handfast stack, as `std::net::TcpStream` is one over the system's.
///
/// Clones share the connection, its time limits and whether it blocks; when the last is dropped it
/// is closed: what is queued is still sent, then a FIN; with data unread it is reset.
pub struct TcpStream(Arc<Shared>);

struct Shared {
    stream: crate::TcpStream,
    patience: Patience,
    /// Whether somebody has been told why the connection is dead.
    told: AtomicBool,
}

impl TcpStream {
    /// Connects to the first of these addresses that answers.
    ///
    /// # Errors
    /// Why the last of them did not; `InvalidInput` when there are none.
    pub fn connect(net: &Net, addr: impl ToSocketAddrs) -> io::Result<TcpStream> {
        TcpStream::connect_with(net, addr, TcpConnector::new())
    }

    /// Connects to an address within a time.
    ///
    /// # Errors
    /// `TimedOut` when it is over; `InvalidInput` when it is zero; those of
    /// [`connect`](TcpStream::connect).
    pub fn connect_timeout(
        net: &Net,
        addr: &SocketAddr,
        timeout: Duration,
    ) -> io::Result<TcpStream> {
        TcpStream::connect_timeout_with(net, addr, timeout, TcpConnector::new())
    }

    /// Connects within a time, if there is one.
    pub(super) fn within(
        net: &Net,
        addr: SocketAddr,
        timeout: Option<Duration>,
        settings: TcpConnector,
    ) -> io::Result<TcpStream> {
        timeout.map_or(Ok(()), nonzero)?;
        let deadline = timeout.map(|time| net.now() + time);
        match wait(net, deadline, settings.connect(net, addr)) {
            Some(connected) => connected.map(TcpStream::from),
            None => Err(io::Error::new(
                ErrorKind::TimedOut,
                "the connection was not answered in time",
            )),
        }
    }

    /// The peer's address and port.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
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

    /// Closes one direction or both, of all clones: a FIN follows what is queued; what has arrived
    /// and was not read, and what arrives later, is thrown away. Reads that wait return 0.
    ///
    /// # Errors
    /// `NotConnected` when the connection is dead.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Write {
            self.get_ref().shutdown_read()?;
        }
        if how != Shutdown::Read {
            self.get_ref().shutdown_write()?;
        }
        Ok(())
    }

    /// Another handle to the same connection.
    ///
    /// # Errors
    /// None.
    pub fn try_clone(&self) -> io::Result<TcpStream> {
        Ok(TcpStream(self.0.clone()))
    }

    /// How long a read waits for the first octet; `None`: for ever.
    ///
    /// # Errors
    /// `InvalidInput` for zero.
    pub fn set_read_timeout(&self, dur: Option<Duration>) -> io::Result<()> {
        self.0.patience.set_timeout(Interest::Read, dur)
    }

    /// How long a write waits for room; `None`: for ever.
    ///
    /// # Errors
    /// `InvalidInput` for zero.
    pub fn set_write_timeout(&self, dur: Option<Duration>) -> io::Result<()> {
        self.0.patience.set_timeout(Interest::Write, dur)
    }

    /// As set by [`set_read_timeout`](TcpStream::set_read_timeout).
    ///
    /// # Errors
    /// None.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.0.patience.timeout(Interest::Read))
    }

    /// As set by [`set_write_timeout`](TcpStream::set_write_timeout).
    ///
    /// # Errors
    /// None.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.0.patience.timeout(Interest::Write))
    }

    /// Copies what is unread to `buf` and leaves it where it is; waits for the first octet.
    ///
    /// # Errors
    /// As reading.
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        let peeked = self.wait(Interest::Read, self.get_ref().peek(buf));
        self.tell_once(peeked, || Ok(0))
    }

    /// What dropping the last handle does with what is not acknowledged: `None`, it is sent in the
    /// background; zero, the connection is reset; else dropping waits until all of it, and our FIN,
    /// is acknowledged, at most that long, and resets the connection then. With
    /// [`set_nonblocking`](TcpStream::set_nonblocking) it does not wait, and the rest is the same.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.get_ref().set_linger(linger)
    }

    /// As set by [`set_linger`](TcpStream::set_linger).
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.get_ref().linger()
    }

    /// Nagle's algorithm off, or on again.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.get_ref().set_nodelay(nodelay)
    }

    /// Whether Nagle's algorithm is off.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.get_ref().nodelay()
    }

    /// Hop limit of what is sent.
    ///
    /// # Errors
    /// `InvalidInput` beyond 1 to 255; `NotConnected` when the socket is gone.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.get_ref().set_ttl(ttl)
    }

    /// Hop limit of what is sent.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn ttl(&self) -> io::Result<u32> {
        self.get_ref().ttl()
    }

    /// Takes the error that waits on the socket.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        let taken = self.get_ref().take_error()?;
        self.tell_once(taken.map_or(Ok(()), Err), || Ok(()))
            .map_or_else(|e| Ok(Some(e)), |()| Ok(None))
    }

    /// Whether calls on this connection, by whatever handle, fail with `WouldBlock` instead of
    /// waiting.
    ///
    /// # Errors
    /// None.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.0.patience.set_nonblocking(nonblocking);
        Ok(())
    }

    /// Takes the connection out of its stack as a value: as
    /// [`TcpStream::export`](crate::TcpStream::export). Clones are closed by that, too.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone; `InvalidInput` when the connection is not
    /// ESTABLISHED.
    pub fn export(&self) -> io::Result<TcpSnapshot> {
        self.get_ref().export()
    }

    /// Puts a connection in that was exported elsewhere: as
    /// [`TcpStream::import`](crate::TcpStream::import).
    ///
    /// # Errors
    /// As there.
    pub fn import(net: &Net, snapshot: TcpSnapshot) -> io::Result<TcpStream> {
        crate::TcpStream::import(net, snapshot).map(TcpStream::from)
    }

    /// The same connection for tasks, with all that `std` has no name for.
    pub fn get_ref(&self) -> &crate::TcpStream {
        &self.0.stream
    }

    /// Waits as long as calls of this kind may.
    pub(super) fn wait<T>(
        &self,
        of: Interest,
        future: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        self.0.patience.wait(&self.get_ref().0.net, of, future)
    }

    /// Why the connection is dead is told once, by whatever call comes first; those after it find
    /// the end of the stream, as with the system's.
    pub(super) fn tell_once<T>(
        &self,
        result: io::Result<T>,
        after: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let why = result.as_ref().err().and_then(io::Error::get_ref);
        let is_dead = why.is_some_and(|why| why.is::<ConnectionError>());
        match is_dead && self.0.told.swap(true, Ordering::Relaxed) {
            true => after(),
            false => result,
        }
    }

    fn receive(&self, max: usize) -> io::Result<Vec<Bytes>> {
        let mut slices = Vec::new();
        let received = poll_fn(|cx| self.get_ref().0.poll_receive(cx, max, &mut slices));
        let received = self.wait(Interest::Read, received);
        self.tell_once(received, || Ok(()))?;
        Ok(slices)
    }

    /// Queues all of it, waiting for room as often as need be, as the system's stream does; less
    /// only where that fails, or takes too long, on the way.
    fn send<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) -> io::Result<usize> {
        let socket = &self.get_ref().0;
        let deadline = self.0.patience.deadline(&socket.net, Interest::Write);
        let mut sent = 0;
        for part in parts.flat_map(|part| part.chunks(WRITE_LIMIT)) {
            let mut data = Bytes::copy_from_slice(part);
            while !data.is_empty() {
                let queued = poll_fn(|cx| socket.poll_send(cx, &mut data));
                match wait(&socket.net, deadline, queued).unwrap_or_else(would_block) {
                    Ok(octets) => sent += octets,
                    // Whatever it is, the next call is told.
                    Err(_) if sent > 0 => return Ok(sent),
                    failed => return self.tell_once(failed, || Err(ErrorKind::BrokenPipe.into())),
                }
            }
        }
        Ok(sent)
    }
}

impl Drop for Shared {
    /// Lingers, if that was asked for.
    fn drop(&mut self) {
        let linger = self.stream.linger().ok().flatten();
        let Some(time) = linger.filter(|time| !time.is_zero()) else {
            return;
        };
        // With text unread it is reset anyway.
        let unread = self.stream.0.look(|c, _| c.has_unread());
        if self.patience.is_nonblocking() || unread.unwrap_or(true) {
            return;
        }
        let net = &self.stream.0.net;
        let deadline = net.now() + time;
        if self.stream.shutdown_write().is_ok() {
            let acknowledged = self.stream.ready(Readiness::WRITE_CLOSED);
            if wait(net, Some(deadline), acknowledged).is_none() {
                let _ = self.stream.abort();
            }
        }
    }
}

impl From<crate::TcpStream> for TcpStream {
    /// The same connection, for threads.
    fn from(stream: crate::TcpStream) -> TcpStream {
        TcpStream(Arc::new(Shared {
            stream,
            patience: Patience::default(),
            told: AtomicBool::new(false),
        }))
    }
}

impl Read for &TcpStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(copy_out(&self.receive(buf.len())?, buf))
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let slices = self.receive(bufs.iter().map(|buf| buf.len()).sum())?;
        let mut octets = slices.iter().flat_map(|slice| slice.iter());
        let mut count = 0;
        for to in bufs.iter_mut().flat_map(|buf| buf.iter_mut()) {
            let Some(&octet) = octets.next() else {
                break;
            };
            *to = octet;
            count += 1;
        }
        Ok(count)
    }
}

impl Write for &TcpStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.send([buf].into_iter())
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.send(bufs.iter().map(|buf| &**buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for TcpStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }
}

impl Write for TcpStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get_ref().fmt(f)
    }
}
