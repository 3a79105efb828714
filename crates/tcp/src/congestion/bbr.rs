//! BBR, version 3 (draft-ietf-ccwg-bbr): a model of the path, its bandwidth and its round trip,
//! decides how fast to send and how much to have in flight.
//!
//! The files follow the draft: [`startup`] (5.3.1, 5.3.2), [`probe_bw`] (5.3.3), [`probe_rtt`]
//! (5.3.4, 5.4), [`model`] (5.5.1 to 5.5.9), [`loss`] (5.5.10, 5.5.11), [`control`] (5.6); [`rival`]
//! goes beyond it. Volumes are octets, rates octets a second, gains hundredths. "Infinity" is the
//! greatest number.

mod control;
mod loss;
mod model;
mod probe_bw;
mod probe_rtt;
mod rival;
mod startup;
#[cfg(test)]
mod tests;

use super::{
    AckEvent, CongestionControl, CongestionWindow, Delivery, LossEvent, LossKind, LostPacket,
    RateSample,
};
use handfast_base::{Duration, Instant};
use model::{AckAggregation, MaxFilter, Rounds};
use probe_bw::Probing;
use probe_rtt::MinRtt;
use startup::FullPipe;

/// LossThresh: the most of what is in flight that may be lost while probing, in thousandths.
const LOSS_THRESH: u64 = 20;
/// Beta: what a round with a loss leaves of the short-term model, in hundredths.
const BETA: u64 = 70;
/// "Infinity" of a volume or a rate.
const INFINITE: u64 = u64::MAX;

/// The states (5.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Startup,
    Drain,
    Down,
    Cruise,
    Refill,
    Up,
    ProbeRtt,
}

impl State {
    /// IsInAProbeBWState.
    fn is_probe_bw(self) -> bool {
        matches!(
            self,
            State::Down | State::Cruise | State::Refill | State::Up
        )
    }

    /// IsProbingBW.
    fn is_probing(self) -> bool {
        matches!(self, State::Startup | State::Refill | State::Up)
    }
}

/// The short-term model: what is safe in this cycle, going by its losses (2.9).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct ShortTerm {
    /// bw_shortterm.
    bw: u64,
    /// inflight_shortterm.
    inflight: u64,
}

impl ShortTerm {
    /// ResetShortTermModel.
    const NONE: ShortTerm = ShortTerm {
        bw: INFINITE,
        inflight: INFINITE,
    };
}

/// BBRv3 (draft-ietf-ccwg-bbr).
///
/// It paces, and sizes the window itself in recovery. A loss while it does not probe leaves no less
/// than 0.7 of what it sends a round trip; 2 % of what is in flight may be lost while it does. Marks
/// of routers are answered as losses are (RFC 3168), for the draft leaves that open (section 3.8).
#[derive(Debug)]
pub struct Bbr {
    state: State,
    rounds: Rounds,
    /// max_bw_filter, by ProbeBW cycles.
    max_bw: MaxFilter<2>,
    /// BBR.bw: the least of max_bw and bw_shortterm.
    bw: u64,
    min_rtt: MinRtt,
    aggregation: AckAggregation,
    full: FullPipe,
    probing: Probing,
    short: ShortTerm,
    /// inflight_longterm.
    inflight_longterm: u64,
    loss: loss::Losses,
    /// C.pacing_rate; 0 before anything is known.
    pacing_rate: u64,
    /// C.InitialCwnd.
    initial_cwnd: u32,
    /// prior_cwnd: the last window not cut by recovery or ProbeRTT.
    prior_cwnd: u32,
    in_recovery: bool,
    idle_restart: bool,
    /// Until more than this is delivered, samples are those of a sender that held back
    /// (MarkConnectionAppLimited, while in ProbeRTT).
    held_back_until: u64,
    /// C.delivered, by the last sample.
    delivered: u64,
}

impl Default for Bbr {
    /// OnInit (5.2.1).
    fn default() -> Bbr {
        Bbr {
            state: State::Startup,
            rounds: Rounds::default(),
            max_bw: MaxFilter::default(),
            bw: 0,
            min_rtt: MinRtt::default(),
            aggregation: AckAggregation::default(),
            full: FullPipe::default(),
            probing: Probing::default(),
            short: ShortTerm::NONE,
            inflight_longterm: INFINITE,
            loss: loss::Losses::default(),
            pacing_rate: 0,
            initial_cwnd: 0,
            prior_cwnd: 0,
            in_recovery: false,
            idle_restart: false,
            held_back_until: 0,
            delivered: 0,
        }
    }
}

/// What the steps of one acknowledgment share.
#[derive(Clone, Copy, Debug)]
struct Ack<'a> {
    s: &'a RateSample,
    /// RS.delivery_rate; 0 without a sample.
    rate: u64,
    /// RS.delivered.
    delivered: u64,
    /// RS.prior_delivered.
    prior_delivered: Option<u64>,
    /// RS.tx_in_flight.
    tx_in_flight: u64,
    /// RS.lost.
    lost: u64,
    /// RS.is_app_limited.
    app_limited: bool,
    mss: u64,
}

impl CongestionControl for Bbr {
    fn name(&self) -> &'static str {
        "bbr"
    }

    fn models_the_path(&self) -> bool {
        true
    }

    fn on_ack(&mut self, _: &mut CongestionWindow, _: &AckEvent) {}

    /// UpdateOnACK (5.2.3).
    fn on_sample(&mut self, w: &mut CongestionWindow, s: &RateSample) {
        self.begin(w, s.now);
        self.delivered = s.delivered;
        if self.in_recovery && !s.in_recovery {
            // 5.6.4.4: the last good window, to be bounded by the model below.
            self.restore_cwnd(w);
        }
        self.in_recovery = s.in_recovery;
        self.loss.saved &= s.in_recovery;
        let d = s.delivery.as_ref();
        let ack = Ack {
            s,
            rate: d.map_or(0, |d| d.rate(s.min_rtt)),
            delivered: d.map_or(0, |d| d.octets),
            prior_delivered: d.map(|d| d.prior_delivered),
            tx_in_flight: d.map_or(0, |d| u64::from(d.tx_in_flight)),
            lost: d.map_or(0, |d| u64::from(d.lost)),
            app_limited: d.is_some_and(|d| self.is_app_limited(d)),
            mss: u64::from(w.mss),
        };
        self.update_model_and_state(w, &ack);
        self.update_control_parameters(w, &ack);
    }

    fn on_packet_lost(&mut self, w: &CongestionWindow, packet: &LostPacket, now: Instant) {
        self.handle_lost_packet(w, packet, now);
    }

    /// A recovery begins (5.6.4.4); a mark counts as a loss of this round.
    fn on_loss(&mut self, w: &mut CongestionWindow, loss: &LossEvent) {
        self.note_loss(w.cwnd, self.delivered);
        self.save_cwnd(w.cwnd);
        match loss.kind {
            LossKind::Ecn => {}
            LossKind::FastRetransmit => self.in_recovery = true,
            LossKind::Timeout { .. } => {
                self.in_recovery = true;
                // OnEnterRTO: all in flight is lost, and one segment goes out.
                w.cwnd = w.mss;
            }
        }
    }

    fn on_recovery_exit(&mut self, w: &mut CongestionWindow, _: u32) {
        self.restore_cwnd(w);
        self.in_recovery = false;
    }

    fn on_spurious_loss(&mut self, w: &mut CongestionWindow, _: &CongestionWindow) {
        self.handle_spurious_loss(w);
    }

    /// HandleRestartFromIdle (5.4.1).
    fn on_start(&mut self, w: &mut CongestionWindow, app_limited: bool, now: Instant) {
        self.begin(w, now);
        self.handle_restart_from_idle(w, app_limited, now);
    }

    /// The window stays: what leaves is paced at what the path was measured to bear (5.4.2). Of a
    /// path of which nothing is known the window is an old one.
    fn on_idle_restart(&mut self, w: &mut CongestionWindow, initial_window: u32) {
        if self.max_bw.get() == 0 {
            w.cwnd = w.cwnd.min(initial_window);
        }
    }

    fn pacing_rate(&self, w: &CongestionWindow, smoothed_rtt: Duration) -> Option<u64> {
        Some(match self.pacing_rate {
            0 => control::initial_pacing_rate(w.cwnd, smoothed_rtt),
            rate => rate,
        })
    }
}

impl Bbr {
    /// What OnInit (5.2.1) takes from the connection.
    fn begin(&mut self, w: &CongestionWindow, now: Instant) {
        if self.initial_cwnd == 0 {
            self.initial_cwnd = w.cwnd;
            self.min_rtt.begin(now);
            self.aggregation.restart(now);
        }
    }

    /// UpdateModelAndState (5.2.3).
    fn update_model_and_state(&mut self, w: &mut CongestionWindow, ack: &Ack) {
        self.update_latest_delivery_signals(ack);
        self.update_congestion_signals(w, ack);
        self.update_ack_aggregation(w, ack);
        self.check_full_bw_reached(ack);
        self.check_startup_done(w, ack);
        self.check_drain_done(w, ack);
        self.update_probe_bw_cycle_phase(w, ack);
        self.update_min_rtt(ack);
        self.check_probe_rtt(w, ack);
        self.advance_latest_delivery_signals(ack);
        self.bound_bw_for_model();
    }

    /// RS.is_app_limited, or what counts as such.
    fn is_app_limited(&self, d: &Delivery) -> bool {
        d.app_limited || self.is_held_back(d.prior_delivered)
    }

    fn is_held_back(&self, prior_delivered: u64) -> bool {
        self.held_back_until > 0 && prior_delivered <= self.held_back_until
    }

    /// StartRound (5.5.1).
    fn start_round(&mut self) {
        self.rounds.start(self.delivered);
    }
}
