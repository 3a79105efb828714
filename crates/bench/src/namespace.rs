//! A network namespace of the benchmark's own, with a TUN and the kernel's TCP behind it.

use handfast::link::tun::{self, Tun, TunConfig};
use std::io::{self, Error};
use std::process::{Command, ExitCode};

/// The kernel's address on the TUN.
pub const KERNEL: &str = "10.8.0.1";
/// The address that the kernel routes to the TUN.
pub const STACK: &str = "10.8.0.2";

const MARK: &str = "HANDFAST_BENCH_NAMESPACE";

/// Runs `work` in a network and a mount namespace of its own, by starting this program again
/// under `unshare -n -m`; root is needed.
pub fn run(work: impl FnOnce() -> io::Result<()>) -> ExitCode {
    if std::env::var_os(MARK).is_some() {
        return match work() {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("benchmark failed: {e}");
                ExitCode::FAILURE
            }
        };
    }
    let status = std::env::current_exe().and_then(|exe| {
        let arguments = std::env::args_os().skip(1);
        Command::new("unshare")
            .args(["-n", "-m"])
            .arg(exe)
            .args(arguments)
            .env(MARK, "1")
            .status()
    });
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("cannot start unshare: {e}; install util-linux and run this as root");
            ExitCode::FAILURE
        }
    }
}

/// A TUN of this MTU, up, with the kernel at one end; the kernel's congestion control is set to
/// `congestion`.
///
/// # Errors
/// What the system refused.
pub fn tun(name: &str, mtu: u32, congestion: &str) -> io::Result<Tun> {
    let config = TunConfig {
        name: name.into(),
        mtu,
        ..TunConfig::default()
    };
    let tun = tun::open(&config)?;
    ip(&["addr", "add", &format!("{KERNEL}/24"), "dev", tun.name()])?;
    ip(&["link", "set", "lo", "up"])?;
    ip(&["link", "set", tun.name(), "up", "txqueuelen", "10000"])?;
    std::fs::write("/proc/sys/net/ipv4/tcp_congestion_control", congestion)?;
    Ok(tun)
}

/// Runs the `ip` command.
///
/// # Errors
/// It is not there, or it failed.
pub fn ip(arguments: &[&str]) -> io::Result<()> {
    let status = Command::new("ip").args(arguments).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::other(format!("ip {} failed", arguments.join(" "))))
    }
}

/// Seconds of processor time that this process has used, in user mode and in the kernel.
///
/// # Errors
/// /proc is not there.
pub fn cpu_seconds() -> io::Result<(f64, f64)> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after = stat.rsplit(')').next().unwrap_or_default();
    let mut fields = after.split_whitespace().skip(11);
    let mut next = || {
        fields
            .next()
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
            / 100.0
    };
    Ok((next(), next()))
}
