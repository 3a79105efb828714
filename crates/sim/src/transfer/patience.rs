use super::Manners;
use handfast::base::Duration;

/// How long a reader's wait may be, given what was lost.
///
/// A wait that is long has seen a retransmission timer expire, and for each time there was a loss,
/// perhaps long before: a lost retransmission may be found out late. Each expiry doubles the
/// timeout until the sender measures a round trip that it can trust (RFC 6298, section 5; Karn's
/// algorithm).
pub(super) struct Patience {
    /// How long without a loss.
    limit: Duration,
    /// A sender that probes a closed window backs off for as long as it is closed.
    pause: Duration,
    /// Losses that have explained a wait already.
    spent: u64,
}

/// Upper bound of a retransmission timeout, and some more.
const TIMEOUT: Duration = Duration::from_secs(130);

impl Patience {
    pub(super) fn new(limit: Duration, manners: &Manners) -> Patience {
        Patience {
            limit,
            pause: manners.pause_limit,
            spent: 0,
        }
    }

    /// Whether a wait so long is explained when so many packets have been lost so far.
    pub(super) fn check(&mut self, waited: Duration, losses: u64) -> Result<(), String> {
        if waited <= self.limit {
            return Ok(());
        }
        let unspent = losses.saturating_sub(self.spent);
        let timeout = (self.limit + self.pause)
            .saturating_mul(1 << losses.min(16))
            .min(TIMEOUT);
        let allowed =
            self.limit + timeout.saturating_mul(u32::try_from(unspent).unwrap_or(u32::MAX));
        self.spent += 1;
        match waited <= allowed {
            true => Ok(()),
            false => Err(format!(
                "a wait of {waited:?}: {losses} packets lost, of which {unspent} may explain \
                 {allowed:?},"
            )),
        }
    }
}
