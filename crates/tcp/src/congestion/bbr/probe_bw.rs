//! ProbeBW (5.3.3): faster, slower, and as fast as the network delivers, in turn.

use super::{Ack, Bbr, CongestionWindow, INFINITE, LOSS_THRESH, RateSample, ShortTerm, State};
use super::{loss, model::hundredths};
use handfast_base::{Duration, Instant, Rng};

/// Headroom: what is left free of inflight_longterm for others, in hundredths.
const HEADROOM: u64 = 15;
/// More is left free where that is queue: of the estimated bandwidth-delay product so much stays,
/// and of inflight_longterm, in hundredths. Not the draft's.
const CRUISE_GAIN: u64 = 105;
const CRUISE_FLOOR: u64 = 50;
/// T_bbr: two seconds, and up to one more (5.3.3.9).
const PROBE_WAIT: Duration = Duration::from_secs(2);
const PROBE_WAIT_SPREAD: u64 = 1_000_000_000;
/// T_reno_bound, in round trips.
const RENO_ROUNDS: u64 = 63;
/// bw_probe_up_rounds goes no further.
const MOST_UP_ROUNDS: u32 = 30;

/// ack_phase (2.11): what acknowledgments tell of probing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum AckPhase {
    #[default]
    Init,
    Refilling,
    ProbeStarting,
    ProbeFeedback,
    ProbeStopping,
}

/// ProbeBW's own state (2.11).
#[derive(Clone, Copy, Debug)]
pub(super) struct Probing {
    pub(super) ack_phase: AckPhase,
    /// is_bw_probe_sample: acknowledgments are of what left while probing.
    pub(super) is_sample: bool,
    /// bw_probe_up_acked.
    up_acked: u64,
    /// probe_up_acked_per_inc.
    up_acked_per_increase: u64,
    /// bw_probe_up_rounds.
    up_rounds: u32,
    /// rounds_since_probe_up.
    pub(super) rounds_since_up: u64,
    /// bw_probe_wait.
    pub(super) wait: Duration,
    /// The wait is a respite for a rival, whatever rounds pass.
    pub(super) respite: bool,
    /// The greatest rate that feedback on this probe, or the last, has shown.
    pub(super) up_bw: u64,
    /// cycle_stamp.
    cycle_began: Instant,
    /// prev_probe_too_high.
    pub(super) too_high: bool,
    /// prev_probe_precautionary.
    precautionary: bool,
}

impl Default for Probing {
    fn default() -> Probing {
        Probing {
            ack_phase: AckPhase::Init,
            is_sample: false,
            up_acked: 0,
            up_acked_per_increase: INFINITE,
            up_rounds: 0,
            rounds_since_up: 0,
            wait: Duration::ZERO,
            respite: false,
            up_bw: 0,
            cycle_began: Instant::ZERO,
            too_high: false,
            precautionary: false,
        }
    }
}

impl Probing {
    /// The wait becomes a respite of so long, and of what PickProbeWait adds by chance.
    pub(super) fn wait_at_least(&mut self, respite: Duration) {
        self.wait = self.wait.max(respite + (self.wait - PROBE_WAIT));
        self.respite = true;
    }

    /// A respite that began before ProbeRTT goes on. Would every cycle begin anew there, a wait longer
    /// than the interval of ProbeRTT would never end; and BBR flows, which enter ProbeRTT together,
    /// would then probe together too. One that ended meanwhile ends by chance within a second.
    pub(super) fn resume_respite(&mut self, before: &Probing, now: Instant) {
        if before.respite {
            let soon = now.since(before.cycle_began) + (self.wait - PROBE_WAIT);
            self.wait = before.wait.max(soon);
            self.respite = true;
            self.cycle_began = before.cycle_began;
            self.rounds_since_up = before.rounds_since_up;
        }
    }
}

impl Bbr {
    /// StartProbeBW_DOWN.
    pub(super) fn start_down(&mut self, s: &RateSample) {
        // SND.NXT began at a secret number, so flows that share a bottleneck do not keep step.
        let seed = u64::from(s.snd_nxt.0) << 32 ^ s.now.as_nanos();
        self.start_down_at(s.now, seed);
    }

    pub(super) fn start_down_at(&mut self, now: Instant, seed: u64) {
        self.loss.reset();
        let p = &mut self.probing;
        p.up_acked_per_increase = INFINITE;
        // PickProbeWait.
        let mut dice = Rng::new(seed);
        p.rounds_since_up = dice.below(2);
        p.wait = PROBE_WAIT + Duration::from_nanos(dice.below(PROBE_WAIT_SPREAD));
        p.respite = false;
        p.cycle_began = now;
        p.ack_phase = AckPhase::ProbeStopping;
        self.start_round();
        self.state = State::Down;
    }

    /// StartProbeBW_CRUISE.
    pub(super) fn start_cruise(&mut self) {
        self.state = State::Cruise;
    }

    /// StartProbeBW_REFILL.
    pub(super) fn start_refill(&mut self) {
        self.short = ShortTerm::NONE;
        let p = &mut self.probing;
        p.up_rounds = 0;
        p.up_acked = 0;
        p.precautionary = false;
        p.ack_phase = AckPhase::Refilling;
        self.start_round();
        self.state = State::Refill;
    }

    /// StartProbeBW_UP.
    fn start_up(&mut self, w: &CongestionWindow, ack: &Ack) {
        self.probing.ack_phase = AckPhase::ProbeStarting;
        self.start_round();
        self.full.reset(ack.rate);
        self.state = State::Up;
        self.probing.up_bw = 0;
        self.raise_inflight_longterm_slope(w);
    }

    /// UpdateProbeBWCyclePhase.
    pub(super) fn update_probe_bw_cycle_phase(&mut self, w: &CongestionWindow, ack: &Ack) {
        if !self.full.reached || self.adapt_long_term_model(w, ack) {
            return;
        }
        let state = self.state;
        match state {
            State::Down | State::Cruise if self.is_time_to_probe(w, ack) => self.start_refill(),
            State::Down if self.is_time_to_cruise(w, ack) => self.start_cruise(),
            State::Refill if self.rounds.start => {
                self.probing.is_sample = true;
                self.start_up(w, ack);
            }
            State::Up if self.is_time_to_go_down(w, ack) => {
                self.probing.too_high = false;
                self.start_down(ack.s);
            }
            _ => {}
        }
    }

    /// IsTimeToProbeBW and IsRenoCoexistenceProbeTime.
    fn is_time_to_probe(&self, w: &CongestionWindow, ack: &Ack) -> bool {
        let p = &self.probing;
        let reno_rounds = self.target_inflight(w) / ack.mss.max(1);
        let most_rounds = match p.respite {
            true => u64::MAX,
            false => RENO_ROUNDS,
        };
        let wait = match p.respite && self.is_respite_wasted() {
            true => PROBE_WAIT,
            false => p.wait,
        };
        ack.s.now > p.cycle_began + wait || p.rounds_since_up >= reno_rounds.min(most_rounds)
    }

    /// IsTimeToCruise.
    fn is_time_to_cruise(&self, w: &CongestionWindow, ack: &Ack) -> bool {
        let in_flight = u64::from(ack.s.in_flight);
        in_flight <= self.inflight_with_headroom(w)
            && in_flight <= self.inflight_at(w, self.max_bw.get(), 100)
    }

    /// IsTimeToGoDown.
    fn is_time_to_go_down(&mut self, w: &CongestionWindow, ack: &Ack) -> bool {
        if self.probing.too_high && u64::from(ack.s.in_flight) >= self.inflight_longterm {
            // As far as it went wrong last time: wait for what comes of it.
            self.probing.precautionary = true;
            return true;
        }
        if self.rounds.is_cwnd_limited() && u64::from(w.cwnd) >= self.inflight_longterm {
            // Not the path, but inflight_longterm is the limit.
            self.full.reset(ack.rate);
            return false;
        }
        self.full.now
    }

    /// InflightWithHeadroom, but it leaves the queue too.
    ///
    /// inflight_longterm is what path and queue held together, and 15 % less than that still keeps
    /// most of a queue: whoever shares it, another BBR or one that answers losses, finds no more room
    /// than that in a whole cycle, so that he who came first stays ahead. A link is full without the
    /// queue; where there is none, this is the draft's.
    pub(super) fn inflight_with_headroom(&self, w: &CongestionWindow) -> u64 {
        let longterm = self.inflight_longterm;
        if longterm == INFINITE {
            return INFINITE;
        }
        let headroom = hundredths(longterm, HEADROOM).max(u64::from(w.mss));
        let fills = self.inflight(w, CRUISE_GAIN);
        longterm
            .saturating_sub(headroom)
            .min(fills.max(hundredths(longterm, CRUISE_FLOOR)))
            .max(super::control::min_pipe_cwnd(w))
    }

    /// RaiseInflightLongtermSlope.
    fn raise_inflight_longterm_slope(&mut self, w: &CongestionWindow) {
        let p = &mut self.probing;
        let growth = 1 << p.up_rounds;
        p.up_rounds = (p.up_rounds + 1).min(MOST_UP_ROUNDS);
        p.up_acked_per_increase = u64::from((w.cwnd / growth).max(w.mss));
    }

    /// ProbeInflightLongtermUpward.
    fn probe_inflight_longterm_upward(&mut self, w: &CongestionWindow, ack: &Ack) {
        if !self.rounds.is_cwnd_limited() || u64::from(w.cwnd) < self.inflight_longterm {
            return;
        }
        let p = &mut self.probing;
        p.up_acked += u64::from(ack.s.newly_acked);
        if p.up_acked >= p.up_acked_per_increase {
            let delta = p.up_acked / p.up_acked_per_increase;
            p.up_acked -= delta * p.up_acked_per_increase;
            self.inflight_longterm = self.inflight_longterm.saturating_add(delta * ack.mss);
        }
        if self.rounds.start {
            self.raise_inflight_longterm_slope(w);
        }
    }

    /// AdaptLongTermModel. True when it has decided on a state.
    fn adapt_long_term_model(&mut self, w: &CongestionWindow, ack: &Ack) -> bool {
        let p = &mut self.probing;
        if matches!(
            p.ack_phase,
            AckPhase::ProbeFeedback | AckPhase::ProbeStopping
        ) {
            p.up_bw = p.up_bw.max(ack.rate);
        }
        if self.rounds.start && p.ack_phase == AckPhase::ProbeStarting {
            p.ack_phase = AckPhase::ProbeFeedback;
        }
        if self.rounds.start && p.ack_phase == AckPhase::ProbeStopping {
            p.is_sample = false;
            p.ack_phase = AckPhase::Init;
            let again = p.precautionary && !p.too_high;
            if self.state.is_probe_bw() {
                if !ack.app_limited {
                    self.advance_max_bw_filter();
                    self.forget_older_bandwidth();
                }
                if again {
                    self.start_refill();
                    return true;
                }
            }
        }
        if loss::is_inflight_too_high(ack.lost, ack.tx_in_flight, LOSS_THRESH, ack.s.selective)
            || self.inflight_longterm == INFINITE
        {
            return false;
        }
        // The rate of loss is safe.
        self.inflight_longterm = self.inflight_longterm.max(ack.tx_in_flight);
        if self.state == State::Up {
            self.probe_inflight_longterm_upward(w, ack);
        }
        false
    }
}
