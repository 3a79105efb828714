use crate::socket::{Socket, joined};
use crate::{Readiness, TcpStream};
use bytes::Bytes;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// The reading half of a borrowed [`TcpStream`], made by [`TcpStream::split`].
#[cfg(feature = "tokio")]
#[derive(Debug)]
pub struct ReadHalf<'a>(pub(crate) &'a TcpStream);

/// The writing half of a borrowed [`TcpStream`], made by [`TcpStream::split`]. Dropping it closes
/// nothing.
#[cfg(feature = "tokio")]
#[derive(Debug)]
pub struct WriteHalf<'a>(pub(crate) &'a TcpStream);

/// The reading half of a [`TcpStream`], made by [`TcpStream::into_split`].
pub struct OwnedReadHalf(Arc<Socket>);

/// The writing half of a [`TcpStream`], made by [`TcpStream::into_split`]. Dropping it closes our
/// direction, and the peer reads end of stream; [`forget`](OwnedWriteHalf::forget) does not.
pub struct OwnedWriteHalf {
    socket: Arc<Socket>,
    close_on_drop: bool,
}

/// The halves are of different streams; here they are back.
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl OwnedReadHalf {
    pub(crate) fn pair(socket: Arc<Socket>) -> (OwnedReadHalf, OwnedWriteHalf) {
        let write = OwnedWriteHalf {
            socket: socket.clone(),
            close_on_drop: true,
        };
        (OwnedReadHalf(socket), write)
    }

    /// Makes one stream of the two halves again.
    ///
    /// # Errors
    /// [`ReuniteError`] with both halves when they are of different streams.
    pub fn reunite(self, write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        if !Arc::ptr_eq(&self.0, &write.socket) {
            return Err(ReuniteError(self, write));
        }
        write.forget();
        Ok(TcpStream(self.0))
    }

    /// As [`TcpStream::read_bytes`].
    ///
    /// # Errors
    /// Why the connection is dead.
    pub async fn read_bytes(&self, max: usize) -> io::Result<Bytes> {
        let mut slices = Vec::with_capacity(1);
        poll_fn(|cx| self.0.poll_receive(cx, max, &mut slices)).await?;
        Ok(joined(slices))
    }

    /// As [`TcpStream::peek`].
    ///
    /// # Errors
    /// Why the connection is dead.
    pub async fn peek(&self, out: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.0.poll_peek(cx, out)).await
    }

    /// As [`TcpStream::readable`].
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.0.poll_ready(cx, Readiness::READABLE))
            .await
            .map(drop)
    }

    /// The peer's address and port.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        TcpStream(self.0.clone()).peer_addr()
    }

    /// Our address and port.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        TcpStream(self.0.clone()).local_addr()
    }
}

impl OwnedWriteHalf {
    /// As [`TcpStream::write_bytes`].
    ///
    /// # Errors
    /// Why nothing more can be sent; `data` is what was not queued.
    pub async fn write_bytes(&self, data: &mut Bytes) -> io::Result<()> {
        while !data.is_empty() {
            poll_fn(|cx| self.socket.poll_send(cx, data)).await?;
        }
        Ok(())
    }

    /// As [`TcpStream::writable`].
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub async fn writable(&self) -> io::Result<()> {
        poll_fn(|cx| self.socket.poll_ready(cx, Readiness::WRITABLE))
            .await
            .map(drop)
    }

    /// Drops the half and leaves our direction open.
    pub fn forget(mut self) {
        self.close_on_drop = false;
    }

    /// Closes our direction, as dropping does.
    ///
    /// # Errors
    /// `NotConnected` when the connection is dead.
    pub fn shutdown_write(&self) -> io::Result<()> {
        self.socket.shutdown_write()
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.close_on_drop {
            // Dead is as good as closed.
            let _ = self.socket.shutdown_write();
        }
    }
}

impl fmt::Debug for OwnedReadHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnedReadHalf({:?})", self.0.id)
    }
}

impl fmt::Debug for OwnedWriteHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnedWriteHalf({:?})", self.socket.id)
    }
}

impl fmt::Debug for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are of different streams")
    }
}

impl std::error::Error for ReuniteError {}

#[cfg(feature = "tokio")]
mod io_traits {
    use super::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    macro_rules! read_half {
        ($half:ty, |$this:ident| $socket:expr) => {
            impl AsyncRead for $half {
                fn poll_read(
                    self: Pin<&mut Self>,
                    cx: &mut Context<'_>,
                    buf: &mut ReadBuf<'_>,
                ) -> Poll<io::Result<()>> {
                    let $this = &*self;
                    $socket.poll_read_buf(cx, buf)
                }
            }
        };
    }

    macro_rules! write_half {
        ($half:ty, |$this:ident| $socket:expr) => {
            impl AsyncWrite for $half {
                fn poll_write(
                    self: Pin<&mut Self>,
                    cx: &mut Context<'_>,
                    data: &[u8],
                ) -> Poll<io::Result<usize>> {
                    let $this = &*self;
                    $socket.poll_write(cx, data)
                }

                fn poll_write_vectored(
                    self: Pin<&mut Self>,
                    cx: &mut Context<'_>,
                    bufs: &[io::IoSlice<'_>],
                ) -> Poll<io::Result<usize>> {
                    let $this = &*self;
                    $socket.poll_write_vectored(cx, bufs)
                }

                fn is_write_vectored(&self) -> bool {
                    true
                }

                fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                    let $this = &*self;
                    $socket.poll_flush()
                }

                fn poll_shutdown(
                    self: Pin<&mut Self>,
                    _: &mut Context<'_>,
                ) -> Poll<io::Result<()>> {
                    let $this = &*self;
                    Poll::Ready($socket.shutdown_write())
                }
            }
        };
    }

    read_half!(ReadHalf<'_>, |half| half.0.0);
    read_half!(OwnedReadHalf, |half| half.0);
    write_half!(WriteHalf<'_>, |half| half.0.0);
    write_half!(OwnedWriteHalf, |half| half.socket);
}
