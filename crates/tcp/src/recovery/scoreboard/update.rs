//! Update() of RFC 6675, 4: an acknowledgment, by its number and by its blocks.

use super::{Acked, Delivered, Scoreboard, share};
use handfast_base::Instant;
use handfast_wire::SeqNumber;

impl Scoreboard {
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
}
