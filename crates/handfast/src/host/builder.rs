use super::Host;
use super::driver::Driver;
use super::real_time::RealTime;
use crate::{Engine, Environment};
use handfast_link::Link;
use handfast_stack::address::{AddressPrefix, IfaceId};
use handfast_stack::route::{Route, RouteError};
use handfast_stack::{InterfaceError, Stack, StackConfig, TraceEvent};
use handfast_tcp::Config;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::task::Waker;

/// What a [`Host`] is made of.
#[derive(Default)]
pub struct HostBuilder {
    config: StackConfig,
    links: Vec<(Box<dyn Link>, Vec<AddressPrefix>)>,
    gateways: Vec<IpAddr>,
    trace: Option<Box<dyn FnMut(TraceEvent) + Send>>,
}

/// Why a host could not be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum HostError {
    /// The system refused: entropy, a descriptor, a thread.
    System(io::Error),
    /// An interface was refused.
    Interface(InterfaceError),
    /// A gateway was refused.
    Gateway(IpAddr, RouteError),
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostError::System(e) => write!(f, "cannot start the stack's thread: {e}"),
            HostError::Interface(e) => write!(f, "cannot add the interface: {e}"),
            HostError::Gateway(ip, e) => write!(f, "cannot use {ip} as a gateway: {e}"),
        }
    }
}

impl std::error::Error for HostError {}

impl HostBuilder {
    /// Limits and defaults of the stack.
    pub fn stack(mut self, config: StackConfig) -> HostBuilder {
        self.config = config;
        self
    }

    /// Options of connections that name none.
    pub fn tcp(mut self, config: impl Into<Arc<Config>>) -> HostBuilder {
        self.config.tcp = config.into();
        self
    }

    /// A link as an interface with these addresses.
    pub fn link(
        mut self,
        link: impl Link + 'static,
        addresses: impl IntoIterator<Item = AddressPrefix>,
    ) -> HostBuilder {
        self.links
            .push((Box::new(link), addresses.into_iter().collect()));
        self
    }

    /// A default route over the first interface, by way of `gateway`. On a point-to-point link
    /// such as a TUN the unspecified address (`0.0.0.0`, `::`) means: straight into the link.
    pub fn gateway(mut self, gateway: IpAddr) -> HostBuilder {
        self.gateways.push(gateway);
        self
    }

    /// Hands state changes and discards to `sink`, and with
    /// [`StackConfig::decisions`](handfast_stack::StackConfig::decisions) the decisions of every
    /// connection. It must not block.
    pub fn trace(mut self, sink: impl FnMut(TraceEvent) + Send + 'static) -> HostBuilder {
        self.trace = Some(Box::new(sink));
        self
    }

    /// Starts the host on a thread of its own.
    ///
    /// # Errors
    /// A [`HostError`]; nothing is left behind then.
    pub fn start(self) -> Result<Host, HostError> {
        let driver = Arc::new(Driver::new().map_err(HostError::System)?);
        let environment = Box::new(RealTime(driver.clone()));
        let engine = self.build(environment, &driver.clone().into())?;
        Host::start(engine, driver).map_err(HostError::System)
    }

    /// Builds the host to be driven inside the caller's reactor: spawn the future that comes with
    /// the handle. Where a packet arrives, the task that waits for it runs next on the same
    /// thread, which saves a switch of threads a round trip. When the future is dropped, sockets
    /// that are left see no more traffic.
    ///
    /// The future ends only with an error: the reactor cannot be used, because it was not polled
    /// within a runtime of tokio that has I/O enabled, or because no descriptors were left.
    ///
    /// # Errors
    /// A [`HostError`]; nothing is left behind then.
    #[cfg(feature = "tokio")]
    pub fn drive(
        self,
    ) -> Result<
        (
            crate::Net,
            impl Future<Output = io::Result<()>> + Send + use<>,
        ),
        HostError,
    > {
        use super::reactor::{Alarm, drive};
        let alarm = Arc::<Alarm>::default();
        let engine = self.build(Box::new(RealTime(alarm.clone())), &alarm.clone().into())?;
        Ok((crate::Net::new(engine.clone()), drive(engine, alarm)))
    }

    fn build(
        mut self,
        environment: Box<dyn Environment>,
        waker: &Waker,
    ) -> Result<Arc<Engine>, HostError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|e| HostError::System(io::Error::other(e)))?;
        if self.trace.is_some() && self.config.trace == 0 {
            self.config.trace = 65_536;
        }
        let engine = Engine::new(Stack::new(self.config, seed), environment);
        engine.set_trace(self.trace);
        let mut first: Option<IfaceId> = None;
        for (mut link, addresses) in self.links {
            link.set_waker(waker);
            let id = engine
                .attach(link, &addresses)
                .map_err(HostError::Interface)?;
            first.get_or_insert(id);
        }
        for gateway in self.gateways {
            let all = match gateway {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            };
            let prefix = AddressPrefix::new(all, 0).map_err(InterfaceError::Address);
            let route = Route::new(
                prefix.map_err(HostError::Interface)?,
                (!gateway.is_unspecified()).then_some(gateway),
                first.unwrap_or(IfaceId::LOOPBACK),
            );
            engine
                .with_stack(|stack, now| stack.add_route(route, now))
                .map_err(|e| HostError::Gateway(gateway, e))?;
        }
        Ok(Arc::new(engine))
    }
}

impl fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostBuilder")
            .field("links", &self.links.len())
            .finish_non_exhaustive()
    }
}
