use super::clock;
use super::real_time::{Sleep, Sleeper};
use crate::Engine;
use handfast_base::Instant;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::time::Timespec;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::time::Duration;

/// What lets the driving thread sleep, and wakes it.
pub(super) struct Driver {
    wake: OwnedFd,
    sleep: Sleep,
    stop: AtomicBool,
}

/// While a link takes no packets and cannot be waited for, it is asked again this often.
const RETRY: Duration = Duration::from_millis(1);

impl Driver {
    pub(super) fn new() -> std::io::Result<Driver> {
        Ok(Driver {
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            sleep: Sleep::default(),
            stop: AtomicBool::new(false),
        })
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.ring();
    }

    /// Drives until [`stop`](Driver::stop).
    pub(super) fn run(&self, engine: &Engine) {
        while !self.stop.load(Ordering::SeqCst) {
            let next = engine.poll();
            if next.more {
                continue;
            }
            self.sleep.begin(next.deadline);
            let latest = engine.poll_deadline();
            let mut deadline = [next.deadline, latest].into_iter().flatten().min();
            if next.blocked {
                let retry = clock::now() + RETRY;
                deadline = Some(deadline.map_or(retry, |d| d.min(retry)));
            }
            self.wait(engine, deadline);
            self.sleep.end();
        }
    }

    fn wait(&self, engine: &Engine, deadline: Option<Instant>) {
        let timeout = deadline.map(|at| {
            let wait = at.since(clock::now());
            Timespec {
                tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(wait.subsec_nanos()) as _,
            }
        });
        // Copies, for sockets must be able to use the links meanwhile.
        let fds: Vec<(Arc<OwnedFd>, bool)> = engine.with_sources(|sources| {
            let copied = sources.filter_map(io::Result::ok);
            copied.map(|(fd, out)| (fd.clone(), out)).collect()
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
        self.ring();
    }
}

impl Sleeper for Driver {
    fn sleep(&self) -> &Sleep {
        &self.sleep
    }

    fn ring(&self) {
        // Full means that it is awake as it is.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }
}
