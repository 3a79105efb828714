//! Routes: the longest prefix wins, then the smallest metric (RFC 1122, section 3.3.1;
//! RFC 1812, section 5.2.4.3).

use crate::address::{AddressClass, AddressPrefix, Attachment, IfaceId, InterfaceAddresses};
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

#[cfg(test)]
mod tests;

/// Where packets to a prefix go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Route {
    /// The destinations; host bits are ignored.
    pub prefix: AddressPrefix,
    /// The router to hand them to; `None` when they are on the link itself.
    pub gateway: Option<IpAddr>,
    /// The interface they leave by.
    pub iface: IfaceId,
    /// Of routes to equal prefixes the smallest is taken; of equal ones, the one added first.
    pub metric: u32,
    /// Largest IP packet that this route takes, in octets; `None`: what its interface takes, which is
    /// never exceeded. Never less than its family works with.
    pub mtu: Option<u32>,
    /// What our MSS option announces at most to those behind this route, in octets; `None`: what the
    /// MTU says.
    pub advertised_mss: Option<u16>,
}

impl Route {
    /// A route to `prefix` by this gateway, or on the link itself, and this interface; metric 0, and
    /// no limits of its own.
    pub const fn new(prefix: AddressPrefix, gateway: Option<IpAddr>, iface: IfaceId) -> Route {
        Route {
            prefix,
            gateway,
            iface,
            metric: 0,
            mtu: None,
            advertised_mss: None,
        }
    }

    /// The neighbour that a packet to `destination` is handed to.
    #[inline]
    pub fn next_hop(&self, destination: IpAddr) -> IpAddr {
        self.gateway.unwrap_or(destination)
    }
}

/// The routing table, both families.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    v4: Vec<Entry<u32>>,
    v6: Vec<Entry<u128>>,
}

/// Sorted by preference, so that the first match is the best.
#[derive(Clone, Debug)]
struct Entry<Bits> {
    network: Bits,
    mask: Bits,
    route: Route,
}

/// Why a route was refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum RouteError {
    /// No such interface.
    UnknownInterface,
    /// The gateway is of the other family.
    GatewayFamily,
    /// The gateway is not one host: unspecified, multicast, broadcast, loopback or ourselves.
    GatewayNotHost,
    /// The gateway is in none of the interface's networks, and there is nobody to resolve it.
    GatewayOffLink,
    /// The very same prefix, gateway and interface are there already.
    Duplicate,
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RouteError::UnknownInterface => "no such interface",
            RouteError::GatewayFamily => "the gateway is of the other address family",
            RouteError::GatewayNotHost => "the gateway is not another host",
            RouteError::GatewayOffLink => "the gateway is in no network of the interface",
            RouteError::Duplicate => "the route is there already",
        })
    }
}

impl core::error::Error for RouteError {}

impl RouteTable {
    /// No routes.
    pub const fn new() -> RouteTable {
        RouteTable {
            v4: Vec::new(),
            v6: Vec::new(),
        }
    }

    /// Adds a route. `addresses` are those of the route's interface, `None` when there is no such
    /// interface. On a point-to-point interface a gateway needs to be in no network of ours: all
    /// there is goes to the other end.
    ///
    /// # Errors
    /// A [`RouteError`]; nothing has changed then.
    pub fn add(
        &mut self,
        route: Route,
        addresses: Option<&InterfaceAddresses>,
    ) -> Result<(), RouteError> {
        let addresses = addresses.ok_or(RouteError::UnknownInterface)?;
        let prefix = route.prefix.network();
        if let Some(gateway) = route.gateway {
            check_gateway(prefix, gateway, addresses)?;
        }
        let route = Route { prefix, ..route };
        let is_there = self
            .iter()
            .any(|r| (r.prefix, r.gateway, r.iface) == (route.prefix, route.gateway, route.iface));
        if is_there {
            return Err(RouteError::Duplicate);
        }
        match prefix.address() {
            IpAddr::V4(a) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix.prefix_len()));
                insert(&mut self.v4, a.to_bits(), mask.unwrap_or(0), route);
            }
            IpAddr::V6(a) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix.prefix_len()));
                insert(&mut self.v6, a.to_bits(), mask.unwrap_or(0), route);
            }
        }
        Ok(())
    }

    /// Removes the route to `prefix` by this gateway and interface; false when there is none.
    pub fn remove(
        &mut self,
        prefix: AddressPrefix,
        gateway: Option<IpAddr>,
        iface: IfaceId,
    ) -> bool {
        let before = self.len();
        let key = (prefix.network(), gateway, iface);
        self.retain(|r| (r.prefix, r.gateway, r.iface) != key);
        self.len() != before
    }

    /// Keeps only the routes for which `keep` is true, such as those of interfaces that remain.
    pub fn retain(&mut self, mut keep: impl FnMut(&Route) -> bool) {
        self.v4.retain(|e| keep(&e.route));
        self.v6.retain(|e| keep(&e.route));
    }

    /// The best route to `destination`.
    #[inline]
    pub fn lookup(&self, destination: IpAddr) -> Option<&Route> {
        self.matches(destination).next()
    }

    /// All routes to `destination`, best first: where the best one's interface or gateway is dead,
    /// the next one serves.
    #[inline]
    pub fn matches(&self, destination: IpAddr) -> impl Iterator<Item = &Route> {
        // One of the two is over an empty slice, which costs a comparison.
        let (v4, v6) = match destination {
            IpAddr::V4(a) => ((self.v4.as_slice(), a.to_bits()), ([].as_slice(), 0)),
            IpAddr::V6(a) => (([].as_slice(), 0), (self.v6.as_slice(), a.to_bits())),
        };
        let v4 = v4.0.iter().filter(move |e| v4.1 & e.mask == e.network);
        let v6 = v6.0.iter().filter(move |e| v6.1 & e.mask == e.network);
        v4.map(|e| &e.route).chain(v6.map(|e| &e.route))
    }

    /// All routes, IPv4 first, each family best first.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        let v4 = self.v4.iter().map(|e| &e.route);
        v4.chain(self.v6.iter().map(|e| &e.route))
    }

    /// Number of routes.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn insert<Bits>(list: &mut Vec<Entry<Bits>>, network: Bits, mask: Bits, route: Route) {
    let rank = |r: &Route| (u8::MAX - r.prefix.prefix_len(), r.metric);
    let at = list.partition_point(|e| rank(&e.route) <= rank(&route));
    list.insert(
        at,
        Entry {
            network,
            mask,
            route,
        },
    );
}

fn check_gateway(
    prefix: AddressPrefix,
    gateway: IpAddr,
    addresses: &InterfaceAddresses,
) -> Result<(), RouteError> {
    if gateway.is_ipv4() != prefix.address().is_ipv4() {
        return Err(RouteError::GatewayFamily);
    }
    let is_own = addresses.iter().any(|a| a.prefix.address() == gateway);
    if !AddressClass::of(gateway).is_host() || addresses.is_broadcast(gateway) || is_own {
        return Err(RouteError::GatewayNotHost);
    }
    if addresses.attachment() != Attachment::PointToPoint && !addresses.is_on_link(gateway) {
        return Err(RouteError::GatewayOffLink);
    }
    Ok(())
}
