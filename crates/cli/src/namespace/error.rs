//! Which step failed, why, and the one thing to do about it.

use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::Step;
use handfast_link::tun::sys::DEVICE;

/// Why there is no namespace: what failed, why, and one fix. Its `Display` is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceError {
    /// The step that failed.
    pub step: Step,
    /// The error number of the step's system call, if it was one that failed.
    pub errno: Option<i32>,
    /// Why, in words.
    pub cause: String,
    /// One thing to do about it, mostly a command.
    pub fix: String,
}

impl NamespaceError {
    /// What the system call said, in words and as its name.
    pub fn reason(&self) -> Option<String> {
        let errno = Errno::from_raw(self.errno?);
        Some(format!("{} ({errno:?})", errno.desc()))
    }
}

impl fmt::Display for NamespaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.step.purpose())?;
        if let Some(reason) = self.reason() {
            write!(f, ": {reason}")?;
        }
        write!(f, ": {}; fix: {}", self.cause, self.fix)
    }
}

impl std::error::Error for NamespaceError {}

/// A failed step as the worker reports it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) errno: Option<i32>,
    /// What the step worked on, or the error in words where it has no number.
    pub(super) detail: String,
}

impl Failure {
    pub(super) fn new(step: Step, error: &io::Error, detail: impl Into<String>) -> Failure {
        Failure {
            step,
            errno: error.raw_os_error(),
            detail: detail.into(),
        }
    }
}

/// What the machine says about the usual obstacles, to the caller: in a user namespace of its own,
/// where the worker is, limits look like none.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    pub(super) uid: u32,
    /// `user.max_user_namespaces` and so on.
    pub(super) max_user_namespaces: Option<u64>,
    pub(super) max_net_namespaces: Option<u64>,
    pub(super) max_mnt_namespaces: Option<u64>,
    pub(super) max_pid_namespaces: Option<u64>,
    /// `kernel.unprivileged_userns_clone` is 0 (Debian and descendants).
    pub(super) clone_disabled: bool,
    /// `kernel.apparmor_restrict_unprivileged_userns` is 1 (Ubuntu 24.04).
    pub(super) apparmor_restricts: bool,
    /// A seccomp filter is loaded, as container engines do.
    pub(super) seccomp: bool,
    /// The permission bits of the TUN device.
    pub(super) tun_mode: Option<u32>,
}

impl Surroundings {
    pub(super) fn observe() -> Surroundings {
        let number = |path| {
            let text = std::fs::read_to_string(path).ok()?;
            text.trim().parse::<u64>().ok()
        };
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let seccomp = status.lines().find_map(|l| l.strip_prefix("Seccomp:"));
        Surroundings {
            uid: rustix::process::geteuid().as_raw(),
            max_user_namespaces: number("/proc/sys/user/max_user_namespaces"),
            max_net_namespaces: number("/proc/sys/user/max_net_namespaces"),
            max_mnt_namespaces: number("/proc/sys/user/max_mnt_namespaces"),
            max_pid_namespaces: number("/proc/sys/user/max_pid_namespaces"),
            clone_disabled: number("/proc/sys/kernel/unprivileged_userns_clone") == Some(0),
            apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
                == Some(1),
            seccomp: seccomp.is_some_and(|mode| mode.trim() == "2"),
            tun_mode: std::fs::metadata(DEVICE)
                .ok()
                .map(|m| m.permissions().mode() & 0o7777),
        }
    }
}

const ALLOW_SECCOMP: &str = "start the container with --security-opt seccomp=unconfined";
const ALLOW_APPARMOR: &str = "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";

/// From a failed step to its most likely cause and one fix. Not to be called in the worker.
pub(super) fn diagnose(failure: &Failure) -> NamespaceError {
    explain(failure, &Surroundings::observe())
}

/// As [`diagnose`], amid these surroundings.
pub(super) fn explain(failure: &Failure, s: &Surroundings) -> NamespaceError {
    use Step::*;
    let Failure {
        step,
        errno,
        detail,
    } = failure;
    let (step, number) = (*step, errno.map_or(Errno::UnknownErrno, Errno::from_raw));
    let limit = |name: &str, value: Option<u64>| {
        let cause = match value {
            Some(0) => format!("{name} is 0"),
            Some(n) => format!("{name} is {n}, and all are in use or the nesting is too deep"),
            None => format!("the limit {name} is reached"),
        };
        (cause, format!("sudo sysctl -w {name}=16384"))
    };
    let words = |cause: &str, fix: &str| (cause.to_owned(), fix.to_owned());
    let (cause, fix) = match (step, number) {
        (UserNamespace, Errno::ENOSPC | Errno::EUSERS) => {
            limit("user.max_user_namespaces", s.max_user_namespaces)
        }
        (NetworkNamespace, Errno::ENOSPC) => limit("user.max_net_namespaces", s.max_net_namespaces),
        (MountNamespace, Errno::ENOSPC) => limit("user.max_mnt_namespaces", s.max_mnt_namespaces),
        (PidNamespace, Errno::ENOSPC) => limit("user.max_pid_namespaces", s.max_pid_namespaces),
        (UserNamespace, Errno::EPERM) if s.clone_disabled => words(
            "kernel.unprivileged_userns_clone is 0",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        ),
        (UserNamespace | NetworkNamespace | MountNamespace | PidNamespace, Errno::EPERM)
            if s.seccomp =>
        {
            words(
                "a seccomp filter, as of a container, forbids new namespaces",
                ALLOW_SECCOMP,
            )
        }
        (UserNamespace, Errno::EPERM) => words(
            "the process runs in a chroot, or a security module forbids it",
            "run it outside the chroot",
        ),
        (UserNamespace, Errno::EINVAL | Errno::ENOSYS) => words(
            "this kernel has no user namespaces",
            "use a kernel with CONFIG_USER_NS=y, or run it with sudo",
        ),
        // The namespace was granted, and then the capabilities in it denied.
        (
            IdentityMap | NetworkNamespace | MountNamespace | ResolvConf | AttachTun | Veth
            | PacketSocket | PidNamespace,
            Errno::EPERM | Errno::EACCES,
        ) if s.apparmor_restricts => words(
            "AppArmor grants the user namespace but no capability in it",
            ALLOW_APPARMOR,
        ),
        (IdentityMap, Errno::EPERM | Errno::EACCES) => words(
            "a security module denies capabilities in the user namespace",
            "run it with sudo",
        ),
        (NetworkNamespace, Errno::EINVAL | Errno::ENOSYS) => words(
            "this kernel has no network namespaces",
            "use a kernel with CONFIG_NET_NS=y",
        ),
        (OpenTun, Errno::EACCES) => (
            match s.tun_mode {
                Some(mode) => format!("its mode is {mode:04o} and the user is {}", s.uid),
                None => format!("its directory is closed to user {}", s.uid),
            },
            format!("sudo chmod 0666 {DEVICE}"),
        ),
        (OpenTun, Errno::EPERM) => words(
            "the container may not use the device",
            "start the container with --device /dev/net/tun",
        ),
        (OpenTun, Errno::ENOENT) => words(
            "the device does not exist",
            "sudo modprobe tun, or in a container --device /dev/net/tun",
        ),
        (OpenTun, Errno::ENODEV | Errno::ENXIO) => {
            words("no driver serves the device", "sudo modprobe tun")
        }
        (AttachTun, Errno::EPERM) => words(
            "CAP_NET_ADMIN over the network namespace is missing",
            "run it with sudo",
        ),
        (AttachTun, Errno::EBUSY) => (
            format!("the name {detail} is taken"),
            "choose another interface name".to_owned(),
        ),
        (AttachTun, Errno::EINVAL) => (
            format!("{detail} is no interface name, or the driver has no vnet header"),
            "choose a name of 1 to 15 octets".to_owned(),
        ),
        (ResolvConf, Errno::ENODEV | Errno::EPERM | Errno::ENOENT) => words(
            "there is no /etc/resolv.conf to replace, and the kernel lays no file system over /etc \
             for a user (Linux 5.11)",
            "sudo touch /etc/resolv.conf",
        ),
        (ResolvConf | NameService, Errno::EACCES) => (
            format!("the directory of {detail} is closed to user {}", s.uid),
            "open the directory to all, or run it with sudo".to_owned(),
        ),
        (Veth, Errno::EOPNOTSUPP) => words("this kernel has no veth", "sudo modprobe veth"),
        (Veth, Errno::EPERM) => words(
            "CAP_NET_ADMIN over the network namespace is missing",
            "run it with sudo",
        ),
        (Veth, Errno::EINVAL | Errno::ERANGE) => (
            format!("the kernel takes no such names or MTU ({detail})"),
            "choose a name of 1 to 15 octets, and an MTU from 68 to 65535".to_owned(),
        ),
        (PacketSocket, Errno::EAFNOSUPPORT) => words(
            "this kernel has no packet sockets",
            "sudo modprobe af_packet",
        ),
        (PacketSocket, Errno::EPERM) => words(
            "CAP_NET_RAW over the network namespace is missing",
            "run it with sudo",
        ),
        (SockDiag, Errno::EPROTONOSUPPORT | Errno::ENOENT) => words(
            "the kernel's module for that is not there",
            "sudo modprobe -a inet_diag tcp_diag",
        ),
        (PingGroup, Errno::EROFS | Errno::EACCES | Errno::EPERM) => words(
            "/proc/sys cannot be written here, as in a container",
            "start the container with --privileged, or do without ping",
        ),
        (Proc, Errno::EPERM) => words(
            "parts of /proc are covered, as a container engine does it",
            "start the container with --security-opt systempaths=unconfined",
        ),
        (PidNamespace, Errno::EINVAL | Errno::ENOSYS) => words(
            "this kernel has no pid namespaces",
            "use a kernel with CONFIG_PID_NS=y",
        ),
        (Address, Errno::EACCES | Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT) => (
            format!("{detail} needs IPv6, which is disabled"),
            "sudo sysctl -w net.ipv6.conf.default.disable_ipv6=0".to_owned(),
        ),
        (Sysctl, Errno::EROFS | Errno::EACCES | Errno::EPERM) => (
            format!("{detail} cannot be written here"),
            "start the container with --privileged, or leave the parameter alone".to_owned(),
        ),
        (Sysctl, Errno::ENOENT | Errno::EINVAL) => (
            format!("the kernel does not take {detail}"),
            "leave the parameter alone".to_owned(),
        ),
        (Spawn, Errno::EAGAIN) => words(
            "the limit of processes is reached",
            "raise it with ulimit -u",
        ),
        (Control, _) => (
            detail.clone(),
            "look at its messages above, if any, and try again".to_owned(),
        ),
        _ => (
            if detail.is_empty() {
                "the kernel refused it".to_owned()
            } else {
                format!("the kernel refused it ({detail})")
            },
            "run it once with sudo: that tells a missing permission from a missing feature"
                .to_owned(),
        ),
    };
    NamespaceError {
        step,
        errno: *errno,
        cause,
        fix,
    }
}
