//! Who has which address on the link between the program and us.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use handfast::stack::address::AddressPrefix;

use crate::netlink::{Family, InterfaceAddress};

/// The name of our end, where the services are.
pub(super) const GATEWAY_NAME: &str = "handfast.internal";
/// The name that stands for the machine's own loopback.
pub(super) const HOST_NAME: &str = "host.handfast.internal";

/// The program's own address.
pub(super) fn program(family: Family) -> IpAddr {
    of(family, 2, 2)
}

/// Ours, where services and DNS answer.
pub(super) fn gateway(family: Family) -> IpAddr {
    of(family, 1, 1)
}

/// The one that stands for the machine's loopback.
pub(super) fn host(family: Family) -> IpAddr {
    of(family, 254, 0xfe)
}

/// What [`host`] stands for.
pub(super) fn host_loopback(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::LOCALHOST.into(),
        Family::V6 => Ipv6Addr::LOCALHOST.into(),
    }
}

/// The name of an address that is not the program's, if it has one of ours.
pub(super) fn name(of: IpAddr) -> Option<&'static str> {
    let family = match of {
        IpAddr::V4(_) => Family::V4,
        IpAddr::V6(_) => Family::V6,
    };
    let names = [(gateway(family), GATEWAY_NAME), (host(family), HOST_NAME)];
    names
        .into_iter()
        .find(|(address, _)| *address == of)
        .map(|(_, name)| name)
}

/// The program's address as its kernel has it.
pub(super) fn of_interface(family: Family) -> InterfaceAddress {
    InterfaceAddress {
        address: program(family),
        prefix_len: prefix_len(family),
    }
}

/// Our address as our stack has it.
///
/// # Errors
/// None that the literals below allow.
pub(super) fn of_stack(family: Family) -> Result<AddressPrefix, String> {
    AddressPrefix::new(gateway(family), prefix_len(family)).map_err(|e| e.to_string())
}

fn of(family: Family, v4: u8, v6: u16) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(10, 77, 0, v4).into(),
        // A unique local prefix (RFC 4193): "handf" after its first octet.
        Family::V6 => Ipv6Addr::new(0xfd68, 0x616e, 0x6466, 1, 0, 0, 0, v6).into(),
    }
}

fn prefix_len(family: Family) -> u8 {
    match family {
        Family::V4 => 24,
        Family::V6 => 64,
    }
}
