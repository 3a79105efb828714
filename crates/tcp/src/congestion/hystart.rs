//! HyStart++ (RFC 9406): the first slow start ends when round trips get longer, before anything
//! is lost; or, unless it is paced, when ACK trains (`ack_train.rs`) show that the path is full.
//! All later ones have a threshold, and are those of RFC 5681.

use super::ack_train::AckTrain;
use super::{AckEvent, CongestionWindow, slow_start};
use handfast_base::Duration;
use handfast_wire::SeqNumber;

/// Bounds of the growth of the round trip that counts (RFC 9406, 4.3).
const MIN_RTT_THRESH: Duration = Duration::from_millis(4);
const MAX_RTT_THRESH: Duration = Duration::from_millis(16);
const MIN_RTT_DIVISOR: u32 = 8;
/// Samples a round must have before it is judged.
const N_RTT_SAMPLE: u8 = 8;
/// How much slower conservative slow start (CSS) grows, and how many rounds it lasts.
const CSS_GROWTH_DIVISOR: u32 = 4;
const CSS_ROUNDS: u8 = 5;
/// L: segments by which one acknowledgment lets the window grow, unless they are paced.
const L: u32 = 8;

/// Segments below which no train ends slow start: HyStart's own bound.
const LOW_WINDOW: u32 = 16;

/// "Infinity" of RFC 9406.
const NONE: Duration = Duration::MAX;

/// What slow start knows of the round under way and of the one before.
#[derive(Clone, Debug)]
pub struct HyStart {
    /// The round ends when this is acknowledged: SND.NXT when it began.
    window_end: Option<SeqNumber>,
    last_round_min: Duration,
    round_min: Duration,
    samples: u8,
    css: Option<Css>,
    train: AckTrain,
    paced: bool,
}

/// Conservative slow start.
#[derive(Clone, Debug)]
struct Css {
    /// A round that stays below this shows that the delay was no queue.
    baseline: Duration,
    rounds: u8,
}

impl Default for HyStart {
    fn default() -> HyStart {
        HyStart {
            window_end: None,
            last_round_min: NONE,
            round_min: NONE,
            samples: 0,
            css: None,
            train: AckTrain::NONE,
            paced: false,
        }
    }
}

impl HyStart {
    /// For a sender that paces: one acknowledgment may let out any number of segments.
    pub fn paced() -> HyStart {
        HyStart {
            paced: true,
            ..HyStart::default()
        }
    }

    /// Grows the window, if it is in slow start, by what was acknowledged; returns the octets
    /// that are left over for congestion avoidance.
    #[inline]
    pub fn on_ack(&mut self, w: &mut CongestionWindow, ack: &AckEvent) -> u32 {
        if !w.in_slow_start() {
            return ack.acked;
        }
        // RFC 9406, 4.3: for the initial slow start only.
        if w.ssthresh == u32::MAX {
            return self.initial(w, ack);
        }
        let limit = if ack.after_timeout { w.mss } else { u32::MAX };
        match ack.cwnd_limited {
            true => slow_start::grow(w, ack.acked, limit),
            false => 0,
        }
    }

    /// Whether it is in its conservative phase.
    pub fn is_conservative(&self) -> bool {
        self.css.is_some()
    }

    /// The initial slow start (RFC 9406, 4.2).
    fn initial(&mut self, w: &mut CongestionWindow, ack: &AckEvent) -> u32 {
        let window_end = *self.window_end.get_or_insert(ack.snd_nxt);
        if let Some(rtt) = ack.rtt {
            self.round_min = self.round_min.min(rtt);
            self.samples = self.samples.saturating_add(1);
        }
        if ack.cwnd_limited {
            let limit = match self.paced {
                true => u32::MAX,
                false => w.mss.saturating_mul(L),
            };
            let step = ack.acked.min(limit);
            let divisor = if self.css.is_some() {
                CSS_GROWTH_DIVISOR
            } else {
                1
            };
            w.cwnd = w.cwnd.saturating_add(step / divisor);
        }
        if self.is_path_full(w, ack) {
            w.ssthresh = w.cwnd;
            self.css = None;
            return 0;
        }
        if self.samples >= N_RTT_SAMPLE {
            self.judge();
        }
        if ack.snd_una.at_or_after(window_end) {
            self.window_end = Some(ack.snd_nxt);
            self.last_round_min = self.round_min;
            self.round_min = NONE;
            self.samples = 0;
            if let Some(css) = &mut self.css {
                // One that began amid a round counts that round.
                css.rounds += 1;
                if css.rounds >= CSS_ROUNDS {
                    w.ssthresh = w.cwnd;
                    self.css = None;
                }
            }
        }
        0
    }

    /// Whether the train of acknowledgments says so. What is paced takes half a round trip anyway, and
    /// a queue of less than the least that counts as a delay is none.
    fn is_path_full(&mut self, w: &CongestionWindow, ack: &AckEvent) -> bool {
        let train = self.train.on_ack(ack.now, ack.min_rtt);
        !self.paced
            && ack.cwnd_limited
            && w.cwnd >= w.mss.saturating_mul(LOW_WINDOW)
            && train > (ack.min_rtt / 2).max(MIN_RTT_THRESH)
    }

    /// Compares the round with the one before, or, in CSS, with its baseline.
    fn judge(&mut self) {
        if let Some(css) = &self.css {
            if self.round_min < css.baseline {
                self.css = None;
            }
        } else if self.last_round_min != NONE && self.round_min != NONE {
            let growth = (self.last_round_min / MIN_RTT_DIVISOR)
                .min(MAX_RTT_THRESH)
                .max(MIN_RTT_THRESH);
            if self.round_min >= self.last_round_min.saturating_add(growth) {
                self.css = Some(Css {
                    baseline: self.round_min,
                    rounds: 0,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
