//! Interfaces: where packets come from and go to, and whose addresses are ours.

use crate::InterfaceMetrics;
use crate::address::{
    AddressClass, AddressError, AddressPrefix, Attachment, Destination, IfaceId, InterfaceAddresses,
};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use handfast_wire::{Batch, Checksum, Discard, IpHeader, Packet};

/// Least MTU with which IPv4 works (RFC 791, section 3.2).
pub(crate) const MTU_MIN_V4: u32 = 68;
/// Least MTU with which IPv6 works (RFC 8200, section 5).
pub(crate) const MTU_MIN_V6: u32 = 1280;
/// Answers (resets, ICMP) that may wait for one interface.
const ANSWERS: usize = 256;
/// Largest packet that never leaves the stack.
const LOOPBACK_MTU: u32 = 65_535;

/// What the stack must know of an interface, most of it from the link's capabilities.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InterfaceConfig {
    /// How it is attached to others. Default point-to-point.
    pub attachment: Attachment,
    /// Largest IP packet on the wire, in octets, link header not counted. Default 1500.
    pub mtu: u32,
    /// Largest TCP super-segment in octets of IP packet; 0, the default: none.
    pub gso_max: u32,
    /// Largest UDP super-segment in octets of IP packet; 0, the default: none.
    pub gso_max_udp: u32,
    /// Whether [`Checksum::Partial`](handfast_wire::Checksum::Partial) packets may be sent.
    /// Default no.
    pub checksum_offload: bool,
    /// Our addresses, each with its network.
    pub addresses: Vec<AddressPrefix>,
}

impl Default for InterfaceConfig {
    fn default() -> InterfaceConfig {
        InterfaceConfig {
            attachment: Attachment::PointToPoint,
            mtu: 1500,
            gso_max: 0,
            gso_max_udp: 0,
            checksum_offload: false,
            addresses: Vec::new(),
        }
    }
}

/// Why an interface, or an address of one, was refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum InterfaceError {
    /// There is no such interface.
    Unknown,
    /// The MTU has no room for the headers: below 68 (RFC 791), or below 1280 with IPv6
    /// (RFC 8200, section 5).
    Mtu,
    /// The address cannot be had.
    Address(AddressError),
}

impl fmt::Display for InterfaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InterfaceError::Unknown => f.write_str("no such interface"),
            InterfaceError::Mtu => f.write_str("MTU too small for the protocol's headers"),
            InterfaceError::Address(why) => why.fmt(f),
        }
    }
}

impl core::error::Error for InterfaceError {}

/// Something that has output to produce.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Work {
    Connection(u32),
    SynReceived(u32),
    TimeWait(u32),
    Udp(u32),
    Foreign,
}

#[derive(Debug)]
pub(crate) struct Interface {
    pub(crate) mtu: u32,
    pub(crate) gso_max: u32,
    pub(crate) gso_max_udp: u32,
    pub(crate) checksum_offload: bool,
    pub(crate) addresses: InterfaceAddresses,
    /// Who has output for this interface, in turn.
    pub(crate) dirty: VecDeque<Work>,
    /// Packets that belong to no connection: resets, ICMP.
    pub(crate) answers: Batch,
    pub(crate) metrics: InterfaceMetrics,
}

impl Interface {
    fn new(config: &InterfaceConfig) -> Result<Interface, InterfaceError> {
        let mut iface = Interface {
            mtu: config.mtu,
            gso_max: config.gso_max,
            gso_max_udp: config.gso_max_udp,
            checksum_offload: config.checksum_offload,
            addresses: InterfaceAddresses::new(config.attachment),
            dirty: VecDeque::new(),
            answers: Batch::new(ANSWERS),
            metrics: InterfaceMetrics::default(),
        };
        if config.mtu < MTU_MIN_V4 {
            return Err(InterfaceError::Mtu);
        }
        for prefix in &config.addresses {
            iface.add_address(*prefix)?;
        }
        Ok(iface)
    }

    pub(crate) fn add_address(&mut self, prefix: AddressPrefix) -> Result<(), InterfaceError> {
        if prefix.address().is_ipv6() && self.mtu < MTU_MIN_V6 {
            return Err(InterfaceError::Mtu);
        }
        let added = self.addresses.add(prefix);
        added.map_err(InterfaceError::Address)
    }

    pub(crate) fn set_mtu(&mut self, mtu: u32) -> Result<(), InterfaceError> {
        let has_v6 = self.addresses.iter().any(|a| a.prefix.address().is_ipv6());
        if mtu < if has_v6 { MTU_MIN_V6 } else { MTU_MIN_V4 } {
            return Err(InterfaceError::Mtu);
        }
        self.mtu = mtu;
        Ok(())
    }

    #[inline]
    pub(crate) fn has_output(&self) -> bool {
        !self.dirty.is_empty() || !self.answers.is_empty()
    }
}

/// Whom a received packet is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Addressee {
    /// One of our addresses.
    Us,
    /// A broadcast or multicast address.
    Many,
    /// Another host's address.
    Foreign,
}

/// All interfaces; the first is the stack's own loopback, which no link ever sees.
#[derive(Debug)]
pub(crate) struct Interfaces {
    list: Vec<Option<Interface>>,
    /// The last packet's interface, source and destination, and what they came to: packets come
    /// in trains. Void when any address changes.
    verdict: Option<(IfaceId, IpAddr, IpAddr, Addressee)>,
}

impl Interfaces {
    pub(crate) fn new() -> Interfaces {
        let mut addresses = InterfaceAddresses::new(Attachment::Loopback);
        for (address, len) in [
            (IpAddr::V4(Ipv4Addr::LOCALHOST), 8),
            (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
        ] {
            let added = AddressPrefix::new(address, len).and_then(|p| addresses.add(p));
            debug_assert_eq!(added, Ok(()));
        }
        let loopback = Interface {
            mtu: LOOPBACK_MTU,
            gso_max: 0,
            gso_max_udp: 0,
            checksum_offload: true,
            addresses,
            dirty: VecDeque::new(),
            answers: Batch::new(ANSWERS),
            metrics: InterfaceMetrics::default(),
        };
        Interfaces {
            list: alloc::vec![Some(loopback)],
            verdict: None,
        }
    }

    /// Some address is not what it was.
    pub(crate) fn addresses_changed(&mut self) {
        self.verdict = None;
    }

    /// Ids are never used twice.
    pub(crate) fn add(&mut self, config: &InterfaceConfig) -> Result<IfaceId, InterfaceError> {
        let iface = Interface::new(config)?;
        self.list.push(Some(iface));
        Ok(IfaceId(self.list.len() as u32 - 1))
    }

    pub(crate) fn remove(&mut self, id: IfaceId) -> Option<Interface> {
        if id == IfaceId::LOOPBACK {
            return None;
        }
        self.list.get_mut(id.0 as usize)?.take()
    }

    #[inline]
    pub(crate) fn get(&self, id: IfaceId) -> Option<&Interface> {
        self.list.get(id.0 as usize)?.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: IfaceId) -> Option<&mut Interface> {
        self.list.get_mut(id.0 as usize)?.as_mut()
    }

    /// Whether the address is ours, on whichever interface (the weak host model, RFC 1122,
    /// section 3.3.4.2).
    #[inline]
    pub(crate) fn is_ours(&self, address: IpAddr) -> bool {
        AddressClass::of(address) == AddressClass::Loopback
            || self
                .list
                .iter()
                .flatten()
                .any(|i| i.addresses.is_local(address))
    }

    #[inline]
    pub(crate) fn is_broadcast(&self, address: IpAddr) -> bool {
        self.list
            .iter()
            .flatten()
            .any(|i| i.addresses.is_broadcast(address))
    }

    /// The first interface with an address of the same family that leads somewhere.
    pub(crate) fn first_of(&self, like: IpAddr) -> Option<IfaceId> {
        let has = |i: &&Interface| {
            let mut addresses = i.addresses.iter().map(|a| a.prefix.address());
            addresses.any(|a| a.is_ipv4() == like.is_ipv4())
        };
        let mut others = (1..).zip(&self.list[1..]);
        let found = others.find(|(_, i)| i.as_ref().filter(has).is_some());
        found.map(|(id, _)| IfaceId(id))
    }

    /// Queues a packet that belongs to no connection; false, counted, when too many wait.
    pub(crate) fn answer(&mut self, id: IfaceId, packet: Packet) -> bool {
        let Some(iface) = self.get_mut(id) else {
            return false;
        };
        let queued = iface.answers.push(packet).is_ok();
        iface.metrics.answers_lost += u64::from(!queued);
        queued
    }

    /// Whether any interface has output, local delivery included.
    #[inline]
    pub(crate) fn have_output(&self) -> bool {
        self.list.iter().flatten().any(Interface::has_output)
    }

    /// How far checksums are to be done for this interface.
    #[inline]
    pub(crate) fn checksum(&self, id: IfaceId) -> Checksum {
        match self.get(id) {
            Some(iface) if iface.checksum_offload => Checksum::Partial,
            _ => Checksum::None,
        }
    }

    /// Whom a packet received on `id` is for, and whether its addresses may be there at all.
    #[inline]
    pub(crate) fn addressee(&mut self, id: IfaceId, ip: &IpHeader) -> Result<Addressee, Discard> {
        if let Some((iface, source, destination, addressee)) = self.verdict
            && (iface, source, destination) == (id, ip.source, ip.destination)
        {
            return Ok(addressee);
        }
        let addressee = self.judge(id, ip)?;
        self.verdict = Some((id, ip.source, ip.destination, addressee));
        Ok(addressee)
    }

    fn judge(&self, id: IfaceId, ip: &IpHeader) -> Result<Addressee, Discard> {
        let iface = self.get(id).ok_or(Discard::IpDestination)?;
        let (source, destination) = (ip.source, ip.destination);
        let found = iface.addresses.check_received(source, destination, false)?;
        if id != IfaceId::LOOPBACK && self.is_ours(source) {
            return Err(Discard::IpSource);
        }
        Ok(match found {
            Destination::Local | Destination::Loopback => Addressee::Us,
            Destination::Broadcast | Destination::Multicast => Addressee::Many,
            _ if self.is_ours(destination) => Addressee::Us,
            _ => Addressee::Foreign,
        })
    }
}

impl IfaceId {
    /// The stack's own loopback interface: 127.0.0.0/8, ::1, and all that goes to any of our own
    /// addresses.
    pub const LOOPBACK: IfaceId = IfaceId(0);
}
