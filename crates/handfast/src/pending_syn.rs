use crate::waiters::Interest;
use crate::{Net, TcpStream, error};
use handfast_stack::{self as stack, Handshake, Reject, SocketId};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;

/// A connection request that waits for a decision: to go on with the handshake, to turn it down,
/// or to leave it in silence, for instance after the far side of a relay was tried. It may be
/// moved into a task of its own; when its listener is dropped before the decision, the request is
/// turned down.
///
/// Dropping it leaves it in silence, as if the SYN had been lost: the peer will ask again.
#[must_use = "dropping it leaves the peer without an answer"]
pub struct PendingSyn {
    net: Net,
    syn: stack::PendingSyn,
    decided: bool,
}

impl PendingSyn {
    pub(crate) fn new(net: &Net, syn: stack::PendingSyn) -> PendingSyn {
        PendingSyn {
            net: net.clone(),
            syn,
            decided: false,
        }
    }

    /// Who asks.
    pub fn peer_addr(&self) -> SocketAddr {
        self.syn.remote
    }

    /// Where it wants to go; any address on a listener with
    /// [`accept_any`](crate::TcpListenerBuilder::accept_any).
    pub fn local_addr(&self) -> SocketAddr {
        self.syn.local
    }

    /// Answers with SYN,ACK, and waits until the handshake is complete. Cancelling abandons the
    /// connection: the peer is sent a reset.
    ///
    /// # Errors
    /// `NotConnected` when the peer has given up, or does not answer.
    pub async fn accept(mut self) -> io::Result<TcpStream> {
        self.decided = true;
        let id = self.syn.id;
        let claimed = self
            .net
            .engine()
            .call(|core, _| core.stack.tcp_pending_accept(id));
        let handshake = Claimed {
            net: &self.net,
            id: claimed.ok_or_else(error::gone)?,
        };
        handshake.complete().await
    }

    /// Turns it down, with a reset or an ICMP error.
    pub fn reject(mut self, how: Reject) {
        self.decided = true;
        let id = self.syn.id;
        let engine = self.net.engine();
        engine.call(|core, now| core.stack.tcp_pending_reject(id, how, now));
    }

    /// Leaves it in silence.
    pub fn ignore(self) {}
}

impl Drop for PendingSyn {
    fn drop(&mut self) {
        if !self.decided {
            let id = self.syn.id;
            let engine = self.net.engine();
            engine.call(|core, now| core.stack.tcp_pending_ignore(id, now));
        }
    }
}

impl fmt::Debug for PendingSyn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingSyn")
            .field("local", &self.syn.local)
            .field("peer", &self.syn.remote)
            .finish()
    }
}

/// A handshake that is ours; it is abandoned when nobody waits for it any more.
struct Claimed<'a> {
    net: &'a Net,
    id: SocketId,
}

impl Claimed<'_> {
    async fn complete(self) -> io::Result<TcpStream> {
        let id = self.id;
        poll_fn(|cx| {
            self.net
                .engine()
                .look(|core, _| match core.stack.tcp_handshake(id) {
                    Handshake::UnderWay => {
                        core.wait(id, Interest::Read, cx.waker());
                        Poll::Pending
                    }
                    Handshake::Complete(connection) => {
                        Poll::Ready(Ok(TcpStream::from_id(self.net, connection)))
                    }
                    _ => Poll::Ready(Err(error::gone())),
                })
        })
        .await
    }
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        let id = self.id;
        self.net
            .engine()
            .close(id, |stack, now| _ = stack.tcp_handshake_abandon(id, now));
    }
}
