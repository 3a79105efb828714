//! What kind of address an address is, and which ones an interface has.

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;
use handfast_wire::Discard;

#[cfg(test)]
mod tests;

/// An interface of the stack.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IfaceId(pub u32);

/// What kind of address it is, wherever it is seen (RFC 1122, section 3.2.1.3; RFC 4291,
/// section 2.4). A subnet's broadcast address is [`Unicast`](AddressClass::Unicast) here: only
/// an interface can tell.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum AddressClass {
    /// 0.0.0.0 or ::.
    Unspecified,
    /// The rest of 0.0.0.0/8: a host on this network that does not know its network yet.
    ThisNetwork,
    /// 127.0.0.0/8 or ::1.
    Loopback,
    /// 169.254.0.0/16 (RFC 3927) or fe80::/10.
    LinkLocal,
    /// 224.0.0.0/4 or ff00::/8.
    Multicast,
    /// 255.255.255.255.
    LimitedBroadcast,
    /// Class E, 240.0.0.0/4.
    Reserved,
    /// ::ffff:0:0/96: an IPv4 address inside an API, never on a wire.
    V4Mapped,
    /// Anything else.
    Unicast,
}

impl AddressClass {
    /// The class of an address.
    #[inline]
    pub const fn of(address: IpAddr) -> AddressClass {
        match address {
            IpAddr::V4(a) => AddressClass::of_v4(a),
            IpAddr::V6(a) => AddressClass::of_v6(a),
        }
    }

    const fn of_v4(a: Ipv4Addr) -> AddressClass {
        match a.octets() {
            [0, 0, 0, 0] => AddressClass::Unspecified,
            [0, ..] => AddressClass::ThisNetwork,
            [127, ..] => AddressClass::Loopback,
            [169, 254, ..] => AddressClass::LinkLocal,
            [224..=239, ..] => AddressClass::Multicast,
            [255, 255, 255, 255] => AddressClass::LimitedBroadcast,
            [240..=255, ..] => AddressClass::Reserved,
            _ => AddressClass::Unicast,
        }
    }

    const fn of_v6(a: Ipv6Addr) -> AddressClass {
        match a.segments() {
            [0, 0, 0, 0, 0, 0, 0, 0] => AddressClass::Unspecified,
            [0, 0, 0, 0, 0, 0, 0, 1] => AddressClass::Loopback,
            [0, 0, 0, 0, 0, 0xffff, _, _] => AddressClass::V4Mapped,
            [0xfe80..=0xfebf, ..] => AddressClass::LinkLocal,
            [0xff00..=0xffff, ..] => AddressClass::Multicast,
            _ => AddressClass::Unicast,
        }
    }

    /// Whether such an address can name one host across a link.
    #[inline]
    pub const fn is_host(self) -> bool {
        matches!(self, AddressClass::Unicast | AddressClass::LinkLocal)
    }
}

/// An address and how many of its bits name the network: `192.0.2.7/24`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressPrefix {
    address: IpAddr,
    len: u8,
}

impl AddressPrefix {
    /// An address with a prefix length.
    ///
    /// # Errors
    /// [`AddressError::PrefixLength`] beyond 32 or 128.
    pub const fn new(address: IpAddr, len: u8) -> Result<AddressPrefix, AddressError> {
        if len > width(address) {
            return Err(AddressError::PrefixLength);
        }
        Ok(AddressPrefix { address, len })
    }

    /// An address all of whose bits count: /32 or /128.
    pub const fn host(address: IpAddr) -> AddressPrefix {
        AddressPrefix {
            address,
            len: width(address),
        }
    }

    /// The address, host bits included.
    #[inline]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits name the network.
    #[inline]
    pub const fn prefix_len(&self) -> u8 {
        self.len
    }

    /// The same with all host bits zero.
    pub const fn network(&self) -> AddressPrefix {
        let address = match self.address {
            IpAddr::V4(a) => IpAddr::V4(Ipv4Addr::from_bits(a.to_bits() & self.mask_v4())),
            IpAddr::V6(a) => IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() & self.mask_v6())),
        };
        AddressPrefix {
            address,
            len: self.len,
        }
    }

    /// Whether `address` is of this family and network.
    #[inline]
    pub const fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()) & self.mask_v4() == 0,
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()) & self.mask_v6() == 0,
            _ => false,
        }
    }

    /// The subnet's all-ones address; there is none in IPv6 nor on a /31 or /32 (RFC 3021).
    pub const fn broadcast(&self) -> Option<Ipv4Addr> {
        match self.address {
            IpAddr::V4(a) if self.len < 31 => {
                Some(Ipv4Addr::from_bits(a.to_bits() | !self.mask_v4()))
            }
            _ => None,
        }
    }

    /// Whether the host bits are all zero, on a network large enough for that to mean the network
    /// itself or, in IPv6, any of its routers (RFC 4291, section 2.6.1).
    const fn is_network(&self) -> bool {
        width(self.address) - self.len >= 2 && is_same(self.address, self.network().address)
    }

    const fn mask_v4(&self) -> u32 {
        match self.len {
            0 => 0,
            len => u32::MAX << (32 - len),
        }
    }

    const fn mask_v6(&self) -> u128 {
        match self.len {
            0 => 0,
            len => u128::MAX << (128 - len),
        }
    }
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

const fn is_same(a: IpAddr, b: IpAddr) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => a.to_bits() == b.to_bits(),
        (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() == b.to_bits(),
        _ => false,
    }
}

impl fmt::Display for AddressPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

impl fmt::Debug for AddressPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for AddressPrefix {
    type Err = AddressError;

    /// `192.0.2.7/24`; without a length, all bits count.
    fn from_str(text: &str) -> Result<AddressPrefix, AddressError> {
        let (address, len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len)),
            None => (text, None),
        };
        let address = address.parse().map_err(|_| AddressError::Syntax)?;
        match len {
            Some(len) => {
                AddressPrefix::new(address, len.parse().map_err(|_| AddressError::Syntax)?)
            }
            None => Ok(AddressPrefix::host(address)),
        }
    }
}

/// Why an address was refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum AddressError {
    /// Not an address, or not a number after the slash.
    Syntax,
    /// A prefix length beyond the address's width.
    PrefixLength,
    /// Not the address of one host: unspecified, multicast, broadcast, loopback on a link, or the
    /// network itself.
    NotHost,
    /// The interface has it already.
    Duplicate,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AddressError::Syntax => "not an address with a prefix length",
            AddressError::PrefixLength => "prefix length beyond the width of the address",
            AddressError::NotHost => "not the address of one host",
            AddressError::Duplicate => "the interface has this address already",
        })
    }
}

impl core::error::Error for AddressError {}

/// How an interface is attached to others.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Attachment {
    /// A link of many stations that resolves addresses, such as Ethernet.
    Broadcast,
    /// Whatever is sent reaches the one other end, without resolution: a TUN, PPP.
    #[default]
    PointToPoint,
    /// What is sent comes back.
    Loopback,
}

/// What an address may be used for (RFC 4862, section 5.5.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum AddressState {
    /// Uniqueness is not verified yet: not ours so far.
    Tentative,
    /// For any use.
    #[default]
    Preferred,
    /// For what uses it already, and where there is no other.
    Deprecated,
}

/// One address of an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InterfaceAddress {
    /// The address and its network.
    pub prefix: AddressPrefix,
    /// What it may be used for.
    pub state: AddressState,
    /// A privacy address (RFC 8981), preferred as the source of what we begin.
    pub temporary: bool,
}

/// The addresses of one interface, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct InterfaceAddresses {
    attachment: Attachment,
    list: Vec<InterfaceAddress>,
}

/// What a destination address is to an interface.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Destination {
    /// An address of this interface.
    Local,
    /// 127.0.0.0/8 or ::1: ours, but never on a link.
    Loopback,
    /// The limited broadcast address or the all-ones address of a subnet of this interface.
    Broadcast,
    /// A group, whether or not anybody has joined it.
    Multicast,
    /// Some other host, or another interface of ours.
    Elsewhere,
    /// No packet can be sent there: unspecified, class E, IPv4-mapped.
    Invalid,
}

impl InterfaceAddresses {
    /// No addresses.
    pub const fn new(attachment: Attachment) -> InterfaceAddresses {
        InterfaceAddresses {
            attachment,
            list: Vec::new(),
        }
    }

    /// How the interface is attached.
    pub fn attachment(&self) -> Attachment {
        self.attachment
    }

    /// All addresses.
    pub fn iter(&self) -> impl Iterator<Item = &InterfaceAddress> + Clone {
        self.list.iter()
    }

    /// Adds an address that is preferred and permanent.
    ///
    /// # Errors
    /// [`AddressError::NotHost`] or [`AddressError::Duplicate`]; nothing has changed then.
    pub fn add(&mut self, prefix: AddressPrefix) -> Result<(), AddressError> {
        self.add_with(InterfaceAddress {
            prefix,
            state: AddressState::Preferred,
            temporary: false,
        })
    }

    /// Adds an address.
    ///
    /// # Errors
    /// As [`add`](InterfaceAddresses::add).
    pub fn add_with(&mut self, address: InterfaceAddress) -> Result<(), AddressError> {
        let prefix = address.prefix;
        let class = AddressClass::of(prefix.address);
        let is_loopback =
            class == AddressClass::Loopback && self.attachment == Attachment::Loopback;
        let is_broadcast = prefix.broadcast().map(IpAddr::V4) == Some(prefix.address);
        if !(class.is_host() || is_loopback) || prefix.is_network() || is_broadcast {
            return Err(AddressError::NotHost);
        }
        if self.position(prefix.address).is_some() {
            return Err(AddressError::Duplicate);
        }
        self.list.push(address);
        Ok(())
    }

    /// Removes an address; false when there is no such one.
    pub fn remove(&mut self, address: IpAddr) -> bool {
        let at = self.position(address);
        at.map(|at| self.list.remove(at)).is_some()
    }

    /// Changes what an address may be used for; false when there is no such one.
    pub fn set_state(&mut self, address: IpAddr, state: AddressState) -> bool {
        let at = self.position(address);
        at.map(|at| self.list[at].state = state).is_some()
    }

    fn position(&self, address: IpAddr) -> Option<usize> {
        self.list.iter().position(|a| a.prefix.address == address)
    }

    /// Whether it is an address of this interface, verified as unique.
    #[inline]
    pub fn is_local(&self, address: IpAddr) -> bool {
        self.list
            .iter()
            .any(|a| a.prefix.address == address && a.state != AddressState::Tentative)
    }

    /// Whether a packet that leaves by this interface may carry this source address: one of its
    /// own, and no loopback address on a link (RFC 1122, section 3.2.1.3).
    #[inline]
    pub fn may_be_source(&self, address: IpAddr) -> bool {
        self.is_local(address)
            || self.attachment == Attachment::Loopback
                && AddressClass::of(address) == AddressClass::Loopback
    }

    /// Whether it is in the network of one of the addresses, or IPv6 link-local: reached without
    /// a gateway.
    pub fn is_on_link(&self, address: IpAddr) -> bool {
        let is_link_local_v6 =
            address.is_ipv6() && AddressClass::of(address) == AddressClass::LinkLocal;
        is_link_local_v6 || self.list.iter().any(|a| a.prefix.contains(address))
    }

    /// Whether it is the limited broadcast address or that of a subnet of this interface.
    #[inline]
    pub fn is_broadcast(&self, address: IpAddr) -> bool {
        let IpAddr::V4(v4) = address else {
            return false;
        };
        v4.is_broadcast() || self.list.iter().any(|a| a.prefix.broadcast() == Some(v4))
    }

    /// What a destination address is to this interface.
    #[inline]
    pub fn destination(&self, address: IpAddr) -> Destination {
        if self.is_local(address) {
            return Destination::Local;
        }
        match AddressClass::of(address) {
            AddressClass::Loopback => Destination::Loopback,
            AddressClass::Multicast => Destination::Multicast,
            AddressClass::LimitedBroadcast => Destination::Broadcast,
            AddressClass::Unicast | AddressClass::LinkLocal if self.is_broadcast(address) => {
                Destination::Broadcast
            }
            AddressClass::Unicast | AddressClass::LinkLocal => Destination::Elsewhere,
            _ => Destination::Invalid,
        }
    }

    /// Judges the addresses of a packet that arrived on this interface, and says what its
    /// destination is. `unspecified_source` is whether the packet is of a kind that a host without
    /// an address may send: DHCP, IGMP, and of ICMPv6 solicitations and MLD.
    ///
    /// # Errors
    /// [`Discard::IpSource`] for a source that no packet may carry (MUST-63), or that is ours;
    /// [`Discard::IpDestination`] for a destination that no packet on a link may have.
    #[inline]
    pub fn check_received(
        &self,
        source: IpAddr,
        destination: IpAddr,
        unspecified_source: bool,
    ) -> Result<Destination, Discard> {
        let on_loopback = self.attachment == Attachment::Loopback;
        let source_is_possible = match AddressClass::of(source) {
            AddressClass::Unicast | AddressClass::LinkLocal => {
                !self.is_broadcast(source) && (on_loopback || !self.is_local(source))
            }
            AddressClass::Unspecified => unspecified_source,
            AddressClass::Loopback => on_loopback,
            _ => false,
        };
        if !source_is_possible {
            return Err(Discard::IpSource);
        }
        match self.destination(destination) {
            Destination::Invalid => Err(Discard::IpDestination),
            Destination::Loopback if !on_loopback => Err(Discard::IpDestination),
            possible => Ok(possible),
        }
    }
}
