//! Connections that leave for another stack, and those that come from one.

mod octets;

use crate::address::AddressClass;
use crate::tcp_sockets::{CONNECTION_COST, Holder};
use crate::tuple::{StoredTuple, Tuple, endpoint, zone};
use crate::{ConnectError, ConnectOptions, SocketId, SocketKind, Stack};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::fmt;
use core::net::SocketAddr;
use handfast_base::{Duration, Instant};
use handfast_tcp::{Connection, ExportError, ImportError, Readiness, Snapshot, State};

/// A connection with its addresses, as [`Stack::tcp_export`] gives it and [`Stack::tcp_import`]
/// takes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TcpSnapshot {
    /// Our end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// Everything else.
    pub connection: Snapshot,
}

/// Why a connection could not be imported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TcpImportError {
    /// There is no place for it here: its addresses, a route, or memory. Its local port is never
    /// chosen anew.
    Place(ConnectError),
    /// The value is no connection.
    Snapshot(ImportError),
}

impl fmt::Display for TcpImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TcpImportError::Place(why) => why.fmt(f),
            TcpImportError::Snapshot(why) => why.fmt(f),
        }
    }
}

impl core::error::Error for TcpImportError {}

/// For this long segments of a connection that has left are not answered.
const SILENCE: Duration = Duration::from_secs(60);
/// Connections that have left, of which that is remembered at most.
const MOST: usize = 4096;

/// Connections that have left, and until when that is remembered.
#[derive(Debug, Default)]
pub(crate) struct Departed(BTreeMap<(SocketAddr, SocketAddr), Instant>);

impl Departed {
    fn insert(&mut self, tuple: &Tuple, now: Instant) {
        self.0.retain(|_, until| *until > now);
        if self.0.len() >= MOST
            && let Some(oldest) = self.0.iter().min_by_key(|e| *e.1).map(|e| *e.0)
        {
            self.0.remove(&oldest);
        }
        self.0.insert((tuple.local, tuple.remote), now + SILENCE);
    }

    fn remove(&mut self, tuple: &Tuple) {
        self.0.remove(&(tuple.local, tuple.remote));
    }

    /// Whether segments between these two are for somebody else by now.
    pub(crate) fn contains(&self, tuple: &Tuple, now: Instant) -> bool {
        let until = self.0.get(&(tuple.local, tuple.remote));
        until.is_some_and(|until| *until > now)
    }
}

impl Stack {
    /// Takes a connection out as a value, with all that is queued in it. Its handle ends; nothing
    /// is said to the peer, and for a minute what still comes from it is answered by nobody, so
    /// that the connection can go on elsewhere, or here again. `None` when the handle was closed
    /// before.
    ///
    /// # Errors
    /// An [`ExportError`]; nothing has changed then.
    pub fn tcp_export(
        &mut self,
        id: SocketId,
        now: Instant,
    ) -> Option<Result<TcpSnapshot, ExportError>> {
        let index = self.connection_index(id)?;
        let socket = self.table.connections.get_mut(index)?;
        let tuple = socket.tuple.get();
        let connection = match socket.connection.export(now) {
            Ok(connection) => connection,
            Err(why) => return Some(Err(why)),
        };
        socket.holder = Holder::Nobody;
        socket.events = Readiness::empty();
        self.table.connections.revoke(index);
        self.departed.insert(&tuple, now);
        self.settle(index, now);
        Some(Ok(TcpSnapshot {
            local: tuple.local,
            remote: tuple.remote,
            connection,
        }))
    }

    /// Puts a connection in that was taken out elsewhere. Of `options` those count that do not
    /// choose addresses: [`config`](ConnectOptions::config),
    /// [`foreign`](ConnectOptions::foreign) and [`trace`](ConnectOptions::trace). The zone of a link-local address is that of the
    /// interface through which the peer is reached here.
    ///
    /// # Errors
    /// A [`TcpImportError`]; nothing has changed then.
    pub fn tcp_import(
        &mut self,
        snapshot: TcpSnapshot,
        options: ConnectOptions,
        now: Instant,
    ) -> Result<SocketId, TcpImportError> {
        let place = TcpImportError::Place;
        let (local, remote) = (snapshot.local, snapshot.remote);
        if local.is_ipv4() != remote.is_ipv4() {
            return Err(place(ConnectError::Family));
        }
        let is_host = |a: SocketAddr| {
            let class = AddressClass::of(a.ip());
            a.port() != 0 && (class.is_host() || class == AddressClass::Loopback)
        };
        if !is_host(remote) || self.network.interfaces.is_broadcast(remote.ip()) {
            return Err(place(ConnectError::RemoteAddress));
        }
        let remote = endpoint(remote.ip(), remote.port(), zone(remote));
        let iface = self.network.egress(remote);
        let iface = iface.ok_or(place(ConnectError::NoRoute))?;
        let is_ours = self.network.interfaces.is_ours(local.ip());
        if !is_host(local) || !(is_ours || options.foreign) {
            return Err(place(ConnectError::LocalAddress));
        }
        let tuple = Tuple {
            local: endpoint(local.ip(), local.port(), iface.0),
            remote,
        };
        // Never silently without: those that are signed do not move.
        if options.keys.covers(tuple.local, tuple.remote) || options.keys.is_required() {
            return Err(place(ConnectError::NoKey));
        }
        if self.table.owner_of(&tuple).is_some() {
            return Err(place(ConnectError::AddressInUse));
        }
        let config = options
            .config
            .unwrap_or_else(|| Arc::clone(&self.config.tcp));
        let path = self.network.path(iface, remote.ip(), now);
        let mut connection = Connection::import(snapshot.connection, config, path, now)
            .map_err(TcpImportError::Snapshot)?;
        if self.budget.is_tight(CONNECTION_COST + connection.memory()) {
            return Err(place(ConnectError::NoMemory));
        }
        connection.set_trace(options.trace);
        self.departed.remove(&tuple);
        let stored = StoredTuple::new(&tuple);
        let holder = Holder::Application;
        let socket = self.new_socket(connection, stored, iface, State::Closed, holder);
        let index = self.insert_connection(socket, None);
        self.settle(index, now);
        self.mark_dirty(index);
        Ok(SocketId {
            kind: SocketKind::Tcp,
            index,
            generation: self.table.connections.generation(index),
        })
    }
}
