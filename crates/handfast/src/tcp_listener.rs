use crate::waiters::Interest;
use crate::{Net, PendingSyn, TcpStream, error};
use handfast_stack::{ListenOptions, SocketId, SynCookies};
use handfast_tcp::Config;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Listens for TCP connections, with the methods of tokio's `TcpListener`.
///
/// Dropping it stops listening; connections that nobody has accepted are reset.
pub struct TcpListener {
    pub(crate) net: Net,
    pub(crate) id: SocketId,
}

/// Settings of a listener to be.
#[derive(Clone, Debug, Default)]
pub struct TcpListenerBuilder {
    pub(crate) options: ListenOptions,
}

impl TcpListener {
    /// Listens on `local`; port 0 is chosen.
    ///
    /// # Errors
    /// `AddrInUse`, or `AddrNotAvailable` when the address is not ours.
    // Async as tokio's is, though nothing here waits.
    pub async fn bind(net: &Net, local: SocketAddr) -> io::Result<TcpListener> {
        TcpListener::builder().bind(net, local)
    }

    /// For more than [`bind`](TcpListener::bind) has.
    pub fn builder() -> TcpListenerBuilder {
        TcpListenerBuilder::default()
    }

    /// Waits for the next connection; returns it with the peer's address. Cancelling loses none.
    ///
    /// # Errors
    /// `NotConnected` when the listener is gone.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// As [`accept`](TcpListener::accept), by hand.
    ///
    /// # Errors
    /// `NotConnected` when the listener is gone.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let accepted = self.net.engine().look(|core, _| {
            let Some(id) = core.stack.tcp_accept(self.id) else {
                if core.stack.tcp_listener_addr(self.id).is_none() {
                    return Poll::Ready(Err(error::gone()));
                }
                core.wait(self.id, Interest::Read, cx.waker());
                return Poll::Pending;
            };
            let peer = core.stack.tcp(id).map(|c| c.peer_addr());
            Poll::Ready(peer.map(|peer| (id, peer)).ok_or_else(error::gone))
        });
        accepted.map_ok(|(id, peer)| (TcpStream::from_id(&self.net, id), peer))
    }

    /// Waits for the next connection request, before it is answered. Only of a listener made with
    /// [`pending`](TcpListenerBuilder::pending). Cancelling loses none.
    ///
    /// # Errors
    /// `NotConnected` when the listener is gone.
    pub async fn pending(&self) -> io::Result<PendingSyn> {
        poll_fn(|cx| {
            self.net
                .engine()
                .look(|core, _| match core.stack.tcp_pending(self.id) {
                    Some(syn) => Poll::Ready(Ok(PendingSyn::new(&self.net, syn))),
                    None if core.stack.tcp_listener_addr(self.id).is_none() => {
                        Poll::Ready(Err(error::gone()))
                    }
                    None => {
                        core.wait(self.id, Interest::Read, cx.waker());
                        Poll::Pending
                    }
                })
        })
        .await
    }

    /// Where it listens.
    ///
    /// # Errors
    /// `NotConnected` when the listener is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let id = self.id;
        self.net
            .engine()
            .look(|core, _| core.stack.tcp_listener_addr(id))
            .ok_or_else(error::gone)
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        let id = self.id;
        self.net
            .engine()
            .close(id, |stack, now| _ = stack.tcp_close_listener(id, now));
    }
}

impl TcpListenerBuilder {
    /// How many connections may wait to be accepted, and how many handshakes, or decisions about
    /// one, may be under way. Beyond that SYNs meet silence, or
    /// [cookies](TcpListenerBuilder::syn_cookies). Default 1024; the stack's own limit
    /// of handshakes is [`StackConfig::max_half_open`](handfast_stack::StackConfig::max_half_open).
    pub fn backlog(mut self, backlog: usize) -> TcpListenerBuilder {
        self.options.backlog = backlog;
        self
    }

    /// Listen although connections in TIME-WAIT still use the port.
    pub fn reuse_address(mut self, reuse: bool) -> TcpListenerBuilder {
        self.options.reuse_address = reuse;
        self
    }

    /// `[::]` takes IPv6 alone.
    pub fn v6_only(mut self, only: bool) -> TcpListenerBuilder {
        self.options.v6_only = only;
        self
    }

    /// Takes connections to every address, ours or not, that no other listener takes; with port 0
    /// to every port, too.
    pub fn accept_any(mut self) -> TcpListenerBuilder {
        self.options.accept_any = true;
        self
    }

    /// Every SYN waits for a decision: see [`TcpListener::pending`].
    pub fn pending(mut self) -> TcpListenerBuilder {
        self.options.pending = true;
        self
    }

    /// A handshake that finds the accept queue full when it completes is reset, in place of being
    /// held up.
    pub fn abort_on_overflow(mut self, abort: bool) -> TcpListenerBuilder {
        self.options.abort_on_overflow = abort;
        self
    }

    /// Takes text on SYNs from peers that have our cookie (RFC 7413), while at most so many of
    /// their handshakes are under way. Such text may come twice, so only where that does no harm.
    /// Default 0: from nobody.
    pub fn fast_open(mut self, handshakes: usize) -> TcpListenerBuilder {
        self.options.fast_open = handshakes;
        self
    }

    /// When SYNs are answered without keeping anything of them (RFC 4987, section 3.6). Default
    /// [`SynCookies::WhenFull`].
    pub fn syn_cookies(mut self, when: SynCookies) -> TcpListenerBuilder {
        self.options.syn_cookies = when;
        self
    }

    /// Options of the connections.
    pub fn config(mut self, config: impl Into<Arc<Config>>) -> TcpListenerBuilder {
        self.options.config = Some(config.into());
        self
    }

    /// Starts listening.
    ///
    /// # Errors
    /// As [`TcpListener::bind`].
    pub fn bind(mut self, net: &Net, local: SocketAddr) -> io::Result<TcpListener> {
        self.options.local = Some(local);
        let id = net
            .engine()
            .call(|core, _| core.stack.tcp_listen(self.options))
            .map_err(error::from_bind)?;
        Ok(TcpListener {
            net: net.clone(),
            id,
        })
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener")
            .field("local", &self.local_addr().ok())
            .finish()
    }
}
