use alloc::collections::BTreeMap;
use core::net::IpAddr;
use handfast_base::{Duration, Instant};
use handfast_tcp::Path;

/// Hosts remembered at most.
const CAPACITY: usize = 1024;
/// How long an estimate is believed (RFC 1191, section 6.3; RFC 8201, section 4).
const LIFETIME: Duration = Duration::from_secs(600);
/// What a datagram's error may claim at least: nothing vouches for it as for TCP's (RFC 5927, 7.2).
const UNPROVEN: u32 = 552;

/// Path MTUs below that of the first link: as routers reported them and a connection of ours has
/// confirmed (RFC 1191, RFC 8201), or as one has found out by itself (RFC 4821).
#[derive(Debug, Default)]
pub(crate) struct PathMtus(BTreeMap<IpAddr, Estimate>);

#[derive(Clone, Copy, Debug)]
struct Estimate {
    mtu: u32,
    /// Somebody tries larger sizes.
    searching: bool,
    until: Instant,
}

impl PathMtus {
    /// What is known of the way to `destination`: an estimate, and whether it is to be improved.
    #[inline]
    pub(crate) fn get(&self, destination: IpAddr, now: Instant) -> Option<(u32, bool)> {
        if self.0.is_empty() {
            return None;
        }
        let known = self.0.get(&destination).filter(|e| now < e.until)?;
        Some((known.mtu, known.searching))
    }

    /// A connection to `destination` knows this of its path.
    pub(crate) fn learn(&mut self, destination: IpAddr, path: &Path, now: Instant) {
        let mtu = path.pmtu();
        let known = self.get(destination, now);
        if mtu >= path.mtu {
            self.0.remove(&destination);
        } else if let (Some((old, _)), Some(entry)) = (known, self.0.get_mut(&destination))
            && old <= mtu
        {
            // Raising it makes it no younger.
            entry.mtu = mtu;
            entry.searching = path.searching;
        } else {
            self.insert(destination, mtu, path.searching, now);
        }
    }

    /// A router has said so about a datagram that one of our sockets may have sent; what is more than
    /// what is known changes nothing.
    pub(crate) fn told(&mut self, destination: IpAddr, mtu: u32, now: Instant) {
        let mtu = mtu.max(UNPROVEN);
        if self.get(destination, now).is_none_or(|(old, _)| mtu < old) {
            self.insert(destination, mtu, false, now);
        }
    }

    /// When there are too many, the oldest goes.
    fn insert(&mut self, destination: IpAddr, mtu: u32, searching: bool, now: Instant) {
        if self.0.len() >= CAPACITY && !self.0.contains_key(&destination) {
            let oldest = self.0.iter().min_by_key(|(_, e)| e.until);
            if let Some(oldest) = oldest.map(|(destination, _)| *destination) {
                self.0.remove(&oldest);
            }
        }
        let until = now + LIFETIME;
        self.0.insert(
            destination,
            Estimate {
                mtu,
                searching,
                until,
            },
        );
    }
}

#[cfg(test)]
mod tests;
