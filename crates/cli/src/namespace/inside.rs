//! The worker's side: becomes the inside of the namespace, hands the device out, then serves.

use std::fs;
use std::io::{self, BufReader, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use nix::sys::signal::SigSet;

use super::backend::{Backend, Kind};
use super::descriptor::{receive, send};
use super::device::{self, Device};
use super::error::Failure;
use super::steps::{Progress, Step};
use super::{NamespaceConfig, Supervision, entry, keeper, mounts};
use crate::kernel_peer;

const PING_GROUP_RANGE: &str = "/proc/sys/net/ipv4/ping_group_range";

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
    let mut progress = Progress::begin();
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(io::Error::other("started by handfast itself only"));
    }
    let control = UnixStream::from(stdin.as_fd().try_clone_to_owned()?);
    let (order, mut descriptors): ((NamespaceConfig, Backend), _) = receive(&control)?;
    let (config, backend) = order;
    let (result, device) = match set_up(&config, backend, &mut progress) {
        Ok((ready, device)) => (Ok(ready), Some(device)),
        Err(failure) => (Err(failure), None),
    };
    let descriptor: Vec<_> = device.iter().map(AsFd::as_fd).collect();
    let outcome = progress.end(result);
    send(&control, &outcome, &descriptor)?;
    // The interface must live exactly as long as the parent holds it.
    drop(device);
    if outcome.result.is_err() {
        return Ok(());
    }
    if let Some(lifeline) = descriptors.pop()
        && config.supervision != Supervision::None
    {
        keeper::start(config.supervision, lifeline)?;
    }
    kernel_peer::serve(BufReader::new(control.try_clone()?), control)
}

fn set_up(
    config: &NamespaceConfig,
    backend: Backend,
    progress: &mut Progress,
) -> Result<(Device, OwnedFd), Failure> {
    if !backend.by_root() {
        entry::user_namespace(progress)?;
    }
    entry::network_and_mounts(progress)?;
    mounts::detach_from_machine(progress)?;
    if let Some(text) = &config.resolv_conf {
        mounts::own_resolver(text, progress)?;
    }
    let (device, descriptor) = match backend.kind() {
        Kind::Tun => device::tun(config, progress)?,
        Kind::Veth => device::veth(config, progress)?,
    };
    device::configure(config, device.index, progress)?;
    if let Some(group) = config.ping_group {
        let written = fs::write(PING_GROUP_RANGE, format!("{group} {group}"));
        progress.optional(Step::PingGroup, PING_GROUP_RANGE, written);
    }
    for (path, value) in &config.sysctls {
        let written = fs::write(format!("/proc/sys/net/{path}"), value);
        progress.step(Step::Sysctl, &format!("net/{path} = {value}"), written)?;
    }
    Ok((device, descriptor))
}
