//! An engine driven by a task in tokio's reactor: where a packet arrives, the task that waits for
//! it runs next, on the same thread.

use super::real_time::{Sleep, Sleeper};
use crate::Engine;
use handfast_base::Instant;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use tokio::io::unix::AsyncFd;

/// What wakes the driving task from outside.
#[derive(Default)]
pub(super) struct Alarm {
    task: Mutex<Option<Waker>>,
    sleep: Sleep,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

impl Sleeper for Alarm {
    fn sleep(&self) -> &Sleep {
        &self.sleep
    }

    fn ring(&self) {
        if let Some(task) = &*self.task.lock().unwrap_or_else(PoisonError::into_inner) {
            task.wake_by_ref();
        }
    }
}

/// A timer that is exact to the microsecond, as tokio's own are not.
struct Timer {
    fd: AsyncFd<Arc<OwnedFd>>,
    armed: Instant,
}

impl Timer {
    fn new() -> io::Result<Timer> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let fd = watched(Arc::new(fd))?;
        Ok(Timer {
            fd,
            armed: Instant::FAR_FUTURE,
        })
    }

    /// Fires at `at` or before: one that is armed for earlier is left as it is.
    fn arm(&mut self, at: Instant) -> io::Result<()> {
        if at >= self.armed {
            return Ok(());
        }
        self.armed = at;
        // An absolute time of zero would disarm it.
        let nanos = at.as_nanos().max(1);
        let value = Timespec {
            tv_sec: (nanos / 1_000_000_000) as i64,
            tv_nsec: (nanos % 1_000_000_000) as _,
        };
        let none = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let spec = Itimerspec {
            it_interval: none,
            it_value: value,
        };
        timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::ABSTIME, &spec)?;
        Ok(())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready(Ok(mut guard)) = self.fd.poll_read_ready(cx) {
            if rustix::io::read(self.fd.get_ref(), &mut [0u8; 8][..]).is_ok() {
                self.armed = Instant::FAR_FUTURE;
                return Poll::Ready(());
            }
            guard.clear_ready();
        }
        Poll::Pending
    }
}

/// A descriptor that the reactor watches.
#[expect(
    deprecated,
    reason = "the replacement is unsafe; an OwnedFd is what makes this sound"
)]
fn watched(fd: Arc<OwnedFd>) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    AsyncFd::new(fd)
}

/// Drives the engine for ever.
///
/// # Errors
/// The reactor cannot be used: not within a runtime of tokio, or no descriptors left.
pub(super) async fn drive(engine: Arc<Engine>, alarm: Arc<Alarm>) -> io::Result<()> {
    let mut links: Vec<_> = engine.with_sources(|sources| {
        let copied = sources.map(|source| watched(source?.0.clone()));
        copied.collect::<io::Result<_>>()
    })?;
    let mut timer = Timer::new()?;
    loop {
        let next = engine.poll();
        // A link that broke may be readable for ever.
        links.retain(|link| Arc::strong_count(link.get_ref()) > 1);
        alarm.sleep.begin(next.deadline);
        let told = next
            .deadline
            .into_iter()
            .chain(engine.poll_deadline())
            .min();
        if let Some(at) = told {
            timer.arm(at)?;
        }
        let mut first = true;
        poll_fn(|cx| {
            let mut awake = next.more && !first;
            if first {
                let mut task = alarm.task.lock().unwrap_or_else(PoisonError::into_inner);
                match &mut *task {
                    Some(task) => task.clone_from(cx.waker()),
                    None => *task = Some(cx.waker().clone()),
                }
                drop(task);
                if next.more {
                    // Others have their turn first.
                    cx.waker().wake_by_ref();
                }
            } else {
                // Something woke us that is none of ours: the alarm.
                awake = true;
            }
            first = false;
            for link in &links {
                // Cleared before the engine reads, so that what arrives later is an edge anew.
                if let Poll::Ready(guard) = link.poll_read_ready(cx) {
                    guard.map(|mut guard| guard.clear_ready())?;
                    awake = true;
                }
                if next.blocked
                    && let Poll::Ready(guard) = link.poll_write_ready(cx)
                {
                    guard.map(|mut guard| guard.clear_ready())?;
                    awake = true;
                }
            }
            if timer.poll(cx).is_ready() {
                awake = true;
            }
            if awake {
                Poll::Ready(io::Result::Ok(()))
            } else {
                Poll::Pending
            }
        })
        .await?;
        alarm.sleep.end();
    }
}
