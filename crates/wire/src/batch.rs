use crate::Packet;
use alloc::vec::Vec;

/// A bounded queue of packets between the stack and a link, whose slots are written in place
/// and reused: a packet is never moved by value.
#[derive(Debug)]
pub struct Batch {
    slots: Vec<Packet>,
    first: usize,
    last: usize,
    limit: usize,
}

impl Batch {
    /// A batch of at most `limit` packets (at least 1).
    pub fn new(limit: usize) -> Batch {
        Batch {
            slots: Vec::new(),
            first: 0,
            last: 0,
            limit: limit.max(1),
        }
    }

    /// Packets waiting.
    #[inline]
    pub fn len(&self) -> usize {
        self.last - self.first
    }

    /// Whether no packet waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.first == self.last
    }

    /// Whether no further packet fits before some are consumed.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.len() >= self.limit
    }

    /// The next free slot, empty, to be filled in place; `None` when the batch is full.
    #[inline]
    pub fn push_slot(&mut self) -> Option<&mut Packet> {
        if self.is_full() {
            return None;
        }
        if self.last == self.slots.len() {
            // Moving what waits to the front pays only when that frees half of the slots: else a
            // long queue would move once for every packet that leaves it.
            if self.first > 0 && self.first >= self.slots.len() / 2 {
                for at in self.first..self.last {
                    self.slots.swap(at - self.first, at);
                }
                self.last -= self.first;
                self.first = 0;
            } else {
                self.slots.push(Packet::new());
            }
        }
        let slot = self.slots.get_mut(self.last)?;
        debug_assert!(
            slot.is_empty(),
            "what leaves the batch leaves its slot empty"
        );
        self.last += 1;
        Some(slot)
    }

    /// Takes back the slot that the last [`push_slot`](Batch::push_slot) gave.
    #[inline]
    pub fn unpush(&mut self) {
        if self.last > self.first {
            self.last -= 1;
            self.slots[self.last].clear();
        }
    }

    /// Appends a packet by value; gives it back when the batch is full.
    #[expect(
        clippy::result_large_err,
        reason = "the packet itself is the error: nothing is lost"
    )]
    pub fn push(&mut self, packet: Packet) -> Result<(), Packet> {
        match self.push_slot() {
            Some(slot) => {
                *slot = packet;
                Ok(())
            }
            None => Err(packet),
        }
    }

    /// Moves up to `max` packets, and no more than fit, from the front of `other` to the end;
    /// returns how many. Slots change places, no octet is copied; and all of `other` into an
    /// empty batch costs the same however many they are.
    pub fn append(&mut self, other: &mut Batch, max: usize) -> usize {
        let count = other.len().min(max).min(self.limit - self.len());
        if self.is_empty() && count == other.len() {
            core::mem::swap(&mut self.slots, &mut other.slots);
            core::mem::swap(&mut self.first, &mut other.first);
            core::mem::swap(&mut self.last, &mut other.last);
            return count;
        }
        for at in other.first..other.first + count {
            if let Some(slot) = self.push_slot() {
                core::mem::swap(slot, &mut other.slots[at]);
            }
        }
        other.consume(count);
        count
    }

    /// The waiting packets, first to last.
    #[inline]
    pub fn packets(&self) -> &[Packet] {
        &self.slots[self.first..self.last]
    }

    /// The waiting packets, to be read and emptied in place.
    #[inline]
    pub fn packets_mut(&mut self) -> &mut [Packet] {
        &mut self.slots[self.first..self.last]
    }

    /// Drops the first `count` packets: a link calls this with the number it has taken.
    pub fn consume(&mut self, count: usize) {
        let end = self.first + count.min(self.len());
        self.slots[self.first..end]
            .iter_mut()
            .for_each(Packet::clear);
        self.first = end;
        if self.is_empty() {
            self.first = 0;
            self.last = 0;
        }
    }

    /// Drops all packets.
    pub fn clear(&mut self) {
        self.consume(self.len());
    }
}
