//! CUBIC (RFC 9438): the window follows a cubic function of the time since the last loss.
//!
//! Windows are in octets and times in milliseconds; all is integer arithmetic, and a window that
//! follows from the RFC's formulas in real numbers differs by less than a hundredth of a segment.

use super::hystart::HyStart;
use super::validation::Validation;
use super::{
    AckEvent, CongestionControl, CongestionWindow, LossEvent, LossKind, after_recovery, pacing,
    restart,
};
use handfast_base::{Duration, Instant};

/// beta_cubic = 0.7 (RFC 9438, 4.6).
const BETA: (u64, u64) = (7, 10);
/// The same when a router has marked instead of dropping (RFC 8511, 3).
const BETA_ECN: (u64, u64) = (17, 20);
/// (1 + beta_cubic) / 2, of fast convergence (RFC 9438, 4.7).
const CONVERGENCE: (u64, u64) = (17, 20);
/// alpha_cubic = 3 (1 - beta_cubic) / (1 + beta_cubic) (4.3).
const ALPHA: (u64, u64) = (9, 17);
/// W_est is kept in parts of an octet.
const PARTS: u64 = 1 << 10;
/// No distance from K counts for more, in milliseconds: its cube fits 63 bits.
const FARTHEST: u64 = 2_000_000;

/// CUBIC (RFC 9438), with fast convergence and HyStart++ (RFC 9406).
#[derive(Debug, Default)]
pub struct Cubic {
    start: HyStart,
    paced: bool,
    validation: Validation,
    /// The window before the last reduction, further reduced by fast convergence; 0 before the
    /// first.
    w_max: u32,
    /// The window before the last reduction, or when the first slow start ended.
    cwnd_prior: u32,
    /// What the windows above are multiples of.
    mss: u32,
    /// The next stage of congestion avoidance is the first after a timeout (4.8).
    after_timeout: bool,
    /// The current stage of congestion avoidance.
    epoch: Option<Epoch>,
    /// What the last reduction replaced, should there have been no loss (4.9).
    undo: Option<Undo>,
}

/// The state before a reduction (4.9.2).
#[derive(Debug)]
struct Undo {
    w_max: u32,
    cwnd_prior: u32,
    after_timeout: bool,
    /// K, t_epoch and W_est.
    epoch: Option<Epoch>,
}

/// One stage of congestion avoidance.
#[derive(Debug)]
struct Epoch {
    /// t_epoch, moved on by the time for which nothing limited us but the application.
    began: Instant,
    /// When the last acknowledgment came.
    heard: Instant,
    /// K, in milliseconds.
    k: u64,
    /// W_max of this stage, in octets.
    origin: u32,
    /// W_est, in 1/1024 octets.
    w_est: u64,
    /// What remained of the last divisions by the window.
    carry: u64,
}

impl Epoch {
    /// A stage that begins now with this window and has `w_max` to go to (4.2).
    fn new(w: &CongestionWindow, w_max: u32, now: Instant) -> Epoch {
        let below = u64::from(w_max.saturating_sub(w.cwnd));
        Epoch {
            began: now,
            heard: now,
            // K = cubic root of (W_max - cwnd_epoch) / C: C = 0.4 segments a cubic second (RFC 9438, 5.1).
            k: cubic_root(below * 2_500_000_000 / u64::from(w.mss.max(1))),
            origin: w_max.max(w.cwnd),
            w_est: u64::from(w.cwnd) * PARTS,
            carry: 0,
        }
    }

    /// W_cubic(t) = C (t - K)^3 + W_max, in octets; `t` in milliseconds.
    fn w_cubic(&self, t: u64, mss: u32) -> u64 {
        let distance = t.abs_diff(self.k).min(FARTHEST);
        // 0.4 of a segment for 10^9 cubic milliseconds; the order keeps it in 64 bits.
        let rise = distance.pow(3) / 1_000_000 * 2 * u64::from(mss) / 5_000;
        let origin = u64::from(self.origin);
        match t < self.k {
            true => origin.saturating_sub(rise),
            false => origin + rise,
        }
    }

    /// Octets the window grows by for `acked` octets, `t` milliseconds into the stage.
    fn growth(
        &mut self,
        w: &CongestionWindow,
        acked: u64,
        t: u64,
        rtt: u64,
        cwnd_prior: u32,
    ) -> u32 {
        let cwnd = u64::from(w.cwnd.max(1));
        let acked = acked.min(cwnd);
        // Figure 4, and Reno's own alpha once W_est is back where the last reduction began.
        let (above, below) = match self.w_est >= u64::from(cwnd_prior) * PARTS {
            true => (1, 1),
            false => ALPHA,
        };
        self.w_est += acked * u64::from(w.mss) * above * PARTS / (below * cwnd);
        let w_est = self.w_est / PARTS;
        if self.w_cubic(t, w.mss) < w_est {
            // RFC 9438, 4.3: the Reno-friendly region.
            return w_est.saturating_sub(cwnd).min(acked) as u32;
        }
        // RFC 9438, 4.4; RFC 9438, 4.5: (target - cwnd) / cwnd for each segment, counted in octets, concave and convex.
        let target = self.w_cubic(t + rtt, w.mss).clamp(cwnd, cwnd + cwnd / 2);
        let due = (target - cwnd) * acked + self.carry;
        self.carry = due % cwnd;
        (due / cwnd) as u32
    }
}

impl CongestionControl for Cubic {
    fn name(&self) -> &'static str {
        if self.paced { "cubic-paced" } else { "cubic" }
    }

    fn pacing_rate(&self, w: &CongestionWindow, smoothed_rtt: Duration) -> Option<u64> {
        if self.paced {
            pacing::rate(w, smoothed_rtt)
        } else {
            None
        }
    }

    fn on_ack(&mut self, w: &mut CongestionWindow, ack: &AckEvent) {
        let before = w.cwnd;
        self.validation.on_ack(w, ack);
        if w.cwnd < before {
            self.epoch = None;
        }
        let first_start = w.ssthresh == u32::MAX;
        let rest = self.start.on_ack(w, ack);
        if first_start && w.ssthresh != u32::MAX {
            // RFC 9438, 4.10: the first slow start ended without a loss.
            self.cwnd_prior = w.cwnd;
        }
        if rest == 0 || w.in_slow_start() {
            return;
        }
        if self.mss != w.mss {
            self.resize(w.mss);
        }
        let w_max = match self.after_timeout {
            // RFC 9438, 4.8: K = 0, and W_max the window at the beginning.
            true => w.cwnd,
            false => self.w_max,
        };
        let epoch = self
            .epoch
            .get_or_insert_with(|| Epoch::new(w, w_max, ack.now));
        self.after_timeout = false;
        // RFC 9438, 4.2; 5.8: time in which the application was the limit does not count, nor does time
        // beyond a round trip in which nothing was acknowledged: nothing was in flight.
        let quiet = ack.now.since(epoch.heard);
        epoch.heard = ack.now;
        epoch.began += match ack.cwnd_limited {
            true => quiet.saturating_sub(ack.smoothed_rtt),
            false => quiet,
        };
        if !ack.cwnd_limited {
            return;
        }
        let t = millis(ack.now.since(epoch.began));
        let rtt = millis(ack.smoothed_rtt);
        let growth = epoch.growth(w, u64::from(rest), t, rtt, self.cwnd_prior);
        w.cwnd = w.cwnd.saturating_add(growth);
    }

    fn on_loss(&mut self, w: &mut CongestionWindow, loss: &LossEvent) {
        if self.mss != w.mss {
            self.resize(w.mss);
        }
        let (beta, most) = match loss.kind {
            LossKind::Ecn => (BETA_ECN, w.cwnd),
            _ => (BETA, u32::MAX),
        };
        let carried = self.validation.on_loss(w, loss.in_flight);
        let ssthresh = part(carried, beta).max(2 * w.mss);
        let first = match loss.kind {
            LossKind::FastRetransmit | LossKind::Ecn => true,
            LossKind::Timeout { repeated } => !repeated,
        };
        if first {
            let was = Undo {
                w_max: self.w_max,
                cwnd_prior: self.cwnd_prior,
                after_timeout: self.after_timeout,
                epoch: self.epoch.take(),
            };
            // Nobody imagines a mark.
            self.undo = (loss.kind != LossKind::Ecn).then_some(was);
            // 4.7: a window that did not reach the last maximum leaves room for others.
            self.w_max = match w.cwnd < self.w_max {
                true => part(w.cwnd, CONVERGENCE),
                false => w.cwnd,
            };
            self.cwnd_prior = w.cwnd;
            w.ssthresh = ssthresh;
        }
        self.epoch = None;
        self.after_timeout = matches!(loss.kind, LossKind::Timeout { .. });
        w.cwnd = match self.after_timeout {
            true => w.mss,
            false => ssthresh.min(most),
        };
    }

    fn on_recovery_exit(&mut self, w: &mut CongestionWindow, in_flight: u32) {
        after_recovery(w, in_flight);
    }

    /// 4.9.2: as if nothing had happened, unless the window has grown beyond what it was.
    fn on_spurious_loss(&mut self, w: &mut CongestionWindow, before: &CongestionWindow) {
        let undo = self.undo.take();
        if w.cwnd < self.cwnd_prior {
            if let Some(undo) = undo {
                self.w_max = undo.w_max;
                self.cwnd_prior = undo.cwnd_prior;
                self.after_timeout = undo.after_timeout;
                self.epoch = undo.epoch;
            }
            w.cwnd = w.cwnd.max(before.cwnd);
            w.ssthresh = w.ssthresh.max(before.ssthresh);
        }
    }

    fn on_idle_restart(&mut self, w: &mut CongestionWindow, initial_window: u32) {
        restart(w, initial_window);
        // Slow start comes first, and after it a new stage.
        self.epoch = None;
    }
}

impl Cubic {
    /// CUBIC that is paced.
    pub fn paced() -> Cubic {
        Cubic {
            start: HyStart::paced(),
            paced: true,
            ..Cubic::default()
        }
    }

    /// Segments have another size: windows keep their number of segments.
    fn resize(&mut self, mss: u32) {
        if self.mss > 0 {
            let ratio = (u64::from(mss), u64::from(self.mss));
            self.w_max = part(self.w_max, ratio);
            self.cwnd_prior = part(self.cwnd_prior, ratio);
        }
        self.mss = mss;
        self.epoch = None;
        self.undo = None;
    }
}

fn part(window: u32, (above, below): (u64, u64)) -> u32 {
    u32::try_from(u64::from(window) * above / below).unwrap_or(u32::MAX)
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX / 4)
}

/// The integer next to the cubic root of `n`.
pub(super) fn cubic_root(n: u64) -> u64 {
    let cube = |r: u64| u128::from(r).pow(3);
    let mut root = 0;
    for bit in (0..22).rev() {
        let with = root | 1 << bit;
        if cube(with) <= u128::from(n) {
            root = with;
        }
    }
    // (r + 1/2)^3 = r^3 + 3/2 r^2 + 3/4 r + 1/8
    let r = u128::from(root);
    let half = cube(root) + (6 * r * r + 3 * r) / 4;
    root + u64::from(u128::from(n) > half)
}

#[cfg(test)]
mod tests;
