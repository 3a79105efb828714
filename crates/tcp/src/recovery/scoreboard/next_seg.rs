//! NextSeg() of RFC 6675, 4, as far as it is about what goes out again.

use super::Scoreboard;
use handfast_base::Instant;
use handfast_wire::SeqNumber;

impl Scoreboard {
    /// Where the first octet is that is believed lost and was not sent again yet.
    pub(crate) fn first_lost(&self) -> Option<SeqNumber> {
        self.records.iter().find(|r| r.lost).map(|r| r.start)
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
}
