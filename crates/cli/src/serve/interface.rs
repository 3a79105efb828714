//! The TUN interface of this machine behind which a stack of ours is reached.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::thread;
use std::time::{Duration, Instant};

use handfast::stack::AddressPrefix;
use handfast_link::tun::{Tun, sys};
use rustix::io::Errno;

use crate::netlink::{self, Family, InterfaceAddress, Message, Socket, attributes};

/// Largest IP packet of an interface that is ours to set up.
const MTU: u32 = 65_520;
/// Packets that may wait for us in the kernel.
const QUEUE: u32 = 10_000;
/// How long a kernel may take to put an address to use.
const PATIENCE: Duration = Duration::from_secs(5);

const RTM_GETROUTE: u16 = 26;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;

/// An interface that is up, and leads to our addresses.
#[derive(Debug)]
pub(super) struct Interface {
    pub(super) tun: Tun,
    pub(super) name: String,
    /// Our addresses: those asked for, less IPv6 where it does not work and may be left out.
    pub(super) addresses: Vec<AddressPrefix>,
}

/// Opens the interface `name` and sets it up for `addresses`, or finds it set up where that is not
/// ours to do. With `all`, every address must work.
///
/// # Errors
/// In one line with a fix.
pub(super) fn open(
    name: &str,
    addresses: &[AddressPrefix],
    all: bool,
) -> Result<Interface, String> {
    let asked = addresses;
    let (fd, name) = sys::open_queue(name, false).map_err(|e| not_opened(name, asked, &e))?;
    let failed = |e: io::Error| format!("cannot set interface {name} up: {e}");
    let mut route = Socket::route().map_err(failed)?;
    let index = netlink::interface_index(&name).map_err(failed)?;
    let is_ours = match set_up(&mut route, index) {
        Ok(()) => true,
        // Its owner may use it without being allowed to change it.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => false,
        Err(e) => return Err(failed(e)),
    };
    let mut addresses = Vec::new();
    for &ours in asked {
        let machine = neighbour(ours).ok_or_else(|| {
            format!(
                "{ours} leaves this machine no address of its own; fix: use a shorter prefix, \
                 such as {}/{}",
                ours.address(),
                if ours.address().is_ipv4() { 24 } else { 64 }
            )
        })?;
        let added = match is_ours {
            true => add(&mut route, index, machine, ours.prefix_len()),
            false => Ok(()),
        };
        match added {
            Ok(()) => {}
            Err(e) if ours.address().is_ipv6() && !all && has_no_ipv6(&e) => continue,
            Err(e) => {
                let fix = match ours.address().is_ipv6() && has_no_ipv6(&e) {
                    true => "leave it out, or: sudo sysctl net.ipv6.conf.all.disable_ipv6=0",
                    false => "choose another with --address",
                };
                return Err(format!(
                    "cannot give this machine {machine}: {e}; fix: {fix}"
                ));
            }
        }
        let begin = Instant::now();
        let mut leads = leads_to(&mut route, ours.address()) == Some(index);
        if !leads && !is_ours {
            if ours.address().is_ipv6() && !all {
                continue;
            }
            return Err(not_set_up(&name, ours, machine));
        }
        // A kernel puts an address of IPv6 to use some time after it has taken it.
        while !leads {
            if begin.elapsed() > PATIENCE {
                return Err(format!(
                    "{} is reached through another interface already; fix: choose another with \
                     --address",
                    ours.address()
                ));
            }
            thread::sleep(Duration::from_millis(1));
            leads = leads_to(&mut route, ours.address()) == Some(index);
        }
        addresses.push(ours);
    }
    let mtu = route.mtu(index).map_err(failed)?;
    let tun = Tun::from_fd(fd, mtu).map_err(failed)?;
    Ok(Interface {
        tun,
        name,
        addresses,
    })
}

/// The first host of the network that is not this one.
pub(super) fn neighbour(of: AddressPrefix) -> Option<IpAddr> {
    let width = if of.address().is_ipv4() { 32 } else { 128 };
    // Two addresses are both hosts (RFC 3021, RFC 6164); of more, the first names the network.
    let first = match width - of.prefix_len() {
        0 => return None,
        1 => 0,
        _ => 1,
    };
    let nth = |n: u32| -> IpAddr {
        match of.network().address() {
            IpAddr::V4(network) => Ipv4Addr::from_bits(network.to_bits() | n).into(),
            IpAddr::V6(network) => Ipv6Addr::from_bits(network.to_bits() | u128::from(n)).into(),
        }
    };
    [first, first + 1]
        .map(nth)
        .into_iter()
        .find(|host| *host != of.address())
}

fn set_up(route: &mut Socket, index: u32) -> io::Result<()> {
    route.set_tx_queue_len(index, QUEUE)?;
    route.set_quiet(index, MTU)?;
    route.set_up(index)
}

fn add(route: &mut Socket, index: u32, address: IpAddr, prefix_len: u8) -> io::Result<()> {
    let address = InterfaceAddress {
        address,
        prefix_len,
    };
    match route.add_address(index, address) {
        // It was set up before.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn has_no_ipv6(error: &io::Error) -> bool {
    let without = [Errno::ACCESS, Errno::OPNOTSUPP, Errno::AFNOSUPPORT];
    without
        .iter()
        .any(|e| error.raw_os_error() == Some(e.raw_os_error()))
}

/// The index of the interface through which the kernel would send to `address`; `None` if it knows
/// none.
fn leads_to(route: &mut Socket, address: IpAddr) -> Option<u32> {
    let octets = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let mut header = [0; 12];
    header[0] = Family::of(address).raw();
    header[1] = octets.len() as u8 * 8;
    let question = Message::new(RTM_GETROUTE, 0)
        .octets(&header)
        .attribute(RTA_DST, &octets);
    let answer = route.query(question).ok()?;
    number(attributes(answer.get(header.len()..)?), RTA_OIF)
}

fn number<'a>(mut of: impl Iterator<Item = (u16, &'a [u8])>, kind: u16) -> Option<u32> {
    let (_, value) = of.find(|(k, _)| *k == kind)?;
    Some(u32::from_ne_bytes(*value.first_chunk()?))
}

fn not_opened(name: &str, addresses: &[AddressPrefix], error: &io::Error) -> String {
    let what = format!("cannot open the TUN interface {name}: {error}");
    let fix = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::PERM) => {
            let name = name.replace("%d", "0");
            let first = addresses.first().copied();
            let commands = first.and_then(|ours| Some(commands(&name, ours, neighbour(ours)?)));
            format!(
                "run it as root, or have one of your own: sudo ip tuntap add {name} mode tun user \
                 $USER && {}; then: --tun {name}",
                commands.unwrap_or_default()
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
    format!("{what}; fix: {fix}")
}

fn not_set_up(name: &str, ours: AddressPrefix, machine: IpAddr) -> String {
    let (address, commands) = (ours.address(), commands(name, ours, machine));
    format!("interface {name} does not lead to {address}; fix: {commands}")
}

fn commands(name: &str, ours: AddressPrefix, machine: IpAddr) -> String {
    let len = ours.prefix_len();
    format!("sudo ip addr add {machine}/{len} dev {name} && sudo ip link set {name} up")
}
