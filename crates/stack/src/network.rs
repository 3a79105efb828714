//! Where packets go: interfaces, routes, source addresses, path MTUs.

use crate::IfaceId;
use crate::address::AddressClass;
use crate::interface::{Interfaces, MTU_MIN_V4, MTU_MIN_V6};
use crate::path_mtu::PathMtus;
use crate::route::RouteTable;
use crate::source_address::{self, PolicyTable, Privacy};
use crate::tuple;
use crate::udp::{Cast, Egress, UdpError, Wanted};
use core::net::{IpAddr, SocketAddr};
use handfast_base::Instant;
use handfast_tcp::Path;

#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) interfaces: Interfaces,
    pub(crate) routes: RouteTable,
    pub(crate) path_mtus: PathMtus,
    policy: PolicyTable,
    privacy: Privacy,
}

impl Network {
    pub(crate) fn new(privacy: Privacy) -> Network {
        Network {
            interfaces: Interfaces::new(),
            routes: RouteTable::new(),
            path_mtus: PathMtus::default(),
            policy: PolicyTable::default(),
            privacy,
        }
    }

    /// The interface by which packets to `remote` leave.
    pub(crate) fn egress(&self, remote: SocketAddr) -> Option<IfaceId> {
        self.route_to(remote).map(|(id, _)| id)
    }

    /// Interface and next hop towards `remote`. What is ours stays inside.
    fn route_to(&self, remote: SocketAddr) -> Option<(IfaceId, IpAddr)> {
        let destination = remote.ip();
        if self.interfaces.is_ours(destination) {
            return Some((IfaceId::LOOPBACK, destination));
        }
        let zone = IfaceId(tuple::zone(remote));
        if zone != IfaceId::LOOPBACK {
            self.interfaces.get(zone)?;
            return Some((zone, destination));
        }
        let mut routes = self.routes.matches(destination);
        let route = routes.find(|r| self.interfaces.get(r.iface).is_some())?;
        Some((route.iface, route.next_hop(destination)))
    }

    /// The address that packets to `remote` carry as their source when none was chosen.
    pub(crate) fn source_for(&self, remote: SocketAddr) -> Option<IpAddr> {
        let (id, next_hop) = self.route_to(remote)?;
        self.source_by(id, remote.ip(), next_hop)
    }

    fn source_by(&self, id: IfaceId, destination: IpAddr, next_hop: IpAddr) -> Option<IpAddr> {
        if id == IfaceId::LOOPBACK && AddressClass::of(destination) != AddressClass::Loopback {
            return Some(destination);
        }
        let addresses = &self.interfaces.get(id)?.addresses;
        source_address::select(destination, next_hop, addresses, &self.policy, self.privacy)
            .map(|a| a.prefix.address())
    }

    /// What a connection must know of the way to `remote`.
    pub(crate) fn path(&self, id: IfaceId, remote: IpAddr, now: Instant) -> Path {
        let iface = self.interfaces.get(id);
        let (mtu, gso_max) = iface.map_or((0, 0), |i| (i.mtu, i.gso_max));
        let mut routes = self.routes.matches(remote).filter(|r| r.iface == id);
        let route = routes.next().filter(|_| id != IfaceId::LOOPBACK);
        let (header, least) = match remote {
            IpAddr::V4(_) => (20, MTU_MIN_V4),
            IpAddr::V6(_) => (40, MTU_MIN_V6),
        };
        let own = route.and_then(|r| r.mtu).map(|own| own.max(least));
        let (estimate, searching) = (self.path_mtus.get(remote, now)).unwrap_or((u32::MAX, false));
        Path {
            estimate,
            searching,
            gso_max,
            advertised_mss: route.and_then(|r| r.advertised_mss).unwrap_or(0),
            ..Path::new(own.map_or(mtu, |own| own.min(mtu)), header)
        }
    }

    /// The largest datagram to `remote` that need not be cut. What a connection has assumed, to find
    /// out more, is no limit to others.
    pub(crate) fn datagram_mtu(&self, id: IfaceId, remote: IpAddr, now: Instant) -> u32 {
        let path = self.path(id, remote, now);
        if path.searching {
            path.mtu
        } else {
            path.pmtu()
        }
    }

    /// How a datagram reaches its destination.
    pub(crate) fn datagram_egress(&self, to: &Wanted, now: Instant) -> Result<Egress, UdpError> {
        let destination = to.destination.ip();
        let class = AddressClass::of(destination);
        let is_group = class == AddressClass::Multicast;
        let is_limited = class == AddressClass::LimitedBroadcast;
        let (iface, next_hop) = match to.iface {
            // Who names an interface still cannot send to ourselves by it.
            Some(id) if !self.interfaces.is_ours(destination) => (id, destination),
            _ => match self.route_to(to.destination) {
                Some(found) => found,
                // Without a route, groups and the limited broadcast leave by the first interface.
                None if is_group || is_limited => {
                    let first = self.interfaces.first_of(destination);
                    (first.ok_or(UdpError::NoRoute)?, destination)
                }
                None => return Err(UdpError::NoRoute),
            },
        };
        let addresses = &self
            .interfaces
            .get(iface)
            .ok_or(UdpError::NoRoute)?
            .addresses;
        let source = match to.source {
            Some(source) if self.interfaces.is_ours(source) => source,
            Some(_) => return Err(UdpError::LocalAddress),
            None => {
                let chosen = self.source_by(iface, destination, next_hop);
                chosen.ok_or(UdpError::NoRoute)?
            }
        };
        Ok(Egress {
            iface,
            source,
            mtu: self.datagram_mtu(iface, destination, now),
            cast: if is_group {
                Cast::Multicast
            } else if addresses.is_broadcast(destination) {
                Cast::Broadcast
            } else {
                Cast::Unicast
            },
        })
    }
}
