//! The world of a program: its network, our stack at the other end of it, and what leads on from
//! there.

use std::net::IpAddr;
use std::sync::Arc;

use handfast::{Host, Net};
use handfast_link::observed::Observed;
use handfast_relay::{Limits, Policy, Relay, Rule};

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

/// Our side of the program's network. Dropped, it ends all that is carried.
pub(super) struct World {
    relay: Relay,
    _services: Services,
    metrics: Option<Serving>,
    /// Last, for the others use it.
    host: Host,
}

/// Makes the network in which the program will be.
///
/// # Errors
/// Why not, in one line with a fix.
pub(super) fn namespace(options: &Options) -> Result<Namespace, String> {
    let config = NamespaceConfig {
        backends: backends(options.backend)?,
        addresses: options.families.iter().map(|f| addresses::of_interface(*f)).collect(),
        mtu: options.mtu,
        tx_queue_len: TX_QUEUE_LEN,
        sysctls: options.sysctls.clone(),
        resolv_conf: None,
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
        recording: &mut Recording,
        ledger: &Ledger,
    ) -> Result<World, String> {
        let link = namespace
            .take_link()
            .map_err(|e| format!("cannot use the program's network: {e}"))?;
        let families = &options.families;
        let gateways: Vec<IpAddr> = families.iter().map(|f| addresses::gateway(*f)).collect();
        let watch = Watch::new(&gateways);
        let link = recording.watch(link, options);
        let link = Observed::new(link, Some(Box::new(watch.clone())));
        let mut recorded = recording.sink();
        let prefixes = families.iter().map(|f| addresses::of_stack(*f));
        let host = Host::builder()
            .tcp(Arc::clone(&options.tcp))
            .link(link, prefixes.collect::<Result<Vec<_>, _>>()?)
            .trace({
                let watch = watch.clone();
                move |event| {
                    watch.on_event(&event);
                    recorded(event);
                }
            })
            .start()
            .map_err(|e| e.to_string())?;
        let net = host.net();
        recording.start(net.now())?;
        let services = services::start(&net, &gateways, &watch, options.serve.clone())
            .map_err(|e| e.to_string())?;
        let relay = relay(options, &net, ledger).await?;
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
            metrics,
            host,
        })
    }

    /// Where metrics are served, if they are.
    pub(super) fn metrics_address(&self) -> Option<std::net::SocketAddr> {
        self.metrics.as_ref().map(Serving::address)
    }

    /// Ends all that is carried, and returns the last figures of our stack.
    pub(super) async fn close(self) -> Vec<handfast::Metric> {
        self.relay.close().await;
        self.host.metrics()
    }
}

async fn relay(options: &Options, net: &Net, ledger: &Ledger) -> Result<Relay, String> {
    let rules = |texts: &[String]| {
        let parsed = texts.iter().map(|text| text.parse::<Rule>());
        parsed.collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())
    };
    let mut policy = Policy::default();
    for rule in rules(&options.allow)? {
        policy.allow(rule);
    }
    for rule in rules(&options.deny)? {
        policy.deny(rule);
    }
    if options.allow_host_loopback {
        policy.allow_host_loopback();
    }
    let mut relay = Relay::builder(net)
        .policy(policy)
        .config(Arc::clone(&options.tcp))
        .limits(Limits::default())
        .observer(Arc::new(Reporter::new(ledger.clone())));
    for family in &options.families {
        relay = relay.substitute(addresses::host(*family), addresses::host_loopback(*family));
    }
    relay.start().await.map_err(|e| format!("cannot relay: {e}"))
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
