//! A running relay, and what it is made of.

use crate::tcp::Tcp;
use crate::{Limits, Outbound, Policy, RelayEvent, RelayObserver};
use handfast::{Config, Net};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Relays what arrives at a stack, and is not for the stack itself, to where it wants to go.
///
/// * A connection of the program is accepted once the destination has accepted ours: refusal,
///   unreachability and silence are the program's as they are the host's.
/// * Both directions are closed and reset as either side does it. Urgent data stays in its place
///   in the stream and arrives as ordinary data, in both directions (`SO_OOBINLINE` on the
///   host's side), for a relay has no place between the two to hold a mark.
/// * What one side does not take is not read from the other.
///
/// Dropping it ends every connection; [`close`](Relay::close) waits until that is so.
pub struct Relay {
    /// Closed, it ends the tasks.
    stop: watch::Sender<()>,
    tasks: Vec<JoinHandle<()>>,
}

/// Settings of a [`Relay`] to be.
#[must_use = "nothing is relayed before `start`"]
pub struct RelayBuilder {
    net: Net,
    shared: Shared,
}

/// What every part of a relay looks at.
pub(crate) struct Shared {
    pub(crate) policy: Policy,
    pub(crate) outbound: Outbound,
    pub(crate) limits: Limits,
    pub(crate) config: Option<Arc<Config>>,
    substitutes: HashMap<IpAddr, IpAddr>,
    observer: Option<Arc<dyn RelayObserver>>,
}

impl Relay {
    /// A relay for what arrives at `net`, which it has to have for itself: one relay a stack.
    pub fn builder(net: &Net) -> RelayBuilder {
        RelayBuilder {
            net: net.clone(),
            shared: Shared {
                policy: Policy::default(),
                outbound: Outbound::default(),
                limits: Limits::default(),
                config: None,
                substitutes: HashMap::new(),
                observer: None,
            },
        }
    }

    /// Ends every connection, and waits until all are gone and reported.
    pub async fn close(self) {
        drop(self.stop);
        for task in self.tasks {
            // One that has panicked is over, too.
            let _ = task.await;
        }
    }
}

impl RelayBuilder {
    /// Who may be reached. By default all but the loopback of the host.
    pub fn policy(mut self, policy: Policy) -> RelayBuilder {
        self.shared.policy = policy;
        self
    }

    /// By which way connections leave the host. By default directly.
    pub fn outbound(mut self, outbound: Outbound) -> RelayBuilder {
        self.shared.outbound = outbound;
        self
    }

    /// What the program addresses as `inside` is `outside` to the host. The policy looks at
    /// `outside`.
    pub fn substitute(mut self, inside: IpAddr, outside: IpAddr) -> RelayBuilder {
        self.shared.substitutes.insert(inside, outside);
        self
    }

    /// Options of our connections to the program. By default the stack's own.
    pub fn config(mut self, config: impl Into<Arc<Config>>) -> RelayBuilder {
        self.shared.config = Some(config.into());
        self
    }

    /// How much it may hold.
    pub fn limits(mut self, limits: Limits) -> RelayBuilder {
        self.shared.limits = limits;
        self
    }

    /// Is told what the relay does.
    pub fn observer(mut self, observer: Arc<dyn RelayObserver>) -> RelayBuilder {
        self.shared.observer = Some(observer);
        self
    }

    /// Starts relaying, on tasks of the current tokio runtime.
    ///
    /// # Errors
    /// `AddrInUse` when another listener takes every connection of the stack.
    pub async fn start(self) -> io::Result<Relay> {
        let shared = Arc::new(self.shared);
        let tcp = Tcp::new(&self.net, &shared);
        let listener = tcp.listen()?;
        let (stop, stopped) = watch::channel(());
        Ok(Relay {
            stop: stop,
            tasks: vec![tokio::spawn(tcp.serve(listener, stopped))],
        })
    }
}

impl Shared {
    /// Where the host finds what the program calls `destination`.
    pub(crate) fn outside(&self, destination: SocketAddr) -> SocketAddr {
        match self.substitutes.get(&destination.ip()) {
            Some(&outside) => SocketAddr::new(outside, destination.port()),
            None => destination,
        }
    }

    /// The names by which the program has come to know an address.
    pub(crate) fn names_of(&self, _: IpAddr) -> Vec<Arc<str>> {
        Vec::new()
    }

    /// Tells the observer, if there is one.
    pub(crate) fn tell(&self, event: impl FnOnce() -> RelayEvent) {
        if let Some(observer) = &self.observer {
            observer.on_event(&event());
        }
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").finish_non_exhaustive()
    }
}

impl fmt::Debug for RelayBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayBuilder").finish_non_exhaustive()
    }
}
