//! Storage of TIME-WAIT records: bounded, the oldest gives way (RFC 9293, section 3.4.2).

use crate::IfaceId;
use crate::demux::Tag;
use crate::slots::Slots;
use crate::timer_wheel::Timer;
use crate::tuple::StoredTuple;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use handfast_tcp::TimeWait;
use handfast_tcp::authentication::Session;

#[derive(Debug)]
pub(crate) struct TimeWaitEntry {
    pub(crate) tuple: StoredTuple,
    pub(crate) tag: Tag,
    pub(crate) iface: IfaceId,
    pub(crate) timer: Timer,
    /// An acknowledgment is to be sent.
    pub(crate) ack_due: bool,
    /// As the connection had it.
    pub(crate) session: Option<Box<Session>>,
    pub(crate) record: TimeWait,
}

/// The records, and the order in which they came.
#[derive(Debug)]
pub(crate) struct TimeWaitTable {
    pub(crate) slots: Slots<TimeWaitEntry>,
    /// Index and generation, oldest first; some are gone already.
    order: VecDeque<(u32, u32)>,
    capacity: usize,
}

impl TimeWaitTable {
    pub(crate) fn new(capacity: usize) -> TimeWaitTable {
        TimeWaitTable {
            slots: Slots::new(),
            order: VecDeque::new(),
            capacity,
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// The record that must go before another can come, if any must.
    pub(crate) fn oldest_if_full(&mut self) -> Option<u32> {
        if self.slots.len() < self.capacity {
            return None;
        }
        while let Some(&(index, generation)) = self.order.front() {
            if self.slots.is_live(index, generation) {
                return Some(index);
            }
            self.order.pop_front();
        }
        None
    }

    pub(crate) fn insert(&mut self, entry: TimeWaitEntry) -> u32 {
        let index = self.slots.insert(entry);
        let TimeWaitTable { slots, order, .. } = self;
        order.push_back((index, slots.generation(index)));
        // Each pass removes at least half, so it costs O(1) a record.
        if order.len() > 64 + 2 * slots.len() {
            order.retain(|&(index, generation)| slots.is_live(index, generation));
            order.shrink_to(2 * order.len());
        }
        index
    }
}
