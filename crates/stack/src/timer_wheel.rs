//! A lazy hierarchical timer wheel: one entry an owner, O(1) whatever the number of owners.
//!
//! Instants are rounded *up* to whole microseconds: an entry fires at the first microsecond not
//! before its instant. Nine levels of 64 slots cover all of a `u64` of nanoseconds; an entry sits
//! on the level of the highest 6-bit digit in which it differs from the wheel's own time, and
//! moves down a level at most eight times before it fires.
//!
//! The wheel is *lazy*: [`TimerWheel::schedule`] moves an entry to an earlier time only. When a
//! deadline moves later, which with every acknowledgment it does, the entry stays, fires early,
//! and the owner compares with its true deadline and schedules again.

use alloc::vec::Vec;
use handfast_base::Instant;

#[cfg(test)]
mod tests;

const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
/// Ticks of a microsecond in a `u64` of nanoseconds take 54 bits.
const LEVELS: usize = 9;
/// The list of entries that are due, after those of all slots.
const DUE: usize = LEVELS * SLOTS;
/// No node.
const NIL: u32 = u32::MAX;
/// The list of a node that is in none.
const FREE: u16 = u16::MAX;
/// Longest list that [`TimerWheel::next_deadline`] searches for its minimum.
const SEARCH: usize = 16;
/// Fewer nodes than this are kept when the wheel runs empty.
const KEEP: usize = 1024;

/// An owner's end of its entry in a [`TimerWheel`]; lies beside whatever it wakes.
///
/// One that outlives its entry is harmless: the wheel checks the key.
#[derive(Debug)]
pub struct Timer {
    node: u32,
    /// Tick for which the entry was armed, in halves so that a timer takes 12 octets.
    armed: [u32; 2],
}

impl Timer {
    /// A timer that is not armed.
    pub const fn new() -> Timer {
        Timer {
            node: NIL,
            armed: [0, 0],
        }
    }

    #[inline]
    fn armed(&self) -> u64 {
        u64::from(self.armed[0]) << 32 | u64::from(self.armed[1])
    }
}

impl Default for Timer {
    fn default() -> Timer {
        Timer::new()
    }
}

#[derive(Debug)]
struct Node {
    key: u64,
    tick: u64,
    next: u32,
    previous: u32,
    list: u16,
}

/// The wheel. Keys are the owner's: a slot and its generation, say, never two owners with one key.
#[derive(Debug)]
pub struct TimerWheel {
    nodes: Vec<Node>,
    free: u32,
    len: usize,
    /// Every entry beyond the due list has a tick above this one.
    elapsed: u64,
    /// One bit a slot that has entries, per level.
    occupied: [u64; LEVELS],
    /// First node of each circular list.
    heads: [u32; DUE + 1],
}

impl TimerWheel {
    /// An empty wheel whose time starts at `now`.
    pub fn new(now: Instant) -> TimerWheel {
        TimerWheel {
            nodes: Vec::new(),
            free: NIL,
            len: 0,
            elapsed: now.as_micros(),
            occupied: [0; LEVELS],
            heads: [NIL; DUE + 1],
        }
    }

    /// Entries in the wheel.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sees to it that `key` comes out of [`pop`](TimerWheel::pop) at `at` or before. Costs two
    /// comparisons when it would anyway. [`Instant::FAR_FUTURE`] arms nothing.
    #[inline]
    pub fn schedule(&mut self, timer: &mut Timer, key: u64, at: Instant) {
        let armed = timer.armed();
        // Without a division: armed <= at, rounded up to a tick.
        let is_early = armed.saturating_mul(1_000) < at.as_nanos().saturating_add(1_000);
        if armed > self.elapsed && is_early || at == Instant::FAR_FUTURE {
            return;
        }
        self.move_to(timer, key, at.as_nanos().div_ceil(1_000));
    }

    fn move_to(&mut self, timer: &mut Timer, key: u64, tick: u64) {
        let node = match self.live(timer.node, key) {
            Some(node) if self.nodes[node as usize].tick <= tick => return,
            Some(node) => {
                self.unlink(node);
                node
            }
            None => self.allocate(key),
        };
        self.nodes[node as usize].tick = tick;
        self.link(node);
        timer.node = node;
        timer.armed = [(tick >> 32) as u32, tick as u32];
    }

    /// Removes the entry of an owner that goes away.
    pub fn cancel(&mut self, timer: &mut Timer, key: u64) {
        if let Some(node) = self.live(timer.node, key) {
            self.unlink(node);
            self.release(node);
        }
        *timer = Timer::new();
    }

    /// Takes one entry out that is due at `now`, earliest first as far as the wheel knows; `None`
    /// when no more are. The owner may schedule again at once, but what it schedules for `now` or
    /// before comes out of this very loop.
    #[inline]
    pub fn pop(&mut self, now: Instant) -> Option<u64> {
        self.advance(now.as_micros());
        let node = self.heads[DUE];
        if node == NIL {
            return None;
        }
        self.unlink(node);
        let key = self.nodes[node as usize].key;
        self.release(node);
        Some(key)
    }

    /// Appends the keys of all entries due at `now` to `due`.
    pub fn poll(&mut self, now: Instant, due: &mut Vec<u64>) {
        while let Some(key) = self.pop(now) {
            due.push(key);
        }
    }

    /// When to call [`pop`](TimerWheel::pop) next: never later than the first entry fires, and
    /// earlier only where many entries share a far slot, at most eight times for one entry.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.heads[DUE] != NIL {
            return Some(Instant::from_micros(self.elapsed));
        }
        let (list, start) = self.first_slot()?;
        let head = self.heads[list];
        let (mut node, mut earliest) = (head, u64::MAX);
        for _ in 0..SEARCH {
            earliest = earliest.min(self.nodes[node as usize].tick);
            node = self.nodes[node as usize].next;
            if node == head {
                return Some(Instant::from_micros(earliest));
            }
        }
        Some(Instant::from_micros(start))
    }

    /// Brings the wheel's time to `now`, moving what is due to the due list.
    fn advance(&mut self, now: u64) {
        while let Some((list, start)) = self.first_slot() {
            if start > now {
                break;
            }
            self.elapsed = start;
            let mut node = core::mem::replace(&mut self.heads[list], NIL);
            self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
            let last = self.nodes[node as usize].previous;
            self.nodes[last as usize].next = NIL;
            while node != NIL {
                let next = self.nodes[node as usize].next;
                self.link(node);
                node = next;
            }
        }
        self.elapsed = self.elapsed.max(now);
    }

    /// The first occupied slot as its list, and the first tick that it covers.
    fn first_slot(&self) -> Option<(usize, u64)> {
        let level = self.occupied.iter().position(|bits| *bits != 0)?;
        let slot = self.occupied[level].trailing_zeros() as usize;
        let shift = level as u32 * BITS;
        // What is above this level's digit, every entry has in common with the wheel's time.
        let above = self.elapsed >> shift >> BITS << BITS;
        Some((level * SLOTS + slot, (above | slot as u64) << shift))
    }

    /// Appends a node to the list where its tick belongs.
    fn link(&mut self, node: u32) {
        let tick = self.nodes[node as usize].tick;
        let list = if tick <= self.elapsed {
            DUE
        } else {
            let level = (63 - (tick ^ self.elapsed).leading_zeros()) / BITS;
            let slot = (tick >> (level * BITS)) as usize % SLOTS;
            self.occupied[level as usize] |= 1 << slot;
            level as usize * SLOTS + slot
        };
        let head = self.heads[list];
        let (next, previous) = if head == NIL {
            self.heads[list] = node;
            (node, node)
        } else {
            (head, self.nodes[head as usize].previous)
        };
        let n = &mut self.nodes[node as usize];
        n.list = list as u16;
        n.next = next;
        n.previous = previous;
        self.nodes[previous as usize].next = node;
        self.nodes[next as usize].previous = node;
    }

    fn unlink(&mut self, node: u32) {
        let Node {
            next,
            previous,
            list,
            ..
        } = self.nodes[node as usize];
        let list = usize::from(list);
        if next == node {
            self.heads[list] = NIL;
            if list != DUE {
                self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
            }
            return;
        }
        self.nodes[previous as usize].next = next;
        self.nodes[next as usize].previous = previous;
        if self.heads[list] == node {
            self.heads[list] = next;
        }
    }

    fn live(&self, node: u32, key: u64) -> Option<u32> {
        let n = self.nodes.get(node as usize)?;
        (n.key == key && n.list != FREE).then_some(node)
    }

    fn allocate(&mut self, key: u64) -> u32 {
        self.len += 1;
        if self.free != NIL {
            let node = self.free;
            let n = &mut self.nodes[node as usize];
            self.free = n.next;
            n.key = key;
            return node;
        }
        self.nodes.push(Node {
            key,
            tick: 0,
            next: NIL,
            previous: NIL,
            list: FREE,
        });
        self.nodes.len() as u32 - 1
    }

    fn release(&mut self, node: u32) {
        self.len -= 1;
        if self.len == 0 && self.nodes.len() > KEEP {
            // A burst's storage is given back.
            self.nodes = Vec::new();
            self.free = NIL;
            return;
        }
        let n = &mut self.nodes[node as usize];
        n.list = FREE;
        n.next = self.free;
        self.free = node;
    }
}
