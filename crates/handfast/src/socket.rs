//! One end of a TCP connection, as streams and their halves share it.

use crate::engine::Core;
use crate::waiters::{Interest, READ, WRITE};
use crate::{Net, error};
use bytes::Bytes;
use handfast_base::Instant;
use handfast_stack::{SocketId, TakenError, TcpMut, TcpRef};
use handfast_tcp::{Readiness, State};
use std::io::{self, ErrorKind};
use std::task::{Context, Poll};

/// Octets that one write copies at most: what is copied and not taken was copied in vain.
pub(crate) const WRITE_LIMIT: usize = 256 * 1024;
/// Slices that one read takes out of the stack at most, to be copied outside of its lock.
const READ_SLICES: usize = 32;

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
    pub(crate) fn call<R>(&self, f: impl FnOnce(&mut TcpMut<'_>) -> R) -> io::Result<R> {
        self.net.engine().call(|core, now| {
            core.stack
                .tcp_mut(self.id, now)
                .map(|mut c| f(&mut c))
                .ok_or_else(error::gone)
        })
    }

    /// A look at the connection.
    pub(crate) fn look<R>(&self, f: impl FnOnce(TcpRef<'_>, Instant) -> R) -> io::Result<R> {
        self.net.engine().look(|core, now| {
            core.stack
                .tcp(self.id)
                .map(|c| f(c, now))
                .ok_or_else(error::gone)
        })
    }

    pub(crate) fn error(core: &mut Core, id: SocketId, now: Instant) -> Option<io::Error> {
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

    pub(crate) fn try_receive(
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
                opened =
                    core.stack.poll_timeout() == Some(Instant::ZERO) || core.stack.has_events();
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
            // The window has opened, or more was put off: that wants to be sent. Or memory is
            // there again, for which somebody else has waited.
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

    pub(crate) fn try_send(
        &self,
        data: &mut Bytes,
        cx: Option<&mut Context<'_>>,
    ) -> io::Result<usize> {
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
        self.net.engine().look(|core, now| {
            let Some(mut c) = core.stack.tcp_mut(id, now) else {
                return Poll::Ready(Err(error::gone()));
            };
            let ready = c.readiness();
            if ready.intersects(wanted) {
                return Poll::Ready(Ok(ready));
            }
            for (events, interest) in [(READ, Interest::Read), (WRITE, Interest::Write)] {
                if wanted.intersects(events) {
                    core.wait(id, interest, cx.waker());
                }
            }
            Poll::Pending
        })
    }

    /// How much a write would take; pending while that is nothing.
    pub(crate) fn poll_send_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let id = self.id;
        self.net.engine().look(|core, now| {
            let Some(mut c) = core.stack.tcp_mut(id, now) else {
                return Poll::Ready(Err(error::gone()));
            };
            match (c.readiness().contains(Readiness::WRITABLE), c.send_room()) {
                (true, room) if c.get().is_some_and(|c| c.state().may_send()) => {
                    Poll::Ready(Ok(room))
                }
                // The write itself tells why.
                (true, _) => Poll::Ready(Ok(usize::MAX)),
                (false, _) => {
                    core.wait(id, Interest::Write, cx.waker());
                    Poll::Pending
                }
            }
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

/// One slice of several.
pub(crate) fn joined(mut slices: Vec<Bytes>) -> Bytes {
    match slices.len() {
        0 => Bytes::new(),
        1 => slices.swap_remove(0),
        _ => slices.concat().into(),
    }
}

#[cfg(feature = "tokio")]
mod io_traits {
    use super::{Socket, WRITE_LIMIT};
    use bytes::Bytes;
    use std::io;
    use std::task::{Context, Poll, ready};
    use tokio::io::ReadBuf;

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

        /// As a write of a slice: what there is room for is copied, outside of any lock.
        pub(crate) fn poll_write(
            &self,
            cx: &mut Context<'_>,
            data: &[u8],
        ) -> Poll<io::Result<usize>> {
            if data.is_empty() {
                return Poll::Ready(Ok(0));
            }
            let room = ready!(self.poll_send_room(cx))?;
            let mut copy = Bytes::copy_from_slice(&data[..data.len().min(room).min(WRITE_LIMIT)]);
            self.poll_send(cx, &mut copy)
        }

        /// Done when everything that was queued has been handed to the stack, which it is.
        pub(crate) fn poll_flush(&self) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        pub(crate) fn poll_write_vectored(
            &self,
            cx: &mut Context<'_>,
            bufs: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let total = bufs.iter().map(|b| b.len()).sum::<usize>();
            if total == 0 {
                return Poll::Ready(Ok(0));
            }
            let room = ready!(self.poll_send_room(cx))?;
            let total = total.min(room).min(WRITE_LIMIT);
            let mut copy = Vec::with_capacity(total);
            for buf in bufs {
                let room = total - copy.len();
                copy.extend_from_slice(&buf[..buf.len().min(room)]);
            }
            self.poll_send(cx, &mut copy.into())
        }
    }
}
