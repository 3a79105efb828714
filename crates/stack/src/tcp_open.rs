//! OPEN, active and passive (RFC 9293, section 3.10.1), and what comes of a passive one.

use crate::address::AddressClass;
use crate::fast_open::Approach;
use crate::icmp::Problem;
use crate::listener::{ListenOptions, Listener, Scope};
use crate::tcp_sockets::{CONNECTION_COST, Holder};
use crate::tuple::{StoredTuple, Tuple, endpoint, zone};
use crate::{BindError, ConnectError, PendingId, SocketId, SocketKind, Stack};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use handfast_base::Instant;
use handfast_tcp::authentication::KeyRing;
use handfast_tcp::{Config, Connection, Readiness, State};
use handfast_wire::SendReason;
use handfast_wire::tcp::{TcpFlags, TcpOptions};

/// How to connect.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// From where. An unspecified address, port 0 and `None` are chosen.
    pub local: Option<SocketAddr>,
    /// `local` may be an address of another host, for which we stand in. What comes back reaches
    /// us only while there is a listener with [`accept_any`](ListenOptions::accept_any).
    pub foreign: bool,
    /// Connect from a port on which a listener with `reuse_address` listens.
    pub reuse_address: bool,
    /// What is queued when the SYN leaves, rides on it, if the peer has given us a cookie before;
    /// else one is asked for (RFC 7413, 2). The peer may see that text twice.
    pub fast_open: bool,
    /// When the peer matches one of these keys, what is sent to it is signed, and only what it has
    /// signed is heard. No Fast Open then.
    pub keys: KeyRing,
    /// Options of the connection; `None`: the stack's own.
    pub config: Option<Arc<Config>>,
    /// Decisions of the connection that are kept from its beginning
    /// ([`TcpMut::set_trace`](crate::TcpMut::set_trace)). Default 0.
    pub trace: usize,
}

/// A connection request that waits for the application's decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PendingSyn {
    /// By which to decide.
    pub id: PendingId,
    /// Where the peer wants to go; with `accept_any`, any address.
    pub local: SocketAddr,
    /// Who asks.
    pub remote: SocketAddr,
}

/// How to turn a connection request down.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Reject {
    /// With a reset: nobody listens there.
    Reset,
    /// With an ICMP error: [`Problem::Host`], [`Problem::NoRoute`], [`Problem::Port`] or
    /// [`Problem::Prohibited`].
    Unreachable(Problem),
}

impl Stack {
    // ---- active ------------------------------------------------------------------------------

    /// Active OPEN: the connection is in SYN-SENT, and its SYN waits to be transmitted. The local
    /// address is the one asked for (MUST-43), or what the routes choose (MUST-44); the remote one is
    /// one host's (MUST-46).
    ///
    /// # Errors
    /// A [`ConnectError`], at once, for what could never succeed; nothing has changed then.
    pub fn tcp_connect(
        &mut self,
        remote: SocketAddr,
        options: ConnectOptions,
        now: Instant,
    ) -> Result<SocketId, ConnectError> {
        let remote = endpoint(remote.ip(), remote.port(), zone(remote));
        let class = AddressClass::of(remote.ip());
        if remote.port() == 0
            || !(class.is_host() || class == AddressClass::Loopback)
            || self.network.interfaces.is_broadcast(remote.ip())
        {
            return Err(ConnectError::RemoteAddress);
        }
        if options
            .local
            .is_some_and(|l| l.is_ipv4() != remote.is_ipv4())
        {
            return Err(ConnectError::Family);
        }
        let iface = self.network.egress(remote).ok_or(ConnectError::NoRoute)?;
        let chosen = options
            .local
            .map(|l| l.ip())
            .filter(|a| !a.is_unspecified());
        let stands_in = |a: IpAddr| options.foreign && AddressClass::of(a).is_host();
        let is_ours = |a| self.network.interfaces.is_ours(a);
        let address = match chosen {
            Some(address) if is_ours(address) || stands_in(address) => address,
            Some(_) => return Err(ConnectError::LocalAddress),
            None => self
                .network
                .source_for(remote)
                .ok_or(ConnectError::NoRoute)?,
        };
        if self.budget.is_tight(CONNECTION_COST) {
            return Err(ConnectError::NoMemory);
        }
        let mut config = options
            .config
            .unwrap_or_else(|| Arc::clone(&self.config.tcp));
        let local_zone = options.local.map_or(0, zone);
        let local_zone = if local_zone == 0 { iface.0 } else { local_zone };
        let tuple_from = |port| Tuple {
            local: endpoint(address, port, local_zone),
            remote,
        };
        let port = match options.local.map_or(0, |l| l.port()) {
            0 => {
                let random = self.random();
                let Some(mut ports) = self.ports.take() else {
                    return Err(ConnectError::NoPorts);
                };
                let covered = |tuple: &Tuple| self.listeners.covers(tuple.local);
                let port = ports
                    .allocate(address, Some(remote), random, |port| {
                        let tuple = tuple_from(port);
                        self.table.owner_of(&tuple).is_some() || covered(&tuple)
                    })
                    .or_else(|_| {
                        ports.allocate(address, Some(remote), random, |port| {
                            let tuple = tuple_from(port);
                            !self.may_open(&tuple, &config, now) || covered(&tuple)
                        })
                    });
                self.ports = Some(ports);
                port.map_err(|_| ConnectError::NoPorts)?
            }
            port => {
                let tuple = tuple_from(port);
                let listener = Scope::Address(address);
                let taken = self
                    .listeners
                    .conflicts(listener, port, options.reuse_address);
                if taken || !self.may_open(&tuple, &config, now) {
                    return Err(ConnectError::AddressInUse);
                }
                port
            }
        };
        let tuple = tuple_from(port);
        let keys = &options.keys;
        let has_key = keys.covers(tuple.local, tuple.remote);
        if !has_key && keys.is_required() {
            return Err(ConnectError::NoKey);
        }
        let floor = self.take_over_time_wait(&tuple, now);
        let iss = self.initial_sequence_number(&tuple, floor, now);
        let offset = self.isn.timestamp_offset(address, remote.ip());
        let path = self.network.path(iface, remote.ip(), now);
        let session = keys.session(tuple.local, tuple.remote, iss);
        if session.as_ref().is_some_and(|s| !s.allows_timestamps()) {
            Arc::make_mut(&mut config).timestamps = false;
        }
        let mut connection = Connection::open(config, path, iss, offset, now);
        connection.set_trace(options.trace);
        if let Some(session) = &session {
            connection.reserve_options(session.option_len());
        } else if options.fast_open {
            match self.fast_open_peers.approach(remote.ip(), now) {
                Approach::Plain => {}
                Approach::Ask => connection.fast_open(None),
                Approach::Fast(cookie, mss) => connection.fast_open(Some((cookie, mss))),
            }
        }
        let stored = StoredTuple::new(&tuple);
        let holder = Holder::Application;
        let mut socket = self.new_socket(connection, stored, iface, State::Closed, holder);
        socket.fast_open = options.fast_open && session.is_none();
        socket.session = session.map(Box::new);
        let index = self.insert_connection(socket, None);
        self.metrics.tcp.opens += 1;
        // First of all out of CLOSED, then it may have output.
        self.settle(index, now);
        self.mark_dirty(index);
        Ok(SocketId {
            kind: SocketKind::Tcp,
            index,
            generation: self.table.connections.generation(index),
        })
    }

    // ---- passive -----------------------------------------------------------------------------

    /// Passive OPEN: SYNs to the address and port make connections, which
    /// [`tcp_accept`](Stack::tcp_accept) hands out. It touches no connection there is (MUST-41), and
    /// with `reuse_address` stands beside those of its port (MUST-42).
    ///
    /// # Errors
    /// A [`BindError`]; nothing has changed then.
    pub fn tcp_listen(&mut self, options: ListenOptions) -> Result<SocketId, BindError> {
        let wildcard = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);
        let asked = options.local.unwrap_or(wildcard);
        let mut local = endpoint(asked.ip(), asked.port(), zone(asked));
        let scope = Scope::of(&options);
        if let Scope::Address(address) = scope
            && !self.network.interfaces.is_ours(address)
        {
            return Err(BindError::LocalAddress);
        }
        if self.budget.is_tight(0) {
            return Err(BindError::NoMemory);
        }
        if local.port() == 0 && scope != Scope::Foreign {
            let random = self.random();
            let (table, listeners) = (&self.table, &self.listeners);
            let port = self.ports.as_mut().map(|ports| {
                ports.allocate(local.ip(), None, random, |port| {
                    listeners.conflicts(scope, port, false) || table.uses_port(scope, port)
                })
            });
            match port {
                Some(Ok(port)) => local.set_port(port),
                _ => return Err(BindError::NoPorts),
            }
        } else {
            let port = local.port();
            let reuse = options.reuse_address;
            if self.listeners.conflicts(scope, port, reuse)
                || !reuse && scope != Scope::Foreign && self.table.uses_port(scope, port)
            {
                return Err(BindError::AddressInUse);
            }
        }
        let config = options.config.clone();
        let index = self.listeners.insert(Listener {
            scope,
            local,
            config: config.unwrap_or_else(|| Arc::clone(&self.config.tcp)),
            options,
            half_open: 0,
            accept_queue: VecDeque::new(),
            undecided: VecDeque::new(),
            fast_opened: VecDeque::new(),
            cookies_until: Instant::ZERO,
            events: Readiness::empty(),
        });
        Ok(SocketId {
            kind: SocketKind::Listener,
            index,
            generation: self.listeners.slots.generation(index),
        })
    }

    /// Where a listener listens.
    pub fn tcp_listener_addr(&self, listener: SocketId) -> Option<SocketAddr> {
        let index = self.listener_index(listener)?;
        self.listeners.slots.get(index).map(|l| l.local)
    }

    /// The next connection whose handshake is complete; `None` when none waits. It may have ended
    /// since.
    pub fn tcp_accept(&mut self, listener: SocketId) -> Option<SocketId> {
        let at = self.listener_index(listener)?;
        let index = self.listeners.slots.get_mut(at)?.accept_queue.pop_front()?;
        let id = SocketId {
            kind: SocketKind::Tcp,
            index,
            generation: self.table.connections.generation(index),
        };
        let socket = self.table.connections.get_mut(index)?;
        socket.holder = Holder::Application;
        // What happened before anybody could be told.
        socket.events = socket.connection.poll_readiness();
        if !socket.events.is_empty() {
            self.ready.push_back(id);
        }
        Some(id)
    }

    /// Stops listening. What has not been accepted is reset; a handshake that an application
    /// waits for ([`tcp_pending_accept`](Stack::tcp_pending_accept)) goes on.
    pub fn tcp_close_listener(&mut self, listener: SocketId, now: Instant) -> bool {
        let Some(at) = self.listener_index(listener) else {
            return false;
        };
        let half_open: alloc::vec::Vec<u32> = self
            .table
            .half_open
            .iter()
            .filter(|(_, h)| h.listener == at)
            .map(|(index, _)| index)
            .collect();
        for index in half_open {
            match self.table.half_open.get_mut(index) {
                Some(half_open) if half_open.claim.is_some() => half_open.listener = u32::MAX,
                _ => self.reset_half_open(index, now),
            }
        }
        let Some(removed) = self.listeners.remove(at) else {
            return false;
        };
        for index in removed.accept_queue {
            if let Some(socket) = self.table.connections.get_mut(index) {
                socket.holder = Holder::Nobody;
                socket.connection.abort();
                self.mark_dirty(index);
                self.settle(index, now);
            }
        }
        true
    }

    // ---- decisions ---------------------------------------------------------------------------

    /// The next connection request of a listener with
    /// [`pending`](ListenOptions::pending) that waits for a decision. It waits for as long as
    /// peers repeat a SYN (130 s); no second one comes of a repetition.
    pub fn tcp_pending(&mut self, listener: SocketId) -> Option<PendingSyn> {
        let at = self.listener_index(listener)?;
        loop {
            let id = self.listeners.slots.get_mut(at)?.undecided.pop_front()?;
            if self.table.half_open.is_live(id.index, id.generation) {
                let tuple = self.table.half_open.get(id.index)?.tuple.get();
                return Some(PendingSyn {
                    id,
                    local: tuple.local,
                    remote: tuple.remote,
                });
            }
        }
    }

    /// Turns the request down. False when it is no longer there.
    pub fn tcp_pending_reject(&mut self, id: PendingId, reject: Reject, now: Instant) -> bool {
        let Some(index) = self.undecided(id) else {
            return false;
        };
        match reject {
            Reject::Reset => self.reset_half_open(index, now),
            Reject::Unreachable(code) => {
                if let Some(half_open) = self.table.half_open.get(index) {
                    let (tuple, irs) = (half_open.tuple.get(), half_open.irs);
                    self.answer_unreachable(&tuple, irs, code);
                }
                self.remove_half_open(index, Some(now));
            }
        }
        true
    }

    /// Forgets the request without a word, as if its SYN had been lost: the peer will ask again.
    /// False when it is no longer there.
    pub fn tcp_pending_ignore(&mut self, id: PendingId, now: Instant) -> bool {
        let index = self.undecided(id);
        if let Some(index) = index {
            self.remove_half_open(index, Some(now));
        }
        index.is_some()
    }

    /// Forgets a half-open connection and tells the peer so.
    pub(crate) fn reset_half_open(&mut self, index: u32, now: Instant) {
        if let Some(half_open) = self.table.half_open.get_mut(index) {
            let tuple = half_open.tuple.get();
            let mut session = half_open.session.take();
            // What acknowledges its SYN, whether or not it has seen ours.
            half_open.record.write_ack(now, &mut self.slot);
            self.slot.header.flags = TcpFlags::RST | TcpFlags::ACK;
            self.slot.header.window = 0;
            self.slot.header.options = TcpOptions::default();
            self.slot.reason = SendReason::ResetRefused;
            self.answer_signed(&tuple, session.as_deref_mut());
        }
        self.remove_half_open(index, Some(now));
    }

    pub(crate) fn undecided(&self, id: PendingId) -> Option<u32> {
        let is_there = self.table.half_open.is_live(id.index, id.generation);
        let half_open = self.table.half_open.get(id.index).filter(|_| is_there)?;
        (!half_open.decided).then_some(id.index)
    }

    pub(crate) fn listener_index(&self, id: SocketId) -> Option<u32> {
        (id.kind == SocketKind::Listener && self.listeners.slots.is_live(id.index, id.generation))
            .then_some(id.index)
    }
}
