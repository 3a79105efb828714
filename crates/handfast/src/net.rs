use crate::{Engine, Metric, metrics};
use handfast_base::Instant;
use handfast_stack::Stack;
use std::sync::Arc;

/// A handle to a running stack, by which sockets are made: cheap to clone, usable from any
/// thread. [`Host::net`](crate::Host::net) gives one, and so does a simulated host.
#[derive(Clone, Debug)]
pub struct Net(Arc<Engine>);

impl Net {
    /// A handle to `engine`, which somebody drives.
    pub fn new(engine: Arc<Engine>) -> Net {
        Net(engine)
    }

    /// The engine behind it.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.0
    }

    /// The time on the stack's clock.
    pub fn now(&self) -> Instant {
        self.0.now()
    }

    /// Works directly on the stack: interfaces, routes, limits.
    pub fn with_stack<R>(&self, f: impl FnOnce(&mut Stack, Instant) -> R) -> R {
        self.0.with_stack(f)
    }

    /// All counters and gauges of the stack, under stable names.
    pub fn metrics(&self) -> Vec<Metric> {
        self.0.look(|core, _| metrics::of(&core.stack))
    }
}
