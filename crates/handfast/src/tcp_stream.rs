use crate::Net;
use crate::error;
use crate::socket::{Socket, WRITE_LIMIT, copy_out, joined};
use crate::split::{OwnedReadHalf, OwnedWriteHalf};
#[cfg(feature = "tokio")]
use crate::split::{ReadHalf, WriteHalf};
use crate::waiters::Interest;
use bytes::Bytes;
use handfast_stack::{ConnectOptions, SocketId, TakenError};
use handfast_tcp::{Config, Readiness, TcpInfo};
use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

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

    /// As [`read_bytes`](TcpStream::read_bytes) by hand, and without joining what arrived in
    /// several pieces: they are appended to `slices`, which is to be empty. When none is, that
    /// means end of stream.
    ///
    /// # Errors
    /// Why the connection is dead.
    pub fn poll_read_slices(
        &self,
        cx: &mut Context<'_>,
        max: usize,
        slices: &mut Vec<Bytes>,
    ) -> Poll<io::Result<()>> {
        self.0.poll_receive(cx, max, slices)
    }

    /// As [`write_bytes`](TcpStream::write_bytes) by hand: queues what fits from the front of
    /// `data`, and returns how many octets that were.
    ///
    /// # Errors
    /// Why nothing more can be sent.
    pub fn poll_write_bytes(
        &self,
        cx: &mut Context<'_>,
        data: &mut Bytes,
    ) -> Poll<io::Result<usize>> {
        self.0.poll_send(cx, data)
    }

    /// How many octets a write would take now, for who wants to hold no more than that; pending
    /// while there is no room. When a write would fail there is room for it to do so.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn poll_send_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.0.poll_send_room(cx)
    }

    /// Waits until all that was queued has been acknowledged.
    ///
    /// # Errors
    /// Why the connection is dead.
    pub async fn acknowledged(&self) -> io::Result<()> {
        let id = self.0.id;
        poll_fn(|cx| {
            self.0.net.engine().look(|core, _| {
                let Some(c) = core.stack.tcp(id) else {
                    return Poll::Ready(Err(error::gone()));
                };
                if let Some(why) = c.error() {
                    return Poll::Ready(Err(error::from_connection(why)));
                }
                if c.unacknowledged() == 0 {
                    return Poll::Ready(Ok(()));
                }
                core.wait(id, Interest::Write, cx.waker());
                Poll::Pending
            })
        })
        .await
    }

    /// Waits until any of `wanted` holds; returns all that holds. Cancelling loses nothing.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub async fn ready(&self, wanted: Readiness) -> io::Result<Readiness> {
        poll_fn(|cx| self.poll_ready(cx, wanted)).await
    }

    /// As [`ready`](TcpStream::ready), by hand.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        wanted: Readiness,
    ) -> Poll<io::Result<Readiness>> {
        self.0.poll_ready(cx, wanted)
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
    #[cfg(feature = "tokio")]
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf(&*self), WriteHalf(&*self))
    }

    /// A reading and a writing half that own it together. Dropping the writing half closes our
    /// direction.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        OwnedReadHalf::pair(self.0)
    }
}

/// Settings of a connection to be opened.
#[derive(Clone, Debug, Default)]
pub struct TcpConnector {
    pub(crate) options: ConnectOptions,
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

    /// From this address and port in the name of another host; port 0 is chosen. What comes back
    /// reaches us only while there is a listener with
    /// [`accept_any`](crate::TcpListenerBuilder::accept_any).
    pub fn foreign(mut self, local: SocketAddr) -> TcpConnector {
        self.options.local = Some(local);
        self.options.foreign = true;
        self
    }

    /// With these options.
    pub fn config(mut self, config: impl Into<Arc<Config>>) -> TcpConnector {
        self.options.config = Some(config.into());
        self
    }

    /// Fast Open (RFC 7413): with a peer that has given us a cookie before, `connect` returns at
    /// once, and what is written then rides on the SYN, which waits for it for 10 ms. The peer may
    /// see that text twice, so only where that does no harm. With others it is as without, and a
    /// cookie is asked for.
    pub fn fast_open(mut self, fast: bool) -> TcpConnector {
        self.options.fast_open = fast;
        self
    }

    /// Keeps the newest `events` decisions of the connection from its SYN on, for
    /// [`TcpStream::decisions`].
    pub fn trace(mut self, events: usize) -> TcpConnector {
        self.options.trace = events;
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
                if ready.contains(Readiness::CONNECTED) || c.may_send_with_syn() {
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
    use super::TcpStream;
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

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
