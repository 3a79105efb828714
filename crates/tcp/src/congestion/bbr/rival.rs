//! A rival that shares the bottleneck. None of this is in the draft; ARCHITECTURE.md has the reasons.
//!
//! A loss while a queue stands means that the queue is full, and that whoever shares it has lost
//! too. He answers it, with 0.7 of his window if he is CUBIC, and is back after K (RFC 9438, 4.2). Who
//! fills the queue again before that, every time, is left with all of the path.

use super::model::hundredths;
use super::{Bbr, CongestionWindow, LOSS_THRESH, State};
use crate::congestion::cubic::cubic_root;
use handfast_base::Duration;

/// A queue stands when a round trip takes so much of the smallest one, in hundredths, and is full when
/// it takes so much of the greatest one, in which Startup's bursts have their part, too. A probe alone
/// on its path makes one of up to three quarters of the product, for as long as it goes on, and
/// chance may take something from it.
const QUEUED: u128 = 170;
const FULL: u128 = 85;
/// No queue stands when it takes less than so much of the smallest one.
const IDLE: u128 = 110;
/// Losses have made us slower when they leave less than so much of the bandwidth.
const SLOWED: u64 = 95;
/// What of what is in flight may be lost while probing with a queue, in thousandths. Drop-tail
/// spreads losses over all: who minds only 2 % of his own goes on when all others have given way.
const QUEUE_LOSS_THRESH: u64 = 5;
/// (1 - beta) / C of CUBIC is 0.75 (RFC 9438, 4.2); in hundredths, and by a tenth of K more, which
/// only begins when he has recovered.
const REGAINED: u64 = 100;
/// The longest respite: more would leave what becomes free unused for too long.
const LONGEST: Duration = Duration::from_secs(10);

/// How long CUBIC needs to be back at so many segments: K, and a tenth more.
pub(super) fn respite(segments: u64) -> Duration {
    let cube = segments.min(1 << 20) * REGAINED * 10_000_000;
    Duration::from_millis(cubic_root(cube)).min(LONGEST)
}

impl Bbr {
    /// Whether the last acknowledgment found a queue, and a full one.
    fn is_queue_full(&self) -> bool {
        let m = &self.min_rtt;
        let latest = m.latest.as_nanos() * 100;
        latest > m.rtt.as_nanos() * QUEUED && latest > m.greatest.as_nanos() * FULL
    }

    /// LossThresh, in thousandths.
    pub(super) fn loss_thresh(&self) -> u64 {
        match self.state == State::Up && self.is_queue_full() {
            true => QUEUE_LOSS_THRESH,
            false => LOSS_THRESH,
        }
    }

    /// A probe filled the queue: the next one waits for what a rival of our own size needs.
    pub(super) fn give_respite(&mut self, w: &CongestionWindow) {
        if self.is_queue_full() {
            let segments = self.inflight_longterm / u64::from(w.mss).max(1);
            self.probing.wait_at_least(respite(segments));
        }
    }

    /// Whether a respite leaves the path to nobody: losses have made us slower, and yet no queue stands.
    pub(super) fn is_respite_wasted(&self) -> bool {
        let m = &self.min_rtt;
        self.short.bw < hundredths(self.max_bw.get(), SLOWED)
            && m.latest.as_nanos() * 100 < m.rtt.as_nanos() * IDLE
    }

    /// After such a probe the bandwidth is what the probe itself found. What was there before, while
    /// a rival had just given way or had not come yet, would last for two long cycles more.
    pub(super) fn forget_older_bandwidth(&mut self) {
        if self.probing.respite && self.probing.up_bw > 0 {
            self.max_bw.replace(self.probing.up_bw);
        }
    }
}
