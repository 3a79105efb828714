//! The TUN interface whose traffic is carried on.

use std::io;
use std::net::IpAddr;

use handfast_link::tun::{Tun, sys};
use ipnet::IpNet;
use rustix::io::Errno;

use super::ProxyArguments;
use crate::netlink::{self, InterfaceAddress, Socket};

/// Packets that may wait for us in the kernel.
const QUEUE: u32 = 10_000;

/// Opens the interface and sets it up, or takes it as it is where that is not ours to do.
///
/// # Errors
/// In one line with a fix.
pub(super) fn open(arguments: &ProxyArguments) -> Result<(Tun, String), String> {
    let asked = &arguments.tun;
    let (fd, name) = sys::open_queue(asked, false).map_err(|e| not_opened(asked, &e))?;
    let failed = |what: &str, e: io::Error| {
        let fix = match e.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::PERM) => "run it as root, or set the interface up before",
            Some(Errno::EXIST) => "leave it out, or name another network",
            Some(Errno::ACCESS | Errno::OPNOTSUPP | Errno::AFNOSUPPORT) => {
                "leave IPv6 out, for it is disabled here"
            }
            _ => "see `ip addr` and `ip route`",
        };
        format!("cannot {what} on interface {name}: {e}; fix: {fix}")
    };
    let index = netlink::interface_index(&name).map_err(|e| failed("work", e))?;
    let mut route = Socket::route().map_err(|e| failed("work", e))?;
    match set_up(&mut route, index, arguments.mtu) {
        Ok(()) => {}
        // Its owner may use it without being allowed to change it.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {}
        Err(e) => return Err(failed("set up what is needed", e)),
    }
    for own in &arguments.addresses {
        let address = InterfaceAddress {
            address: own.addr(),
            prefix_len: own.prefix_len(),
        };
        match route.add_address(index, address) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(failed(&format!("add the address {own}"), e)),
        }
    }
    for network in arguments.routes.iter().flat_map(halves) {
        let added = route.add_route(index, network.network(), network.prefix_len());
        added.map_err(|e| failed(&format!("add the route {network}"), e))?;
    }
    let mtu = route.mtu(index).map_err(|e| failed("work", e))?;
    let tun = Tun::from_fd(fd, mtu).map_err(|e| failed("work", e))?;
    Ok((tun, name))
}

/// All there is would replace the way by which we carry on, or meet it: as two halves it stands
/// before it.
fn halves(network: &IpNet) -> Vec<IpNet> {
    match network.prefix_len() {
        0 => network
            .subnets(1)
            .map(Iterator::collect)
            .unwrap_or_default(),
        _ => vec![network.trunc()],
    }
}

/// Whether what is for `address` would be routed to the interface.
pub(super) fn leads_back(routes: &[IpNet], address: IpAddr) -> bool {
    routes.iter().any(|network| network.contains(&address))
}

fn set_up(route: &mut Socket, index: u32, mtu: u32) -> io::Result<()> {
    route.set_tx_queue_len(index, QUEUE)?;
    route.set_quiet(index, mtu)?;
    route.set_up(index)
}

fn not_opened(name: &str, error: &io::Error) -> String {
    let fix = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::PERM) => {
            let name = name.replace("%d", "0");
            format!(
                "run it as root, or have one of your own: sudo ip tuntap add {name} mode tun user \
                 $USER; then: --tun {name}"
            )
        }
        Some(Errno::ACCESS) => format!("run it as root, or: sudo chmod a+rw {}", sys::DEVICE),
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => {
            format!(
                "sudo modprobe tun; in a container: --device {}",
                sys::DEVICE
            )
        }
        Some(Errno::BUSY) => "another program has it; name another with --tun".to_owned(),
        Some(Errno::INVAL) => "name one of 1 to 15 octets that is a TUN with --tun".to_owned(),
        _ => "run it as root".to_owned(),
    };
    format!("cannot open the TUN interface {name}: {error}; fix: {fix}")
}
