//! RACK: what is lost is found by time (RFC 8985, section 6). A segment is lost when one that was
//! sent a reordering window later has arrived; so a lost retransmission is found too.

use super::scoreboard::{Delivered, Found, Scoreboard};
use crate::congestion::LostPacket;
use crate::tcb::Tcb;
use handfast_base::{Duration, Instant};
use handfast_wire::SeqNumber;

/// Segments above a hole that mean loss while no reordering was ever seen (DupThresh).
const DUPLICATES: u32 = 3;
/// Recoveries for which a widened window stays without another D-SACK.
const PERSISTENCE: u8 = 16;
/// The window grows by a quarter of the smallest round trip, to no more than the smoothed one.
const MULTIPLIER_LIMIT: u8 = 64;

/// The variables of RFC 8985, 5.3. Those of each segment (RFC 8985, 5.2) are in the scoreboard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rack {
    /// RACK.xmit_ts and RACK.end_seq: of what has arrived, the segment sent last. `None` before
    /// anything has.
    newest: Option<(Instant, SeqNumber)>,
    /// RACK.rtt: its round trip.
    rtt: Duration,
    /// RACK.fack: one past the highest octet that has arrived.
    fack: Option<SeqNumber>,
    /// RACK.reordering_seen.
    reordering: bool,
    /// RACK.reo_wnd_mult, less one.
    widened: u8,
    /// RACK.reo_wnd_persist.
    persist: u8,
    /// RACK.dsack_round: where the round ends in which a D-SACK counted already.
    round: Option<SeqNumber>,
}

/// What is known of the path when an acknowledgment is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rtt {
    pub(crate) min: Duration,
    pub(crate) smoothed: Duration,
}

impl Rtt {
    pub(crate) fn of(tcb: &Tcb) -> Rtt {
        Rtt {
            min: tcb.rtt.min(),
            smoothed: tcb.rtt.smoothed(),
        }
    }
}

impl Rack {
    /// Whether segments have arrived out of order on this connection (RACK.reordering_seen).
    pub(crate) fn has_seen_reordering(&self) -> bool {
        self.reordering
    }

    /// Steps 2 and 3: the newest of what has arrived, and whether it came out of order.
    /// `is_ambiguous` tells of a retransmission sent at that time that its original may have been
    /// what arrived.
    #[inline]
    pub(crate) fn arrived(
        &mut self,
        d: &Delivered,
        min_rtt: Duration,
        now: Instant,
        is_ambiguous: impl Fn(Instant) -> bool,
    ) {
        if let Some((at, end)) = d.original {
            self.consider(at, end, now);
        }
        if let Some((at, end)) = d.resent
            && now.since(at) >= min_rtt
            && !is_ambiguous(at)
        {
            self.consider(at, end, now);
        }
        if let Some(fack) = self.fack
            && d.lowest_original.is_some_and(|end| end.before(fack))
        {
            self.reordering = true;
        }
        if let Some(highest) = d.highest {
            self.fack = Some(self.fack.map_or(highest, |fack| fack.later(highest)));
        }
    }

    fn consider(&mut self, at: Instant, end: SeqNumber, now: Instant) {
        if self
            .newest
            .is_none_or(|(t, e)| at > t || at == t && end.after(e))
        {
            self.newest = Some((at, end));
            self.rtt = now.since(at);
        }
    }

    /// Step 4: a D-SACK says that something was sent again in vain; the window widens, once a
    /// round trip.
    pub(crate) fn duplicate_reported(&mut self, una: SeqNumber, nxt: SeqNumber) {
        if self.round.is_some_and(|end| una.before(end)) {
            return;
        }
        self.round = Some(nxt);
        self.widened = (self.widened + 1).min(MULTIPLIER_LIMIT);
        self.persist = PERSISTENCE;
    }

    /// What was sent again had not been lost. If RACK had said so, `overtaken`, that is the same
    /// as seeing it overtaken, which the retransmission prevented. What seemed to be the arrival of
    /// a retransmission was that of an original, and tells nothing about time.
    pub(crate) fn was_wrong(&mut self, overtaken: bool) {
        self.reordering |= overtaken;
        self.newest = None;
    }

    /// A recovery has ended: after sixteen of them the window is as narrow as at first.
    pub(crate) fn recovered(&mut self) {
        self.persist = self.persist.saturating_sub(1);
        if self.persist == 0 {
            self.widened = 0;
        }
        self.round = None;
    }

    /// RACK_update_reo_wnd (RFC 8985, 3.3).
    fn window(&self, board: &Scoreboard, recovering: bool, rtt: Rtt) -> Duration {
        if !self.reordering && (recovering || board.sacked_segments() >= DUPLICATES) {
            return Duration::ZERO;
        }
        let quarters = u32::from(self.widened) + 1;
        (rtt.min / 4 * quarters).min(rtt.smoothed)
    }

    /// Step 5: marks what is lost by now.
    pub(crate) fn detect(
        &self,
        board: &mut Scoreboard,
        recovering: bool,
        rtt: Rtt,
        now: Instant,
        tell: impl FnMut(&LostPacket),
    ) -> Found {
        let Some(newest) = self.newest else {
            return Found::default();
        };
        let patience = self.rtt + self.window(board, recovering, rtt);
        board.mark_lost_before(newest, patience, now, tell)
    }
}
