//! Netlink (RFC 3549), as far as one interface needs it: links, addresses, default routes, and the
//! transport for socket diagnosis. Messages are built by hand; nothing here allocates a thread or
//! keeps state beyond one socket.

mod message;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};
use serde::{Deserialize, Serialize};

pub use message::{Message, attributes};

use message::HEADER;
pub(crate) use message::{u16_at, u32_at};

const NLM_F_ACK: u16 = 4;
const NLM_F_CREATE_EXCL: u16 = 0x600;
const NLMSG_ERROR: u16 = 2;

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_TXQLEN: u16 = 13;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_F_NODAD: u8 = 2;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
const RTN_UNICAST: u8 = 1;
const IFF_UP: u32 = 1;
const IFF_RUNNING: u32 = 0x40;
const IFF_NOARP: u32 = 0x80;
const IFF_MULTICAST: u32 = 0x1000;

/// An address of an interface, with the length of its prefix in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceAddress {
    /// The address itself, host part included.
    pub address: IpAddr,
    /// Bits of network prefix: at most 32 or 128.
    pub prefix_len: u8,
}

/// An Ethernet interface to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface<'a> {
    /// Its name, 1 to 15 octets.
    pub name: &'a str,
    /// Its Ethernet address.
    pub mac: [u8; 6],
}

impl Interface<'_> {
    fn describe(self, message: Message, mtu: u32) -> Message {
        let name = [self.name.as_bytes(), &[0]].concat();
        message
            .attribute(IFLA_IFNAME, &name)
            .attribute(IFLA_ADDRESS, &self.mac)
            .attribute(IFLA_MTU, &mtu.to_ne_bytes())
    }
}

/// The address families that routes and addresses come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of `address`.
    pub fn of(address: IpAddr) -> Family {
        if address.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        }
    }

    /// `AF_INET` or `AF_INET6`.
    pub fn raw(self) -> u8 {
        match self {
            Family::V4 => 2,
            Family::V6 => 10,
        }
    }
}

/// A netlink socket in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
}

impl Socket {
    /// A socket for links, addresses and routes.
    ///
    /// # Errors
    /// That of `socket`.
    pub fn route() -> io::Result<Socket> {
        Socket::open(None)
    }

    /// A socket for the state of other sockets.
    ///
    /// # Errors
    /// That of `socket`; `EPROTONOSUPPORT` where the kernel has none.
    pub fn sock_diag() -> io::Result<Socket> {
        Socket::open(Some(rustix::net::netlink::SOCK_DIAG))
    }

    fn open(protocol: Option<Protocol>) -> io::Result<Socket> {
        let fd = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol,
        )?;
        Ok(Socket { fd, sequence: 0 })
    }

    /// Sends `message` and waits until the kernel has done it.
    ///
    /// # Errors
    /// What the kernel answered.
    pub fn execute(&mut self, mut message: Message) -> io::Result<()> {
        let flags = u16_at(&message.0, 6).unwrap_or(0) | NLM_F_ACK;
        message.0[6..8].copy_from_slice(&flags.to_ne_bytes());
        self.send(message)?;
        loop {
            if let (NLMSG_ERROR, _) = self.receive()? {
                return Ok(());
            }
        }
    }

    /// Sends `message` and returns what follows the header of the one answer.
    ///
    /// # Errors
    /// What the kernel answered, such as `ENOENT` for a socket that does not exist.
    pub fn query(&mut self, message: Message) -> io::Result<Vec<u8>> {
        self.send(message)?;
        Ok(self.receive()?.1)
    }

    fn send(&mut self, mut message: Message) -> io::Result<()> {
        self.sequence += 1;
        let length = message.0.len() as u32;
        message.0[0..4].copy_from_slice(&length.to_ne_bytes());
        message.0[8..12].copy_from_slice(&self.sequence.to_ne_bytes());
        rustix::net::send(&self.fd, &message.0, SendFlags::empty())?;
        Ok(())
    }

    /// The next message that answers the newest request: its type and what follows its header.
    fn receive(&mut self) -> io::Result<(u16, Vec<u8>)> {
        let mut buffer = vec![0; 32 * 1024];
        loop {
            let (length, _) = rustix::net::recv(&self.fd, &mut buffer[..], RecvFlags::empty())?;
            let mut rest = &buffer[..length];
            while let Some(size) = u32_at(rest, 0).map(|n| n as usize) {
                let message = rest.get(..size).ok_or(Errno::BADMSG)?;
                let body = message.get(HEADER..).ok_or(Errno::BADMSG)?;
                rest = rest.get(size.next_multiple_of(4)..).unwrap_or(&[]);
                if u32_at(message, 8) != Some(self.sequence) {
                    continue;
                }
                let kind = u16_at(message, 4).ok_or(Errno::BADMSG)?;
                // An error of zero is the acknowledgment.
                let error = u32_at(body, 0).map_or(0, |n| n as i32);
                if kind == NLMSG_ERROR && error != 0 {
                    return Err(io::Error::from_raw_os_error(error.saturating_neg()));
                }
                return Ok((kind, body.to_vec()));
            }
        }
    }

    /// Makes a pair of Ethernet interfaces: what one sends, the other receives.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_ADMIN`, `EEXIST` when a name is taken, `EOPNOTSUPP` where the kernel
    /// has no veth, `EINVAL` and `ERANGE` for a name or an MTU that no interface has.
    pub fn add_veth(&mut self, one: Interface, other: Interface, mtu: u32) -> io::Result<()> {
        let unnumbered = link_header(0, 0, 0);
        let message = Message::new(RTM_NEWLINK, NLM_F_CREATE_EXCL).octets(&unnumbered);
        let message = one.describe(message, mtu).nested(IFLA_LINKINFO, |info| {
            info.attribute(IFLA_INFO_KIND, b"veth")
                .nested(IFLA_INFO_DATA, |data| {
                    data.nested(VETH_INFO_PEER, |peer| {
                        other.describe(peer.octets(&unnumbered), mtu)
                    })
                })
        });
        self.execute(message)
    }

    /// Lets interface `index` resolve no neighbours: all of them have its own address.
    ///
    /// # Errors
    /// As [`Socket::set_up`].
    pub fn set_noarp(&mut self, index: u32) -> io::Result<()> {
        let header = link_header(index, IFF_NOARP, IFF_NOARP);
        self.execute(Message::new(RTM_NEWLINK, 0).octets(&header))
    }

    /// Sets interface `index` up.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_ADMIN`, `ENODEV` for an unknown index.
    pub fn set_up(&mut self, index: u32) -> io::Result<()> {
        let message = Message::new(RTM_NEWLINK, 0).octets(&link_header(index, IFF_UP, IFF_UP));
        self.execute(message)
    }

    /// Sets how many packets may wait in the transmit queue of interface `index`. Unlike
    /// `SIOCSIFTXQLEN`, this also works within a user namespace.
    ///
    /// # Errors
    /// As [`Socket::set_up`], and `ENOMEM` or `EINVAL` for a queue too long.
    pub fn set_tx_queue_len(&mut self, index: u32, packets: u32) -> io::Result<()> {
        let message = Message::new(RTM_NEWLINK, 0).octets(&link_header(index, 0, 0));
        self.execute(message.attribute(IFLA_TXQLEN, &packets.to_ne_bytes()))
    }

    /// Sets the MTU of interface `index`, and lets the kernel send nothing through it of its own
    /// accord: no link-local address, router solicitations or group reports.
    ///
    /// # Errors
    /// As [`Socket::set_up`], and `EINVAL` for an MTU that the interface does not allow.
    pub fn set_quiet(&mut self, index: u32, mtu: u32) -> io::Result<()> {
        let link = || Message::new(RTM_NEWLINK, 0).octets(&link_header(index, 0, IFF_MULTICAST));
        self.execute(link().attribute(IFLA_MTU, &mtu.to_ne_bytes()))?;
        let quiet = link().nested(IFLA_AF_SPEC, |families| {
            families.nested(u16::from(Family::V6.raw()), |v6| {
                v6.attribute(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE])
            })
        });
        match self.execute(quiet) {
            // A kernel without IPv6 solicits nothing.
            Err(e) if e.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error()) => Ok(()),
            other => other,
        }
    }

    /// The MTU of interface `index`, in octets.
    ///
    /// # Errors
    /// `ENODEV` for an unknown index.
    pub fn mtu(&mut self, index: u32) -> io::Result<u32> {
        let header = link_header(index, 0, 0);
        let answer = self.query(Message::new(RTM_GETLINK, 0).octets(&header))?;
        let mut found = attributes(answer.get(header.len()..).unwrap_or(&[]));
        let mtu = found.find_map(|(kind, value)| u32_at(value, 0).filter(|_| kind == IFLA_MTU));
        mtu.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Whether interface `index` carries packets; what is sent through it before that is lost.
    ///
    /// # Errors
    /// `ENODEV` for an unknown index.
    pub fn is_running(&mut self, index: u32) -> io::Result<bool> {
        let answer = self.query(Message::new(RTM_GETLINK, 0).octets(&link_header(index, 0, 0)))?;
        let flags = u32_at(&answer, 8).ok_or(io::ErrorKind::InvalidData)?;
        Ok(flags & IFF_RUNNING != 0)
    }

    /// Gives interface `index` an address, usable at once (no duplicate address detection).
    ///
    /// # Errors
    /// `EEXIST` when it has it already, `EINVAL` for a prefix too long, `EACCES` or `EOPNOTSUPP`
    /// where IPv6 is disabled.
    pub fn add_address(&mut self, index: u32, address: InterfaceAddress) -> io::Result<()> {
        let family = Family::of(address.address);
        let mut header = [family.raw(), address.prefix_len, IFA_F_NODAD, 0, 0, 0, 0, 0];
        header[4..8].copy_from_slice(&index.to_ne_bytes());
        let octets = match address.address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let message = Message::new(RTM_NEWADDR, NLM_F_CREATE_EXCL)
            .octets(&header)
            .attribute(IFA_LOCAL, &octets)
            .attribute(IFA_ADDRESS, &octets);
        self.execute(message)
    }

    /// Routes whatever has no better route through interface `index`.
    ///
    /// # Errors
    /// `EEXIST` when there is a default route, `ENETDOWN` while the interface is down.
    pub fn add_default_route(&mut self, index: u32, family: Family) -> io::Result<()> {
        let everything = match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        self.add_route(index, everything, 0)
    }

    /// Routes the network of `prefix_len` bits at `network`, whose host part is zero, through
    /// interface `index`.
    ///
    /// # Errors
    /// `EEXIST` when there is such a route, `ENETDOWN` while the interface is down, `EINVAL` for a
    /// prefix too long or a host part.
    pub fn add_route(&mut self, index: u32, network: IpAddr, prefix_len: u8) -> io::Result<()> {
        let family = Family::of(network);
        let scope = match family {
            Family::V4 => RT_SCOPE_LINK,
            Family::V6 => RT_SCOPE_UNIVERSE,
        };
        let fixed = [RT_TABLE_MAIN, RTPROT_STATIC, scope, RTN_UNICAST];
        let mut header = [0; 12];
        header[0] = family.raw();
        header[1] = prefix_len;
        header[4..8].copy_from_slice(&fixed);
        let mut message = Message::new(RTM_NEWROUTE, NLM_F_CREATE_EXCL).octets(&header);
        if prefix_len > 0 {
            message = match network {
                IpAddr::V4(v4) => message.attribute(RTA_DST, &v4.octets()),
                IpAddr::V6(v6) => message.attribute(RTA_DST, &v6.octets()),
            };
        }
        self.execute(message.attribute(RTA_OIF, &index.to_ne_bytes()))
    }
}

/// The index of interface `name` in the caller's network namespace.
///
/// # Errors
/// `ENODEV` when there is none.
pub fn interface_index(name: &str) -> io::Result<u32> {
    let socket = rustix::net::socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    Ok(rustix::net::netdevice::name_to_index(&socket, name)?)
}

/// `ifinfomsg` with the flags to set and the flags that may change.
fn link_header(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..16].copy_from_slice(&change.to_ne_bytes());
    header
}
