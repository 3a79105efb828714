//! Half-open connections: a SYN has come, and the handshake, or the decision about it, is under
//! way (RFC 4987 calls the whole of them the SYN queue).

use crate::demux::{Owner, Tag};
use crate::interface::Work;
use crate::socket_id::PendingId;
use crate::tcp_sockets::{Holder, SYN_RECEIVED_TIMER};
use crate::timer_wheel::Timer;
use crate::tuple::{StoredTuple, Tuple};
use crate::{IfaceId, SocketId, SocketKind, Stack, TraceEvent};
use alloc::boxed::Box;
use core::mem::size_of;
use handfast_base::{Duration, Instant};
use handfast_tcp::authentication::Session;
use handfast_tcp::{Readiness, State, SynReceived};
use handfast_wire::tcp::TcpHeader;
use handfast_wire::{Discard, SeqNumber};

/// What a half-open connection costs, its place in the table included.
pub(crate) const HALF_OPEN_COST: usize = size_of::<HalfOpen>() + 32;

/// How long a SYN waits for the application's decision: as long as peers repeat it.
const UNDECIDED: Duration = Duration::from_secs(130);

#[derive(Debug)]
pub(crate) struct HalfOpen {
    pub(crate) record: SynReceived,
    pub(crate) tuple: StoredTuple,
    pub(crate) tag: Tag,
    pub(crate) timer: Timer,
    pub(crate) iface: IfaceId,
    /// The listener; of one that somebody has claimed, perhaps none any more.
    pub(crate) listener: u32,
    /// Who has claimed the connection to be, instead of the listener's accept queue.
    pub(crate) claim: Option<u32>,
    /// SEG.SEQ of the SYN.
    pub(crate) irs: SeqNumber,
    /// The application, or the listener's options, want this connection.
    pub(crate) decided: bool,
    /// Our SYN,ACK carries a cookie for the next time (RFC 7413).
    pub(crate) gives_cookie: bool,
    /// How it signs, if it does.
    pub(crate) session: Option<Box<Session>>,
    pub(crate) syn_ack_due: bool,
    pub(crate) ack_due: bool,
    pub(crate) dirty: bool,
}

impl Stack {
    /// Makes a half-open connection of the SYN in `self.segment`. The tuple must be free and the
    /// listener must have room.
    pub(crate) fn take_syn(
        &mut self,
        listener: u32,
        tuple: &Tuple,
        iss_floor: Option<SeqNumber>,
        session: Option<Box<Session>>,
        now: Instant,
    ) -> Result<(), Discard> {
        let iss = self.initial_sequence_number(tuple, iss_floor, now);
        let mut syn = self.segment.header;
        if session.as_ref().is_some_and(|s| !s.allows_timestamps()) {
            syn.options.timestamps = None;
        }
        let gives_cookie = session.is_none() && self.asks_for_fast_open(listener);
        let index = self.insert_half_open(listener, tuple, &syn, iss, now)?;
        if let Some(half_open) = self.table.half_open.get_mut(index) {
            half_open.session = session;
        }
        let is_decided = self.table.half_open.get(index).is_some_and(|h| h.decided);
        if is_decided {
            if let Some(half_open) = self.table.half_open.get_mut(index) {
                half_open.syn_ack_due = true;
                half_open.gives_cookie = gives_cookie;
            }
            self.mark_half_open_dirty(index);
        } else {
            self.ask_for_decision(listener, index, now);
        }
        Ok(())
    }

    /// Makes a half-open connection of a SYN, to which nothing is answered yet.
    pub(crate) fn insert_half_open(
        &mut self,
        listener_index: u32,
        tuple: &Tuple,
        syn: &TcpHeader,
        iss: SeqNumber,
        now: Instant,
    ) -> Result<u32, Discard> {
        if self.budget.is_tight(HALF_OPEN_COST) {
            return Err(Discard::NoMemory);
        }
        let iface = self.network.egress(tuple.remote).ok_or(Discard::NoRoute)?;
        let path = self.network.path(iface, tuple.remote.ip(), now);
        let Some(listener) = self.listeners.slots.get_mut(listener_index) else {
            return Err(Discard::TcpNoConnection);
        };
        let offset = self
            .isn
            .timestamp_offset(tuple.local.ip(), tuple.remote.ip());
        let tag = self.table.demux.tag(tuple);
        let index = self.table.half_open.insert(HalfOpen {
            record: SynReceived::new(syn, iss, offset, &listener.config, path, now)
                .with_ecn(self.segment.ecn),
            tuple: StoredTuple::new(tuple),
            tag,
            timer: Timer::new(),
            iface,
            listener: listener_index,
            claim: None,
            irs: syn.seq,
            decided: !listener.options.pending,
            gives_cookie: false,
            session: None,
            syn_ack_due: false,
            ack_due: false,
            dirty: false,
        });
        self.table
            .demux
            .insert(tag, tuple.local.port(), Owner::SynReceived(index));
        self.budget.charge(HALF_OPEN_COST);
        self.metrics.tcp.passive_opens += 1;
        listener.half_open += 1;
        self.trace.push(|| TraceEvent::State {
            at: now,
            local: tuple.local,
            remote: tuple.remote,
            from: State::Listen,
            to: State::SynReceived,
        });
        Ok(index)
    }

    /// Shows a half-open connection to the application, which has a bounded time to decide.
    fn ask_for_decision(&mut self, listener_index: u32, index: u32, now: Instant) {
        let generation = self.listeners.slots.generation(listener_index);
        let Some(listener) = self.listeners.slots.get_mut(listener_index) else {
            return;
        };
        let generation_of = |index| self.table.half_open.generation(index);
        if listener.undecided.len() >= 2 * listener.options.backlog.max(1) {
            // Those that their peers gave up while nobody asked for them.
            listener
                .undecided
                .retain(|id| generation_of(id.index) == id.generation);
        }
        listener.undecided.push_back(PendingId {
            index,
            generation: generation_of(index),
        });
        if listener.events.is_empty() {
            self.ready.push_back(SocketId {
                kind: SocketKind::Listener,
                index: listener_index,
                generation,
            });
        }
        listener.events |= Readiness::READABLE;
        if let Some(half_open) = self.table.half_open.get_mut(index) {
            let key = SYN_RECEIVED_TIMER | u64::from(index);
            self.wheel
                .schedule(&mut half_open.timer, key, now + UNDECIDED);
        }
    }

    /// The handshake is complete: the record becomes a connection, which waits to be accepted,
    /// or belongs to whoever has claimed it.
    pub(crate) fn establish(&mut self, index: u32, now: Instant) -> Result<u32, Discard> {
        let Some(config) = self.half_open_config(index) else {
            return Err(Discard::TcpNoConnection);
        };
        let half_open = self.table.half_open.get(index);
        let claim = half_open.and_then(|h| h.claim);
        let listener_index = half_open.map_or(u32::MAX, |h| h.listener);
        let generation = self.listeners.slots.generation(listener_index);
        let mut listener = self.listeners.slots.get_mut(listener_index);
        if claim.is_none() && listener.as_ref().is_some_and(|l| !l.may_finish()) {
            return Err(Discard::TcpBacklogFull);
        }
        if self.budget.is_tight(crate::tcp_sockets::CONNECTION_COST) {
            return Err(Discard::NoMemory);
        }
        let Some(mut half_open) = self.table.half_open.remove(index) else {
            return Err(Discard::TcpNoConnection);
        };
        if let Some(listener) = &mut listener {
            listener.half_open -= 1;
        }
        self.budget.refund(HALF_OPEN_COST);
        self.wheel
            .cancel(&mut half_open.timer, SYN_RECEIVED_TIMER | u64::from(index));
        let tuple = half_open.tuple.get();
        let path = self.network.path(half_open.iface, tuple.remote.ip(), now);
        let mut connection = half_open.record.into_connection(config, path, now);
        if let Some(session) = &half_open.session {
            connection.reserve_options(session.option_len());
        }
        let holder = match claim {
            Some(_) => Holder::Application,
            None => Holder::Listener,
        };
        // What the record was, so that the step to ESTABLISHED is seen.
        let state = State::SynReceived;
        let (iface, tuple) = (half_open.iface, half_open.tuple);
        let mut socket = self.new_socket(connection, tuple, iface, state, holder);
        socket.session = half_open.session;
        let connection = self.insert_connection(socket, Some(Owner::SynReceived(index)));
        self.metrics.tcp.accepts += 1;
        if let Some(claim) = claim {
            let id = SocketId {
                kind: SocketKind::Tcp,
                index: connection,
                generation: self.table.connections.generation(connection),
            };
            self.complete_claim(claim, id);
        } else if let Some(listener) = self.listeners.slots.get_mut(listener_index) {
            listener.accept_queue.push_back(connection);
            if listener.events.is_empty() {
                self.ready.push_back(SocketId {
                    kind: SocketKind::Listener,
                    index: listener_index,
                    generation,
                });
            }
            listener.events |= Readiness::READABLE;
        }
        Ok(connection)
    }

    /// The handshake is complete, and there is no place for the connection. The record stays, and
    /// its next SYN,ACK draws the ACK again; or the peer is reset, if the listener wants it so.
    pub(crate) fn establish_failed(&mut self, index: u32, reason: Discard, now: Instant) {
        if reason != Discard::TcpBacklogFull {
            return;
        }
        self.metrics.tcp.accept_overflows += 1;
        let listener = self.table.half_open.get(index).map(|h| h.listener);
        let listener = listener.and_then(|index| self.listeners.slots.get(index));
        if listener.is_some_and(|l| l.options.abort_on_overflow) {
            self.metrics.tcp.open_failures += 1;
            self.reset_half_open(index, now);
        }
    }

    /// Forgets a half-open connection; with a time, that is traced as its end.
    pub(crate) fn remove_half_open(&mut self, index: u32, traced: Option<Instant>) {
        let Some(mut half_open) = self.table.half_open.remove(index) else {
            return;
        };
        self.wheel
            .cancel(&mut half_open.timer, SYN_RECEIVED_TIMER | u64::from(index));
        let (tag, port) = (half_open.tag, half_open.tuple.local_port());
        self.table
            .demux
            .remove(tag, port, Owner::SynReceived(index));
        self.budget.refund(HALF_OPEN_COST);
        if let Some(listener) = self.listeners.slots.get_mut(half_open.listener) {
            listener.half_open -= 1;
        }
        self.end_claim_of(&half_open);
        if let Some(now) = traced {
            let tuple = half_open.tuple.get();
            self.trace.push(|| TraceEvent::State {
                at: now,
                local: tuple.local,
                remote: tuple.remote,
                from: State::SynReceived,
                to: State::Listen,
            });
        }
    }

    pub(crate) fn mark_half_open_dirty(&mut self, index: u32) {
        if let Some(half_open) = self.table.half_open.get_mut(index)
            && !half_open.dirty
            && let Some(iface) = self.network.interfaces.get_mut(half_open.iface)
        {
            half_open.dirty = true;
            iface.dirty.push_back(Work::SynReceived(index));
        }
    }

    /// The entry of a half-open connection in the wheel has come, perhaps early.
    pub(crate) fn half_open_timer(&mut self, index: u32, now: Instant) {
        let Some(half_open) = self.table.half_open.get_mut(index) else {
            return;
        };
        let key = SYN_RECEIVED_TIMER | u64::from(index);
        if !half_open.decided {
            self.remove_half_open(index, Some(now));
        } else if half_open.record.poll_timeout() > now {
            let at = half_open.record.poll_timeout();
            self.wheel.schedule(&mut half_open.timer, key, at);
        } else if half_open.record.timeout(now) {
            self.metrics.tcp.open_failures += 1;
            self.remove_half_open(index, Some(now));
        } else {
            half_open.syn_ack_due = true;
            self.mark_half_open_dirty(index);
        }
    }
}
