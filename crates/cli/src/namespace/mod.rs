//! A network namespace of our own with one TUN interface, whose far end we hold: without root
//! where the machine allows it, and gone with the process whatever ends that.
//!
//! The inside is a second process of this program ([`SUBCOMMAND`]), for `unshare` moves a whole
//! process; it also does there what a [`Peer`] asks of the kernel's own TCP. A program can be started
//! inside ([`Namespace::start`]): a third process, `init`, keeps watch over it and its descendants.

mod backend;
mod descendants;
mod descriptor;
mod device;
mod entry;
mod error;
mod examination;
mod exec;
mod foreground;
mod init;
mod inside;
mod keeper;
mod mounts;
mod program;
mod signals;
mod steps;
#[cfg(test)]
mod tests;
mod worker;

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub use backend::Backend;
pub use error::NamespaceError;
pub use examination::{Examination, Finding, Verdict, examine};
pub use exec::{EXEC_SUBCOMMAND, main as exec_main};
pub use init::main as init_main;
pub use inside::main as inside_main;
pub use keeper::INIT_SUBCOMMAND;
pub use program::{Exit, Identity, Program, Running, StartError, Status};
pub use signals::Signals;
pub use steps::Step;

use handfast_link::tun::Tun;
use handfast_link::tun::sys::Offload;
use handfast_link::{Link, packet};

use crate::kernel_peer::Peer;
use crate::netlink::InterfaceAddress;
use backend::Kind;
use device::{Device, FAR_MAC, NEAR_MAC};
use error::{Failure, diagnose};
use program::Lifeline;
use worker::{Attempt, Worker};

/// The hidden subcommand under which this program is the worker: its `main` must then do nothing
/// but call [`inside_main`].
pub const SUBCOMMAND: &str = "__inside";

/// The hidden subcommand that does nothing, with success: a program to try.
pub const IDLE_SUBCOMMAND: &str = "__idle";

/// What the namespace shall look like.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NamespaceConfig {
    /// The ways to it, tried in this order; those with a TUN by default.
    pub backends: Vec<Backend>,
    /// Name of the interface, 1 to 15 octets.
    pub interface: String,
    /// The kernel's addresses on it; each family that occurs also gets a default route.
    pub addresses: Vec<InterfaceAddress>,
    /// MTU in octets, at least 1280 for IPv6.
    pub mtu: u32,
    /// Packets that may wait for us to read them; more are dropped by the kernel.
    pub tx_queue_len: u32,
    /// Parameters of the namespace, as path below `/proc/sys/net` and value, such as
    /// `("ipv4/tcp_congestion_control", "cubic")`.
    pub sysctls: Vec<(String, String)>,
    /// What is to be read as `/etc/resolv.conf` inside. With it, the sockets by which daemons of the
    /// machine resolve names (nscd, systemd-resolved, Avahi) are out of reach.
    pub resolv_conf: Option<String>,
    /// The group whose members may send ICMP echo requests without privilege
    /// (`net.ipv4.ping_group_range`).
    pub ping_group: Option<u32>,
    /// How the processes of a program are kept together, if one is to be started.
    pub supervision: Supervision,
    /// The program to be the worker; this one by default.
    #[serde(skip)]
    pub executable: PathBuf,
}

impl Default for NamespaceConfig {
    /// `hf0` with the first hosts of the documentation's networks (RFC 5737, RFC 3849), MTU 1500.
    fn default() -> NamespaceConfig {
        let address = |text: &str, prefix_len| InterfaceAddress {
            address: text.parse().expect("a literal"),
            prefix_len,
        };
        NamespaceConfig {
            backends: Backend::with_tun(),
            interface: "hf0".to_owned(),
            addresses: vec![address("192.0.2.1", 24), address("2001:db8::1", 64)],
            mtu: 1500,
            tx_queue_len: 10_000,
            sysctls: Vec::new(),
            resolv_conf: None,
            ping_group: None,
            supervision: Supervision::None,
            executable: PathBuf::from("/proc/self/exe"),
        }
    }
}

/// How the processes of a program are kept together, so that all of them end with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Supervision {
    /// No program will be started.
    None,
    /// The init process adopts orphans (`PR_SET_CHILD_SUBREAPER`), and finds descendants by /proc.
    Subreaper,
    /// A pid namespace with its own /proc; a subreaper where the machine refuses one.
    PidNamespace,
}

impl Supervision {
    /// Its name, as the init process is told.
    fn name(self) -> &'static str {
        match self {
            Supervision::None => "none",
            Supervision::Subreaper => "subreaper",
            Supervision::PidNamespace => "pid-namespace",
        }
    }
}

/// A network namespace with one interface and a worker in it.
///
/// Dropping it ends the worker at once, and a program with it. The namespace itself goes when
/// neither the worker nor the descriptor of the interface's other end is left.
#[derive(Debug)]
pub struct Namespace {
    /// To the init process; shared with the program at work.
    lifeline: Arc<Lifeline>,
    worker: Worker,
    peer: Peer,
    backend: Backend,
    refusals: Vec<(Backend, NamespaceError)>,
    shortfalls: Vec<Failure>,
    device: Device,
    descriptor: Option<OwnedFd>,
    mtu: u32,
    started: bool,
    setup_time: Duration,
    create_time: Duration,
}

impl Namespace {
    /// Makes a namespace as `config` says, by the first of its backends that works, and waits until
    /// it is ready for use.
    ///
    /// # Errors
    /// Of the first backend that this process has the right to, the first step that failed, with
    /// its cause and one fix. Nothing is left behind then.
    pub fn create(config: &NamespaceConfig) -> Result<Namespace, NamespaceError> {
        let begin = Instant::now();
        let mut refusals = Vec::new();
        for backend in &config.backends {
            let attempt = Attempt::make(config, *backend);
            match attempt.and_then(|attempt| Namespace::over(attempt, config, *backend)) {
                Ok(mut namespace) => {
                    namespace.refusals = refusals;
                    namespace.create_time = begin.elapsed();
                    return Ok(namespace);
                }
                Err(error) => refusals.push((*backend, error)),
            }
        }
        Err(most_telling(refusals))
    }

    fn over(
        attempt: Attempt,
        config: &NamespaceConfig,
        backend: Backend,
    ) -> Result<Namespace, NamespaceError> {
        let setup_time = attempt.outcome.time();
        let device = attempt
            .outcome
            .result
            .map_err(|failure| diagnose(&failure))?;
        let peer = Peer::new(attempt.control);
        let peer = peer.map_err(|e| diagnose(&Failure::new(Step::Control, &e, e.to_string())))?;
        Ok(Namespace {
            lifeline: Arc::new(attempt.lifeline),
            worker: attempt.worker,
            peer,
            backend,
            refusals: Vec::new(),
            shortfalls: attempt.outcome.shortfalls,
            device,
            descriptor: attempt.descriptor,
            mtu: config.mtu,
            started: false,
            setup_time,
            create_time: Duration::ZERO,
        })
    }

    /// Our end of the TUN interface: non-blocking, with a vnet header of 10 octets. `None` the
    /// second time, and with a [`Backend`] without TUN.
    pub fn take_tun(&mut self) -> Option<OwnedFd> {
        match self.backend.kind() {
            Kind::Tun => self.descriptor.take(),
            Kind::Veth => None,
        }
    }

    /// Our end of the interface as a link.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when it has been taken; what the kernel refused.
    pub fn take_link(&mut self) -> io::Result<Box<dyn Link>> {
        let fd = self.descriptor.take().ok_or(io::ErrorKind::NotFound)?;
        Ok(match self.backend.kind() {
            Kind::Tun => Box::new(Tun::from_fd(fd, self.mtu)?),
            Kind::Veth => Box::new(packet::from_fd(fd, self.mtu, NEAR_MAC, FAR_MAC)?),
        })
    }

    /// Starts `program` inside; once for each namespace, made with a [`Supervision`]. The program
    /// ends at the latest when the [`Running`] or this namespace is dropped, or this process ends.
    ///
    /// # Errors
    /// Why it did not start. `signals` that came before are among the reasons.
    pub fn start(
        &mut self,
        program: &Program,
        signals: Option<Signals>,
    ) -> Result<Running, StartError> {
        if std::mem::replace(&mut self.started, true) {
            let why = "one was started in this namespace before";
            return Err(StartError::Failed(why.to_owned()));
        }
        Running::start(Arc::clone(&self.lifeline), program, signals)
    }

    /// The kernel's own TCP in the namespace. Clones of it may be used from any thread.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// By which right the namespace exists; always to be shown to the user.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The backends that were tried before that one, and why they did not work.
    pub fn refusals(&self) -> &[(Backend, NamespaceError)] {
        &self.refusals
    }

    /// The name of the interface inside.
    pub fn interface(&self) -> &str {
        &self.device.interface
    }

    /// The index of the interface inside.
    pub fn interface_index(&self) -> u32 {
        self.device.index
    }

    /// What may arrive from the interface unsegmented or unsummed.
    pub fn offload(&self) -> Offload {
        Offload::from_bits(self.device.offload)
    }

    /// What the machine denied and a program can mostly do without, such as ping without privilege.
    pub fn shortfalls(&self) -> Vec<NamespaceError> {
        self.shortfalls.iter().map(diagnose).collect()
    }

    /// The process id of the worker, for `nsenter -t`.
    pub fn pid(&self) -> u32 {
        self.worker.id()
    }

    /// How long set-up took inside the worker, from its `main`.
    pub fn setup_time(&self) -> Duration {
        self.setup_time
    }

    /// How long [`Namespace::create`] took, the start of the worker included.
    pub fn create_time(&self) -> Duration {
        self.create_time
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Before the worker: it would take the init process along, maybe not what is below it.
        self.lifeline.end();
    }
}

/// Why there is no namespace, of the reasons that each backend had: root in name alone, as in a
/// container, learns what else is in its way.
fn most_telling(refusals: Vec<(Backend, NamespaceError)>) -> NamespaceError {
    let powerless = |(backend, error): &(Backend, NamespaceError)| {
        backend.by_root()
            && error.step == Step::NetworkNamespace
            && error.errno == Some(nix::libc::EPERM)
    };
    let chosen = refusals.iter().find(|refusal| !powerless(refusal));
    match chosen.or(refusals.first()) {
        Some((_, error)) => error.clone(),
        None => diagnose(&Failure::new(
            Step::Spawn,
            &io::ErrorKind::InvalidInput.into(),
            "no backend was asked for",
        )),
    }
}
