use alloc::collections::VecDeque;
use handfast_base::Instant;
use handfast_wire::SeqNumber;

/// One transmission: the octets it carried and what was known when it left. A super-segment is
/// one record until something befalls a part of it; then it is split.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) start: SeqNumber,
    pub(crate) end: SeqNumber,
    /// When these octets last left.
    pub(crate) sent_at: Instant,
    /// Delivery-rate sampling, for rate-based congestion control: octets delivered on this
    /// connection when it left, when the last of them was delivered, and when the first octet
    /// of that flight left.
    pub(crate) delivered: u64,
    pub(crate) delivered_at: Instant,
    pub(crate) first_sent_at: Instant,
    pub(crate) app_limited: bool,
    /// Times these octets were sent again.
    pub(crate) retransmissions: u8,
    /// Believed lost, and not sent again yet.
    pub(crate) lost: bool,
}

impl Record {
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.end.offset_from(self.start)
    }
}

/// What an acknowledgment removed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Acked {
    /// Sequence numbers acknowledged for the first time (SYN and FIN counted).
    pub(crate) octets: u32,
    /// When the newest of it had left, if none of it was sent more than once (Karn).
    pub(crate) sent_at: Option<Instant>,
    /// When the last of it that was retransmitted had left.
    pub(crate) resent_at: Option<Instant>,
    /// Octets a second at which the newest of it was delivered, unless the application, and not
    /// the network, set the pace.
    pub(crate) delivery_rate: Option<u64>,
}

/// Everything that was sent and is not acknowledged, in order of sequence.
#[derive(Debug, Default)]
pub(crate) struct Scoreboard {
    records: VecDeque<Record>,
    /// Octets in records marked lost.
    lost: u32,
    /// No record before this index is marked lost.
    first_lost: usize,
    /// Octets delivered on this connection, and when the last of them was.
    pub(crate) delivered: u64,
    pub(crate) delivered_at: Instant,
    pub(crate) first_sent_at: Instant,
}

impl Scoreboard {
    /// Octets believed lost and not yet sent again.
    #[inline]
    pub(crate) fn lost(&self) -> u32 {
        self.lost
    }

    /// How many transmissions are in flight; a super-segment counts once.
    #[inline]
    pub(crate) fn transmissions(&self) -> u32 {
        self.records.len() as u32
    }

    pub(crate) fn front(&self) -> Option<&Record> {
        self.records.front()
    }

    /// Notes a transmission of new octets.
    pub(crate) fn sent(&mut self, start: SeqNumber, end: SeqNumber, now: Instant, limited: bool) {
        if self.records.is_empty() {
            self.first_sent_at = now;
            self.delivered_at = now;
        }
        self.records.push_back(Record {
            start,
            end,
            sent_at: now,
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent_at: self.first_sent_at,
            app_limited: limited,
            retransmissions: 0,
            lost: false,
        });
    }

    /// Everything before `una` has arrived.
    pub(crate) fn acknowledge(&mut self, una: SeqNumber, now: Instant) -> Acked {
        let mut acked = Acked::default();
        let mut newest: Option<(u64, Instant, Instant, Instant, bool)> = None;
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
            acked.sent_at = Some(first.sent_at);
            if first.retransmissions > 0 {
                acked.resent_at = acked.resent_at.max(Some(first.sent_at));
            }
            self.first_sent_at = first.sent_at;
            newest = Some((
                first.delivered,
                first.delivered_at,
                first.first_sent_at,
                first.sent_at,
                first.app_limited,
            ));
            if end != first.end {
                first.start = end;
                if first.retransmissions > 0 && !first.lost {
                    // It went out as one segment, and the peer's window cut it.
                    first.lost = true;
                    self.lost += first.len();
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
        if acked.octets > 0 {
            self.delivered += u64::from(acked.octets);
            self.delivered_at = now;
        }
        if let Some((delivered, delivered_at, first_sent_at, sent_at, false)) = newest {
            // The slower of the sending and the acknowledging side, so that neither a burst out
            // nor a compressed run of acknowledgments looks like bandwidth.
            let interval = now
                .nanos_since(delivered_at)
                .max(sent_at.nanos_since(first_sent_at));
            let octets = u128::from(self.delivered - delivered) * 1_000_000_000;
            acked.delivery_rate = octets.checked_div(u128::from(interval)).map(|r| r as u64);
        }
        acked
    }

    /// Splits record `i` so that it is at most `len` octets long.
    fn split(&mut self, i: usize, len: u32) {
        let Some(record) = self.records.get_mut(i) else {
            return;
        };
        if record.len() > len && len > 0 {
            let mut rest = record.clone();
            record.end = record.start + len;
            rest.start = record.end;
            self.records.insert(i + 1, rest);
        }
    }

    /// Marks the first `len` octets lost, whatever they were before.
    pub(crate) fn mark_first_lost(&mut self, len: u32) {
        self.split(0, len);
        if let Some(first) = self.records.front_mut()
            && !first.lost
        {
            first.lost = true;
            self.lost += first.len();
            self.first_lost = 0;
        }
    }

    /// Marks everything lost: the retransmission timer ran out.
    pub(crate) fn mark_all_lost(&mut self) {
        self.lost = 0;
        self.first_lost = 0;
        for record in &mut self.records {
            record.lost = true;
            self.lost += record.len();
        }
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
            record.delivered = self.delivered;
            record.delivered_at = self.delivered_at;
            record.first_sent_at = self.first_sent_at;
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
        assert!(
            self.records.iter().take(self.first_lost).all(|r| !r.lost),
            "no lost record before the first"
        );
    }
}
