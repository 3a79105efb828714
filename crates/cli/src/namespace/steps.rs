//! The steps of making a namespace and starting a program in it, and how far they came.

use std::io;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::error::Failure;

/// The steps, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Step {
    /// Starting the worker: this program again.
    Spawn,
    /// Talking to the worker over its control socket.
    Control,
    /// `unshare(CLONE_NEWUSER)`.
    UserNamespace,
    /// `setgroups`, `uid_map` and `gid_map` of the user namespace.
    IdentityMap,
    /// `unshare(CLONE_NEWNET)`.
    NetworkNamespace,
    /// `unshare(CLONE_NEWNS)`, and parting its mounts from the machine's.
    MountNamespace,
    /// Putting our `/etc/resolv.conf` in place.
    ResolvConf,
    /// Hiding the sockets of daemons that resolve names.
    NameService,
    /// Opening `/dev/net/tun`.
    OpenTun,
    /// `TUNSETIFF`: making the interface.
    AttachTun,
    /// `TUNSETVNETHDRSZ`.
    VnetHeader,
    /// `TUNSETOFFLOAD`.
    Offload,
    /// Making a pair of Ethernet interfaces.
    Veth,
    /// A packet socket (`AF_PACKET`) on one of them, with vnet headers.
    PacketSocket,
    /// Setting `lo` up.
    Loopback,
    /// Raising the length of the interface's queue.
    TxQueue,
    /// MTU, flags and state of the interface.
    Interface,
    /// Its addresses.
    Address,
    /// The default routes.
    Route,
    /// `net.ipv4.ping_group_range`.
    PingGroup,
    /// Writing below `/proc/sys/net`.
    Sysctl,
    /// Asking the kernel for the state of its connections (`NETLINK_SOCK_DIAG`).
    SockDiag,
    /// `unshare(CLONE_NEWPID)`.
    PidNamespace,
    /// Mounting the /proc of the pid namespace.
    Proc,
    /// Executing a program inside.
    Execute,
}

impl Step {
    /// What the step was to do, to follow "cannot".
    pub fn purpose(self) -> &'static str {
        match self {
            Step::Spawn => "start the worker of the namespace",
            Step::Control => "talk to the worker of the namespace",
            Step::UserNamespace => "create a user namespace",
            Step::IdentityMap => "map the user into the user namespace",
            Step::NetworkNamespace => "create a network namespace",
            Step::MountNamespace => "create a mount namespace",
            Step::ResolvConf => "put a resolv.conf in place",
            Step::NameService => "hide the sockets of name services",
            Step::OpenTun => "open /dev/net/tun",
            Step::AttachTun => "create a TUN interface",
            Step::VnetHeader => "set the vnet header size of the TUN interface",
            Step::Offload => "set the offloads of the TUN interface",
            Step::Veth => "create a pair of Ethernet interfaces",
            Step::PacketSocket => "open a packet socket",
            Step::Loopback => "set the loopback interface up",
            Step::TxQueue => "set the queue length of the interface",
            Step::Interface => "set the interface up",
            Step::Address => "give the interface an address",
            Step::Route => "route through the interface",
            Step::PingGroup => "allow ping without privilege",
            Step::Sysctl => "set a network parameter of the namespace",
            Step::SockDiag => "ask the kernel for the state of its connections",
            Step::PidNamespace => "create a pid namespace",
            Step::Proc => "mount a /proc of the pid namespace",
            Step::Execute => "execute a program",
        }
    }
}

/// The steps taken so far.
#[derive(Debug)]
pub(super) struct Progress {
    begin: Instant,
    taken: Vec<Step>,
    shortfalls: Vec<Failure>,
}

/// What became of the steps: where they led, or the failure of the last of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Outcome<T> {
    /// Those that succeeded, in their order.
    pub(super) taken: Vec<Step>,
    /// Those that failed and are no obstacle.
    pub(super) shortfalls: Vec<Failure>,
    pub(super) micros: u64,
    pub(super) result: Result<T, Failure>,
}

impl Progress {
    pub(super) fn begin() -> Progress {
        Progress {
            begin: Instant::now(),
            taken: Vec::new(),
            shortfalls: Vec::new(),
        }
    }

    /// Takes a step. Taken several times in a row, it counts once.
    pub(super) fn step<T, E: Into<io::Error>>(
        &mut self,
        step: Step,
        detail: &str,
        outcome: Result<T, E>,
    ) -> Result<T, Failure> {
        let value = outcome.map_err(|e| Failure::new(step, &e.into(), detail))?;
        if self.taken.last() != Some(&step) {
            self.taken.push(step);
        }
        Ok(value)
    }

    /// Takes a step whose failure is no obstacle.
    pub(super) fn optional(&mut self, step: Step, detail: &str, outcome: io::Result<()>) {
        let failure = self.step(step, detail, outcome).err();
        self.shortfalls.extend(failure);
    }

    pub(super) fn end<T>(self, result: Result<T, Failure>) -> Outcome<T> {
        Outcome {
            taken: self.taken,
            shortfalls: self.shortfalls,
            micros: self.begin.elapsed().as_micros() as u64,
            result,
        }
    }
}

impl<T> Outcome<T> {
    pub(super) fn time(&self) -> Duration {
        Duration::from_micros(self.micros)
    }
}
