//! An engine in real time: a clock, and a wait that is exact to the microsecond, on a thread of its
//! own ([`HostBuilder::start`]) or in tokio's reactor ([`HostBuilder::drive`]).

mod builder;
mod clock;
mod driver;
#[cfg(feature = "tokio")]
mod reactor;
mod real_time;

pub use builder::{HostBuilder, HostError};

use crate::{Engine, Metric, Net};
use driver::Driver;
use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;

/// A running stack on a thread of its own. Sockets are made with its [`net`](Host::net).
///
/// Dropping it stops the thread and closes the links; sockets that are left see no more traffic.
pub struct Host {
    net: Net,
    driver: Arc<Driver>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    /// Starts with what a host must be given: links and addresses.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// A handle by which sockets are made.
    pub fn net(&self) -> Net {
        self.net.clone()
    }

    /// All counters and gauges, under stable names.
    pub fn metrics(&self) -> Vec<Metric> {
        self.net.metrics()
    }

    fn start(engine: Arc<Engine>, driver: Arc<Driver>) -> std::io::Result<Host> {
        let thread = std::thread::Builder::new().name("handfast".into()).spawn({
            let (engine, driver) = (engine.clone(), driver.clone());
            move || driver.run(&engine)
        })?;
        Ok(Host {
            net: Net::new(engine),
            driver,
            thread: Some(thread),
        })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.driver.stop();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported there.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}
