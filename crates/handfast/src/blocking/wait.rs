use crate::{Interest, Net};
use handfast_base::Instant;
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Waits on this thread for `future`, until `deadline` on the clock of `net` if there is one; what
/// is ready is had even after it. `None`: the deadline has passed, and the future is dropped.
pub(super) fn wait<T>(
    net: &Net,
    deadline: Option<Instant>,
    future: impl Future<Output = T>,
) -> Option<T> {
    // Sockets know a waker again that waits already: one a thread leaves no trail behind. Where
    // the thread is about to end and its own is gone, another will do.
    let bell = BELL.try_with(Arc::clone).unwrap_or_default();
    let waker = Waker::from(bell.clone());
    let mut future = pin!(future);
    loop {
        // Before the look and not after it: what happens in between rings again.
        *bell.lock() = false;
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(done);
        }
        if !bell.wait(net, deadline) {
            return None;
        }
    }
}

/// How calls on a socket wait. It belongs to the socket: all clones of a handle share it.
#[derive(Debug, Default)]
pub(super) struct Patience {
    nonblocking: AtomicBool,
    /// Nanoseconds that reads and writes wait at most; 0 means for ever.
    timeouts: [AtomicU64; 2],
}

impl Patience {
    pub(super) fn set_nonblocking(&self, nonblocking: bool) {
        self.nonblocking.store(nonblocking, Ordering::Relaxed);
    }

    pub(super) fn is_nonblocking(&self) -> bool {
        self.nonblocking.load(Ordering::Relaxed)
    }

    pub(super) fn set_timeout(&self, of: Interest, time: Option<Duration>) -> io::Result<()> {
        let nanos = match time {
            None => 0,
            Some(time) => {
                nonzero(time)?;
                u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
            }
        };
        self.timeouts[of as usize].store(nanos, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn timeout(&self, of: Interest) -> Option<Duration> {
        match self.timeouts[of as usize].load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// Until when a call that begins now waits: for ever, not at all, or so long.
    pub(super) fn deadline(&self, net: &Net, of: Interest) -> Option<Instant> {
        if self.is_nonblocking() {
            return Some(Instant::ZERO);
        }
        self.timeout(of).map(|time| net.now() + time)
    }

    /// Waits for `future` as long as that.
    pub(super) fn wait<T>(
        &self,
        net: &Net,
        of: Interest,
        future: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        wait(net, self.deadline(net, of), future).unwrap_or_else(would_block)
    }
}

/// What a call that may not wait, or no longer, is told.
pub(super) fn would_block<T>() -> io::Result<T> {
    Err(ErrorKind::WouldBlock.into())
}

/// A time limit of nothing is refused: to the system it would mean none.
pub(super) fn nonzero(time: Duration) -> io::Result<()> {
    if time.is_zero() {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "a time limit cannot be zero",
        ));
    }
    Ok(())
}

thread_local! {
    static BELL: Arc<Bell> = Arc::default();
}

/// Rings for the one thread that it belongs to. Not `Thread::unpark`, whose token belongs to the
/// application.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it rings; false when it has not by the deadline.
    fn wait(&self, net: &Net, deadline: Option<Instant>) -> bool {
        let mut rung = self.lock();
        while !*rung {
            let Some(deadline) = deadline else {
                let woken = self.changed.wait(rung);
                rung = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.since(net.now());
            if left.is_zero() {
                return false;
            }
            let woken = self.changed.wait_timeout(rung, left);
            rung = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.lock() = true;
        self.changed.notify_one();
    }
}
