//! The scoreboard (RFC 6675, 3 and 4): a record of each transmission that is not acknowledged.

mod delivered;
mod is_lost;
mod next_seg;
mod record;
mod set_pipe;
mod update;

pub(crate) use delivered::{Acked, Delivered};
pub(crate) use is_lost::Found;
pub(crate) use record::Record;

use super::delivery_rate::DeliveryRate;
use alloc::collections::VecDeque;
use core::ops::Range;
use handfast_base::Instant;
use handfast_wire::SeqNumber;

/// Everything that was sent and is not acknowledged, in order of sequence.
#[derive(Debug, Default)]
pub(crate) struct Scoreboard {
    records: VecDeque<Record>,
    /// Octets in records marked lost.
    lost: u32,
    /// Octets that were ever marked so.
    marked: u64,
    /// Octets, and segments, in records that the peer has reported.
    sacked: u32,
    sacked_segments: u32,
    /// No record before this index is marked lost.
    first_lost: usize,
    pub(crate) rate: DeliveryRate,
}

impl Scoreboard {
    pub(crate) fn front(&self) -> Option<&Record> {
        self.records.front()
    }

    pub(crate) fn back(&self) -> Option<&Record> {
        self.records.back()
    }

    /// The transmission that carried the octet at `seq`.
    pub(crate) fn at(&self, seq: SeqNumber) -> Option<&Record> {
        let i = self.records.partition_point(|r| r.end.at_or_before(seq));
        self.records.get(i).filter(|r| r.start.at_or_before(seq))
    }

    /// The records of which something lies in `start..end`.
    fn within(&self, start: SeqNumber, end: SeqNumber) -> Range<usize> {
        let first = self.records.partition_point(|r| r.end.at_or_before(start));
        first..self.records.partition_point(|r| r.start.before(end))
    }

    /// Notes a transmission of new octets.
    #[inline]
    pub(crate) fn sent(&mut self, start: SeqNumber, end: SeqNumber, now: Instant) {
        let una = self.records.front().map_or(start, |r| r.start);
        let in_flight = end.offset_from(una) - self.lost - self.sacked;
        let departure = self.rate.sent(now, end.offset_from(start), in_flight);
        self.records.push_back(Record {
            start,
            end,
            sent_at: now,
            departure,
            retransmissions: 0,
            lost: false,
            sacked: 0,
            reported: false,
        });
    }

    /// Takes over what another scoreboard had: nobody knows when it left, nor what came of it.
    pub(crate) fn adopt(&mut self, start: SeqNumber, end: SeqNumber, now: Instant) {
        self.rate.mark_app_limited(end.offset_from(start));
        self.sent(start, end, now);
        self.records.iter_mut().for_each(|r| r.retransmissions = 1);
        self.mark_all_lost();
    }

    /// Splits record `i` so that it is at most `len` octets long.
    fn split(&mut self, i: usize, len: u32) {
        let Some(record) = self.records.get_mut(i) else {
            return;
        };
        if record.len() > len && len > 0 {
            let mut rest = record.clone();
            let sacked = share(record.sacked, len, record.len());
            rest.sacked -= sacked;
            record.sacked = sacked;
            record.end = record.start + len;
            rest.start = record.end;
            // It was not in flight yet when the first part left.
            record.departure.in_flight = record.departure.in_flight.saturating_sub(rest.len());
            self.records.insert(i + 1, rest);
        }
    }

    /// Makes a record of each segment, of `mss` octets as they left: later ones will be larger.
    pub(crate) fn split_all(&mut self, mss: u32) {
        let whole = core::mem::take(&mut self.records);
        for mut record in whole {
            while record.sacked == 0 && record.len() > mss {
                let end = record.start + mss;
                self.records.push_back(Record {
                    end,
                    ..record.clone()
                });
                record.start = end;
            }
            self.records.push_back(record);
        }
        self.first_lost = 0;
    }

    #[cfg(any(test, debug_assertions))]
    pub(crate) fn check_invariants(&self, una: SeqNumber, nxt: SeqNumber) {
        let mut at = una;
        for record in &self.records {
            assert_eq!(record.start, at, "records must follow each other");
            assert!(record.end.after(record.start), "a record carries something");
            at = record.end;
        }
        assert_eq!(at, nxt, "records must reach SND.NXT");
        let lost: u32 = self
            .records
            .iter()
            .filter(|r| r.lost)
            .map(Record::len)
            .sum();
        assert_eq!(lost, self.lost, "lost octets are counted");
        let sacked = self.records.iter().filter(|r| r.sacked > 0);
        let (octets, segments) = sacked.fold((0, 0), |(o, s), r| (o + r.len(), s + r.sacked));
        let counted = (self.sacked, self.sacked_segments);
        assert_eq!((octets, segments), counted, "reported octets are counted");
        assert!(
            self.records.iter().all(|r| r.sacked == 0 || !r.lost),
            "what is reported is not lost"
        );
        assert!(
            self.records.iter().take(self.first_lost).all(|r| !r.lost),
            "no lost record before the first"
        );
    }
}

/// How many of `segments` lie in the first `part` of `whole` octets; some, but never all.
fn share(segments: u32, part: u32, whole: u32) -> u32 {
    let share = u64::from(segments) * u64::from(part) / u64::from(whole.max(1));
    (share as u32).min(segments.saturating_sub(1))
}
