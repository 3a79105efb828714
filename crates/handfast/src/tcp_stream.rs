use crate::Net;
use crate::engine::Core;
use crate::error;
use crate::split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::waiters::Interest;
use bytes::Bytes;
use handfast_base::Instant;
use handfast_stack::{ConnectOptions, SocketId, TakenError, TcpMut, TcpRef};
use handfast_tcp::{Config, Readiness, State, TcpInfo};
use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Octets that one write copies at most: what is copied and not taken was copied in vain.
const WRITE_LIMIT: usize = 256 * 1024;
/// Slices that one read takes out of the stack at most, to be copied outside of its lock.
const READ_SLICES: usize = 32;

/// A TCP connection over a handfast stack, with the methods of tokio's `TcpStream`.
///
/// Dropping it closes it as the standard library's does: what is queued is still sent, then a
/// FIN; with data unread the connection is reset. Every async call may be cancelled and loses
/// nothing.
///
/// With the `tokio` feature it is `AsyncRead` and `AsyncWrite`; `shutdown` closes our direction
/// only (half-close). [`read_bytes`](TcpStream::read_bytes) and
/// [`write_bytes`](TcpStream::write_bytes) move data by reference instead.
pub struct TcpStream(pub(crate) Arc<Socket>);

/// One end of a connection, closed when the last handle to it goes.
pub(crate) struct Socket {
    pub(crate) net: Net,
    pub(crate) id: SocketId,
}

impl Drop for Socket {
    fn drop(&mut self) {
        let id = self.id;
        self.net
            .engine()
            .close(id, |stack, now| _ = stack.tcp_close(id, now));
    }
}

impl Socket {
    /// One call on the connection, with output to follow.
    fn call<R>(&self, f: impl FnOnce(&mut TcpMut<'_>) -> R) -> io::Result<R> {
        self.net.engine().call(|core, now| {
            core.stack
                .tcp_mut(self.id, now)
                .map(|mut c| f(&mut c))
                .ok_or_else(error::gone)
        })
    }

    /// A look at the connection.
    fn look<R>(&self, f: impl FnOnce(TcpRef<'_>, Instant) -> R) -> io::Result<R> {
        self.net.engine().look(|core, now| {
            core.stack
                .tcp(self.id)
                .map(|c| f(c, now))
                .ok_or_else(error::gone)
        })
    }

    fn error(core: &mut Core, id: SocketId, now: Instant) -> Option<io::Error> {
        match core.stack.tcp_mut(id, now)?.take_error()? {
            TakenError::Fatal(why) => Some(error::from_connection(why)),
            _ => None,
        }
    }

    /// Takes up to `max` octets, a few slices; an empty list means end of stream.
    pub(crate) fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        max: usize,
        slices: &mut Vec<Bytes>,
    ) -> Poll<io::Result<()>> {
        if max == 0 {
            return Poll::Ready(Ok(()));
        }
        let took = self.try_receive(max, slices, Some(cx));
        match took {
            Err(e) if e.kind() == ErrorKind::WouldBlock => Poll::Pending,
            result => Poll::Ready(result),
        }
    }

    fn try_receive(
        &self,
        max: usize,
        slices: &mut Vec<Bytes>,
        cx: Option<&mut Context<'_>>,
    ) -> io::Result<()> {
        let id = self.id;
        let mut opened = false;
        let result = self.net.engine().look(|core, now| {
            let Some(mut c) = core.stack.tcp_mut(id, now) else {
                return Err(error::gone());
            };
            let mut octets = 0;
            while octets < max && slices.len() < READ_SLICES {
                let Some(slice) = c.receive(max - octets) else {
                    break;
                };
                octets += slice.len();
                slices.push(slice);
            }
            if octets > 0 {
                c.release(octets as u32);
                opened = core.stack.poll_timeout() == Some(Instant::ZERO);
                return Ok(());
            }
            let closed = c.get().is_none_or(|c| c.is_read_closed());
            if let Some(e) = Socket::error(core, id, now) {
                return Err(e);
            }
            if closed {
                return Ok(());
            }
            if let Some(cx) = cx {
                core.wait(id, Interest::Read, cx.waker());
            }
            Err(ErrorKind::WouldBlock.into())
        });
        if opened {
            // The window has opened, or more was put off: that wants to be sent.
            self.net.engine().call(|_, _| ());
        }
        result
    }

    /// Queues octets from the front of `data`; pending while there is no room at all.
    pub(crate) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        data: &mut Bytes,
    ) -> Poll<io::Result<usize>> {
        match self.try_send(data, Some(cx)) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => Poll::Pending,
            result => Poll::Ready(result),
        }
    }

    fn try_send(&self, data: &mut Bytes, cx: Option<&mut Context<'_>>) -> io::Result<usize> {
        if data.is_empty() {
            return Ok(0);
        }
        let id = self.id;
        self.net.engine().call(|core, now| {
            let Some(mut c) = core.stack.tcp_mut(id, now) else {
                return Err(error::gone());
            };
            let sent = c.send(data).map_err(error::from_send)?;
            if sent > 0 {
                return Ok(sent);
            }
            if let Some(cx) = cx {
                core.wait(id, Interest::Write, cx.waker());
            }
            Err(ErrorKind::WouldBlock.into())
        })
    }

    /// As a write of a slice: copied outside of any lock.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut copy = Bytes::copy_from_slice(&data[..data.len().min(WRITE_LIMIT)]);
        self.poll_send(cx, &mut copy)
    }

    /// Done when everything that was queued has been handed to the stack, which it is.
    pub(crate) fn poll_flush(&self) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Our FIN follows what is queued. Closing twice is no error.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        let id = self.id;
        self.net.engine().call(|core, now| {
            let dead = {
                let Some(mut c) = core.stack.tcp_mut(id, now) else {
                    return Err(error::gone());
                };
                // Closed before is as good.
                let _ = c.shutdown_write();
                c.get().is_none_or(|c| c.state() == State::Closed)
            };
            match Socket::error(core, id, now).filter(|_| dead) {
                Some(e) if e.kind() != ErrorKind::ConnectionAborted => {
                    Err(io::Error::new(ErrorKind::NotConnected, e))
                }
                _ => Ok(()),
            }
        })
    }

    pub(crate) fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        wanted: Readiness,
    ) -> Poll<io::Result<Readiness>> {
        let id = self.id;
        self.net.engine().look(|core, _| {
            let Some(c) = core.stack.tcp(id) else {
                return Poll::Ready(Err(error::gone()));
            };
            let ready = c.readiness();
            if ready.intersects(wanted) {
                return Poll::Ready(Ok(ready));
            }
            for (flag, interest) in [
                (Readiness::READABLE, Interest::Read),
                (Readiness::WRITABLE, Interest::Write),
            ] {
                if wanted.contains(flag) {
                    core.wait(id, interest, cx.waker());
                }
            }
            Poll::Pending
        })
    }

    pub(crate) fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let id = self.id;
        let seen = self.net.engine().look(|core, now| {
            let Some(c) = core.stack.tcp(id) else {
                return Poll::Ready(Err(error::gone()));
            };
            // References, to be copied outside of the lock.
            let mut room = out.len();
            let mut slices = Vec::new();
            for slice in c.peek() {
                if room == 0 {
                    break;
                }
                room = room.saturating_sub(slice.len());
                slices.push(slice.clone());
            }
            let closed = c.is_read_closed();
            if !slices.is_empty() || out.is_empty() {
                return Poll::Ready(Ok(slices));
            }
            if let Some(e) = Socket::error(core, id, now) {
                return Poll::Ready(Err(e));
            }
            if closed {
                return Poll::Ready(Ok(slices));
            }
            core.wait(id, Interest::Read, cx.waker());
            Poll::Pending
        });
        seen.map_ok(|slices| copy_out(&slices, out))
    }
}

/// Copies as much as fits; returns how much.
pub(crate) fn copy_out(slices: &[Bytes], out: &mut [u8]) -> usize {
    let mut at = 0;
    for slice in slices {
        let n = slice.len().min(out.len() - at);
        out[at..at + n].copy_from_slice(&slice[..n]);
        at += n;
    }
    at
}

impl TcpStream {
    /// Connects to `remote` from an address and port that the stack chooses.
    ///
    /// # Errors
    /// At once for what could never succeed (no route, an address nobody can answer from); later
    /// `ConnectionRefused`, `HostUnreachable`, `TimedOut`. Cancelling abandons the attempt.
    pub async fn connect(net: &Net, remote: SocketAddr) -> io::Result<TcpStream> {
        TcpConnector::new().connect(net, remote).await
    }

    pub(crate) fn from_id(net: &Net, id: SocketId) -> TcpStream {
        TcpStream(Arc::new(Socket {
            net: net.clone(),
            id,
        }))
    }

    /// Our address and port.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.look(|c, _| c.local_addr())
    }

    /// The peer's address and port.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.look(|c, _| c.peer_addr())
    }

    /// A snapshot of everything the connection knows (RFC 9293, 3.10.6).
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn info(&self) -> io::Result<TcpInfo> {
        self.0.look(|c, now| c.info(now))
    }

    /// Takes at most `max` octets out of the stream, by reference; empty means end of stream.
    /// Cancelling loses nothing.
    ///
    /// # Errors
    /// Why the connection is dead.
    pub async fn read_bytes(&self, max: usize) -> io::Result<Bytes> {
        let mut slices = Vec::with_capacity(1);
        poll_fn(|cx| self.0.poll_receive(cx, max, &mut slices)).await?;
        Ok(joined(slices))
    }

    /// Queues all of `data`, by reference, waiting for room as needed. When cancelled, `data` is
    /// what was not queued.
    ///
    /// # Errors
    /// Why nothing more can be sent; `data` is what was not queued.
    pub async fn write_bytes(&self, data: &mut Bytes) -> io::Result<()> {
        while !data.is_empty() {
            poll_fn(|cx| self.0.poll_send(cx, data)).await?;
        }
        Ok(())
    }

    /// Copies unread octets to `out` and leaves them where they are; waits for the first. 0 means
    /// end of stream. Cancelling loses nothing.
    ///
    /// # Errors
    /// Why the connection is dead.
    pub async fn peek(&self, out: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.0.poll_peek(cx, out)).await
    }

    /// Reads what is there, without waiting; 0 means end of stream.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there; why the connection is dead.
    pub fn try_read(&self, out: &mut [u8]) -> io::Result<usize> {
        let mut slices = Vec::new();
        self.0.try_receive(out.len(), &mut slices, None)?;
        Ok(copy_out(&slices, out))
    }

    /// Writes what fits, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing fits; why nothing more can be sent.
    pub fn try_write(&self, data: &[u8]) -> io::Result<usize> {
        let mut copy = Bytes::copy_from_slice(&data[..data.len().min(WRITE_LIMIT)]);
        self.0.try_send(&mut copy, None)
    }

    /// Waits until any of `wanted` ([`Readiness::READABLE`], [`Readiness::WRITABLE`]) holds;
    /// returns all that holds. Cancelling loses nothing.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub async fn ready(&self, wanted: Readiness) -> io::Result<Readiness> {
        poll_fn(|cx| self.0.poll_ready(cx, wanted)).await
    }

    /// Waits until [`try_read`](TcpStream::try_read) has something to tell.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Readiness::READABLE).await.map(drop)
    }

    /// Waits until [`try_write`](TcpStream::try_write) has something to tell.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Readiness::WRITABLE).await.map(drop)
    }

    /// Closes our direction: a FIN follows what is queued, the other direction stays open. What
    /// `AsyncWriteExt::shutdown` does. Closing twice is no error.
    ///
    /// # Errors
    /// `NotConnected` when the connection is dead.
    pub fn shutdown_write(&self) -> io::Result<()> {
        self.0.shutdown_write()
    }

    /// Ends reading: what has arrived and what will is acknowledged and thrown away.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn shutdown_read(&self) -> io::Result<()> {
        self.0.call(|c| c.shutdown_read())
    }

    /// Resets the connection.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn abort(&self) -> io::Result<()> {
        self.0.call(|c| c.abort())
    }

    /// Nagle's algorithm off, or on again.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.configure(|config| config.nodelay = nodelay)
    }

    /// Whether Nagle's algorithm is off.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.0.look(|c, _| c.config().nodelay)
    }

    /// Changes any option of the connection; it acts at once.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn configure(&self, change: impl FnOnce(&mut Config)) -> io::Result<()> {
        self.0.call(|c| c.configure(change))
    }

    /// What dropping does with unacknowledged data: `None`, it is sent in the background; zero,
    /// the connection is reset; else it is reset when that time is over.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_linger(&self, time: Option<Duration>) -> io::Result<()> {
        self.0.call(|c| c.set_linger(time))
    }

    /// As set by [`set_linger`](TcpStream::set_linger).
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.0.look(|c, _| c.linger())
    }

    /// Hop limit of what is sent.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        let ttl = u8::try_from(ttl).ok().filter(|&t| t > 0);
        let ttl = ttl.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "ttl is 1 to 255"))?;
        self.0.call(|c| c.set_hop_limit(ttl))
    }

    /// Hop limit of what is sent.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn ttl(&self) -> io::Result<u32> {
        self.0.look(|c, _| u32::from(c.hop_limit()))
    }

    /// Takes the error that waits on the socket: why it is dead, or what ICMP last said.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        let taken = self.0.call(|c| c.take_error())?;
        Ok(taken.map(|why| match why {
            TakenError::Fatal(why) => error::from_connection(why),
            TakenError::Soft(why) => io::Error::new(ErrorKind::HostUnreachable, why.to_string()),
            _ => ErrorKind::Other.into(),
        }))
    }

    /// A reading and a writing half that borrow the stream.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf(&*self), WriteHalf(&*self))
    }

    /// A reading and a writing half that own it together. Dropping the writing half closes our
    /// direction.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        OwnedReadHalf::pair(self.0)
    }
}

/// One slice of several.
pub(crate) fn joined(mut slices: Vec<Bytes>) -> Bytes {
    match slices.len() {
        0 => Bytes::new(),
        1 => slices.swap_remove(0),
        _ => slices.concat().into(),
    }
}

/// Settings of a connection to be opened.
#[derive(Clone, Debug, Default)]
pub struct TcpConnector {
    options: ConnectOptions,
}

impl TcpConnector {
    /// All by default.
    pub fn new() -> TcpConnector {
        TcpConnector::default()
    }

    /// From this address and port; an unspecified address and port 0 are chosen.
    pub fn local(mut self, local: SocketAddr) -> TcpConnector {
        self.options.local = Some(local);
        self
    }

    /// With these options.
    pub fn config(mut self, config: impl Into<Arc<Config>>) -> TcpConnector {
        self.options.config = Some(config.into());
        self
    }

    /// Connects to `remote`.
    ///
    /// # Errors
    /// As [`TcpStream::connect`].
    pub async fn connect(self, net: &Net, remote: SocketAddr) -> io::Result<TcpStream> {
        let id = net
            .engine()
            .call(|core, now| core.stack.tcp_connect(remote, self.options, now))
            .map_err(error::from_connect)?;
        // From here on dropping the future closes it.
        let stream = TcpStream::from_id(net, id);
        poll_fn(|cx| {
            net.engine().look(|core, now| {
                let Some(c) = core.stack.tcp(id) else {
                    return Poll::Ready(Err(error::gone()));
                };
                let ready = c.readiness();
                if ready.contains(Readiness::CONNECTED) {
                    return Poll::Ready(Ok(()));
                }
                if ready.contains(Readiness::CLOSED) {
                    let why = Socket::error(core, id, now).unwrap_or_else(error::gone);
                    return Poll::Ready(Err(why));
                }
                core.wait(id, Interest::Write, cx.waker());
                Poll::Pending
            })
        })
        .await?;
        Ok(stream)
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut d = f.debug_struct("TcpStream");
        if let (Ok(local), Ok(peer)) = (self.local_addr(), self.peer_addr()) {
            d.field("local", &local).field("peer", &peer);
        }
        d.finish()
    }
}

#[cfg(feature = "tokio")]
mod io_traits {
    use super::{Socket, TcpStream};
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    impl Socket {
        pub(crate) fn poll_read_buf(
            &self,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let mut slices = Vec::new();
            ready!(self.poll_receive(cx, buf.remaining(), &mut slices))?;
            for slice in slices {
                buf.put_slice(&slice);
            }
            Poll::Ready(Ok(()))
        }

        pub(crate) fn poll_write_vectored(
            &self,
            cx: &mut Context<'_>,
            bufs: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let total = bufs
                .iter()
                .map(|b| b.len())
                .sum::<usize>()
                .min(super::WRITE_LIMIT);
            let mut copy = Vec::with_capacity(total);
            for buf in bufs {
                let room = total - copy.len();
                copy.extend_from_slice(&buf[..buf.len().min(room)]);
            }
            self.poll_send(cx, &mut copy.into())
        }
    }

    impl AsyncRead for TcpStream {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.0.poll_read_buf(cx, buf)
        }
    }

    impl AsyncWrite for TcpStream {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            data: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.poll_write(cx, data)
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.0.poll_write_vectored(cx, bufs)
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.0.poll_flush()
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(self.0.shutdown_write())
        }
    }
}
