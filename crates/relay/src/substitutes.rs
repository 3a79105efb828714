//! Addresses that are called one thing inside and another outside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Pairs of what the program and the host call the same address.
#[derive(Debug, Default)]
pub(crate) struct Substitutes(Vec<(IpAddr, IpAddr)>);

impl Substitutes {
    /// The latest that is said of an address inside is what counts.
    pub(crate) fn insert(&mut self, inside: IpAddr, outside: IpAddr) {
        self.0.retain(|pair| pair.0 != inside);
        self.0.push((inside, outside));
    }

    /// Where the host finds what the program calls `destination`.
    pub(crate) fn outside(&self, destination: SocketAddr) -> SocketAddr {
        let pair = self.0.iter().find(|pair| pair.0 == destination.ip());
        pair.map_or(destination, |pair| {
            SocketAddr::new(pair.1, destination.port())
        })
    }

    /// As whom the program sees a peer of the host's.
    pub(crate) fn inside(&self, peer: SocketAddr) -> SocketAddr {
        let address = peer.ip().to_canonical();
        let same = self.0.iter().find(|pair| pair.1 == address);
        let inside = same.map(|pair| pair.0).or_else(|| {
            // Every address of the host's loopback is the host.
            address.is_loopback().then(|| self.loopback(address))?
        });
        SocketAddr::new(inside.unwrap_or(address), peer.port())
    }

    /// What the loopback of the host is called inside, of each family that it has a name in.
    pub(crate) fn loopbacks(&self) -> Vec<IpAddr> {
        let both = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        both.into_iter()
            .filter_map(|address| self.loopback(address))
            .collect()
    }

    /// What the loopback of the host is called inside, in the family of `like`.
    fn loopback(&self, like: IpAddr) -> Option<IpAddr> {
        let is_like =
            |outside: IpAddr| outside.is_loopback() && outside.is_ipv4() == like.is_ipv4();
        let pair = self.0.iter().find(|pair| is_like(pair.1));
        pair.map(|pair| pair.0)
    }
}

#[cfg(test)]
mod tests;
