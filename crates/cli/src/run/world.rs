//! The world of a program: its network, our stack at the other end of it, and what leads on from
//! there.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use handfast::stack::StackConfig;
use handfast::{Host, Net};
use handfast_link::observed::Observed;
use handfast_relay::dns::{self, Dns, DnsConfig, Names, ResolvConf, Upstream};
use handfast_relay::{Limits, Policy, Relay};
use tokio::task::JoinSet;

use super::addresses;
use super::arguments::{Backend as Asked, MetricsTo};
use super::ledger::Ledger;
use super::metrics::{self, Serving};
use super::options::Options;
use super::recording::Recording;
use super::reporter::Reporter;
use crate::namespace::{Backend, Namespace, NamespaceConfig, Supervision};
use crate::services::{self, Services, Watch};

/// Packets that may wait for us in the kernel.
const TX_QUEUE_LEN: u32 = 10_000;

/// How long what the program has said may take to arrive when it has ended.
const PATIENCE: Duration = Duration::from_secs(10);
/// Addresses whose names are remembered.
const NAMES: usize = 4_096;
/// Where the machine says how to resolve names.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Our side of the program's network. Dropped, it ends all that is carried.
pub(super) struct World {
    relay: Relay,
    _services: Services,
    _dns: Dns,
    metrics: Option<Serving>,
    net: Net,
    /// Drives the stack. Last, for the others use it.
    _driver: JoinSet<()>,
}

/// How the machine resolves names.
///
/// # Errors
/// Why that cannot be read, in one line with a fix.
pub(super) fn resolv_conf() -> Result<ResolvConf, String> {
    ResolvConf::read(RESOLV_CONF)
        .map_err(|e| format!("cannot read {RESOLV_CONF}: {e}; fix: make it readable for you"))
}

/// Makes the network in which the program will be.
///
/// # Errors
/// Why not, in one line with a fix.
pub(super) fn namespace(options: &Options, resolv_conf: &ResolvConf) -> Result<Namespace, String> {
    let config = NamespaceConfig {
        backends: backends(options.backend)?,
        addresses: options
            .families
            .iter()
            .map(|f| addresses::of_interface(*f))
            .collect(),
        mtu: options.mtu,
        tx_queue_len: TX_QUEUE_LEN,
        sysctls: sysctls(options),
        resolv_conf: Some(resolv_conf.with_nameservers(&gateways(options))),
        ping_group: Some(rustix::process::getegid().as_raw()),
        supervision: Supervision::PidNamespace,
        ..NamespaceConfig::default()
    };
    Namespace::create(&config).map_err(|e| e.to_string())
}

impl World {
    /// Starts all that the program will find, on the current runtime.
    ///
    /// # Errors
    /// Why not, in one line with a fix.
    pub(super) async fn start(
        options: &Options,
        namespace: &mut Namespace,
        resolv_conf: &ResolvConf,
        recording: &mut Recording,
        ledger: &Ledger,
    ) -> Result<World, String> {
        let link = namespace
            .take_link()
            .map_err(|e| format!("cannot use the program's network: {e}"))?;
        let gateways = gateways(options);
        let watch = Watch::new(&gateways);
        let link = recording.watch(link, options);
        let link = Observed::new(link, Some(Box::new(watch.clone())));
        let mut recorded = recording.sink();
        let prefixes = options.families.iter().map(|f| addresses::of_stack(*f));
        // In the reactor of the relay: what arrives runs next where it is waited for.
        let stack = StackConfig {
            decisions: options.report.decisions.is_some(),
            ..StackConfig::default()
        };
        let (net, driver) = Host::builder()
            .stack(stack)
            .tcp(Arc::clone(&options.tcp))
            .link(link, prefixes.collect::<Result<Vec<_>, _>>()?)
            .trace({
                let watch = watch.clone();
                move |event| {
                    watch.on_event(&event);
                    recorded(event);
                }
            })
            .drive()
            .map_err(|e| e.to_string())?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Err(e) = driver.await {
                eprintln!("handfast: the program has lost its network: {e}");
            }
        });
        recording.start(net.now())?;
        let services = services::start(&net, &gateways, &watch, options.serve.clone())
            .map_err(|e| e.to_string())?;
        let policy = policy(options);
        let names = Arc::new(Names::new(NAMES));
        let dns = dns(options, &net, resolv_conf, &policy, &names);
        let dns = dns.await.map_err(|e| format!("cannot answer names: {e}"))?;
        let relay = relay(options, &net, policy, names, ledger).await?;
        let metrics = match options.report.metrics {
            Some(MetricsTo::Served(address)) => {
                let (net, ledger) = (net.clone(), ledger.clone());
                let counters = recording.counters_reader();
                let text = move || {
                    let samples = metrics::samples(&net.metrics(), &ledger.totals(), counters());
                    metrics::exposition(&samples)
                };
                Some(metrics::serve(address, text).await?)
            }
            _ => None,
        };
        Ok(World {
            relay,
            _services: services,
            _dns: dns,
            metrics,
            net,
            _driver: tasks,
        })
    }

    /// Where metrics are served, if they are.
    pub(super) fn metrics_address(&self) -> Option<std::net::SocketAddr> {
        self.metrics.as_ref().map(Serving::address)
    }

    /// Ends all that is carried, once what the program has said has arrived, unless that takes too
    /// long or `interrupted` says so; returns the last figures of our stack.
    pub(super) async fn close(self, interrupted: impl Fn() -> bool) -> Vec<handfast::Metric> {
        let impatience = async {
            while !interrupted() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let quiet = async {
            let begin = Instant::now();
            self.relay.drain(PATIENCE).await;
            // Those to our own services, and the last segments of all.
            while open_connections(&self.net) > 0 && begin.elapsed() < PATIENCE {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            () = quiet => {}
            () = impatience => {}
        }
        self.relay.close().await;
        self.net.metrics()
    }
}

/// Connections of our stack, TIME-WAIT apart.
fn open_connections(net: &Net) -> u64 {
    let metrics = net.metrics();
    let gauge = metrics.iter().find(|m| m.name == "handfast_connections");
    gauge.map_or(0, |gauge| gauge.value)
}

/// A server may listen at port 80, for the ports are the program's alone; what is marked is of use to
/// who asks for marks; then what was asked for.
fn sysctls(options: &Options) -> Vec<(String, String)> {
    let any_port = ("ipv4/ip_unprivileged_port_start".to_owned(), "0".to_owned());
    let ecn = ("ipv4/tcp_ecn".to_owned(), "1".to_owned());
    [any_port]
        .into_iter()
        .chain(options.marks().then_some(ecn))
        .chain(options.sysctls.clone())
        .collect()
}

/// Our addresses.
fn gateways(options: &Options) -> Vec<IpAddr> {
    let families = options.families.iter();
    families.map(|f| addresses::gateway(*f)).collect()
}

fn policy(options: &Options) -> Policy {
    let mut policy = Policy::default();
    for rule in &options.allow {
        policy.allow(rule.clone());
    }
    for rule in &options.deny {
        policy.deny(rule.clone());
    }
    if options.allow_host_loopback {
        policy.allow_host_loopback();
    }
    policy
}

/// Answers names: ours here, all others by the machine's own resolvers.
async fn dns(
    options: &Options,
    net: &Net,
    resolv_conf: &ResolvConf,
    policy: &Policy,
    names: &Arc<Names>,
) -> std::io::Result<Dns> {
    let hosts = options.families.iter().map(|f| addresses::host(*f));
    let mut config = DnsConfig::new(Upstream::from(resolv_conf));
    config.own = vec![
        (addresses::GATEWAY_NAME.to_owned(), gateways(options)),
        (addresses::HOST_NAME.to_owned(), hosts.collect()),
    ];
    let policy = policy.clone();
    config.denied = Arc::new(move |name| policy.denies_name(name));
    dns::serve(net, &gateways(options), config, Arc::clone(names)).await
}

async fn relay(
    options: &Options,
    net: &Net,
    policy: Policy,
    names: Arc<Names>,
    ledger: &Ledger,
) -> Result<Relay, String> {
    let families = &options.families;
    let mut relay = Relay::builder(net)
        .policy(policy)
        .outbound(options.outbound.clone())
        .names(names)
        .program(families.iter().map(|f| addresses::program(*f)))
        .config(Arc::clone(&options.tcp))
        .limits(Limits::default())
        .observer(Arc::new(Reporter::new(ledger.clone())));
    for family in families {
        relay = relay.substitute(addresses::host(*family), addresses::host_loopback(*family));
    }
    for publish in &options.publish {
        relay = relay.publish(*publish);
    }
    relay
        .start()
        .await
        .map_err(|e| format!("cannot relay: {e}"))
}

/// The ways to make a network that were asked for.
fn backends(asked: Asked) -> Result<Vec<Backend>, String> {
    let wanted = |backend: &Backend| match asked {
        Asked::Auto => true,
        Asked::UsernsTun => *backend == Backend::UserNamespace,
        Asked::UsernsVeth => *backend == Backend::UserNamespaceVeth,
        Asked::Root => backend.by_root(),
    };
    let mut backends = Backend::candidates();
    backends.retain(wanted);
    match backends.is_empty() {
        true => Err("this backend needs root; fix: run as root, or with --backend auto".to_owned()),
        false => Ok(backends),
    }
}
