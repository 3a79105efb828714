//! The worker's side: becomes the inside of the namespace, hands the TUN out, then serves.

use std::fs;
use std::io::{self, BufReader, IsTerminal};
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::CloneFlags;
use nix::sys::signal::SigSet;

use handfast_link::tun::sys;

use super::descriptor::{receive, send};
use super::error::{Failure, Step};
use super::{Backend, NamespaceConfig, Ready, Supervision, keeper, mounts};
use crate::kernel_peer;
use crate::netlink::{self, Family};

const PING_GROUP_RANGE: &str = "/proc/sys/net/ipv4/ping_group_range";

/// How long a kernel may take to put an address to use.
const PATIENCE: Duration = Duration::from_secs(5);

/// The whole life of the worker process: set-up by the configuration that comes over the control
/// socket on standard input, then the commands that follow, until that socket closes.
///
/// Its end is the end of the namespace. It needs no signal for that: whatever ends the parent, be
/// it SIGKILL, closes the socket's other end.
///
/// It is in the process group of its parent, for a program must be and can only inherit that from
/// it; signals to the group are none of its business.
pub fn main() -> ExitCode {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    let blocked = SigSet::all().thread_block().map_err(io::Error::from);
    match blocked.and_then(|()| run()) {
        Ok(()) => ExitCode::SUCCESS,
        // So ends a parent that was killed.
        Err(e) if matches!(e.kind(), UnexpectedEof | ConnectionReset | BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("handfast: worker of the namespace: {e}");
            ExitCode::from(125)
        }
    }
}

fn run() -> io::Result<()> {
    let begin = Instant::now();
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(io::Error::other("started by handfast itself only"));
    }
    let control = UnixStream::from(stdin.as_fd().try_clone_to_owned()?);
    let (config, mut descriptors): (NamespaceConfig, _) = receive(&control)?;
    let outcome = set_up(&config, begin);
    let (answer, device) = match outcome {
        Ok((ready, device)) => (Ok(ready), Some(device)),
        Err(failure) => (Err(failure), None),
    };
    let descriptor: Vec<_> = device.iter().map(AsFd::as_fd).collect();
    send(&control, &answer, &descriptor)?;
    // The interface must live exactly as long as the parent holds it.
    drop(device);
    if answer.is_err() {
        return Ok(());
    }
    if let Some(lifeline) = descriptors.pop()
        && config.supervision != Supervision::None
    {
        keeper::start(config.supervision, lifeline)?;
    }
    kernel_peer::serve(BufReader::new(control.try_clone()?), control)
}

fn set_up(config: &NamespaceConfig, begin: Instant) -> Result<(Ready, OwnedFd), Failure> {
    let at = |step| move |e| Failure::new(step, &e, "");
    let name = config.interface.as_str();

    let mut shortfalls = Vec::new();

    let backend = unshare()?;
    mounts::detach_from_machine()?;
    if let Some(text) = &config.resolv_conf {
        shortfalls.extend(mounts::own_resolver(text)?);
    }

    let tun = sys::open_device().map_err(at(Step::OpenTun))?;
    let name =
        sys::attach(&tun, name, false).map_err(|e| Failure::new(Step::AttachTun, &e, name))?;
    sys::set_vnet_header_size(&tun, sys::VNET_HEADER_SIZE).map_err(at(Step::VnetHeader))?;
    let offload = sys::probe_offload(&tun).map_err(at(Step::Offload))?;

    let mut route = netlink::Socket::route().map_err(at(Step::Interface))?;
    let lo = netlink::interface_index("lo").map_err(at(Step::Loopback))?;
    route.set_up(lo).map_err(at(Step::Loopback))?;
    let index = netlink::interface_index(&name).map_err(at(Step::Interface))?;
    route
        .set_tx_queue_len(index, config.tx_queue_len)
        .map_err(at(Step::TxQueue))?;
    let mtu = config.mtu;
    let refused = |e| Failure::new(Step::Interface, &e, format!("MTU {mtu}"));
    route.set_quiet(index, mtu).map_err(refused)?;
    route.set_up(index).map_err(at(Step::Interface))?;
    for address in &config.addresses {
        let refused = |e| Failure::new(Step::Address, &e, address.address.to_string());
        route.add_address(index, *address).map_err(refused)?;
    }
    for family in [Family::V4, Family::V6] {
        if config
            .addresses
            .iter()
            .any(|a| Family::of(a.address) == family)
        {
            route
                .add_default_route(index, family)
                .map_err(at(Step::Route))?;
        }
    }
    for address in &config.addresses {
        if let IpAddr::V6(v6) = address.address {
            let refused = |e| Failure::new(Step::Address, &e, v6.to_string());
            reachable(v6).map_err(refused)?;
        }
    }
    if let Some(group) = config.ping_group {
        let outcome = fs::write(PING_GROUP_RANGE, format!("{group} {group}"));
        let refused = outcome.map_err(|e| Failure::new(Step::PingGroup, &e, PING_GROUP_RANGE));
        shortfalls.extend(refused.err());
    }
    for (path, value) in &config.sysctls {
        let refused = |e| Failure::new(Step::Sysctl, &e, format!("net/{path} = {value}"));
        fs::write(format!("/proc/sys/net/{path}"), value).map_err(refused)?;
    }
    let ready = Ready {
        backend,
        interface: name,
        index,
        offload: offload.bits(),
        shortfalls,
        setup_micros: begin.elapsed().as_micros() as u64,
    };
    Ok((ready, tun))
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
    let begin = Instant::now();
    loop {
        let routes = fs::read_to_string("/proc/thread-self/net/ipv6_route")?;
        if routes.lines().any(|route| route.starts_with(&host_route)) {
            return Ok(());
        }
        if begin.elapsed() > PATIENCE {
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(Duration::from_micros(200));
    }
}

/// Enters new network and mount namespaces: as they are for root, within a user namespace of the
/// caller's own otherwise.
fn unshare() -> Result<Backend, Failure> {
    let network = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    if uid.is_root() {
        match nix::sched::unshare(network) {
            Ok(()) => return Ok(Backend::Root),
            // Root of a container may lack CAP_SYS_ADMIN, and still be granted a user namespace.
            Err(nix::Error::EPERM) => {}
            Err(e) => return Err(Failure::new(Step::NetworkNamespace, &e.into(), "")),
        }
    }
    nix::sched::unshare(CloneFlags::CLONE_NEWUSER)
        .map_err(|e| Failure::new(Step::UserNamespace, &e.into(), ""))?;
    let (uid, gid) = (uid.as_raw(), gid.as_raw());
    for (file, text) in [
        // The kernel takes an unprivileged group map only once setgroups is denied.
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{uid} {uid} 1")),
        ("gid_map", format!("{gid} {gid} 1")),
    ] {
        fs::write(format!("/proc/self/{file}"), text)
            .map_err(|e| Failure::new(Step::IdentityMap, &e, file))?;
    }
    nix::sched::unshare(network)
        .map_err(|e| Failure::new(Step::NetworkNamespace, &e.into(), ""))?;
    Ok(Backend::UserNamespace)
}
