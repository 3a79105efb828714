use super::clock;
use crate::Environment;
use handfast_base::Instant;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Who drives an engine in real time and may be asleep.
pub(super) trait Sleeper: Send + Sync {
    /// Until when it sleeps.
    fn sleep(&self) -> &Sleep;

    /// Wakes it.
    fn ring(&self);
}

/// The deadline until which somebody sleeps, in nanoseconds; 0 while it is awake and will look
/// for itself.
#[derive(Default)]
pub(super) struct Sleep(AtomicU64);

impl Sleep {
    /// Whoever queues a timer from here on compares it with `until`. What was queued before must
    /// be looked for once more.
    pub(super) fn begin(&self, until: Option<Instant>) {
        let nanos = until.unwrap_or(Instant::FAR_FUTURE).as_nanos();
        self.0.store(nanos.max(1), Ordering::SeqCst);
    }

    pub(super) fn end(&self) {
        self.0.store(0, Ordering::SeqCst);
    }

    fn is_beyond(&self, deadline: Instant) -> bool {
        let until = self.0.load(Ordering::SeqCst);
        until != 0 && deadline.as_nanos() < until
    }
}

/// The environment of an engine in real time.
pub(super) struct RealTime<S>(pub(super) Arc<S>);

impl<S: Sleeper> Environment for RealTime<S> {
    fn now(&self) -> Instant {
        clock::now()
    }

    fn wake(&self, deadline: Option<Instant>) {
        if deadline.is_some_and(|at| self.0.sleep().is_beyond(at)) {
            self.0.ring();
        }
    }
}
