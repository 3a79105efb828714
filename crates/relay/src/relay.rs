//! A running relay, and what it is made of.

use crate::dns::Names;
use crate::ping;
use crate::substitutes::Substitutes;
use crate::tcp::{Chunks, Tcp, listen_published};
use crate::udp::{self, Nat};
use crate::{Denial, Verdict};
use crate::{Limits, Outbound, Policy, Publish, RelayEvent, RelayObserver, Transport};
use handfast::{Config, Net};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

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
    published: Vec<(Publish, SocketAddr)>,
    nat: Nat,
    shared: Arc<Shared>,
}

/// Settings of a [`Relay`] to be.
#[must_use = "nothing is relayed before `start`"]
pub struct RelayBuilder {
    net: Net,
    shared: Shared,
    publish: Vec<Publish>,
}

/// What every part of a relay looks at.
pub(crate) struct Shared {
    pub(crate) policy: Policy,
    pub(crate) outbound: Outbound,
    pub(crate) limits: Limits,
    pub(crate) config: Option<Arc<Config>>,
    names: Option<Arc<Names>>,
    /// The addresses of the program, to which published ports lead.
    pub(crate) program: Vec<IpAddr>,
    pub(crate) substitutes: Substitutes,
    observer: Option<Arc<dyn RelayObserver>>,
    /// Memory for what is read from the host's sockets.
    pub(crate) chunks: Arc<Chunks>,
    /// The program has ended: nobody is there any more to whom something could be told.
    pub(crate) draining: watch::Sender<bool>,
    /// Connections that are carried.
    pub(crate) carried: watch::Sender<usize>,
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
                names: None,
                program: Vec::new(),
                substitutes: Substitutes::default(),
                observer: None,
                chunks: Arc::default(),
                draining: watch::Sender::new(false),
                carried: watch::Sender::new(0),
            },
            publish: Vec::new(),
        }
    }

    /// Where the host listens for each published port.
    pub fn published(&self) -> &[(Publish, SocketAddr)] {
        &self.published
    }

    /// How often a datagram was not relayed.
    pub fn udp_counts(&self) -> udp::Counts {
        self.nat.counts()
    }

    /// Waits until all that the program has said has gone on to where it is for, and connections
    /// are closed, at most for `patience`: for when the program has ended. What only the other side
    /// has still to say is nobody's any more, and is not waited for. Returns whether all was done.
    /// Cancelling loses nothing.
    pub async fn drain(&self, patience: Duration) -> bool {
        self.shared.draining.send_replace(true);
        let mut carried = self.shared.carried.subscribe();
        let none = carried.wait_for(|&carried| carried == 0);
        timeout(patience, none).await.is_ok()
    }

    /// Ends every connection, and waits until all are gone and reported.
    pub async fn close(self) {
        drop((self.stop, self.nat));
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

    /// What the program addresses as `inside` is `outside` to the host, and the other way round for
    /// who comes to a published port. The policy looks at `outside`.
    pub fn substitute(mut self, inside: IpAddr, outside: IpAddr) -> RelayBuilder {
        self.shared.substitutes.insert(inside, outside);
        self
    }

    /// The names that DNS answers have given for addresses, for rules by name and for reports.
    pub fn names(mut self, names: Arc<Names>) -> RelayBuilder {
        self.shared.names = Some(names);
        self
    }

    /// Leads a port of the host to the program.
    pub fn publish(mut self, publish: Publish) -> RelayBuilder {
        self.publish.push(publish);
        self
    }

    /// The addresses of the program, to which published ports lead.
    pub fn program(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> RelayBuilder {
        self.shared.program = addresses.into_iter().collect();
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
    /// `AddrInUse` when another listener takes every connection of the stack; what keeps a
    /// published port from being listened to; `InvalidInput` when there is one, and no address of
    /// the program to lead it to.
    pub async fn start(self) -> io::Result<Relay> {
        let RelayBuilder {
            net,
            shared,
            publish,
        } = self;
        if let (Some(publish), true) = (publish.first(), shared.program.is_empty()) {
            let said = format!("{publish} leads nowhere: no address of the program is known");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, said));
        }
        let shared = Arc::new(shared);
        let tcp = Tcp::new(&net, &shared);
        let listener = tcp.listen()?;
        let nat = Nat::start(&net, datagrams(&shared, &publish))?;
        let (stop, stopped) = watch::channel(());
        let mut published = Vec::new();
        let mut listeners = Vec::new();
        for publish in of(Transport::Tcp, &publish) {
            for listener in listen_published(publish).await? {
                published.push((*publish, listener.local_addr()?));
                listeners.push((listener, publish.program));
            }
        }
        let mut tasks = Vec::new();
        for (listener, port) in listeners {
            let serve = tcp.clone().serve_published(listener, port, stopped.clone());
            tasks.push(tokio::spawn(serve));
        }
        tasks.push(tokio::spawn(tcp.serve(listener, stopped)));
        Ok(Relay {
            stop,
            tasks,
            published,
            nat,
            shared,
        })
    }
}

impl Shared {
    /// Where the host finds what the program calls `destination`, if it may be reached.
    pub(crate) fn admit(&self, destination: SocketAddr) -> Result<SocketAddr, Denial> {
        let outside = self.substitutes.outside(destination);
        match self
            .policy
            .decide(outside, &self.names_of(destination.ip()))
        {
            Verdict::Allowed => Ok(outside),
            Verdict::Denied(why) => Err(why),
        }
    }

    /// The names by which the program has come to know an address, the latest first.
    pub(crate) fn names_of(&self, address: IpAddr) -> Vec<String> {
        self.names
            .as_ref()
            .map_or(Vec::new(), |names| names.all(address))
    }

    /// Tells the observer, if there is one.
    pub(crate) fn tell(&self, event: impl FnOnce() -> RelayEvent) {
        if let Some(observer) = &self.observer {
            observer.on_event(&event());
        }
    }
}

/// The published ports of one transport.
fn of(transport: Transport, publish: &[Publish]) -> impl Iterator<Item = &Publish> {
    publish
        .iter()
        .filter(move |publish| publish.transport == transport)
}

/// How datagrams and pings are relayed.
fn datagrams(shared: &Arc<Shared>, publish: &[Publish]) -> udp::Config {
    let mut published = Vec::new();
    for publish in of(Transport::Udp, publish) {
        for outside in publish.listen() {
            let same = |inside: &&IpAddr| inside.is_ipv4() == outside.is_ipv4();
            if let Some(&inside) = shared.program.iter().find(same) {
                let inside = SocketAddr::new(inside, publish.program);
                published.push(udp::Published { outside, inside });
            }
        }
    }
    let [admit, report, unavailable] = [shared, shared, shared].map(Arc::clone);
    let ping = ping::Config {
        unavailable: Arc::new(move |why| {
            unavailable.tell(|| RelayEvent::PingUnavailable(why.to_string()));
        }),
        ..ping::Config::default()
    };
    let direct = match &shared.outbound {
        Outbound::Direct(direct) | Outbound::Socks5 { direct, .. } => direct.clone(),
    };
    udp::Config {
        admit: Arc::new(move |destination| {
            // A proxy takes no datagrams, and past it they would tell who is there.
            let is_direct = matches!(admit.outbound, Outbound::Direct(_));
            admit.admit(destination).ok().filter(|_| is_direct)
        }),
        report: Arc::new(move |flow| report.tell(|| RelayEvent::UdpFlowClosed(flow))),
        names: shared.names.clone(),
        published,
        loopback_alias: shared.substitutes.loopbacks(),
        ping: Some(ping),
        direct,
        ..udp::Config::default()
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
