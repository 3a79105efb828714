use crate::{TcpListener, error};
use handfast_stack::{self as stack, Reject};
use std::io;
use std::net::SocketAddr;

/// A connection request that waits for a decision: to go on with the handshake, to turn it down,
/// or to leave it in silence, for instance after the far side of a relay was tried.
///
/// Dropping it leaves it in silence, as if the SYN had been lost: the peer will ask again.
#[derive(Debug)]
#[must_use = "dropping it leaves the peer without an answer"]
pub struct PendingSyn<'a> {
    listener: &'a TcpListener,
    syn: stack::PendingSyn,
    decided: bool,
}

impl<'a> PendingSyn<'a> {
    pub(crate) fn new(listener: &'a TcpListener, syn: stack::PendingSyn) -> PendingSyn<'a> {
        PendingSyn {
            listener,
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

    /// Answers with SYN,ACK; the connection comes out of [`TcpListener::accept`] when its
    /// handshake is complete.
    ///
    /// # Errors
    /// `NotConnected` when the peer has given up meanwhile.
    pub fn accept(mut self) -> io::Result<()> {
        self.decided = true;
        let id = self.syn.id;
        let engine = self.listener.net.engine();
        let there = engine.call(|core, _| core.stack.tcp_pending_accept(id));
        if there { Ok(()) } else { Err(error::gone()) }
    }

    /// Turns it down, with a reset or an ICMP error.
    pub fn reject(mut self, how: Reject) {
        self.decided = true;
        let id = self.syn.id;
        let engine = self.listener.net.engine();
        engine.call(|core, now| core.stack.tcp_pending_reject(id, how, now));
    }

    /// Leaves it in silence.
    pub fn ignore(self) {}
}

impl Drop for PendingSyn<'_> {
    fn drop(&mut self) {
        if !self.decided {
            let id = self.syn.id;
            let engine = self.listener.net.engine();
            engine.call(|core, now| core.stack.tcp_pending_ignore(id, now));
        }
    }
}
