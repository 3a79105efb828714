use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;
use handfast_wire::{Payload, SeqNumber};

/// What every held piece costs beside its octets; charged, so that one-octet segments cannot
/// blow a window of memory up.
const PIECE_OVERHEAD: u32 = 64;
/// Pieces shorter than this are copied out of the slab they arrived in, so that one held
/// segment does not pin 64 KiB.
const COPY_BELOW: usize = 16 * 1024;
/// Islands of data that may be held at once: it bounds the search, too.
const ISLAND_LIMIT: usize = 512;

/// Out-of-order data (RFC 9293, 3.10.7.4, SHLD-31): islands beyond RCV.NXT, sorted, disjoint
/// and never touching. Where data overlaps, what came first stays.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    islands: Vec<Island>,
    charge: u32,
}

#[derive(Debug)]
struct Island {
    start: SeqNumber,
    end: SeqNumber,
    pieces: VecDeque<Bytes>,
}

impl Assembler {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.islands.is_empty()
    }

    /// Octets charged: held ones and the cost of holding them.
    #[inline]
    pub(crate) fn charge(&self) -> u32 {
        self.charge
    }

    /// The islands as (first, one past last), in order.
    pub(crate) fn islands(&self) -> impl ExactSizeIterator<Item = (SeqNumber, SeqNumber)> + '_ {
        self.islands.iter().map(|i| (i.start, i.end))
    }

    /// The island that holds the octet `at`, as (first, one past last).
    pub(crate) fn island_at(&self, at: SeqNumber) -> Option<(SeqNumber, SeqNumber)> {
        let i = self
            .islands
            .partition_point(|isle| isle.end.at_or_before(at));
        let isle = self.islands.get(i)?;
        isle.start
            .at_or_before(at)
            .then_some((isle.start, isle.end))
    }

    /// The first contiguous part of `start..end` that is held.
    pub(crate) fn held(&self, start: SeqNumber, end: SeqNumber) -> Option<(SeqNumber, SeqNumber)> {
        let i = self
            .islands
            .partition_point(|isle| isle.end.at_or_before(start));
        let isle = self.islands.get(i)?;
        let (left, right) = (isle.start.later(start), isle.end.earlier(end));
        left.before(right).then_some((left, right))
    }

    /// Holds the part of `payload` (at `start`, not before `rcv_nxt`) that is not held yet, as
    /// far as the charge stays within `limit`. False when something had to be thrown away.
    pub(crate) fn insert(
        &mut self,
        rcv_nxt: SeqNumber,
        start: SeqNumber,
        payload: &Payload,
        limit: u32,
    ) -> bool {
        let end = start + payload.len();
        let mut at = start;
        while at.before(end) {
            let i = self
                .islands
                .partition_point(|isle| isle.end.offset_from(rcv_nxt) <= at.offset_from(rcv_nxt));
            let next = self.islands.get(i);
            if let Some(isle) = next
                && isle.start.at_or_before(at)
            {
                at = isle.end;
                continue;
            }
            let gap_end = next.map_or(end, |isle| isle.start.earlier(end));
            let touches = i > 0 && self.islands[i - 1].end == at;
            let target = if touches { i - 1 } else { i };
            if !touches {
                if self.islands.len() >= ISLAND_LIMIT {
                    return false;
                }
                self.islands.insert(
                    i,
                    Island {
                        start: at,
                        end: at,
                        pieces: VecDeque::new(),
                    },
                );
            }
            let whole = self.append(target, payload, start, at, gap_end, limit);
            if self.islands[target].start == self.islands[target].end {
                self.islands.remove(target);
            }
            if !whole {
                return false;
            }
            self.join(target);
            at = gap_end;
        }
        true
    }

    /// Appends `at..to` of the payload (which begins at `start`) to island `i`.
    fn append(
        &mut self,
        i: usize,
        payload: &Payload,
        start: SeqNumber,
        at: SeqNumber,
        to: SeqNumber,
        limit: u32,
    ) -> bool {
        for piece in payload
            .slice(at.offset_from(start), to.offset_from(at))
            .slices()
        {
            let cost = piece.len() as u32 + PIECE_OVERHEAD;
            if self.charge.saturating_add(cost) > limit {
                return false;
            }
            self.charge += cost;
            let isle = &mut self.islands[i];
            isle.end += piece.len() as u32;
            isle.pieces.push_back(if piece.len() < COPY_BELOW {
                Bytes::copy_from_slice(piece)
            } else {
                piece.clone()
            });
        }
        true
    }

    /// Joins island `i` with the next one if they touch now.
    fn join(&mut self, i: usize) {
        if self
            .islands
            .get(i + 1)
            .is_some_and(|n| n.start == self.islands[i].end)
        {
            let next = self.islands.remove(i + 1);
            let isle = &mut self.islands[i];
            isle.end = next.end;
            isle.pieces.extend(next.pieces);
        }
    }

    /// Takes the data that follows `rcv_nxt` without a gap, if there is any; data before it is
    /// thrown away.
    pub(crate) fn take_from(&mut self, rcv_nxt: SeqNumber) -> Option<Payload> {
        loop {
            let first = self.islands.first()?;
            if first.start.after(rcv_nxt) {
                return None;
            }
            let isle = self.islands.remove(0);
            let mut out = Payload::new();
            for piece in isle.pieces {
                self.charge -= piece.len() as u32 + PIECE_OVERHEAD;
                out.push(piece);
            }
            out.advance(rcv_nxt.offset_from(isle.start).min(out.len()));
            if !out.is_empty() {
                return Some(out);
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.islands.clear();
        self.charge = 0;
    }
}
