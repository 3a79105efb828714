//! The calls of the application on one connection (RFC 9293, sections 3.10.2 to 3.10.6).

use crate::tcp_sockets::{CONNECTION_COST, Holder, Linger, TcpSocket};
use crate::{SocketId, Stack};
use bytes::Bytes;
use core::net::SocketAddr;
use handfast_base::{Duration, Instant};
use handfast_tcp::authentication::Session;
use handfast_tcp::{
    CloseError, Config, Connection, ConnectionError, Decision, NetError, Readiness, SendError,
    State, TcpInfo,
};

/// A connection, to be looked at.
#[derive(Clone, Copy)]
pub struct TcpRef<'a>(&'a TcpSocket);

/// A connection, to be acted on. What is queued leaves with the next
/// [`poll_transmit`](Stack::poll_transmit).
pub struct TcpMut<'a> {
    stack: &'a mut Stack,
    index: u32,
    now: Instant,
}

impl Stack {
    /// The connection behind a handle; `None` when the handle was closed.
    #[inline]
    pub fn tcp(&self, id: SocketId) -> Option<TcpRef<'_>> {
        let index = self.connection_index(id)?;
        self.table.connections.get(index).map(TcpRef)
    }

    /// The connection behind a handle, to act on it at `now`; `None` when the handle was closed.
    #[inline]
    pub fn tcp_mut(&mut self, id: SocketId, now: Instant) -> Option<TcpMut<'_>> {
        let index = self.connection_index(id)?;
        Some(TcpMut {
            stack: self,
            index,
            now,
        })
    }

    /// Lets go of a connection. Its handle ends; the connection itself goes on in the background
    /// until both sides have closed. With data unread it is reset instead (RFC 9293,
    /// section 3.6.1), as it is with a [linger time](TcpMut::set_linger) of zero. False when the
    /// handle was closed before.
    pub fn tcp_close(&mut self, id: SocketId, now: Instant) -> bool {
        let Some(index) = self.connection_index(id) else {
            return false;
        };
        self.table.connections.revoke(index);
        let Some(socket) = self.table.connections.get_mut(index) else {
            return false;
        };
        socket.holder = Holder::Nobody;
        socket.events = Readiness::empty();
        let abort = socket.connection.has_unread() || socket.linger == Linger::For(Duration::ZERO);
        if abort {
            socket.connection.abort();
        } else {
            // An error means that it was closed or ended before, which is as good.
            let _ = socket.connection.close(now);
            socket.connection.orphan(now);
            if let Linger::For(time) = socket.linger {
                socket.linger = Linger::Until(now + time);
            }
        }
        self.mark_dirty(index);
        self.settle(index, now);
        self.orphaned(index, now);
        true
    }
}

impl<'a> TcpRef<'a> {
    /// Our end.
    pub fn local_addr(&self) -> SocketAddr {
        self.0.tuple.get().local
    }

    /// The other end.
    pub fn peer_addr(&self) -> SocketAddr {
        self.0.tuple.get().remote
    }

    /// The state.
    pub fn state(&self) -> State {
        self.0.connection.state()
    }

    /// What it is ready for now.
    pub fn readiness(&self) -> Readiness {
        self.0.connection.readiness()
    }

    /// Why it is dead; `None` while it lives and after a clean end.
    pub fn error(&self) -> Option<ConnectionError> {
        self.0.connection.error()
    }

    /// The unread slices, in order, left where they are.
    pub fn peek(&self) -> impl Iterator<Item = &'a Bytes> + use<'a> {
        self.0.connection.peek()
    }

    /// Whether what is sent now rides on the SYN ([`ConnectOptions::fast_open`]), for which that
    /// waits a moment.
    ///
    /// [`ConnectOptions::fast_open`]: crate::ConnectOptions::fast_open
    pub fn may_send_with_syn(&self) -> bool {
        self.0.connection.may_send_with_syn()
    }

    /// Whether octets wait to be read.
    pub fn has_unread(&self) -> bool {
        self.0.connection.has_unread()
    }

    /// Whether no more data can arrive.
    pub fn is_read_closed(&self) -> bool {
        self.0.connection.is_read_closed()
    }

    /// Octets queued and not acknowledged.
    pub fn unacknowledged(&self) -> u32 {
        self.0.connection.unacknowledged()
    }

    /// Octets from the first unread one to the end of urgent data; `None` when none is ahead.
    pub fn urgent(&self) -> Option<u32> {
        self.0.connection.urgent()
    }

    /// A snapshot of everything (RFC 9293, section 3.10.6).
    pub fn info(&self, now: Instant) -> TcpInfo {
        self.0.connection.info(now)
    }

    /// Its options.
    pub fn config(&self) -> &'a Config {
        self.0.connection.config()
    }

    /// How it signs; `None` when it does not.
    pub fn session(&self) -> Option<&'a Session> {
        self.0.session.as_deref()
    }

    /// What closing does with unacknowledged data; `None`: it is sent in the background.
    pub fn linger(&self) -> Option<Duration> {
        match self.0.linger {
            Linger::For(time) => Some(time),
            _ => None,
        }
    }

    /// Hop limit (time to live) of what it sends.
    pub fn hop_limit(&self) -> u8 {
        self.0.hop_limit
    }

    /// DSCP of what it sends, in the upper six bits.
    pub fn traffic_class(&self) -> u8 {
        self.0.traffic_class
    }
}

impl TcpMut<'_> {
    /// How it signs, for its keys to be changed; `None` when it does not.
    pub fn session(&mut self) -> Option<&mut Session> {
        let socket = self.stack.table.connections.get_mut(self.index)?;
        socket.session.as_deref_mut()
    }

    /// The same connection, to be looked at.
    ///
    /// `None` cannot happen while this value lives.
    pub fn get(&self) -> Option<TcpRef<'_>> {
        self.stack.table.connections.get(self.index).map(TcpRef)
    }

    /// Takes what fits from the front of `data` and leaves the rest; returns how many octets were
    /// taken. 0: the send buffer is full, or the stack's memory used up;
    /// [`Readiness::WRITABLE`] comes when there is room.
    ///
    /// # Errors
    /// [`SendError`] after the direction was closed or the connection has ended.
    pub fn send(&mut self, data: &mut Bytes) -> Result<usize, SendError> {
        self.send_by(data, Connection::send)
    }

    /// As [`send`](TcpMut::send), as urgent data (RFC 9293, section 3.8.5).
    ///
    /// # Errors
    /// As [`send`](TcpMut::send).
    pub fn send_urgent(&mut self, data: &mut Bytes) -> Result<usize, SendError> {
        self.send_by(data, Connection::send_urgent)
    }

    fn send_by(
        &mut self,
        data: &mut Bytes,
        send: impl FnOnce(&mut Connection, &mut Bytes) -> Result<usize, SendError>,
    ) -> Result<usize, SendError> {
        if self.stack.budget.room() < data.len() {
            let room = self.memory_room().min(data.len());
            return self.send_some(data, room, send);
        }
        self.with(SendError::Dead(None), |c| send(c, data))
    }

    /// Octets that [`send`](TcpMut::send) would take now. When there are none,
    /// [`Readiness::WRITABLE`] comes when there is room.
    pub fn send_room(&mut self) -> usize {
        let room = self.get().map_or(0, |c| c.0.connection.send_room()) as usize;
        if room > self.stack.budget.room() {
            let memory = self.memory_room();
            if memory == 0 {
                self.stack.starve(self.index, self.now);
            }
            return room.min(memory);
        }
        room
    }

    /// What it is ready for now: as [`TcpRef::readiness`], but not writable while the stack has no
    /// memory for what would be written.
    pub fn readiness(&mut self) -> Readiness {
        let Some(c) = self.get() else {
            return Readiness::empty();
        };
        let (ready, may_send) = (c.readiness(), c.state().may_send());
        match may_send && ready.contains(Readiness::WRITABLE) && self.send_room() == 0 {
            true => ready - Readiness::WRITABLE,
            false => ready,
        }
    }

    /// Octets for which the stack has memory.
    fn memory_room(&self) -> usize {
        let budget = &self.stack.budget;
        let held = self.get().map_or(0, |c| c.0.connection.send_memory());
        budget.room().max(budget.share_left(held))
    }

    /// There is less memory than data.
    #[cold]
    fn send_some(
        &mut self,
        data: &mut Bytes,
        room: usize,
        send: impl FnOnce(&mut Connection, &mut Bytes) -> Result<usize, SendError>,
    ) -> Result<usize, SendError> {
        let mut part = data.slice(..room);
        let taken = self.with(SendError::Dead(None), |c| send(c, &mut part))?;
        let _ = data.split_to(taken);
        // Less than was offered: it is the send buffer that is full.
        if taken == room {
            self.stack.starve(self.index, self.now);
        }
        Ok(taken)
    }

    /// Takes at most `max` octets, one slice, out of what has arrived, by reference. The window
    /// opens only with [`release`](TcpMut::release). `None`: nothing is there;
    /// [`TcpRef::is_read_closed`] tells whether more can come.
    pub fn receive(&mut self, max: usize) -> Option<Bytes> {
        let socket = self.stack.table.connections.get_mut(self.index)?;
        let data = socket.connection.receive(max);
        // Nothing else can come of it: all that may be due is due to `release`.
        let held = socket.connection.memory() + CONNECTION_COST;
        self.stack.budget.settle(&mut socket.charged, held);
        data
    }

    /// Opens the window by `octets` that were received and are now consumed.
    pub fn release(&mut self, octets: u32) {
        self.act(|c, _| c.release(octets));
    }

    /// Closes our direction: a FIN follows what is queued. The other one stays open.
    ///
    /// # Errors
    /// [`CloseError`] when it was closed before, or the connection has ended.
    pub fn shutdown_write(&mut self) -> Result<(), CloseError> {
        let now = self.now;
        self.with(CloseError::Dead, |c| c.close(now))
    }

    /// No more reading: what has arrived and what will is acknowledged and thrown away.
    pub fn shutdown_read(&mut self) {
        self.act(|c, _| c.shutdown_read());
    }

    /// Resets the connection. The handle stays, to be closed.
    pub fn abort(&mut self) {
        self.act(|c, _| c.abort());
    }

    /// Takes the error that [`Readiness::ERROR`] announced: why the connection is dead, or what
    /// ICMP last said about one that lives.
    pub fn take_error(&mut self) -> Option<TakenError> {
        let socket = self.stack.table.connections.get_mut(self.index)?;
        match socket.connection.error() {
            Some(fatal) => Some(TakenError::Fatal(fatal)),
            None => socket.connection.soft_error().map(TakenError::Soft),
        }
    }

    /// Changes its options; changes act at once.
    pub fn configure(&mut self, change: impl FnOnce(&mut Config)) {
        self.act(|c, _| c.configure(change));
    }

    /// What closing does with unacknowledged data. `None`, the default: it is sent in the
    /// background. Zero: the connection is reset. Else it is reset when that time is over.
    pub fn set_linger(&mut self, time: Option<Duration>) {
        if let Some(socket) = self.stack.table.connections.get_mut(self.index) {
            socket.linger = time.map_or(Linger::Background, Linger::For);
        }
    }

    /// Hop limit (time to live) of what it sends from now on (MUST-49); 0 is taken as 1.
    pub fn set_hop_limit(&mut self, hop_limit: u8) {
        if let Some(socket) = self.stack.table.connections.get_mut(self.index) {
            socket.hop_limit = hop_limit.max(1);
        }
    }

    /// DSCP of what it sends from now on (MUST-48, SHLD-21), in the upper six bits; the lower two are
    /// ignored.
    pub fn set_traffic_class(&mut self, traffic_class: u8) {
        if let Some(socket) = self.stack.table.connections.get_mut(self.index) {
            socket.traffic_class = traffic_class & 0xfc;
        }
    }

    /// Keeps the newest `events` decisions of the connection from now on; 0: none.
    pub fn set_trace(&mut self, events: usize) {
        if let Some(socket) = self.stack.table.connections.get_mut(self.index) {
            socket.connection.set_trace(events);
        }
    }

    /// Takes the oldest decision that is kept.
    pub fn poll_decision(&mut self) -> Option<Decision> {
        let socket = self.stack.table.connections.get_mut(self.index)?;
        socket.connection.poll_decision()
    }

    /// A call that may lead to output.
    fn act(&mut self, call: impl FnOnce(&mut Connection, Instant)) {
        let now = self.now;
        let _ = self.with((), |c| {
            call(c, now);
            Ok(())
        });
    }

    fn with<T, E>(
        &mut self,
        gone: E,
        call: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let Some(socket) = self.stack.table.connections.get_mut(self.index) else {
            return Err(gone);
        };
        let result = call(&mut socket.connection);
        self.stack.mark_dirty(self.index);
        self.stack.settle(self.index, self.now);
        result
    }
}

/// An error taken from a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum TakenError {
    /// The connection is dead.
    Fatal(ConnectionError),
    /// It lives, and this is what the network said.
    Soft(NetError),
}
