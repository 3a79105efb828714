//! Limits on what strangers can make us send: ICMP errors, resets, challenge ACKs (RFC 1812,
//! section 4.3.2.8; RFC 4443, section 2.4 (f)).

use core::fmt;
use core::hash::Hasher;
use core::net::IpAddr;
use handfast_base::Instant;
use siphasher::sip::SipHasher13;

#[cfg(test)]
mod tests;

/// A token bucket: `burst` at once, and then as many a second as the rate says.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    limits: Limits,
    full_at: Instant,
}

/// The two numbers of a bucket, apart from its content.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Nanoseconds a token takes to come.
    interval: u64,
    /// Nanoseconds that an empty bucket takes to fill.
    depth: u64,
}

impl Limits {
    /// A rate or burst of 0 allows nothing.
    fn new(per_second: u32, burst: u32) -> Limits {
        let interval = 1_000_000_000u64
            .checked_div(per_second.into())
            .unwrap_or(u64::MAX);
        let depth = match per_second {
            0 => 0,
            _ => interval.saturating_mul(burst.into()),
        };
        Limits { interval, depth }
    }

    /// Takes `tokens` out of the bucket that is full at `full_at`; changes nothing when there is
    /// not even one. What it lacks of the others, it may owe.
    fn take(self, full_at: &mut Instant, tokens: u32, now: Instant) -> bool {
        let missing = full_at.nanos_since(now);
        let one_less = missing.saturating_add(self.interval);
        if one_less > self.depth {
            return false;
        }
        let cost = self.interval.saturating_mul(tokens.into());
        let after = missing.saturating_add(cost);
        *full_at = Instant::from_nanos(now.as_nanos().saturating_add(after));
        true
    }
}

impl TokenBucket {
    /// A full bucket. A rate or a burst of 0 allows nothing.
    pub fn new(per_second: u32, burst: u32) -> TokenBucket {
        TokenBucket {
            limits: Limits::new(per_second, burst),
            full_at: Instant::ZERO,
        }
    }

    /// Takes a token if there is one.
    #[inline]
    pub fn take(&mut self, now: Instant) -> bool {
        self.limits.take(&mut self.full_at, 1, now)
    }
}

/// Buckets by peer.
const PEERS: usize = 256;

/// Limits what we send in answer to strangers, by peer and in all.
///
/// A peer is an IPv4 address or an IPv6 /64, which share 256 buckets by a keyed hash: one peer
/// that asks much does not silence the answers to others. The common bucket is a side channel:
/// who spoofs others' requests could count what is left for himself and so learn which of them
/// were answered. So an answer takes one to three tokens, at random.
#[derive(Clone)]
pub struct AnswerLimit {
    all: TokenBucket,
    peer: Limits,
    peers: [Instant; PEERS],
    key: [u8; 16],
}

/// Rates and bursts of an [`AnswerLimit`]; see [`TokenBucket::new`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AnswerRate {
    /// Answers to all peers together, a second.
    pub per_second: u32,
    /// Answers to all peers together, at once.
    pub burst: u32,
    /// Answers to one peer, a second.
    pub peer_per_second: u32,
    /// Answers to one peer, at once.
    pub peer_burst: u32,
}

impl Default for AnswerRate {
    /// 1000 a second in all and 100 to a peer: enough for traceroute and for honest mistakes, and
    /// no amplifier.
    fn default() -> AnswerRate {
        AnswerRate {
            per_second: 1000,
            burst: 200,
            peer_per_second: 100,
            peer_burst: 20,
        }
    }
}

impl AnswerLimit {
    /// With full buckets; `key` is secret.
    pub fn new(key: [u8; 16], rate: AnswerRate) -> AnswerLimit {
        AnswerLimit {
            // On average an answer takes two tokens.
            all: TokenBucket::new(
                rate.per_second.saturating_mul(2),
                rate.burst.saturating_mul(2),
            ),
            peer: Limits::new(rate.peer_per_second, rate.peer_burst),
            peers: [Instant::ZERO; PEERS],
            key,
        }
    }

    /// Whether an answer may go to `peer` now. `random` comes from a generator whose output does
    /// not betray its state.
    pub fn allows(&mut self, peer: IpAddr, random: u32, now: Instant) -> bool {
        let bucket = &mut self.peers[bucket(&self.key, peer)];
        let before = *bucket;
        if !self.peer.take(bucket, 1, now) {
            return false;
        }
        let all = &mut self.all;
        let allowed = all.limits.take(&mut all.full_at, 1 + random % 3, now);
        if !allowed {
            *bucket = before;
        }
        allowed
    }
}

fn bucket(key: &[u8; 16], peer: IpAddr) -> usize {
    let mut hasher = SipHasher13::new_with_key(key);
    match peer {
        IpAddr::V4(a) => hasher.write(&a.octets()),
        IpAddr::V6(a) => hasher.write(&a.octets()[..8]),
    }
    hasher.finish() as usize % PEERS
}

impl fmt::Debug for AnswerLimit {
    /// Leaves the secret out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerLimit")
            .field("all", &self.all)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
