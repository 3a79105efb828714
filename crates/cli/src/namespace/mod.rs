//! A network namespace of our own with one TUN interface, whose far end we hold: without root
//! where the machine allows it, and gone with the process whatever ends that.
//!
//! The inside is a second process of this program ([`SUBCOMMAND`]), for `unshare` moves a whole
//! process; it also does there what a [`Peer`] asks of the kernel's own TCP. A program can be started
//! inside ([`Namespace::start`]): a third process, `init`, keeps watch over it and its descendants.

mod descendants;
mod descriptor;
mod error;
mod foreground;
mod init;
mod inside;
mod keeper;
mod mounts;
mod program;
mod signals;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub use error::{NamespaceError, Step};
pub use init::main as init_main;
pub use inside::main as inside_main;
pub use keeper::INIT_SUBCOMMAND;
pub use program::{Exit, Identity, Program, Running, StartError, Status};
pub use signals::Signals;

use handfast_link::Link;
use handfast_link::tun::Tun;
use handfast_link::tun::sys::Offload;

use crate::kernel_peer::Peer;
use crate::netlink::InterfaceAddress;
use error::{Failure, diagnose};
use program::Lifeline;

/// The hidden subcommand under which this program is the worker: its `main` must then do nothing
/// but call [`inside_main`].
pub const SUBCOMMAND: &str = "__inside";

/// How long the worker may take to set up before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the namespace shall look like.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NamespaceConfig {
    /// Name of the TUN interface, 1 to 15 octets.
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

/// By which right the namespace exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Backend {
    /// A user namespace of the caller's own: no privilege was needed.
    UserNamespace,
    /// The caller was root.
    Root,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::UserNamespace => "user namespace + TUN",
            Backend::Root => "root + TUN",
        })
    }
}

/// What the worker reports once all is set up.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ready {
    backend: Backend,
    interface: String,
    index: u32,
    offload: u32,
    /// What could not be had and is no obstacle.
    shortfalls: Vec<Failure>,
    setup_micros: u64,
}

/// A network namespace with one TUN interface and a worker in it.
///
/// Dropping it ends the worker at once. The namespace itself goes when neither the worker nor the
/// TUN descriptor is left.
#[derive(Debug)]
pub struct Namespace {
    worker: Worker,
    peer: Peer,
    tun: Option<OwnedFd>,
    ready: Ready,
    mtu: u32,
    /// To the init process; shared with the program at work.
    lifeline: Arc<Lifeline>,
    started: bool,
    create_time: Duration,
}

impl Namespace {
    /// Makes a namespace as `config` says, and waits until it is ready for use.
    ///
    /// # Errors
    /// The first step that failed, with its cause and one fix. Nothing is left behind then.
    pub fn create(config: &NamespaceConfig) -> Result<Namespace, NamespaceError> {
        let begin = Instant::now();
        let failed =
            |step, error: io::Error| diagnose(&Failure::new(step, &error, error.to_string()));
        let spawned = Worker::spawn(config).map_err(|e| failed(Step::Spawn, e))?;
        let (mut worker, control) = spawned;
        let (lifeline, theirs) = UnixStream::pair().map_err(|e| failed(Step::Spawn, e))?;
        let lost = |e: io::Error| {
            let text = match e.kind() {
                io::ErrorKind::UnexpectedEof => "it ended without a word".to_owned(),
                io::ErrorKind::WouldBlock => format!("it said nothing for {PATIENCE:?}"),
                _ => e.to_string(),
            };
            diagnose(&Failure::new(Step::Control, &io::Error::other(e), text))
        };
        let (ready, tun) = introduce(&control, config, &theirs).map_err(lost)?;
        let ready = ready.map_err(|failure| {
            worker.end();
            diagnose(&failure)
        })?;
        let peer = Peer::new(control).map_err(lost)?;
        Ok(Namespace {
            worker,
            peer,
            tun,
            ready,
            mtu: config.mtu,
            lifeline: Arc::new(Lifeline(lifeline)),
            started: false,
            create_time: begin.elapsed(),
        })
    }

    /// Our end of the TUN interface: non-blocking, with a vnet header of 10 octets. `None` the
    /// second time.
    pub fn take_tun(&mut self) -> Option<OwnedFd> {
        self.tun.take()
    }

    /// Our end of the interface as a link.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when it has been taken; what the kernel refused.
    pub fn take_link(&mut self) -> io::Result<Box<dyn Link>> {
        let tun = self.tun.take().ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Tun::from_fd(tun, self.mtu)?))
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
        self.ready.backend
    }

    /// The name of the interface inside.
    pub fn interface(&self) -> &str {
        &self.ready.interface
    }

    /// The index of the interface inside.
    pub fn interface_index(&self) -> u32 {
        self.ready.index
    }

    /// What may arrive from the TUN unsegmented or unsummed.
    pub fn offload(&self) -> Offload {
        Offload::from_bits(self.ready.offload)
    }

    /// What the machine denied and a program can mostly do without, such as ping without privilege.
    pub fn shortfalls(&self) -> Vec<NamespaceError> {
        self.ready.shortfalls.iter().map(diagnose).collect()
    }

    /// The process id of the worker, for `nsenter -t`.
    pub fn pid(&self) -> u32 {
        self.worker.0.id()
    }

    /// How long set-up took inside the worker, from its `main`.
    pub fn setup_time(&self) -> Duration {
        Duration::from_micros(self.ready.setup_micros)
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

/// Sends the configuration and receives the outcome, with the TUN if there is one.
#[allow(clippy::type_complexity)]
fn introduce(
    control: &UnixStream,
    config: &NamespaceConfig,
    lifeline: &UnixStream,
) -> io::Result<(Result<Ready, Failure>, Option<OwnedFd>)> {
    descriptor::send(control, config, &[lifeline.as_fd()])?;
    control.set_read_timeout(Some(PATIENCE))?;
    let (outcome, mut descriptors) = descriptor::receive::<Result<Ready, Failure>>(control)?;
    control.set_read_timeout(None)?;
    let tun = descriptors.pop();
    if outcome.is_ok() && tun.is_none() {
        return Err(io::Error::other("it sent no TUN"));
    }
    Ok((outcome, tun))
}

/// The process inside.
#[derive(Debug)]
struct Worker(Child);

impl Worker {
    /// Starts the worker with one end of a socket as its standard input; returns the other end.
    fn spawn(config: &NamespaceConfig) -> io::Result<(Worker, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new(&config.executable)
            .arg0("handfast")
            .arg(SUBCOMMAND)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        Ok((Worker(child), ours))
    }

    fn end(&mut self) {
        // It may be gone already, and holds nothing that would need an orderly end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}
