//! The interface inside, with its addresses and routes, and the descriptor of its other end: a TUN,
//! or a packet socket on the near end of a veth pair.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use handfast_link::packet;
use handfast_link::tun::sys;
use serde::{Deserialize, Serialize};

use super::NamespaceConfig;
use super::error::Failure;
use super::steps::{Progress, Step};
use crate::netlink::{self, Family, Interface};

/// The near end's name.
const NEAR: &str = "handfast";
/// Addresses of the pair, locally administered; nobody else ever sees them.
pub(super) const NEAR_MAC: [u8; 6] = [0x02, 0x68, 0x66, 0, 0, 1];
pub(super) const FAR_MAC: [u8; 6] = [0x02, 0x68, 0x66, 0, 0, 2];

/// How long a kernel may take to put an address to use.
const PATIENCE: Duration = Duration::from_secs(5);

/// The interface inside, as it turned out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Device {
    pub(super) interface: String,
    pub(super) index: u32,
    /// What a TUN hands over unsegmented, as its bits.
    pub(super) offload: u32,
}

/// Makes a TUN interface.
pub(super) fn tun(
    config: &NamespaceConfig,
    progress: &mut Progress,
) -> Result<(Device, OwnedFd), Failure> {
    let name = config.interface.as_str();
    let tun = progress.step(Step::OpenTun, "", sys::open_device())?;
    let interface = progress.step(Step::AttachTun, name, sys::attach(&tun, name, false))?;
    let header = sys::set_vnet_header_size(&tun, sys::VNET_HEADER_SIZE);
    progress.step(Step::VnetHeader, "", header)?;
    let offload = progress.step(Step::Offload, "", sys::probe_offload(&tun))?;
    let index = netlink::interface_index(&interface);
    let device = Device {
        index: progress.step(Step::Interface, &interface, index)?,
        interface,
        offload: offload.bits(),
    };
    Ok((device, tun))
}

/// Makes a veth pair: the far end is for the programs, the near end for us.
///
/// The far end resolves no neighbours (`IFF_NOARP`): the kernel addresses what it sends to itself
/// then, so that on the near end it takes none of it for its own, and no ARP or neighbour discovery
/// is ever heard.
pub(super) fn veth(
    config: &NamespaceConfig,
    progress: &mut Progress,
) -> Result<(Device, OwnedFd), Failure> {
    let ends = [(config.interface.as_str(), FAR_MAC), (NEAR, NEAR_MAC)];
    let [far, near] = ends.map(|(name, mac)| Interface { name, mac });
    let detail = format!("{} and {}, MTU {}", far.name, near.name, config.mtu);
    let pair = || {
        let mut route = netlink::Socket::route()?;
        route.add_veth(far, near, config.mtu)?;
        let far = netlink::interface_index(far.name)?;
        let near = netlink::interface_index(near.name)?;
        route.set_noarp(far)?;
        route.set_quiet(near, config.mtu)?;
        route.set_up(near)?;
        Ok::<_, io::Error>((far, near))
    };
    let (index, near) = progress.step(Step::Veth, &detail, pair())?;
    let socket = packet::sys::open(near).and_then(|socket| {
        packet::sys::set_vnet_header(&socket)?;
        Ok(socket)
    });
    let socket = progress.step(Step::PacketSocket, NEAR, socket)?;
    let device = Device {
        interface: config.interface.clone(),
        index,
        offload: sys::Offload::TCP_UDP.bits(),
    };
    Ok((device, socket))
}

/// Gives the interface its MTU, addresses and routes, and sets it and `lo` up. It says nothing of
/// its own accord.
pub(super) fn configure(
    config: &NamespaceConfig,
    index: u32,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let route = netlink::Socket::route();
    let mut route = progress.step(Step::Interface, "", route)?;
    let lo = netlink::interface_index("lo").and_then(|lo| route.set_up(lo));
    progress.step(Step::Loopback, "", lo)?;
    let queue = route.set_tx_queue_len(index, config.tx_queue_len);
    progress.step(Step::TxQueue, "", queue)?;
    let mtu = format!("MTU {}", config.mtu);
    progress.step(Step::Interface, &mtu, route.set_quiet(index, config.mtu))?;
    progress.step(Step::Interface, "", route.set_up(index))?;
    for address in &config.addresses {
        let added = route.add_address(index, *address);
        progress.step(Step::Address, &address.address.to_string(), added)?;
    }
    let has = |family| {
        let mut families = config.addresses.iter().map(|a| Family::of(a.address));
        families.any(|f| f == family)
    };
    for family in [Family::V4, Family::V6].into_iter().filter(|f| has(*f)) {
        let added = route.add_default_route(index, family);
        progress.step(Step::Route, &format!("{family:?}"), added)?;
    }
    for address in &config.addresses {
        if let IpAddr::V6(v6) = address.address {
            progress.step(Step::Address, &v6.to_string(), reachable(v6))?;
        }
    }
    let running = until(|| route.is_running(index));
    progress.step(Step::Interface, "carries packets", running)
}

/// Waits until what arrives for `address` is for us: a kernel adds the route for that some time
/// after it has acknowledged the address, and until then throws away what arrives.
///
/// # Errors
/// `TimedOut`, and that of reading the table of routes.
fn reachable(address: Ipv6Addr) -> io::Result<()> {
    let digits: String = address
        .octets()
        .iter()
        .map(|o| format!("{o:02x}"))
        .collect();
    let host_route = format!("{digits} 80 ");
    until(|| {
        let routes = fs::read_to_string("/proc/thread-self/net/ipv6_route")?;
        Ok(routes.lines().any(|route| route.starts_with(&host_route)))
    })
}

/// Waits for what the kernel does some time after it has acknowledged it.
///
/// # Errors
/// `TimedOut`, and that of `is_done`.
fn until(mut is_done: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
    let begin = Instant::now();
    while !is_done()? {
        if begin.elapsed() > PATIENCE {
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}
