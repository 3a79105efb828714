//! Kernels in network namespaces of their own, and a path between two of them.
//!
//! A namespace is that of one thread and its children; nothing is left of it once the thread and
//! the devices are gone. Root is needed.

use handfast::base::Instant;
use handfast::link::Link;
use handfast::link::impaired::Impaired;
use handfast::link::tun::{self, Tun, TunConfig};
use handfast::wire::Batch;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::io::{self, Error};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// The most that a connection may buffer at either end of either kernel, in octets.
const BUFFER: &str = "33554432";

/// Gives the calling thread a namespace with a TUN of this address, `10.8.0.n/24`; the kernel's
/// congestion control in it is `congestion`, which is there or this fails.
///
/// # Errors
/// What the system refused.
pub fn namespace(address: &str, congestion: &str) -> io::Result<Tun> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)?;
    let tun = tun::open(&TunConfig {
        name: "w5".into(),
        ..TunConfig::default()
    })?;
    let up = format!(
        "ip link set lo up && ip addr add {address}/24 dev w5 && ip link set w5 up txqueuelen 5000"
    );
    let status = Command::new("sh").args(["-c", &up]).status()?;
    if !status.success() {
        return Err(Error::other(format!("failed: {up}")));
    }
    for (name, value) in [
        ("tcp_congestion_control", congestion),
        ("tcp_no_metrics_save", "1"),
        ("tcp_rmem", &format!("4096 131072 {BUFFER}")),
        ("tcp_wmem", &format!("4096 65536 {BUFFER}")),
    ] {
        std::fs::write(format!("/proc/sys/net/ipv4/{name}"), value)
            .map_err(|e| Error::new(e.kind(), format!("{name} = {value}: {e}")))?;
    }
    Ok(tun)
}

/// A counter of the calling thread's namespace: of the group `TcpExt`, `Tcp` and so on.
///
/// # Errors
/// There is none of that name.
pub fn counter(group: &str, name: &str) -> io::Result<u64> {
    for file in ["netstat", "snmp"] {
        let all = std::fs::read_to_string(format!("/proc/thread-self/net/{file}"))?;
        let lines: Vec<&str> = all.lines().collect();
        for pair in lines.chunks(2).filter(|pair| pair.len() == 2) {
            let mut names = pair[0].split(' ');
            if names.next() == Some(&format!("{group}:"))
                && let Some(at) = names.position(|n| n == name)
                && let Some(value) = pair[1].split(' ').nth(at + 1)
            {
                return value.parse().map_err(Error::other);
            }
        }
    }
    Err(Error::other(format!("no counter {group} {name}")))
}

/// Carries packets between the sender's device and what is behind the path until `stop`.
///
/// # Errors
/// A device is gone.
pub fn carry(sender: &mut Tun, path: &mut Impaired<Tun>, stop: &AtomicBool) -> io::Result<()> {
    let (mut up, mut down) = (Batch::new(64), Batch::new(64));
    while !stop.load(Ordering::Relaxed) {
        let now = now();
        let mut moved = sender.receive(now, &mut up)?;
        path.transmit(now, &mut up)?;
        moved += path.receive(now, &mut down)?;
        sender.transmit(now, &mut down)?;
        if moved > 0 {
            continue;
        }
        let times = [sender.poll_timeout(), path.poll_timeout()];
        let due = times.into_iter().flatten().min();
        // A while at most, for nobody rings when it is to stop.
        let wait = due.map_or(100_000_000, |at| at.since(now).as_nanos().min(100_000_000));
        let wait = Timespec {
            tv_sec: 0,
            tv_nsec: wait as _,
        };
        let mut fds = [
            PollFd::new(sender, PollFlags::IN),
            PollFd::new(path.get_ref(), PollFlags::IN),
        ];
        // Interrupted is awake, too.
        let _ = poll(&mut fds, Some(&wait));
    }
    Ok(())
}

/// The clock of the path.
fn now() -> Instant {
    let t = clock_gettime(ClockId::Monotonic);
    Instant::from_nanos(t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64)
}
