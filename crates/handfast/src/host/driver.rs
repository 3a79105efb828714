use super::clock;
use crate::{Engine, Environment};
use handfast_base::Instant;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::time::Timespec;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Wake;
use std::time::Duration;

/// What lets the driving thread sleep, and wakes it.
pub(super) struct Driver {
    wake: OwnedFd,
    /// The deadline until which it sleeps, in nanoseconds; 0 while it is awake and will look for
    /// itself.
    sleeps_until: AtomicU64,
    stop: AtomicBool,
}

/// While a link takes no packets and cannot be waited for, it is asked again this often.
const RETRY: Duration = Duration::from_millis(1);

impl Driver {
    pub(super) fn new() -> std::io::Result<Driver> {
        Ok(Driver {
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            sleeps_until: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        })
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.notify();
    }

    fn notify(&self) {
        // Full means that it is awake as it is.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// Drives until [`stop`](Driver::stop).
    pub(super) fn run(&self, engine: &Engine) {
        while !self.stop.load(Ordering::SeqCst) {
            let next = engine.poll();
            if next.more {
                continue;
            }
            // Whoever queues a timer from here on compares it with what is stored here; what was
            // queued before is seen by the second look.
            let told = next.deadline.unwrap_or(Instant::FAR_FUTURE);
            self.sleeps_until
                .store(told.as_nanos().max(1), Ordering::SeqCst);
            let timer = engine.poll_timer();
            let mut deadline = [next.deadline, timer].into_iter().flatten().min();
            if next.blocked {
                let retry = clock::now() + RETRY;
                deadline = Some(deadline.map_or(retry, |d| d.min(retry)));
            }
            self.sleep(engine, deadline);
            self.sleeps_until.store(0, Ordering::SeqCst);
        }
    }

    fn sleep(&self, engine: &Engine, deadline: Option<Instant>) {
        let timeout = deadline.map(|at| {
            let wait = at.since(clock::now());
            Timespec {
                tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(wait.subsec_nanos()) as _,
            }
        });
        // The descriptors are copied, for sockets must be able to use the links meanwhile.
        let fds: Vec<(OwnedFd, bool)> = engine.with_sources(|sources| {
            sources
                .filter_map(|(fd, out)| Some((fd.try_clone_to_owned().ok()?, out)))
                .collect()
        });
        let mut waits: Vec<PollFd<'_>> = vec![PollFd::new(&self.wake, PollFlags::IN)];
        for (fd, out) in &fds {
            let mut flags = PollFlags::IN;
            flags.set(PollFlags::OUT, *out);
            waits.push(PollFd::new(fd, flags));
        }
        // Interrupted is awake, too.
        let _ = poll(&mut waits, timeout.as_ref());
        if waits[0].revents().contains(PollFlags::IN) {
            let _ = rustix::io::read(&self.wake, &mut [0u8; 8][..]);
        }
    }
}

/// A link without a descriptor has something.
impl Wake for Driver {
    fn wake(self: Arc<Self>) {
        self.notify();
    }
}

/// The environment of a host: the monotonic clock, and the thread that may be asleep.
pub(super) struct RealTime(pub(super) Arc<Driver>);

impl Environment for RealTime {
    fn now(&self) -> Instant {
        clock::now()
    }

    fn wake(&self, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return };
        let until = self.0.sleeps_until.load(Ordering::SeqCst);
        if until != 0 && deadline.as_nanos() < until {
            self.0.notify();
        }
    }
}
