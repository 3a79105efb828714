//! In place of IsLost() of RFC 6675, 4: whoever finds a loss marks it, and who was wrong takes it back.

use super::Scoreboard;
use crate::congestion::LostPacket;
use handfast_base::{Duration, Instant};
use handfast_wire::SeqNumber;

/// What was found lost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    pub(crate) octets: u32,
    /// When the newest of it left that had been sent again.
    pub(crate) resent: Option<Instant>,
    /// When the last of the rest that was overtaken will have been under way for too long.
    pub(crate) until: Option<Instant>,
}

impl Scoreboard {
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

    /// Nothing is lost after all.
    pub(crate) fn unmark_lost(&mut self) {
        self.records.iter_mut().for_each(|r| r.lost = false);
        self.lost = 0;
    }
}
