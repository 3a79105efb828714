//! TIME-WAIT without a connection (RFC 9293, section 3.6.1).

use crate::demux::Owner;
use crate::interface::Work;
use crate::tcp_sockets::TIME_WAIT_TIMER;
use crate::time_wait_table::TimeWaitEntry;
use crate::tuple::Tuple;
use crate::{Stack, TraceEvent};
use core::mem::size_of;
use handfast_base::Instant;
use handfast_tcp::{Config, State};
use handfast_wire::SeqNumber;

/// What a record costs, its place in the table included.
pub(crate) const TIME_WAIT_COST: usize = size_of::<TimeWaitEntry>() + 40;

impl Stack {
    /// Stores a record, the oldest giving way if there are too many. Its tuple is the caller's
    /// business.
    pub(crate) fn insert_time_wait(&mut self, entry: TimeWaitEntry, now: Instant) -> u32 {
        if let Some(oldest) = self.table.time_wait.oldest_if_full() {
            self.metrics.tcp.time_waits_evicted += 1;
            self.remove_time_wait(oldest, now);
        }
        let expires = entry.record.expires();
        let index = self.table.time_wait.insert(entry);
        if let Some(entry) = self.table.time_wait.slots.get_mut(index) {
            let key = TIME_WAIT_TIMER | u64::from(index);
            self.wheel.schedule(&mut entry.timer, key, expires);
        }
        self.budget.charge(TIME_WAIT_COST);
        self.metrics.tcp.time_waits += 1;
        index
    }

    pub(crate) fn remove_time_wait(&mut self, index: u32, now: Instant) {
        let Some(mut entry) = self.table.time_wait.slots.remove(index) else {
            return;
        };
        self.wheel
            .cancel(&mut entry.timer, TIME_WAIT_TIMER | u64::from(index));
        let port = entry.tuple.local_port();
        self.table
            .demux
            .remove(entry.tag, port, Owner::TimeWait(index));
        self.budget.refund(TIME_WAIT_COST);
        let tuple = entry.tuple.get();
        self.trace.push(|| TraceEvent::State {
            at: now,
            local: tuple.local,
            remote: tuple.remote,
            from: State::TimeWait,
            to: State::Closed,
        });
    }

    /// Whether `tuple` is free for a connection of ours with such options. One in TIME-WAIT is,
    /// when timestamps tell the old connection from the new one.
    pub(crate) fn may_open(&self, tuple: &Tuple, config: &Config, now: Instant) -> bool {
        match self.table.owner_of(tuple) {
            None => true,
            Some(Owner::TimeWait(index)) if config.timestamps => {
                let entry = self.table.time_wait.slots.get(index);
                entry.is_some_and(|e| e.record.may_open(now).is_some())
            }
            Some(_) => false,
        }
    }

    /// Ends the TIME-WAIT of a tuple that a connection of ours takes over, and returns what its
    /// ISS must be after.
    pub(crate) fn take_over_time_wait(&mut self, tuple: &Tuple, now: Instant) -> Option<SeqNumber> {
        let Some(Owner::TimeWait(index)) = self.table.owner_of(tuple) else {
            return None;
        };
        let floor = self.table.time_wait.slots.get(index)?.record.may_open(now);
        self.metrics.tcp.time_waits_reused += 1;
        self.remove_time_wait(index, now);
        floor
    }

    /// The initial sequence number of a connection, beyond everything that an old one between the
    /// same ports can have sent (RFC 9293, section 3.6.1).
    pub(crate) fn initial_sequence_number(
        &self,
        tuple: &Tuple,
        floor: Option<SeqNumber>,
        now: Instant,
    ) -> SeqNumber {
        let isn = &self.isn;
        let drawn = isn.initial_sequence_number(tuple.local, tuple.remote, now);
        match floor {
            Some(floor) if drawn.at_or_before(floor) => floor + 0x2_0000,
            _ => drawn,
        }
    }

    pub(crate) fn mark_time_wait_dirty(&mut self, index: u32) {
        if let Some(entry) = self.table.time_wait.slots.get_mut(index)
            && !entry.ack_due
            && let Some(iface) = self.network.interfaces.get_mut(entry.iface)
        {
            entry.ack_due = true;
            iface.dirty.push_back(Work::TimeWait(index));
        }
    }

    /// A record's entry in the wheel has come, perhaps early.
    pub(crate) fn time_wait_timer(&mut self, index: u32, now: Instant) {
        let Some(entry) = self.table.time_wait.slots.get_mut(index) else {
            return;
        };
        let expires = entry.record.expires();
        if expires <= now {
            self.remove_time_wait(index, now);
        } else {
            let key = TIME_WAIT_TIMER | u64::from(index);
            self.wheel.schedule(&mut entry.timer, key, expires);
        }
    }
}
