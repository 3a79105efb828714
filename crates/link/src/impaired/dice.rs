use super::Impairment;
use handfast_base::{Duration, Rng};
use handfast_wire::Loss;

/// One generator for each question, so that a changed probability shifts no other answers.
#[derive(Clone, Debug)]
pub(super) struct Dice {
    loss: Rng,
    jitter: Rng,
    reorder: Rng,
    duplicate: Rng,
    corrupt: Rng,
    bit: Rng,
    /// The Gilbert-Elliott model's state.
    bad: bool,
}

/// The answers for one packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Roll {
    pub(super) loss: Option<Loss>,
    pub(super) delay: Duration,
    pub(super) reorder: bool,
    pub(super) duplicate: bool,
    pub(super) corrupt: bool,
}

impl Dice {
    pub(super) fn new(seed: &mut Rng) -> Dice {
        Dice {
            loss: seed.fork(),
            jitter: seed.fork(),
            reorder: seed.fork(),
            duplicate: seed.fork(),
            corrupt: seed.fork(),
            bit: seed.fork(),
            bad: false,
        }
    }

    /// Asks everything at once: what becomes of a packet must not decide which dice roll for it.
    pub(super) fn roll(&mut self, of: &Impairment) -> Roll {
        Roll {
            loss: self.loss(of),
            delay: self.delay(of),
            reorder: of.reorder > 0.0 && self.reorder.chance(of.reorder),
            duplicate: of.duplicate > 0.0 && self.duplicate.chance(of.duplicate),
            corrupt: of.corrupt > 0.0 && self.corrupt.chance(of.corrupt),
        }
    }

    /// Which of so many bits to flip.
    pub(super) fn bit(&mut self, bits: u64) -> u64 {
        self.bit.below(bits)
    }

    fn loss(&mut self, of: &Impairment) -> Option<Loss> {
        let p = of.loss;
        if p.is_nan() || p <= 0.0 {
            return None;
        }
        if of.burst < 1.0 || p >= 1.0 {
            return self.loss.chance(p).then_some(Loss::Random);
        }
        // A share p of the time is bad when enter * (1 - p) = leave * p. Where that asks for an
        // `enter` beyond 1, the share is kept and the bursts are longer instead.
        let leave = (1.0 / of.burst).min((1.0 - p) / p);
        let enter = leave * p / (1.0 - p);
        self.bad = self.loss.chance(if self.bad { 1.0 - leave } else { enter });
        self.bad.then_some(Loss::Burst)
    }

    fn delay(&mut self, of: &Impairment) -> Duration {
        if of.jitter.is_zero() {
            return of.delay;
        }
        let jitter = u64::try_from(of.jitter.as_nanos()).unwrap_or(u64::MAX);
        let offset = self
            .jitter
            .below(jitter.saturating_mul(2).saturating_add(1));
        let latest = of.delay.saturating_add(Duration::from_nanos(offset));
        latest.saturating_sub(of.jitter)
    }
}
