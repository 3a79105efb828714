use super::hystart::HyStart;
use super::validation::Validation;
use super::{AckEvent, CongestionControl, CongestionWindow, LossEvent, LossKind, after_recovery};

/// Reno's additive increase, multiplicative decrease (RFC 5681), with NewReno's end of recovery
/// (RFC 6582); octets are counted (RFC 3465).
#[derive(Debug, Default)]
pub struct Reno {
    start: HyStart,
    validation: Validation,
    /// Octets acknowledged since the window last grew in congestion avoidance.
    acked: u32,
}

impl CongestionControl for Reno {
    fn name(&self) -> &'static str {
        "reno"
    }

    fn on_ack(&mut self, w: &mut CongestionWindow, ack: &AckEvent) {
        self.validation.on_ack(w, ack);
        let rest = self.start.on_ack(w, ack);
        if rest == 0 || !ack.cwnd_limited || w.in_slow_start() {
            return;
        }
        // RFC 5681, 3.1 (3): one full segment a round trip. Half a flight is seldom a whole number
        // of segments, and only whole ones are in flight: a round trip acknowledges no more.
        let window = (w.cwnd - w.cwnd % w.mss.max(1)).max(w.mss);
        self.acked = self.acked.saturating_add(rest);
        if self.acked >= window {
            self.acked -= window;
            w.cwnd = w.cwnd.saturating_add(w.mss);
        }
    }

    fn on_loss(&mut self, w: &mut CongestionWindow, loss: &LossEvent) {
        // RFC 5681, 3.1 (4): half of what was in flight, and at least two segments.
        let carried = self.validation.on_loss(w, loss.in_flight);
        let half = (carried / 2).max(2 * w.mss);
        self.acked = 0;
        match loss.kind {
            LossKind::FastRetransmit => {
                w.ssthresh = half;
                w.cwnd = half;
            }
            LossKind::Ecn => {
                // RFC 8511 (3): who marks keeps short queues, so that less than half is enough.
                let part = (u64::from(carried) * 4 / 5) as u32;
                w.ssthresh = part.max(2 * w.mss);
                w.cwnd = w.cwnd.min(w.ssthresh);
            }
            LossKind::Timeout { repeated } => {
                if !repeated {
                    w.ssthresh = half;
                }
                w.cwnd = w.mss;
            }
        }
    }

    fn on_recovery_exit(&mut self, w: &mut CongestionWindow, in_flight: u32) {
        after_recovery(w, in_flight);
    }
}
