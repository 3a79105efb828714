//! Startup and Drain (5.3.1, 5.3.2): twice the rate each round trip until no more comes of it, and
//! then what has queued up drains.

use super::{Ack, Bbr, CongestionWindow, LOSS_THRESH, State, loss, model::hundredths};

/// Rounds without much growth that mean a full pipe.
const FULL_ROUNDS: u8 = 3;
/// Less than a quarter more is not much.
const GROWTH: u64 = 125;
/// BBRStartupFullLossCnt: ranges lost in a round that mean a full pipe.
const FULL_LOSSES: u32 = 6;
/// Rounds after which Drain ends, whatever is in flight.
const DRAIN_ROUNDS: u64 = 3;

/// The estimator of a full pipe (5.3.1.2).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FullPipe {
    /// full_bw_reached: it was full at some time on this connection.
    pub(super) reached: bool,
    /// full_bw_now: it has become full since the last reset.
    pub(super) now: bool,
    /// full_bw.
    pub(super) bw: u64,
    /// full_bw_count.
    rounds: u8,
    /// drain_start_round.
    drain_began: u64,
}

impl FullPipe {
    /// ResetFullBW, and `bw` as the baseline.
    pub(super) fn reset(&mut self, bw: u64) {
        self.bw = bw;
        self.rounds = 0;
        self.now = false;
    }
}

impl Bbr {
    /// EnterStartup.
    pub(super) fn enter_startup(&mut self) {
        self.state = State::Startup;
    }

    /// CheckFullBWReached (5.3.1.2).
    pub(super) fn check_full_bw_reached(&mut self, ack: &Ack) {
        let full = &mut self.full;
        if full.now || !self.rounds.start || ack.app_limited {
            return;
        }
        if ack.rate >= hundredths(full.bw, GROWTH) {
            full.reset(ack.rate);
            return;
        }
        full.rounds += 1;
        full.now = full.rounds >= FULL_ROUNDS;
        full.reached |= full.now;
    }

    /// CheckStartupDone (5.3.1.1).
    pub(super) fn check_startup_done(&mut self, w: &CongestionWindow, ack: &Ack) {
        self.check_startup_high_loss(w, ack);
        if self.state == State::Startup && self.full.reached {
            self.enter_drain();
        }
    }

    /// CheckStartupHighLoss (5.3.1.3).
    fn check_startup_high_loss(&mut self, w: &CongestionWindow, ack: &Ack) {
        if self.full.reached || !ack.s.in_recovery {
            return;
        }
        let high = match ack.s.selective {
            true => {
                self.loss.round_start
                    && self.loss.ranges_before >= FULL_LOSSES
                    && loss::is_inflight_too_high(ack.lost, ack.tx_in_flight, LOSS_THRESH, true)
            }
            false => self.loss.in_round,
        };
        if high && self.state == State::Startup {
            self.loss.undo_state = Some(State::Startup);
            self.full.reached = true;
            self.inflight_longterm = self.bdp(w, 100).max(self.loss.inflight_latest);
            self.enter_drain();
        }
    }

    /// EnterDrain (5.3.2).
    pub(super) fn enter_drain(&mut self) {
        self.state = State::Drain;
        self.full.drain_began = self.rounds.count;
    }

    /// CheckDrainDone (5.3.2).
    pub(super) fn check_drain_done(&mut self, w: &CongestionWindow, ack: &Ack) {
        let is_drained = |bbr: &Bbr| u64::from(ack.s.in_flight) <= bbr.inflight(w, 100);
        if self.state == State::Drain
            && (is_drained(self) || self.rounds.count > self.full.drain_began + DRAIN_ROUNDS)
        {
            // EnterProbeBW.
            self.start_down(ack.s);
        }
    }
}
