//! ProbeRTT and the smallest round trip (5.3.4), and what happens after idling (5.4).

use super::probe_bw::AckPhase;
use super::{Ack, Bbr, CongestionWindow, ShortTerm, State};
use handfast_base::{Duration, Instant};

/// MinRTTFilterLen.
const MIN_RTT_FILTER: Duration = Duration::from_secs(10);
/// ProbeRTTInterval.
const INTERVAL: Duration = Duration::from_secs(5);
/// ProbeRTTDuration.
const DURATION: Duration = Duration::from_millis(200);

/// The smallest round trip, and when to measure it (2.14).
#[derive(Clone, Copy, Debug)]
pub(super) struct MinRtt {
    /// min_rtt; [`Duration::MAX`] before the first sample.
    pub(super) rtt: Duration,
    /// The last round trip measured.
    pub(super) latest: Duration,
    /// The greatest so far.
    pub(super) greatest: Duration,
    /// min_rtt_stamp.
    at: Instant,
    /// probe_rtt_min_delay.
    probed: Duration,
    /// probe_rtt_min_stamp.
    probed_at: Instant,
    /// probe_rtt_expired.
    expired: bool,
    /// probe_rtt_done_stamp.
    done_at: Option<Instant>,
    /// probe_rtt_round_done.
    round_done: bool,
}

impl Default for MinRtt {
    fn default() -> MinRtt {
        MinRtt {
            rtt: Duration::MAX,
            latest: Duration::ZERO,
            greatest: Duration::ZERO,
            at: Instant::ZERO,
            probed: Duration::MAX,
            probed_at: Instant::ZERO,
            expired: false,
            done_at: None,
            round_done: false,
        }
    }
}

impl MinRtt {
    pub(super) fn begin(&mut self, now: Instant) {
        (self.at, self.probed_at) = (now, now);
    }
}

impl Bbr {
    /// UpdateMinRTT (5.3.4.3).
    pub(super) fn update_min_rtt(&mut self, ack: &Ack) {
        let (m, now) = (&mut self.min_rtt, ack.s.now);
        m.expired = now > m.probed_at + INTERVAL;
        m.latest = ack.s.rtt.unwrap_or(m.latest);
        m.greatest = m.greatest.max(m.latest);
        if let Some(rtt) = ack.s.rtt
            && (rtt < m.probed || m.expired)
        {
            m.probed = rtt;
            m.probed_at = now;
        }
        if m.probed < m.rtt || now > m.at + MIN_RTT_FILTER {
            m.rtt = m.probed;
            m.at = m.probed_at;
        }
    }

    /// CheckProbeRTT (5.3.4.3).
    pub(super) fn check_probe_rtt(&mut self, w: &mut CongestionWindow, ack: &Ack) {
        if self.state != State::ProbeRtt && self.min_rtt.expired && !self.idle_restart {
            // The window before the state: it tells which of both is known good.
            self.save_cwnd(w.cwnd);
            self.state = State::ProbeRtt;
            self.min_rtt.done_at = None;
            self.probing.ack_phase = AckPhase::ProbeStopping;
            self.start_round();
        }
        if self.state == State::ProbeRtt {
            self.handle_probe_rtt(w, ack);
        }
        if ack.delivered > 0 {
            self.idle_restart = false;
        }
    }

    /// HandleProbeRTT.
    fn handle_probe_rtt(&mut self, w: &mut CongestionWindow, ack: &Ack) {
        // MarkConnectionAppLimited: low rates are our own doing.
        self.held_back_until = ack.s.delivered + u64::from(ack.s.in_flight);
        match self.min_rtt.done_at {
            None if u64::from(ack.s.in_flight) <= self.probe_rtt_cwnd(w) => {
                self.min_rtt.done_at = Some(ack.s.now + DURATION);
                self.min_rtt.round_done = false;
                self.start_round();
            }
            None => {}
            Some(_) => {
                self.min_rtt.round_done |= self.rounds.start;
                if self.min_rtt.round_done {
                    let seed = u64::from(ack.s.snd_nxt.0) << 32;
                    self.check_probe_rtt_done(w, ack.s.now, seed);
                }
            }
        }
    }

    /// CheckProbeRTTDone and ExitProbeRTT (5.3.4.4).
    fn check_probe_rtt_done(&mut self, w: &mut CongestionWindow, now: Instant, seed: u64) {
        if self.min_rtt.done_at.is_none_or(|at| now <= at) {
            return;
        }
        self.min_rtt.probed_at = now;
        self.restore_cwnd(w);
        self.short = ShortTerm::NONE;
        if self.full.reached {
            let before = self.probing;
            self.start_down_at(now, seed ^ now.as_nanos());
            self.probing.resume_respite(&before, now);
            self.start_cruise();
        } else {
            self.enter_startup();
        }
    }

    /// HandleRestartFromIdle (5.4.1).
    pub(super) fn handle_restart_from_idle(
        &mut self,
        w: &mut CongestionWindow,
        app_limited: bool,
        now: Instant,
    ) {
        if !app_limited && self.held_back_until < self.delivered.max(1) {
            return;
        }
        self.idle_restart = true;
        self.aggregation.restart(now);
        if self.state.is_probe_bw() {
            self.set_pacing_rate(100);
        } else if self.state == State::ProbeRtt {
            let seed = self.delivered << 32 ^ self.min_rtt.rtt.as_nanos() as u64;
            self.check_probe_rtt_done(w, now, seed);
        }
    }
}
