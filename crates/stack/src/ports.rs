//! Ephemeral ports (RFC 6056).
//!
//! A keyed hash of the destination gives each destination its own place in the range, and a
//! counter that many destinations share moves on by a random step (algorithm 4, with the increments
//! of algorithm 5): successive ports to one destination do not come back soon, and seeing those to
//! one tells nothing of those to another. Without a destination there is nothing to tell apart, and
//! the place is random.

use core::fmt;
use core::hash::Hasher;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;
use siphasher::sip::SipHasher13;

#[cfg(test)]
mod tests;

/// Counters, each shared by the destinations that hash to it.
const COUNTERS: usize = 1024;
/// The random increment is 1 to this, a power of two.
const MAX_STEP: u32 = 8;

/// Hands out ephemeral ports of one protocol.
#[derive(Clone)]
pub struct Ports {
    first: u16,
    count: u32,
    key: [u8; 16],
    counters: [u16; COUNTERS],
}

/// Why there is no port.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum PortError {
    /// The range is empty or begins at port 0.
    Range,
    /// All ports of the range are in use.
    Exhausted,
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PortError::Range => "no port range",
            PortError::Exhausted => "all ephemeral ports are in use",
        })
    }
}

impl core::error::Error for PortError {}

impl Ports {
    /// The widest range there should be (RFC 6056, section 3.2).
    pub const RANGE: RangeInclusive<u16> = 1024..=65535;

    /// Ports out of `range`; `key` is secret.
    ///
    /// # Errors
    /// [`PortError::Range`].
    pub fn new(key: [u8; 16], range: RangeInclusive<u16>) -> Result<Ports, PortError> {
        if range.is_empty() || *range.start() == 0 {
            return Err(PortError::Range);
        }
        Ok(Ports {
            first: *range.start(),
            count: u32::from(*range.end() - *range.start()) + 1,
            key,
            counters: [0; COUNTERS],
        })
    }

    /// The range that ports come from.
    pub fn range(&self) -> RangeInclusive<u16> {
        self.first..=(u32::from(self.first) + self.count - 1) as u16
    }

    /// A port for which `in_use` is false. It is asked at most once about each port, and judges by
    /// whatever would collide: the full tuple for a connection; any wildcard, connected or
    /// other-family binding for a socket without a destination. `random` comes from a generator
    /// whose output does not betray its state.
    ///
    /// # Errors
    /// [`PortError::Exhausted`].
    pub fn allocate(
        &mut self,
        local: IpAddr,
        remote: Option<SocketAddr>,
        random: u32,
        mut in_use: impl FnMut(u16) -> bool,
    ) -> Result<u16, PortError> {
        let mut unshared = 0;
        let (start, counter) = match remote {
            Some(remote) => {
                let hash = self.hash(local, remote);
                let counter = &mut self.counters[(hash >> 32) as usize % COUNTERS];
                *counter = counter.wrapping_add((1 + random % MAX_STEP) as u16);
                ((hash as u32 % self.count) + u32::from(*counter), counter)
            }
            None => {
                let scaled = u64::from(random) * u64::from(self.count);
                ((scaled >> 32) as u32, &mut unshared)
            }
        };
        for step in 0..self.count {
            let port = self.first + ((start + step) % self.count) as u16;
            if !in_use(port) {
                *counter = counter.wrapping_add(step as u16);
                return Ok(port);
            }
        }
        Err(PortError::Exhausted)
    }

    fn hash(&self, local: IpAddr, remote: SocketAddr) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        for address in [local, remote.ip()] {
            match address {
                IpAddr::V4(a) => hasher.write(&a.octets()),
                IpAddr::V6(a) => hasher.write(&a.octets()),
            }
        }
        hasher.write(&remote.port().to_be_bytes());
        hasher.finish()
    }
}

impl fmt::Debug for Ports {
    /// Leaves the secret out, and the counters, from which ports to come could be told.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ports").field(&self.range()).finish()
    }
}
