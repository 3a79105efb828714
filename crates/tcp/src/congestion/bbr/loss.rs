//! What the model makes of losses (5.5.10), and of those that were none (5.5.11).

use super::control::{DOWN_PACING_GAIN, PACING_MARGIN};
use super::model::hundredths;
use super::{Ack, BETA, Bbr, CongestionWindow, INFINITE, LostPacket, ShortTerm, State};
use handfast_base::Instant;
use handfast_wire::SeqNumber;

/// What happened in this round trip, and what a spurious recovery would have to put back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Losses {
    /// is_loss_in_round.
    pub(super) in_round: bool,
    /// loss_round_delivered.
    round_delivered: u64,
    /// loss_round_start: this acknowledgment ends the round.
    pub(super) round_start: bool,
    /// Ranges of sequence numbers lost in this round, and in the one that this acknowledgment ends.
    ranges: u32,
    pub(super) ranges_before: u32,
    /// Where the last of them ends.
    range_end: Option<SeqNumber>,
    /// The least part of the bandwidth, in hundredths, at which anything left in this round and in
    /// the one before; Drain's apart.
    gains: [u64; 2],
    /// bw_latest.
    bw_latest: u64,
    /// inflight_latest.
    pub(super) inflight_latest: u64,
    /// What follows was saved for the recovery under way, or about to begin.
    pub(super) saved: bool,
    /// undo_state.
    pub(super) undo_state: Option<State>,
    /// undo_bw_shortterm and undo_inflight_shortterm.
    undo_short: ShortTerm,
    /// undo_inflight_longterm.
    undo_longterm: u64,
}

impl Default for Losses {
    fn default() -> Losses {
        Losses {
            in_round: false,
            round_delivered: 0,
            round_start: false,
            ranges: 0,
            ranges_before: 0,
            range_end: None,
            gains: [PACING_MARGIN; 2],
            bw_latest: 0,
            inflight_latest: 0,
            saved: false,
            undo_state: None,
            undo_short: ShortTerm { bw: 0, inflight: 0 },
            undo_longterm: 0,
        }
    }
}

impl Losses {
    /// ResetCongestionSignals.
    pub(super) fn reset(&mut self) {
        self.in_round = false;
        self.bw_latest = 0;
        self.inflight_latest = 0;
    }
}

/// IsInflightTooHigh (5.5.10.2), of a threshold in thousandths.
pub(super) fn is_inflight_too_high(
    lost: u64,
    tx_in_flight: u64,
    threshold: u64,
    selective: bool,
) -> bool {
    lost * 1_000 > tx_in_flight * threshold || lost > 0 && !selective
}

/// InflightAtLoss: how much was in flight where losses crossed the threshold, maybe amid a
/// super-segment.
fn inflight_at_loss(packet: &LostPacket, threshold: u64) -> u64 {
    let size = u64::from(packet.octets());
    let inflight_prev = u64::from(packet.tx_in_flight).saturating_sub(size);
    let lost_prev = u64::from(packet.lost).saturating_sub(size);
    let prefix = (threshold * inflight_prev).saturating_sub(1_000 * lost_prev);
    inflight_prev + prefix / (1_000 - threshold)
}

impl Bbr {
    /// UpdateLatestDeliverySignals (5.5.10.3).
    pub(super) fn update_latest_delivery_signals(&mut self, ack: &Ack) {
        let l = &mut self.loss;
        l.bw_latest = l.bw_latest.max(ack.rate);
        l.inflight_latest = l.inflight_latest.max(ack.delivered);
        let ends = |prior: u64| prior >= l.round_delivered;
        l.round_start = ack.prior_delivered.is_some_and(ends);
        if l.round_start {
            l.round_delivered = ack.s.delivered;
            l.ranges_before = core::mem::take(&mut l.ranges);
        }
    }

    /// AdvanceLatestDeliverySignals.
    pub(super) fn advance_latest_delivery_signals(&mut self, ack: &Ack) {
        let gain = match self.state {
            State::Down => DOWN_PACING_GAIN * PACING_MARGIN / 100,
            _ => PACING_MARGIN,
        };
        let l = &mut self.loss;
        if l.round_start {
            l.bw_latest = ack.rate;
            l.inflight_latest = ack.delivered;
            l.gains = [gain, l.gains[0]];
        }
        l.gains[0] = l.gains[0].min(gain);
    }

    /// UpdateCongestionSignals.
    pub(super) fn update_congestion_signals(&mut self, w: &CongestionWindow, ack: &Ack) {
        self.update_max_bw(ack);
        if self.loss.round_start {
            self.adapt_lower_bounds(w);
            self.loss.in_round = false;
        }
    }

    /// AdaptLowerBoundsFromCongestion, once a round trip.
    fn adapt_lower_bounds(&mut self, w: &CongestionWindow) {
        if self.state.is_probing() || !self.loss.in_round {
            return;
        }
        // InitLowerBounds.
        if self.short.bw == INFINITE {
            self.short.bw = self.max_bw.get();
        }
        if self.short.inflight == INFINITE {
            self.short.inflight = u64::from(w.cwnd);
        }
        // LossLowerBounds. What was delivered is less than the bound by what we held back ourselves,
        // too: by the margin of pacing, and in DOWN by more. That is no finding about the path, and
        // would compound, while the draft means to "reduce the sending rate by X%" when X % are lost
        // (5.3.3.9).
        let gain = self.loss.gains[0].min(self.loss.gains[1]);
        let unhindered = |latest: u64| latest.saturating_mul(100) / gain;
        let (s, l) = (&mut self.short, &self.loss);
        let bw = unhindered(l.bw_latest).min(s.bw).max(l.bw_latest);
        let inflight = unhindered(l.inflight_latest).min(s.inflight);
        s.bw = bw.max(hundredths(s.bw, BETA));
        s.inflight = inflight
            .max(l.inflight_latest)
            .max(hundredths(s.inflight, BETA));
    }

    /// NoteLoss, of the round in which so much is delivered.
    pub(super) fn note_loss(&mut self, cwnd: u32, delivered: u64) {
        if !self.loss.in_round {
            self.loss.round_delivered = delivered;
            self.loss.in_round = true;
        }
        self.save_state_upon_loss(cwnd);
    }

    /// SaveStateUponLoss (5.5.11.1), once a recovery: a loss that is answered before the recovery
    /// begins is part of it.
    fn save_state_upon_loss(&mut self, cwnd: u32) {
        if self.loss.saved {
            return;
        }
        self.save_cwnd(cwnd);
        let l = &mut self.loss;
        l.saved = true;
        l.undo_state = None;
        l.undo_short = self.short;
        l.undo_longterm = self.inflight_longterm;
    }

    /// HandleLostPacket.
    pub(super) fn handle_lost_packet(
        &mut self,
        w: &CongestionWindow,
        packet: &LostPacket,
        now: Instant,
    ) {
        self.note_loss(w.cwnd, packet.delivered);
        let l = &mut self.loss;
        l.ranges += u32::from(l.range_end != Some(packet.start));
        l.range_end = Some(packet.end);
        if !self.probing.is_sample {
            return;
        }
        let (lost, in_flight) = (u64::from(packet.lost), u64::from(packet.tx_in_flight));
        let threshold = self.loss_thresh();
        if is_inflight_too_high(lost, in_flight, threshold, true) {
            let app_limited = packet.app_limited || self.is_held_back(packet.prior_delivered);
            let seed = u64::from(packet.end.0) << 32 ^ now.as_nanos();
            let at_loss = inflight_at_loss(packet, threshold);
            self.handle_inflight_too_high(w, at_loss, app_limited, now, seed);
        }
    }

    /// HandleInflightTooHigh.
    fn handle_inflight_too_high(
        &mut self,
        w: &CongestionWindow,
        tx_in_flight: u64,
        app_limited: bool,
        now: Instant,
        seed: u64,
    ) {
        self.probing.too_high = true;
        self.probing.is_sample = false;
        if !app_limited {
            let least = hundredths(self.target_inflight(w), BETA);
            self.inflight_longterm = tx_in_flight.max(least);
        }
        if self.state == State::Up {
            self.loss.undo_state = Some(State::Up);
            self.start_down_at(now, seed);
            if !app_limited {
                self.give_respite(w);
            }
        }
    }

    /// HandleSpuriousLossDetection (5.5.11.2).
    pub(super) fn handle_spurious_loss(&mut self, w: &mut CongestionWindow) {
        self.restore_cwnd(w);
        self.in_recovery = false;
        self.loss.in_round = false;
        self.loss.saved = false;
        self.full.reset(0);
        let l = &self.loss;
        self.short.bw = self.short.bw.max(l.undo_short.bw);
        self.short.inflight = self.short.inflight.max(l.undo_short.inflight);
        self.inflight_longterm = self.inflight_longterm.max(l.undo_longterm);
        let is_elsewhere = self.state != State::ProbeRtt;
        match self.loss.undo_state.take() {
            Some(State::Startup) if self.state != State::Startup => {
                self.full.reached = false;
                if is_elsewhere {
                    self.enter_startup();
                }
            }
            Some(State::Up) if self.state != State::Up && is_elsewhere => self.start_refill(),
            _ => {}
        }
    }
}
