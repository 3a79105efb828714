use alloc::collections::BTreeMap;
use core::net::IpAddr;
use handfast_base::{Duration, Instant};

/// Hosts remembered at most.
const CAPACITY: usize = 1024;
/// How long a smaller MTU is believed (RFC 1191, section 6.3; RFC 8201, section 4).
const LIFETIME: Duration = Duration::from_secs(600);

/// Path MTUs below that of the first link, as routers reported them and a connection of ours has
/// confirmed (RFC 1191, RFC 8201).
#[derive(Debug, Default)]
pub(crate) struct PathMtus(BTreeMap<IpAddr, (u32, Instant)>);

impl PathMtus {
    /// The MTU towards `destination`, never above `link`.
    #[inline]
    pub(crate) fn get(&self, destination: IpAddr, link: u32, now: Instant) -> u32 {
        if self.0.is_empty() {
            return link;
        }
        match self.0.get(&destination) {
            Some(&(mtu, until)) if now < until => mtu.min(link),
            _ => link,
        }
    }

    /// Remembers a report; one above what is known changes nothing. When there are too many, the
    /// oldest goes.
    pub(crate) fn insert(&mut self, destination: IpAddr, mtu: u32, now: Instant) {
        if self.get(destination, u32::MAX, now) <= mtu {
            return;
        }
        if self.0.len() >= CAPACITY && !self.0.contains_key(&destination) {
            let oldest = self.0.iter().min_by_key(|(_, (_, until))| *until);
            if let Some(oldest) = oldest.map(|(destination, _)| *destination) {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(destination, (mtu, now + LIFETIME));
    }
}
