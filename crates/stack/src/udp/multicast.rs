//! Membership of groups (RFC 1112, section 6.2; RFC 3376, section 2; RFC 3810, section 3).

use super::{Socket, UdpError, UdpTable};
use crate::IfaceId;
use crate::socket_id::SocketId;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Groups that one socket may join.
const GROUPS: usize = 64;

impl Socket {
    /// Whether it is to have what arrives on `iface` for `group`.
    pub(super) fn hears(&self, iface: IfaceId, group: IpAddr) -> bool {
        // Every host is a member of these, always (RFC 1112, section 7.2; RFC 4291, 2.7.1).
        const ALL_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 1));
        const ALL_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1));
        group == ALL_V4 || group == ALL_V6 || self.groups.contains(&(iface, group))
    }
}

impl UdpTable {
    /// Joins a group on an interface. True if it is the first socket to do so: the group is to be
    /// reported. Joining again changes nothing.
    ///
    /// # Errors
    /// [`UdpError::Closed`]; [`UdpError::Family`]; [`UdpError::Group`] if it is no group, or the
    /// socket is in 64 already.
    pub fn join(&mut self, id: SocketId, iface: IfaceId, group: IpAddr) -> Result<bool, UdpError> {
        let index = self.index(id)?;
        let socket = self.sockets.get_mut(index).ok_or(UdpError::Closed)?;
        if !socket.family.has(group) {
            return Err(UdpError::Family);
        }
        if socket.groups.contains(&(iface, group)) {
            return Ok(false);
        }
        if !group.is_multicast() || socket.groups.len() >= GROUPS {
            return Err(UdpError::Group);
        }
        socket.groups.push((iface, group));
        let members = self.memberships.entry((iface, group)).or_insert(0);
        *members += 1;
        Ok(*members == 1)
    }

    /// Leaves a group on an interface. True if it was the last socket there.
    ///
    /// # Errors
    /// [`UdpError::Closed`]; [`UdpError::Group`] if it is not in the group.
    pub fn leave(&mut self, id: SocketId, iface: IfaceId, group: IpAddr) -> Result<bool, UdpError> {
        let index = self.index(id)?;
        let socket = self.sockets.get_mut(index).ok_or(UdpError::Closed)?;
        let at = socket.groups.iter().position(|g| *g == (iface, group));
        socket.groups.remove(at.ok_or(UdpError::Group)?);
        Ok(self.one_less((iface, group)))
    }

    /// Whether any socket is in the group on this interface.
    pub fn is_member(&self, iface: IfaceId, group: IpAddr) -> bool {
        self.memberships.contains_key(&(iface, group))
    }

    /// The groups joined, by interface, in order.
    pub fn groups(&self) -> impl Iterator<Item = (IfaceId, IpAddr)> + '_ {
        self.memberships.keys().copied()
    }

    pub(super) fn leave_all(&mut self, index: u32) {
        let groups = self
            .sockets
            .get_mut(index)
            .map(|s| core::mem::take(&mut s.groups));
        for membership in groups.into_iter().flatten() {
            self.one_less(membership);
        }
    }

    pub(super) fn leave_interface(&mut self, index: u32, iface: IfaceId) {
        if let Some(socket) = self.sockets.get_mut(index) {
            socket.groups.retain(|(i, _)| *i != iface);
        }
        self.memberships.retain(|(i, _), _| *i != iface);
    }

    /// True if nobody is left in the group.
    fn one_less(&mut self, membership: (IfaceId, IpAddr)) -> bool {
        let Some(members) = self.memberships.get_mut(&membership) else {
            return false;
        };
        *members -= 1;
        let is_empty = *members == 0;
        if is_empty {
            self.memberships.remove(&membership);
        }
        is_empty
    }
}
