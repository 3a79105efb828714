use crate::Config;
use crate::rtt::RttEstimator;
use handfast_base::Duration;

/// RTO before any sample (RFC 6298, 2.1).
const INITIAL: Duration = Duration::from_secs(1);
/// RTO for data when the SYN had to be retransmitted and nothing was measured (RFC 6298, 5.7).
const AFTER_SYN_LOSS: Duration = Duration::from_secs(3);
/// No upper bound may be lower (RFC 6298, 2.5).
const LEAST_MAXIMUM: Duration = Duration::from_secs(60);
/// Back-off stops doubling here; the maximum is reached long before.
const BACKOFF_LIMIT: u8 = 16;

/// The retransmission timeout (RFC 6298): the estimate, and how often it was doubled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Rto {
    backoff: u8,
    /// How often the SYN had to be sent again.
    syn_losses: u8,
    data: bool,
}

impl Rto {
    /// The timeout to arm now.
    pub(crate) fn current(&self, rtt: &RttEstimator, config: &Config) -> Duration {
        let max = config.rto_max.max(LEAST_MAXIMUM);
        let base = if rtt.has_sample() {
            // (2.3), with the lower bound on the variance term: a path whose delay never varies
            // still has a peer that delays its acknowledgments.
            rtt.smoothed() + (rtt.variance() * 4).max(config.rto_min)
        } else if self.data && self.syn_losses > 0 {
            AFTER_SYN_LOSS
        } else {
            INITIAL
        };
        base.saturating_mul(1 << self.backoff.min(BACKOFF_LIMIT))
            .min(max)
    }

    /// The timer ran out (RFC 6298, 5.5; MUST-19).
    pub(crate) fn back_off(&mut self) {
        self.backoff = self.backoff.saturating_add(1);
    }

    /// The timer ran out on a SYN.
    pub(crate) fn syn_lost(&mut self) {
        self.syn_losses = self.syn_losses.saturating_add(1);
    }

    /// How often the SYN had to be sent again.
    pub(crate) fn syn_losses(&self) -> u8 {
        self.syn_losses
    }

    /// Data transmission begins (5.7).
    pub(crate) fn handshake_completed(&mut self) {
        self.data = true;
        self.backoff = 0;
    }

    /// An unambiguous sample came, or acknowledgments advance: the estimate counts again.
    pub(crate) fn collapse(&mut self) {
        self.backoff = 0;
    }

    /// How often in a row the timer ran out.
    pub(crate) fn backoffs(&self) -> u8 {
        self.backoff
    }
}
