//! The model of the path: round trips, bandwidth, and how acknowledgments bunch (5.5.1 to 5.5.9).

use super::{Ack, Bbr, CongestionWindow};
use handfast_base::Instant;

/// ExtraAckedFilterLen, in round trips, and while in Startup.
const EXTRA_ACKED_ROUNDS: u64 = 10;
const EXTRA_ACKED_STARTUP_ROUNDS: u64 = 1;

/// The greatest of what was seen in the last `N` turns of something; `N` is small.
#[derive(Clone, Copy, Debug)]
pub(super) struct MaxFilter<const N: usize>([u64; N]);

impl<const N: usize> Default for MaxFilter<N> {
    fn default() -> Self {
        MaxFilter([0; N])
    }
}

impl<const N: usize> MaxFilter<N> {
    pub(super) fn get(&self) -> u64 {
        self.0.iter().copied().max().unwrap_or(0)
    }

    /// Whether anything but nothing was seen in this turn.
    fn has_news(&self) -> bool {
        self.0.first().is_some_and(|&newest| newest > 0)
    }

    /// A value of this turn.
    pub(super) fn update(&mut self, value: u64) {
        self.0[0] = self.0[0].max(value);
    }

    /// `value` is of the turn before, and nothing else is known.
    pub(super) fn replace(&mut self, value: u64) {
        *self = MaxFilter::default();
        self.update(value);
        self.advance();
    }

    /// The next turn begins, of which nothing is known.
    pub(super) fn advance(&mut self) {
        self.0.rotate_right(1);
        self.0[0] = 0;
    }
}

/// Packet-timed round trips (5.5.1).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rounds {
    /// round_count.
    pub(super) count: u64,
    /// round_start: this acknowledgment is the first of a round.
    pub(super) start: bool,
    /// next_round_delivered.
    next_delivered: u64,
    /// The window was all used in this round, and in the one before (C.is_cwnd_limited).
    limited: [bool; 2],
}

impl Rounds {
    /// StartRound.
    pub(super) fn start(&mut self, delivered: u64) {
        self.next_delivered = delivered;
    }

    /// C.is_cwnd_limited: "at any point in the last packet-timed round trip".
    pub(super) fn is_cwnd_limited(&self) -> bool {
        self.limited[0] || self.limited[1]
    }
}

/// extra_acked (5.5.9): how much more is acknowledged at a time than the bandwidth explains.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AckAggregation {
    /// extra_acked_interval_start.
    began: Instant,
    /// extra_acked_delivered.
    delivered: u64,
    /// extra_acked_filter: two spans of half the window's length each.
    filter: MaxFilter<2>,
    /// When the newer span began, in rounds.
    span_began: u64,
}

impl AckAggregation {
    pub(super) fn restart(&mut self, now: Instant) {
        self.began = now;
    }

    /// extra_acked.
    pub(super) fn extra(&self) -> u64 {
        self.filter.get()
    }
}

impl Bbr {
    /// UpdateMaxBw and UpdateRound (5.5.5, 5.5.1).
    pub(super) fn update_max_bw(&mut self, ack: &Ack) {
        self.update_round(ack);
        if ack.rate > 0 && (ack.rate >= self.max_bw.get() || !ack.app_limited) {
            self.max_bw.update(ack.rate);
        }
    }

    fn update_round(&mut self, ack: &Ack) {
        let r = &mut self.rounds;
        r.start = ack.prior_delivered.is_some_and(|p| p >= r.next_delivered);
        if r.start {
            r.count += 1;
            r.limited = [false, r.limited[0]];
            r.start(ack.s.delivered);
            self.probing.rounds_since_up = self.probing.rounds_since_up.saturating_add(1);
        }
        r.limited[0] |= ack.s.cwnd_limited;
    }

    /// AdvanceMaxBwFilter (5.5.6). A cycle without a sample leaves what is known as it is.
    pub(super) fn advance_max_bw_filter(&mut self) {
        if self.max_bw.has_news() {
            self.max_bw.advance();
        }
    }

    /// UpdateACKAggregation (5.5.9).
    pub(super) fn update_ack_aggregation(&mut self, w: &CongestionWindow, ack: &Ack) {
        if ack.s.newly_acked == 0 {
            return;
        }
        let length = match self.full.reached {
            true => EXTRA_ACKED_ROUNDS,
            false => EXTRA_ACKED_STARTUP_ROUNDS,
        };
        let a = &mut self.aggregation;
        if self.rounds.start && self.rounds.count - a.span_began >= length.div_ceil(2) {
            a.filter.advance();
            a.span_began = self.rounds.count;
        }
        let expected = volume(self.bw, ack.s.now.nanos_since(a.began));
        let expected = match a.delivered <= expected {
            true => {
                // The rate of acknowledgments fell below the bandwidth: an episode is over.
                a.delivered = 0;
                a.began = ack.s.now;
                0
            }
            false => expected,
        };
        a.delivered += u64::from(ack.s.newly_acked);
        a.filter
            .update((a.delivered - expected).min(u64::from(w.cwnd)));
    }

    /// BoundBWForModel (5.5.10).
    pub(super) fn bound_bw_for_model(&mut self) {
        self.bw = self.max_bw.get().min(self.short.bw);
    }
}

/// What a rate carries in so many nanoseconds.
pub(super) fn volume(rate: u64, nanos: u64) -> u64 {
    let octets = u128::from(rate) * u128::from(nanos) / 1_000_000_000;
    u64::try_from(octets).unwrap_or(u64::MAX)
}

/// Hundredths of something; of "infinity" all.
pub(super) fn hundredths(of: u64, gain: u64) -> u64 {
    match of {
        super::INFINITE => of,
        _ => u64::try_from(u128::from(of) * u128::from(gain) / 100).unwrap_or(u64::MAX - 1),
    }
}
