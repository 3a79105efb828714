use super::delivery_rate::{DeliveryRate, Departure, Newest};
use crate::congestion::LostPacket;
use alloc::collections::VecDeque;
use core::ops::Range;
use handfast_base::{Duration, Instant};
use handfast_wire::SeqNumber;

/// One transmission: the octets it carried and what was known when it left. A super-segment is
/// one record until something befalls a part of it; then it is split.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) start: SeqNumber,
    pub(crate) end: SeqNumber,
    /// When these octets last left.
    pub(crate) sent_at: Instant,
    /// What was known then, for delivery rate sampling.
    pub(crate) departure: Departure,
    /// Times these octets were sent again.
    pub(crate) retransmissions: u8,
    /// Believed lost, and not sent again yet.
    pub(crate) lost: bool,
    /// Segments in here that the peer has reported (RFC 2018); 0 when it has not. Neighbours that
    /// it has reported are one record, so that reports cost what is new in them.
    pub(crate) sacked: u32,
    /// Reported at some time, even if that was forgotten since: delivered already.
    reported: bool,
}

impl Record {
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.end.offset_from(self.start)
    }

    /// Lost, sent again or reported at some time.
    #[inline]
    fn is_disturbed(&self) -> bool {
        self.lost || self.reported || self.retransmissions > 0 || self.sacked > 0
    }
}

/// What one acknowledgment reports for the first time, by its number or by its blocks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delivered {
    /// Octets delivered (SYN and FIN counted).
    pub(crate) octets: u32,
    /// When the newest of it that was sent once had left, and where it ends.
    pub(crate) original: Option<(Instant, SeqNumber)>,
    /// The same of what was sent again.
    pub(crate) resent: Option<(Instant, SeqNumber)>,
    /// Where the lowest of it that was sent once ends, and the highest of all.
    pub(crate) lowest_original: Option<SeqNumber>,
    pub(crate) highest: Option<SeqNumber>,
    /// What left last of all of it.
    pub(crate) newest: Option<Newest>,
}

impl Delivered {
    #[inline]
    fn note(&mut self, record: &Record, end: SeqNumber) {
        self.octets += end.offset_from(record.start);
        let is_newest = |n: &Newest| {
            record.sent_at > n.sent_at || record.sent_at == n.sent_at && end.after(n.end)
        };
        if self.newest.as_ref().is_none_or(is_newest) {
            self.newest = Some(Newest {
                sent_at: record.sent_at,
                end,
                departure: record.departure,
            });
        }
        self.highest = Some(self.highest.map_or(end, |highest| highest.later(end)));
        let newest = match record.retransmissions {
            0 => {
                let lowest = self.lowest_original;
                self.lowest_original = Some(lowest.map_or(end, |lowest| lowest.earlier(end)));
                &mut self.original
            }
            _ => &mut self.resent,
        };
        let (sent_at, is_later) = (record.sent_at, |e: SeqNumber| end.after(e));
        if newest.is_none_or(|(at, e)| sent_at > at || sent_at == at && is_later(e)) {
            *newest = Some((record.sent_at, end));
        }
    }
}

/// What an acknowledgment removed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Acked {
    /// What of it was delivered by now, and not known to be before.
    pub(crate) delivered: Delivered,
    /// Sequence numbers acknowledged for the first time (SYN and FIN counted).
    pub(crate) octets: u32,
    /// When the newest of it had left, if none of it was sent more than once (Karn).
    pub(crate) sent_at: Option<Instant>,
    /// When the last of it that was retransmitted had left.
    pub(crate) resent_at: Option<Instant>,
    /// Octets in the largest record of it that was sent once.
    pub(crate) largest: u32,
}

/// What was found lost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    pub(crate) octets: u32,
    /// When the newest of it left that had been sent again.
    pub(crate) resent: Option<Instant>,
    /// When the last of the rest that was overtaken will have been under way for too long.
    pub(crate) until: Option<Instant>,
}

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
    /// Octets believed lost and not yet sent again.
    #[inline]
    pub(crate) fn lost(&self) -> u32 {
        self.lost
    }

    /// Octets that ever came to be believed lost; those lost twice count twice.
    pub(crate) fn marked(&self) -> u64 {
        self.marked
    }

    /// Where the first octet is that is believed lost and was not sent again yet.
    pub(crate) fn first_lost(&self) -> Option<SeqNumber> {
        self.records.iter().find(|r| r.lost).map(|r| r.start)
    }

    /// Octets that the peer has reported beyond its acknowledgment.
    #[inline]
    pub(crate) fn sacked(&self) -> u32 {
        self.sacked
    }

    /// Segments that the peer has reported beyond its acknowledgment.
    pub(crate) fn sacked_segments(&self) -> u32 {
        self.sacked_segments
    }

    /// How many transmissions are in flight; a super-segment counts once.
    #[inline]
    pub(crate) fn transmissions(&self) -> u32 {
        self.records.len() as u32
    }

    /// Octets in the network, as far as is known: neither lost nor reported (C.inflight).
    #[inline]
    pub(crate) fn in_flight(&self) -> u32 {
        match (self.records.front(), self.records.back()) {
            (Some(first), Some(last)) => {
                last.end.offset_from(first.start) - self.lost - self.sacked
            }
            _ => 0,
        }
    }

    pub(crate) fn front(&self) -> Option<&Record> {
        self.records.front()
    }

    pub(crate) fn back(&self) -> Option<&Record> {
        self.records.back()
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

    /// Everything before `una` has arrived.
    pub(crate) fn acknowledge(&mut self, una: SeqNumber, now: Instant) -> Acked {
        let mut acked = self.acknowledge_undisturbed(una);
        while let Some(first) = self.records.front_mut() {
            if !una.after(first.start) {
                break;
            }
            let end = una.earlier(first.end);
            let octets = end.offset_from(first.start);
            acked.octets += octets;
            if first.lost {
                self.lost -= octets;
            }
            if !first.reported {
                acked.delivered.note(first, end);
                acked.sent_at = Some(first.sent_at);
                if first.retransmissions > 0 {
                    acked.resent_at = acked.resent_at.max(Some(first.sent_at));
                } else {
                    acked.largest = acked.largest.max(octets);
                }
            }
            if first.sacked > 0 {
                let gone = match end == first.end {
                    true => first.sacked,
                    false => share(first.sacked, octets, first.len()),
                };
                self.sacked -= octets;
                self.sacked_segments -= gone;
                first.sacked -= gone;
            }
            if end != first.end {
                first.start = end;
                if first.retransmissions > 0 && !first.lost && first.sacked == 0 {
                    // It went out as one segment, and the peer's window cut it.
                    first.lost = true;
                    self.lost += first.len();
                    self.marked += u64::from(first.len());
                    self.first_lost = 0;
                }
                break;
            }
            self.records.pop_front();
            self.first_lost = self.first_lost.saturating_sub(1);
        }
        if acked.resent_at.is_some() {
            acked.sent_at = None;
        }
        if acked.delivered.octets > 0 {
            self.rate.delivered(acked.delivered.octets, now);
        }
        acked
    }

    /// The usual case, and all of it in a few steps: records to which nothing has happened, in the
    /// order in which they left, so that the last is the newest.
    fn acknowledge_undisturbed(&mut self, una: SeqNumber) -> Acked {
        let mut acked = Acked::default();
        let mut run = 0;
        for record in &self.records {
            if record.is_disturbed() || record.end.after(una) {
                break;
            }
            acked.largest = acked.largest.max(record.len());
            run += 1;
        }
        // One is noted by the long way as fast.
        if run > 1
            && let Some(last) = self.records.get(run - 1)
        {
            let (start, lowest) = (self.records[0].start, self.records[0].end);
            acked.octets = last.end.offset_from(start);
            acked.sent_at = Some(last.sent_at);
            acked.delivered.note(last, last.end);
            acked.delivered.octets = acked.octets;
            acked.delivered.lowest_original = Some(lowest);
            self.records.drain(..run);
            self.first_lost = self.first_lost.saturating_sub(run);
        }
        acked
    }

    /// The peer reports `left..right` (inside what is in flight). Only whole segments of `mss`
    /// octets count, as they left: a block that cuts one says nothing that could be used, and
    /// records never become smaller than segments.
    pub(crate) fn sack(
        &mut self,
        left: SeqNumber,
        right: SeqNumber,
        mss: u32,
        now: Instant,
        d: &mut Delivered,
    ) {
        let before = d.octets;
        let mut i = self.records.partition_point(|r| r.end.at_or_before(left));
        if let Some(record) = self.records.get(i)
            && record.start.before(left)
        {
            if record.sacked == 0 {
                self.split(i, left.offset_from(record.start).next_multiple_of(mss));
            }
            i += 1;
        }
        let first = i;
        while let Some(record) = self.records.get(i)
            && record.start.before(right)
        {
            if record.sacked == 0 {
                if record.end.after(right) {
                    let whole = right.offset_from(record.start) / mss * mss;
                    if whole == 0 {
                        break;
                    }
                    self.split(i, whole);
                }
                self.report(i, mss, d);
            }
            i += 1;
        }
        self.merge(first, i);
        let octets = d.octets - before;
        if octets > 0 {
            self.rate.delivered(octets, now);
        }
    }

    fn report(&mut self, i: usize, mss: u32, d: &mut Delivered) {
        let record = &mut self.records[i];
        let len = record.len();
        if record.lost {
            record.lost = false;
            self.lost -= len;
        }
        record.sacked = len.div_ceil(mss);
        self.sacked += len;
        self.sacked_segments += record.sacked;
        if !record.reported {
            record.reported = true;
            d.note(record, record.end);
        }
    }

    /// Makes one record of `first..end`, which are all reported, and of reported neighbours.
    fn merge(&mut self, first: usize, end: usize) {
        if first == end {
            return;
        }
        let is_sacked = |i: usize| self.records.get(i).is_some_and(|r| r.sacked > 0);
        let first = first - usize::from(first > 0 && is_sacked(first - 1));
        let end = end + usize::from(is_sacked(end));
        if end - first < 2 {
            return;
        }
        let mut whole = self.records[first].clone();
        for record in self.records.range(first + 1..end) {
            whole.end = record.end;
            whole.sacked += record.sacked;
            whole.sent_at = whole.sent_at.max(record.sent_at);
            whole.retransmissions = whole.retransmissions.max(record.retransmissions);
        }
        self.records[first] = whole;
        self.records.drain(first + 1..end);
        if self.first_lost > first {
            let gone = end - first - 1;
            self.first_lost = self.first_lost.saturating_sub(gone).max(first);
        }
    }

    /// Marks lost what was sent before `newest` (when, and where it ends), is not reported, and
    /// has been under way for `patience`; each is told of (RFC 8985, 6.2, step 5).
    pub(crate) fn mark_lost_before(
        &mut self,
        newest: (Instant, SeqNumber),
        patience: Duration,
        now: Instant,
        mut tell: impl FnMut(&LostPacket),
    ) -> Found {
        let mut found = Found::default();
        for (i, record) in self.records.iter_mut().enumerate() {
            if record.sacked > 0 || record.lost {
                continue;
            }
            if record.sent_at > newest.0 {
                if record.retransmissions == 0 {
                    // All behind it left later still.
                    break;
                }
                continue;
            }
            // Of one instant, only what left for the first time is in order of sequence.
            let in_order = record.retransmissions == 0 && newest.1.after(record.end);
            if record.sent_at == newest.0 && !in_order {
                continue;
            }
            let due = record.sent_at + patience;
            if due <= now {
                record.lost = true;
                found.octets += record.len();
                if record.retransmissions > 0 {
                    found.resent = found.resent.max(Some(record.sent_at));
                }
                self.first_lost = self.first_lost.min(i);
                tell(
                    &self
                        .rate
                        .lost((record.start, record.end), &record.departure),
                );
            } else {
                found.until = found.until.max(Some(due));
            }
        }
        self.lost += found.octets;
        self.marked += u64::from(found.octets);
        found
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

    /// Marks the first `len` octets lost, whatever they were before.
    pub(crate) fn mark_first_lost(&mut self, len: u32) {
        if let Some(first) = self.records.front_mut() {
            // Reported, and not acknowledged: the peer has thrown it away.
            self.sacked_segments -= first.sacked;
            if first.sacked > 0 {
                self.sacked -= first.len();
                first.sacked = 0;
            }
        }
        self.split(0, len);
        if let Some(first) = self.records.front_mut()
            && !first.lost
        {
            first.lost = true;
            self.lost += first.len();
            self.marked += u64::from(first.len());
            self.first_lost = 0;
            self.rate.lost((first.start, first.end), &first.departure);
        }
    }

    /// Marks the last segment lost, of at most `len` octets: it goes out again as a probe.
    pub(crate) fn mark_last_lost(&mut self, len: u32) {
        let Some(last) = self.records.len().checked_sub(1) else {
            return;
        };
        let whole = (self.records[last].len() - 1) / len * len;
        self.split(last, whole);
        let last = self.records.len() - 1;
        let record = &mut self.records[last];
        if !record.lost && record.sacked == 0 {
            record.lost = true;
            self.lost += record.len();
            self.marked += u64::from(record.len());
            self.first_lost = self.first_lost.min(last);
        }
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

    /// How many octets of the records in `start..end` are believed lost.
    pub(crate) fn lost_within(&self, start: SeqNumber, end: SeqNumber) -> u32 {
        let lost = self.records.range(self.within(start, end));
        lost.filter(|r| r.lost).map(Record::len).sum()
    }

    /// Marks the records in `start..end` lost, but for what was reported.
    pub(crate) fn mark_lost_within(&mut self, start: SeqNumber, end: SeqNumber) {
        for i in self.within(start, end) {
            let record = &mut self.records[i];
            if !record.lost && record.sacked == 0 {
                record.lost = true;
                self.lost += record.len();
                self.marked += u64::from(record.len());
                self.first_lost = self.first_lost.min(i);
            }
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

    /// Nothing is lost after all.
    pub(crate) fn unmark_lost(&mut self) {
        self.records.iter_mut().for_each(|r| r.lost = false);
        self.lost = 0;
    }

    /// Marks everything lost, whatever was reported: the retransmission timer ran out, and the
    /// peer may have thrown away what it had not acknowledged (RFC 2018, 8; RFC 6675, 5.1).
    pub(crate) fn mark_all_lost(&mut self) {
        self.lost = 0;
        self.first_lost = 0;
        self.sacked = 0;
        self.sacked_segments = 0;
        for record in &mut self.records {
            let len = record.len();
            self.lost += len;
            if !record.lost {
                self.marked += u64::from(len);
            }
            record.sacked = 0;
            record.lost = true;
        }
    }

    /// The same, and tells of each that was not reported: it was the network that lost them.
    pub(crate) fn lose_all(&mut self, mut tell: impl FnMut(&LostPacket)) {
        for record in &self.records {
            if record.sacked == 0 && !record.lost {
                tell(
                    &self
                        .rate
                        .lost((record.start, record.end), &record.departure),
                );
            }
        }
        self.mark_all_lost();
    }

    /// The first lost octets, cut to `len`; not yet counted as sent.
    pub(crate) fn next_lost(&mut self, len: u32) -> Option<(SeqNumber, SeqNumber)> {
        if self.lost == 0 {
            return None;
        }
        while !self.records.get(self.first_lost)?.lost {
            self.first_lost += 1;
        }
        self.split(self.first_lost, len);
        let record = &self.records[self.first_lost];
        Some((record.start, record.end))
    }

    /// The octets [`next_lost`](Scoreboard::next_lost) named are on their way again.
    pub(crate) fn retransmitted(&mut self, now: Instant) {
        if let Some(record) = self.records.get_mut(self.first_lost)
            && record.lost
        {
            record.lost = false;
            self.lost -= record.len();
            record.sent_at = now;
            record.retransmissions = record.retransmissions.saturating_add(1);
            let octets = record.len();
            let in_flight = self.in_flight();
            self.records[self.first_lost].departure = self.rate.sent(now, octets, in_flight);
        }
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
