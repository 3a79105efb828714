//! Binding, connecting, and what is in the way of either.

use super::demux::{Key, Local};
use super::send::{Wanted, check_destination};
use super::{Cast, Egress, Socket, UdpError, UdpFamily, UdpTable};
use crate::IfaceId;
use crate::address::AddressClass;
use crate::ports::PortError;
use crate::socket_id::SocketId;
use crate::tuple::{endpoint, zone};
use core::net::{IpAddr, SocketAddr};

/// What a socket is to be bound to.
#[derive(Clone, Copy)]
struct Binding {
    family: UdpFamily,
    local: Option<IpAddr>,
    port: u16,
    iface: Option<IfaceId>,
}

impl Binding {
    fn of(socket: &Socket) -> Binding {
        Binding {
            family: socket.family,
            local: socket.local,
            port: socket.port,
            iface: socket.iface,
        }
    }

    /// Whether some datagram without a peer could be for both.
    fn overlaps(&self, other: &Binding) -> bool {
        let addresses = match (self.local, other.local) {
            (Some(a), Some(b)) => a == b,
            (Some(a), None) => other.family.has(a),
            (None, Some(b)) => self.family.has(b),
            (None, None) => {
                self.family == other.family
                    || self.family == UdpFamily::Dual
                    || other.family == UdpFamily::Dual
            }
        };
        let interfaces = match (self.iface, other.iface) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        self.port == other.port && addresses && interfaces
    }
}

impl UdpTable {
    /// Binds a socket to an address and port, and to an interface if one is named or is the zone
    /// of the address. The unspecified address stands for all of the family, port 0 for an
    /// ephemeral one. `is_ours` says whether an address is one of the stack's (and of that
    /// interface); a group's address may be bound too. `random` comes from a generator whose
    /// output does not betray its state.
    ///
    /// Returns the port.
    ///
    /// # Errors
    /// [`UdpError::Closed`], [`AlreadyBound`](UdpError::AlreadyBound),
    /// [`Family`](UdpError::Family), [`LocalAddress`](UdpError::LocalAddress),
    /// [`AddressInUse`](UdpError::AddressInUse) when another socket could get the same datagrams
    /// and not both allow [`reuse`](super::UdpOptions::reuse), [`NoPorts`](UdpError::NoPorts).
    pub fn bind(
        &mut self,
        id: SocketId,
        local: SocketAddr,
        iface: Option<IfaceId>,
        random: u32,
        is_ours: impl FnOnce(IpAddr, Option<IfaceId>) -> bool,
    ) -> Result<u16, UdpError> {
        let index = self.index(id)?;
        let socket = self.sockets.get(index).ok_or(UdpError::Closed)?;
        if socket.port != 0 {
            return Err(UdpError::AlreadyBound);
        }
        let local = canonical(socket.family, local)?;
        let zone = Some(zone(local)).filter(|z| *z != 0).map(IfaceId);
        let iface = iface.or(zone);
        let address = Some(local.ip()).filter(|a| !a.is_unspecified());
        if let Some(a) = address
            && !a.is_multicast()
            && !is_ours(a, iface)
        {
            return Err(UdpError::LocalAddress);
        }
        let mut binding = Binding {
            family: match (socket.family, local) {
                // 0.0.0.0 asks for IPv4 alone.
                (UdpFamily::Dual, SocketAddr::V4(_)) => UdpFamily::V4,
                (family, _) => family,
            },
            local: address,
            port: local.port(),
            iface,
        };
        let reuse = socket.options.reuse;
        if binding.port == 0 {
            binding.port = self.ephemeral(binding, None, random)?;
        } else if self.is_taken(&binding, index, reuse) {
            return Err(UdpError::AddressInUse);
        }
        self.settle_at(index, binding, None);
        if let Some(socket) = self.sockets.get_mut(index) {
            socket.bound = address;
        }
        Ok(binding.port)
    }

    /// Connects a socket to one peer: it gets that peer's datagrams alone (others that wait to be
    /// read are thrown away), sends there by default, and is told of errors. `route` says how the
    /// peer is reached. An unbound socket gets an ephemeral port. A connected socket may be
    /// connected anew.
    ///
    /// # Errors
    /// [`UdpError::Closed`], [`Family`](UdpError::Family),
    /// [`RemoteAddress`](UdpError::RemoteAddress), [`Broadcast`](UdpError::Broadcast),
    /// [`AddressInUse`](UdpError::AddressInUse), [`NoPorts`](UdpError::NoPorts), and what `route`
    /// says.
    pub fn connect(
        &mut self,
        id: SocketId,
        remote: SocketAddr,
        random: u32,
        route: impl FnOnce(&Wanted) -> Result<Egress, UdpError>,
    ) -> Result<(), UdpError> {
        let index = self.index(id)?;
        let socket = self.sockets.get(index).ok_or(UdpError::Closed)?;
        let remote = canonical(socket.family, remote)?;
        check_destination(remote)?;
        let group = socket.bound.filter(IpAddr::is_multicast);
        let wanted = Wanted {
            source: socket.bound.filter(|a| !a.is_multicast()),
            ..socket.wants(remote, None, None)
        };
        let egress = route(&wanted)?;
        if egress.cast == Cast::Broadcast && !socket.options.broadcast {
            return Err(UdpError::Broadcast);
        }
        let remote = endpoint(remote.ip(), remote.port(), egress.iface.0);
        // Bound to a group, it hears what the peer sends there.
        let local = group.unwrap_or(egress.source);
        let mut binding = Binding {
            local: Some(local),
            ..Binding::of(socket)
        };
        if binding.port == 0 {
            binding.port = self.ephemeral(binding, Some(remote), random)?;
        } else {
            let key = Key {
                local: Local::Address(local),
                port: binding.port,
                remote: Some(remote),
                iface: binding.iface,
            };
            let owners = self.demux.owners(&key);
            let others = owners.into_iter().flatten().any(|o| *o != index);
            if others && !socket.options.reuse {
                return Err(UdpError::AddressInUse);
            }
        }
        self.settle_at(index, binding, Some(remote));
        if let Some(socket) = self.sockets.get_mut(index) {
            socket.pending = None;
            let mut freed = 0;
            socket.received.retain(|d| {
                let keep = d.remote == remote;
                freed += if keep { 0 } else { d.charge() };
                keep
            });
            socket.received_octets -= freed;
            self.memory -= freed as usize;
        }
        Ok(())
    }

    /// Ends the connection to a peer; the socket has again the address it was bound to. It keeps
    /// its port, unless it never asked for one and another socket now has it elsewhere.
    ///
    /// # Errors
    /// [`UdpError::Closed`], [`NotConnected`](UdpError::NotConnected).
    pub fn disconnect(&mut self, id: SocketId) -> Result<(), UdpError> {
        let index = self.index(id)?;
        let socket = self.sockets.get_mut(index).ok_or(UdpError::Closed)?;
        if socket.remote.is_none() {
            return Err(UdpError::NotConnected);
        }
        let binding = Binding {
            local: socket.bound,
            ..Binding::of(socket)
        };
        let reuse = socket.options.reuse;
        if self.is_taken(&binding, index, reuse) {
            self.unbind(index);
        } else {
            self.settle_at(index, binding, None);
        }
        Ok(())
    }

    /// Gives an unbound socket an ephemeral port on all its addresses.
    pub(super) fn bind_automatically(&mut self, index: u32, random: u32) -> Result<(), UdpError> {
        let socket = self.sockets.get(index).ok_or(UdpError::Closed)?;
        if socket.port != 0 {
            return Ok(());
        }
        let mut binding = Binding::of(socket);
        binding.port = self.ephemeral(binding, None, random)?;
        self.settle_at(index, binding, None);
        Ok(())
    }

    /// Takes a socket's binding away.
    pub(super) fn unbind(&mut self, index: u32) {
        self.withdraw(index);
        if let Some(socket) = self.sockets.get_mut(index) {
            socket.bound = None;
            socket.local = None;
            socket.port = 0;
            socket.remote = None;
        }
    }

    /// A port at which no other socket could get the same datagrams, whoever they are from.
    fn ephemeral(
        &mut self,
        mut binding: Binding,
        remote: Option<SocketAddr>,
        random: u32,
    ) -> Result<u16, UdpError> {
        let Some(mut ports) = self.ports.take() else {
            return Err(UdpError::NoPorts);
        };
        let local = binding.local.unwrap_or(binding.family.unspecified());
        let found = ports.allocate(local, remote, random, |port| {
            binding.port = port;
            self.is_taken(&binding, u32::MAX, false)
        });
        self.ports = Some(ports);
        found.map_err(|_: PortError| UdpError::NoPorts)
    }

    fn is_taken(&self, binding: &Binding, except: u32, reuse: bool) -> bool {
        let range = (binding.port, 0)..=(binding.port, u32::MAX);
        self.by_port.range(range).any(|(_, index)| {
            let other = self.sockets.get(*index);
            other.is_some_and(|other| {
                *index != except
                    && binding.overlaps(&Binding::of(other))
                    && !(reuse && other.options.reuse)
            })
        })
    }

    /// Moves a socket from the binding it has to another.
    fn settle_at(&mut self, index: u32, binding: Binding, remote: Option<SocketAddr>) {
        self.withdraw(index);
        let Some(socket) = self.sockets.get_mut(index) else {
            return;
        };
        socket.family = binding.family;
        socket.local = binding.local;
        socket.port = binding.port;
        socket.iface = binding.iface;
        socket.remote = remote;
        for key in keys(socket) {
            self.demux.insert(key, index);
        }
        self.by_port.insert((binding.port, index));
    }

    fn withdraw(&mut self, index: u32) {
        let Some(socket) = self.sockets.get(index) else {
            return;
        };
        if socket.port != 0 {
            for key in keys(socket) {
                self.demux.remove(&key, index);
            }
            self.by_port.remove(&(socket.port, index));
        }
    }
}

/// The keys under which datagrams find a socket: one, or one for each family.
fn keys(socket: &Socket) -> impl Iterator<Item = Key> + use<> {
    let locals = match (socket.local, socket.family) {
        (Some(address), _) => [Some(Local::Address(address)), None],
        (None, UdpFamily::V4) => [Some(Local::AnyV4), None],
        (None, UdpFamily::V6) => [None, Some(Local::AnyV6)],
        (None, UdpFamily::Dual) => [Some(Local::AnyV4), Some(Local::AnyV6)],
    };
    let (port, remote, iface) = (socket.port, socket.remote, socket.iface);
    locals.into_iter().flatten().map(move |local| Key {
        local,
        port,
        remote,
        iface,
    })
}

/// The address as it is on a wire: never IPv4-mapped, and without a flow label.
pub(super) fn canonical(family: UdpFamily, address: SocketAddr) -> Result<SocketAddr, UdpError> {
    let ip = match family {
        UdpFamily::V6 => address.ip(),
        UdpFamily::V4 | UdpFamily::Dual => address.ip().to_canonical(),
    };
    if !family.has(ip) || AddressClass::of(ip) == AddressClass::V4Mapped {
        return Err(UdpError::Family);
    }
    Ok(endpoint(ip, address.port(), zone(address)))
}
