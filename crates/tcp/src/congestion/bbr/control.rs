//! Pacing rate, quantum and window (5.6).

use super::model::{hundredths, volume};
use super::{Ack, Bbr, CongestionWindow, State};
use handfast_base::Duration;

/// Pacing gains by state, in hundredths (5.6.1).
const STARTUP_PACING_GAIN: u64 = 277;
const DRAIN_PACING_GAIN: u64 = 50;
pub(super) const DOWN_PACING_GAIN: u64 = 90;
const UP_PACING_GAIN: u64 = 125;
/// Window gains: DefaultCwndGain, that of ProbeBW_UP, and ProbeRTTCwndGain.
const CWND_GAIN: u64 = 200;
const UP_CWND_GAIN: u64 = 225;
const PROBE_RTT_CWND_GAIN: u64 = 50;
/// 100 less PacingMarginPercent.
pub(super) const PACING_MARGIN: u64 = 99;
/// MinPipeCwnd, in segments.
const MIN_PIPE_SEGMENTS: u32 = 4;
/// What C.send_quantum is at most.
const MOST_QUANTUM: u64 = 64 << 10;
/// The round trip of a connection that has measured none.
const UNMEASURED: Duration = Duration::from_millis(1);

/// InitPacingRate (5.6.2).
pub(super) fn initial_pacing_rate(cwnd: u32, smoothed_rtt: Duration) -> u64 {
    let rtt = match smoothed_rtt.is_zero() {
        true => UNMEASURED,
        false => smoothed_rtt,
    };
    let nominal = u128::from(cwnd) * 1_000_000_000 / rtt.as_nanos();
    hundredths(
        u64::try_from(nominal).unwrap_or(u64::MAX - 1),
        STARTUP_PACING_GAIN,
    )
}

/// MinPipeCwnd (2.7).
pub(super) fn min_pipe_cwnd(w: &CongestionWindow) -> u64 {
    u64::from(w.mss.saturating_mul(MIN_PIPE_SEGMENTS))
}

impl Bbr {
    fn pacing_gain(&self) -> u64 {
        match self.state {
            State::Startup => STARTUP_PACING_GAIN,
            State::Drain => DRAIN_PACING_GAIN,
            State::Down => DOWN_PACING_GAIN,
            State::Up => UP_PACING_GAIN,
            State::Cruise | State::Refill | State::ProbeRtt => 100,
        }
    }

    fn cwnd_gain(&self) -> u64 {
        match self.state {
            State::Up => UP_CWND_GAIN,
            State::ProbeRtt => PROBE_RTT_CWND_GAIN,
            _ => CWND_GAIN,
        }
    }

    /// UpdateControlParameters (5.2.3).
    pub(super) fn update_control_parameters(&mut self, w: &mut CongestionWindow, ack: &Ack) {
        if self.pacing_rate == 0 {
            let rtt = ack.s.rtt.unwrap_or(ack.s.min_rtt);
            self.pacing_rate = initial_pacing_rate(self.initial_cwnd, rtt);
        }
        self.set_pacing_rate(self.pacing_gain());
        self.set_cwnd(w, ack);
    }

    /// SetPacingRateWithGain (5.6.2).
    pub(super) fn set_pacing_rate(&mut self, gain: u64) {
        let rate = hundredths(hundredths(self.bw, gain), PACING_MARGIN);
        if self.full.reached || rate > self.pacing_rate {
            self.pacing_rate = rate.max(1);
        }
    }

    /// C.send_quantum (5.6.3), to which the pacer cuts super-segments.
    fn send_quantum(&self, w: &CongestionWindow) -> u64 {
        (self.pacing_rate / 1_000)
            .min(MOST_QUANTUM)
            .max(2 * u64::from(w.mss))
    }

    /// BDPMultiple (5.6.4.2) of BBR.bw.
    pub(super) fn bdp(&self, w: &CongestionWindow, gain: u64) -> u64 {
        self.bdp_at(w, self.bw, gain)
    }

    fn bdp_at(&self, w: &CongestionWindow, bw: u64, gain: u64) -> u64 {
        if self.min_rtt.rtt == Duration::MAX {
            return u64::from(self.initial_cwnd.max(w.mss));
        }
        let nanos = u64::try_from(self.min_rtt.rtt.as_nanos()).unwrap_or(u64::MAX);
        hundredths(volume(bw, nanos), gain)
    }

    /// TargetInflight (5.3.3.9).
    pub(super) fn target_inflight(&self, w: &CongestionWindow) -> u64 {
        self.bdp(w, 100).min(u64::from(w.cwnd))
    }

    /// QuantizationBudget: offload_budget (5.5.8), MinPipeCwnd, and room to probe.
    fn quantization_budget(&self, w: &CongestionWindow, cap: u64) -> u64 {
        let cap = cap.max(3 * self.send_quantum(w)).max(min_pipe_cwnd(w));
        match self.state {
            State::Up => cap.saturating_add(2 * u64::from(w.mss)),
            _ => cap,
        }
    }

    /// Inflight (5.6.4.2).
    pub(super) fn inflight(&self, w: &CongestionWindow, gain: u64) -> u64 {
        self.inflight_at(w, self.bw, gain)
    }

    pub(super) fn inflight_at(&self, w: &CongestionWindow, bw: u64, gain: u64) -> u64 {
        self.quantization_budget(w, self.bdp_at(w, bw, gain))
    }

    /// UpdateMaxInflight.
    pub(super) fn max_inflight(&self, w: &CongestionWindow) -> u64 {
        let cap = self.bdp(w, self.cwnd_gain());
        self.quantization_budget(w, cap.saturating_add(self.aggregation.extra()))
    }

    /// SetCwnd (5.6.4.6).
    fn set_cwnd(&self, w: &mut CongestionWindow, ack: &Ack) {
        let most = self.max_inflight(w);
        let grown = u64::from(w.cwnd) + u64::from(ack.s.newly_acked);
        let mut cwnd = u64::from(w.cwnd);
        if self.full.reached {
            cwnd = grown.min(most);
        } else if cwnd < most || ack.s.delivered < u64::from(self.initial_cwnd) {
            cwnd = grown;
        }
        cwnd = cwnd.max(min_pipe_cwnd(w));
        if self.state == State::ProbeRtt {
            // BoundCwndForProbeRTT.
            cwnd = cwnd.min(self.probe_rtt_cwnd(w));
        }
        let cwnd = cwnd.min(self.cwnd_cap(w));
        w.cwnd = u32::try_from(cwnd).unwrap_or(u32::MAX);
    }

    /// ProbeRTTCwnd (5.6.4.5).
    pub(super) fn probe_rtt_cwnd(&self, w: &CongestionWindow) -> u64 {
        self.bdp(w, PROBE_RTT_CWND_GAIN).max(min_pipe_cwnd(w))
    }

    /// The bound of BoundCwndForModel (5.6.4.7).
    fn cwnd_cap(&self, w: &CongestionWindow) -> u64 {
        let cap = match self.state {
            State::Startup | State::Drain => super::INFINITE,
            State::Down | State::Refill | State::Up => self.inflight_longterm,
            State::Cruise | State::ProbeRtt => self.inflight_with_headroom(w),
        };
        cap.min(self.short.inflight).max(min_pipe_cwnd(w))
    }

    /// SaveCwnd (5.6.4.4).
    pub(super) fn save_cwnd(&mut self, cwnd: u32) {
        self.prior_cwnd = match !self.in_recovery && self.state != State::ProbeRtt {
            true => cwnd,
            false => self.prior_cwnd.max(cwnd),
        };
    }

    /// RestoreCwnd.
    pub(super) fn restore_cwnd(&self, w: &mut CongestionWindow) {
        w.cwnd = w.cwnd.max(self.prior_cwnd);
    }
}
