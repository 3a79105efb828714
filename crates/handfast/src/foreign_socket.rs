use crate::engine::Core;
use crate::waiters::Interest;
use crate::{Net, error};
use handfast_stack::icmp::Problem;
use handfast_stack::{Foreign, ForeignError, SocketId};
use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::task::{Context, Poll};

/// Packets that are taken or given under one lock.
const BATCH: usize = 64;

/// The datagrams and echo requests that arrive for other hosts, for who stands in for these: a
/// relay, a translator. A stack has one such socket.
///
/// Every async call may be cancelled and loses nothing.
pub struct ForeignSocket {
    net: Net,
    id: SocketId,
}

impl ForeignSocket {
    /// Takes such packets in from now on. Up to `octets` of them may wait to be received, each
    /// counted with 256 on top; what comes beyond is lost. As many may wait to leave.
    ///
    /// # Errors
    /// `AddrInUse` while the stack has such a socket.
    pub fn bind(net: &Net, octets: usize) -> io::Result<ForeignSocket> {
        let opened = net.engine().call(|core, _| core.stack.foreign_open(octets));
        Ok(ForeignSocket {
            net: net.clone(),
            id: opened.map_err(error::from_bind)?,
        })
    }

    /// The stack it belongs to.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// Receives a packet.
    ///
    /// # Errors
    /// None so far.
    pub async fn recv(&self) -> io::Result<Foreign> {
        poll_fn(|cx| {
            self.net.engine().look(|core, _| {
                let received = core.stack.foreign_receive(self.id);
                self.wait_if_none(core, cx, received).map(Ok)
            })
        })
        .await
    }

    /// Appends packets to `out`, at least one and as many as wait, but no more than 64; returns
    /// how many.
    ///
    /// # Errors
    /// As [`recv`](ForeignSocket::recv).
    pub async fn recv_many(&self, out: &mut Vec<Foreign>) -> io::Result<usize> {
        poll_fn(|cx| {
            self.net.engine().look(|core, _| {
                let before = out.len();
                let received = std::iter::from_fn(|| core.stack.foreign_receive(self.id));
                out.extend(received.take(BATCH));
                let count = Some(out.len() - before).filter(|count| *count > 0);
                self.wait_if_none(core, cx, count).map(Ok)
            })
        })
        .await
    }

    /// Sends a packet in the name of its source, waiting for room if need be.
    ///
    /// # Errors
    /// `NetworkUnreachable` without a route; `OutOfMemory`; `InvalidInput` for what can never be
    /// sent.
    pub async fn send(&self, packet: impl Into<Foreign>) -> io::Result<()> {
        let mut packet = packet.into();
        poll_fn(|cx| {
            self.net.engine().call(|core, _| {
                let sent = core.stack.foreign_send(self.id, &mut packet);
                self.wait_if_full(core, Some(cx), sent)
            })
        })
        .await
    }

    /// Sends packets from the front of `packets` until none is left, waiting for room if need be.
    /// What cannot be sent is left out; returns how many packets that were.
    pub async fn send_many(&self, packets: &mut Vec<Foreign>) -> usize {
        let mut lost = 0;
        poll_fn(|cx| {
            // So that the lock is not held for long, in turns.
            while !packets.is_empty() {
                let turn = packets.len().min(BATCH);
                let sent = self.net.engine().call(|core, _| {
                    for (at, packet) in packets.iter_mut().take(turn).enumerate() {
                        let sent = core.stack.foreign_send(self.id, packet);
                        match self.wait_if_full(core, Some(cx), sent) {
                            Poll::Ready(Ok(())) => {}
                            Poll::Ready(Err(_)) => lost += 1,
                            Poll::Pending => return at,
                        }
                    }
                    turn
                });
                packets.drain(..sent);
                if sent < turn {
                    return Poll::Pending;
                }
            }
            Poll::Ready(())
        })
        .await;
        lost
    }

    /// As [`send`](ForeignSocket::send), without waiting.
    ///
    /// # Errors
    /// As [`send`](ForeignSocket::send), and `WouldBlock`.
    pub fn try_send(&self, packet: impl Into<Foreign>) -> io::Result<()> {
        let mut packet = packet.into();
        let sent = self.net.engine().call(|core, _| {
            let sent = core.stack.foreign_send(self.id, &mut packet);
            self.wait_if_full(core, None, sent)
        });
        match sent {
            Poll::Ready(result) => result,
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// Tells who sent a packet what became of it, by an ICMP error in the name of `reporter`; by
    /// default in that of the destination where only that can say so, else in ours. False when
    /// nothing can be said.
    pub fn reject(&self, packet: &Foreign, problem: Problem, reporter: Option<IpAddr>) -> bool {
        let engine = self.net.engine();
        engine.call(|core, _| core.stack.foreign_reject(packet, problem, reporter))
    }

    fn wait_if_none<T>(&self, core: &mut Core, cx: &Context<'_>, got: Option<T>) -> Poll<T> {
        if got.is_none() {
            core.wait(self.id, Interest::Read, cx.waker());
        }
        got.map_or(Poll::Pending, Poll::Ready)
    }

    fn wait_if_full(
        &self,
        core: &mut Core,
        cx: Option<&Context<'_>>,
        sent: Result<(), ForeignError>,
    ) -> Poll<io::Result<()>> {
        if sent == Err(ForeignError::WouldBlock) {
            if let Some(cx) = cx {
                core.wait(self.id, Interest::Write, cx.waker());
            }
            return Poll::Pending;
        }
        Poll::Ready(sent.map_err(error::from_foreign))
    }
}

impl Drop for ForeignSocket {
    fn drop(&mut self) {
        let id = self.id;
        let engine = self.net.engine();
        engine.close(id, |stack, _| _ = stack.foreign_close(id));
    }
}

impl fmt::Debug for ForeignSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignSocket").finish_non_exhaustive()
    }
}
