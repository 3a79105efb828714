//! Connections at rest, and what every event on one of them leads to.

use crate::budget::Budget;
use crate::demux::{Owner, Tag};
use crate::interface::Work;
use crate::time_wait_table::TimeWaitEntry;
use crate::timer_wheel::{Timer, TimerWheel};
use crate::trace::DECISIONS;
use crate::tuple::StoredTuple;
use crate::{IfaceId, SocketId, SocketKind, Stack, TraceEvent};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::mem::size_of;
use handfast_base::{Duration, Instant};
use handfast_tcp::authentication::Session;
use handfast_tcp::{Connection, ConnectionError, Readiness, State};

/// A connection with what the stack must know of it.
#[derive(Debug)]
pub(crate) struct TcpSocket {
    pub(crate) connection: Connection,
    pub(crate) tuple: StoredTuple,
    pub(crate) tag: Tag,
    pub(crate) timer: Timer,
    pub(crate) iface: IfaceId,
    pub(crate) flow_label: u32,
    pub(crate) charged: u32,
    pub(crate) linger: Linger,
    /// How it signs what it sends and verifies what arrives, if it does.
    pub(crate) session: Option<Box<Session>>,
    pub(crate) hop_limit: u8,
    pub(crate) traffic_class: u8,
    /// The state after the last event; the connection's own when it has settled.
    pub(crate) state: State,
    pub(crate) events: Readiness,
    pub(crate) holder: Holder,
    /// On its interface's list of those that have output.
    pub(crate) dirty: bool,
    /// Its local address is not ours: it stands in for another host.
    pub(crate) foreign: bool,
    /// Counted among those that the application has let go of and that have not ended.
    pub(crate) orphan: bool,
    /// Its SYN asks for, or brings, a cookie (RFC 7413).
    pub(crate) fast_open: bool,
    /// The application was told that there is no memory for its data.
    pub(crate) starved: bool,
}

/// Who has a claim on a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Holder {
    /// It waits in its listener's accept queue.
    Listener,
    /// The application has its handle.
    Application,
    /// Nobody: it goes as soon as it has ended.
    Nobody,
}

/// What closing does with data that has not been acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Linger {
    /// It is sent in the background.
    Background,
    /// It is given this long; zero resets at once.
    For(Duration),
    /// It is given until then.
    Until(Instant),
}

/// What a connection costs beside its payload, its place in the table included.
pub(crate) const CONNECTION_COST: usize = size_of::<TcpSocket>() + Connection::BOXED + 32;

impl TcpSocket {
    /// When something is due.
    #[inline]
    fn deadline(&self) -> Option<Instant> {
        let own = self.connection.poll_timeout();
        match self.linger {
            Linger::Until(at) => Some(own.map_or(at, |own| own.min(at))),
            _ => own,
        }
    }

    /// Accounts for what it holds, and tells the application what has happened.
    #[inline]
    pub(crate) fn account(
        &mut self,
        id: SocketId,
        budget: &mut Budget,
        ready: &mut VecDeque<SocketId>,
    ) {
        let held = self.connection.memory();
        budget.settle(&mut self.charged, held + CONNECTION_COST);
        if self.holder == Holder::Application {
            let mut happened = self.connection.poll_readiness();
            if self.starved
                && self.connection.send_room() > 0
                && budget.share_left(self.connection.send_memory()) > 0
            {
                happened |= Readiness::WRITABLE;
            }
            if !happened.is_empty() {
                if self.events.is_empty() {
                    ready.push_back(id);
                }
                self.events |= happened;
            }
        }
    }

    /// Whether more is to be done than to wait for its deadline.
    #[inline]
    pub(crate) fn is_unsettled(&self) -> bool {
        self.connection.state() != self.state || self.has_ended() || self.connection.has_path_news()
    }

    /// Sees to it that the wheel wakes it in time.
    #[inline]
    pub(crate) fn schedule(&mut self, index: u32, wheel: &mut TimerWheel) {
        if let Some(at) = self.deadline() {
            let key = CONNECTION_TIMER | u64::from(index);
            wheel.schedule(&mut self.timer, key, at);
        }
    }

    /// Nothing but what still waits to leave or to be read is left of it.
    #[inline]
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, State::Closed | State::TimeWait)
    }
}

/// Keys of the timer wheel: kind and index.
pub(crate) const CONNECTION_TIMER: u64 = 0;
pub(crate) const SYN_RECEIVED_TIMER: u64 = 1 << 32;
pub(crate) const TIME_WAIT_TIMER: u64 = 2 << 32;

impl Stack {
    /// A connection with what the stack must know of it, all else by default.
    pub(crate) fn new_socket(
        &self,
        connection: Connection,
        stored: StoredTuple,
        iface: IfaceId,
        state: State,
        holder: Holder,
    ) -> TcpSocket {
        let tuple = stored.get();
        TcpSocket {
            connection,
            tuple: stored,
            tag: self.table.demux.tag(&tuple),
            timer: Timer::new(),
            iface,
            flow_label: self.flow_label(&tuple),
            charged: 0,
            linger: Linger::Background,
            session: None,
            hop_limit: self.config.hop_limit,
            traffic_class: self.config.traffic_class,
            state,
            events: Readiness::empty(),
            holder,
            dirty: false,
            foreign: !self.network.interfaces.is_ours(tuple.local.ip()),
            orphan: false,
            fast_open: false,
            starved: false,
        }
    }

    /// Stores a connection and gives it its place in the table, instead of `replaces` if that is
    /// there.
    pub(crate) fn insert_connection(
        &mut self,
        mut socket: TcpSocket,
        replaces: Option<Owner>,
    ) -> u32 {
        if self.config.decisions {
            socket.connection.set_trace(DECISIONS);
        }
        let (tag, port) = (socket.tag, socket.tuple.local_port());
        let index = self.table.connections.insert(socket);
        self.budget.join();
        let owner = Owner::Connection(index);
        match replaces {
            Some(old) => _ = self.table.demux.replace(tag, old, owner),
            None => self.table.demux.insert(tag, port, owner),
        }
        index
    }

    /// Puts a connection on its interface's list of those that have output. Called before
    /// [`settle`](Stack::settle): one that had ended before has nothing more to say.
    #[inline]
    pub(crate) fn mark_dirty(&mut self, index: u32) {
        if let Some(socket) = self.table.connections.get_mut(index)
            && !socket.dirty
            && !socket.has_ended()
            && let Some(iface) = self.network.interfaces.get_mut(socket.iface)
        {
            socket.dirty = true;
            iface.dirty.push_back(Work::Connection(index));
        }
    }

    /// After any input, call or output: accounts, tells, arms, and buries.
    #[inline]
    pub(crate) fn settle(&mut self, index: u32, now: Instant) {
        let found = self.table.connections.get_mut_with_generation(index);
        let Some((socket, generation)) = found else {
            return;
        };
        let id = SocketId {
            kind: SocketKind::Tcp,
            index,
            generation,
        };
        socket.account(id, &mut self.budget, &mut self.ready);
        let is_unsettled = socket.is_unsettled();
        if !is_unsettled {
            socket.schedule(index, &mut self.wheel);
        }
        if self.config.decisions {
            self.tell_decisions(index);
        }
        if is_unsettled {
            self.conclude(index, now);
        }
    }

    /// The connection has changed its state, had ended before, or knows something new of its path.
    #[cold]
    pub(crate) fn conclude(&mut self, index: u32, now: Instant) {
        let Some(socket) = self.table.connections.get_mut(index) else {
            return;
        };
        if let Some(path) = socket.connection.take_path_news() {
            let remote = socket.tuple.get().remote.ip();
            self.network.path_mtus.learn(remote, &path, now);
            if !socket.is_unsettled() {
                return socket.schedule(index, &mut self.wheel);
            }
        }
        if socket.connection.state() != socket.state {
            self.state_changed(index, now);
        } else {
            self.bury_if_done(index);
        }
    }

    /// The connection is in another state than the stack knew.
    fn state_changed(&mut self, index: u32, now: Instant) {
        let Some(socket) = self.table.connections.get_mut(index) else {
            return;
        };
        let (from, to) = (socket.state, socket.connection.state());
        socket.state = to;
        if socket.has_ended() {
            self.orphans.live -= usize::from(core::mem::take(&mut socket.orphan));
        }
        let tuple = socket.tuple.get();
        self.trace.push(|| TraceEvent::State {
            at: now,
            local: tuple.local,
            remote: tuple.remote,
            from,
            to,
        });
        if from == State::SynSent && socket.fast_open {
            let timed_out = socket.connection.error() == Some(ConnectionError::TimedOut);
            if to != State::Closed || timed_out {
                self.fast_open_ended(index, to != State::Closed, now);
            }
        }
        let Some(socket) = self.table.connections.get_mut(index) else {
            return;
        };
        match to {
            State::Closed => {
                let counters = &mut self.metrics.tcp;
                counters.open_failures +=
                    u64::from(matches!(from, State::SynSent | State::SynReceived));
                match socket.connection.error() {
                    Some(ConnectionError::Reset) => counters.connections_reset += 1,
                    Some(ConnectionError::TimedOut) => counters.connections_timed_out += 1,
                    _ => {}
                }
                let key = CONNECTION_TIMER | u64::from(index);
                self.wheel.cancel(&mut socket.timer, key);
                let port = socket.tuple.local_port();
                self.table
                    .demux
                    .remove(socket.tag, port, Owner::Connection(index));
                self.bury_if_done(index);
            }
            State::TimeWait => self.enter_time_wait(index, now),
            _ => {
                if let Some(at) = socket.deadline() {
                    let key = CONNECTION_TIMER | u64::from(index);
                    self.wheel.schedule(&mut socket.timer, key, at);
                }
            }
        }
    }

    /// Hands the tuple over to a TIME-WAIT record. The connection itself stays only as long as
    /// somebody may want to read from it.
    fn enter_time_wait(&mut self, index: u32, now: Instant) {
        let Some(socket) = self.table.connections.get_mut(index) else {
            return;
        };
        let key = CONNECTION_TIMER | u64::from(index);
        self.wheel.cancel(&mut socket.timer, key);
        let (tag, port) = (socket.tag, socket.tuple.local_port());
        let old = Owner::Connection(index);
        let record = socket.connection.time_wait(now);
        let entry = record.map(|record| TimeWaitEntry {
            tuple: StoredTuple::new(&socket.tuple.get()),
            tag,
            iface: socket.iface,
            timer: Timer::new(),
            ack_due: false,
            // What it has still to say itself is signed, too.
            session: socket.session.clone(),
            record,
        });
        match entry {
            Some(entry) if self.table.time_wait.capacity() > 0 => {
                let new = self.insert_time_wait(entry, now);
                self.table.demux.replace(tag, old, Owner::TimeWait(new));
            }
            _ => _ = self.table.demux.remove(tag, port, old),
        }
        self.bury_if_done(index);
    }

    /// Frees a connection that has ended, has nothing left to send, and that nobody holds.
    pub(crate) fn bury_if_done(&mut self, index: u32) {
        let done = self.table.connections.get(index).is_some_and(|socket| {
            socket.has_ended() && socket.holder == Holder::Nobody && !socket.dirty
        });
        if done && let Some(mut socket) = self.table.connections.remove(index) {
            self.wheel
                .cancel(&mut socket.timer, CONNECTION_TIMER | u64::from(index));
            self.budget.refund(socket.charged as usize);
            self.budget.leave();
        }
    }

    /// The connection's entry in the wheel has come, perhaps early.
    pub(crate) fn connection_timer(&mut self, index: u32, now: Instant) {
        let Some(socket) = self.table.connections.get_mut(index) else {
            return;
        };
        if socket.deadline().is_some_and(|at| at <= now) {
            if let Linger::Until(at) = socket.linger
                && at <= now
            {
                socket.linger = Linger::Background;
                // In FIN-WAIT-2 nothing of ours is left to wait for.
                if socket.connection.state() != State::FinWait2 {
                    socket.connection.abort();
                }
            }
            socket.connection.timeout(now);
            self.mark_dirty(index);
        }
        self.settle(index, now);
    }

    /// There was less memory than data: the connection is told when there is some again.
    #[cold]
    pub(crate) fn starve(&mut self, index: u32, now: Instant) {
        let generation = self.table.connections.generation(index);
        if let Some(socket) = self.table.connections.get_mut(index)
            && !socket.starved
        {
            socket.connection.held_by_memory(now);
            socket.starved = true;
            self.starved.push(SocketId {
                kind: SocketKind::Tcp,
                index,
                generation,
            });
        }
    }

    /// Memory is there again for those who were refused.
    #[cold]
    pub(crate) fn feed_starved(&mut self) {
        for id in core::mem::take(&mut self.starved) {
            if self.table.connections.is_live(id.index, id.generation)
                && let Some(socket) = self.table.connections.get_mut(id.index)
            {
                socket.starved = false;
                if socket.events.is_empty() {
                    self.ready.push_back(id);
                }
                socket.events |= Readiness::WRITABLE;
            }
        }
    }

    /// The index of a connection whose handle the application holds.
    #[inline]
    pub(crate) fn connection_index(&self, id: SocketId) -> Option<u32> {
        (id.kind == SocketKind::Tcp && self.table.connections.is_live(id.index, id.generation))
            .then_some(id.index)
    }
}
