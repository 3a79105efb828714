use handfast::base::{Duration, Instant};
use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The virtual clock of a simulation, exact to the nanosecond. It stands still while anything
/// runs, and jumps to the next instant at which something happens. A handle; cheap to clone.
#[derive(Clone, Default)]
pub struct Clock(Arc<Shared>);

#[derive(Default)]
struct Shared {
    now: AtomicU64,
    sleepers: Mutex<Sleepers>,
}

#[derive(Default)]
struct Sleepers {
    /// By deadline, and of equal ones in the order in which they went to sleep.
    wakers: BTreeMap<(Instant, u64), Waker>,
    number: u64,
}

impl Clock {
    /// The virtual time since the simulation began.
    pub fn now(&self) -> Instant {
        Instant::from_nanos(self.0.now.load(Ordering::Relaxed))
    }

    /// Done when `duration` has passed.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now() + duration)
    }

    /// Done when `deadline` is reached; at once if that is past.
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep {
            clock: self.clone(),
            deadline,
            entry: None,
        }
    }

    /// What `future` gives, unless `duration` passes first; then the future is dropped.
    ///
    /// # Errors
    /// [`Elapsed`].
    pub async fn timeout<F: Future>(
        &self,
        duration: Duration,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        let mut sleep = self.sleep(duration);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => Pin::new(&mut sleep).poll(cx).map(|()| Err(Elapsed)),
        })
        .await
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.sleepers().wakers.keys().next().map(|key| key.0)
    }

    /// Goes to `to`, never backwards, and wakes those who sleep until then.
    pub(crate) fn advance(&self, to: Instant) {
        let now = self.now().max(to);
        self.0.now.store(now.as_nanos(), Ordering::Relaxed);
        loop {
            let mut sleepers = self.sleepers();
            let Some(first) = sleepers.wakers.first_entry().filter(|e| e.key().0 <= now) else {
                break;
            };
            let waker = first.remove();
            drop(sleepers);
            waker.wake();
        }
    }

    /// When the sleep that would wake `waker` next is over.
    pub(crate) fn deadline_of(&self, waker: &Waker) -> Option<Instant> {
        let sleepers = self.sleepers();
        let mut entries = sleepers.wakers.iter();
        entries
            .find(|(_, w)| w.will_wake(waker))
            .map(|(key, _)| key.0)
    }

    fn sleepers(&self) -> MutexGuard<'_, Sleepers> {
        self.0
            .sleepers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({:?})", self.now())
    }
}

/// A wait for an instant of virtual time, made by [`Clock::sleep`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    clock: Clock,
    deadline: Instant,
    entry: Option<(Instant, u64)>,
}

impl Sleep {
    /// When it is over.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    fn forget(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.clock.sleepers().wakers.remove(&entry);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.clock.now() >= self.deadline {
            self.forget();
            return Poll::Ready(());
        }
        let this = &mut *self;
        let mut sleepers = this.clock.sleepers();
        let entry = *this.entry.get_or_insert_with(|| {
            sleepers.number += 1;
            (this.deadline, sleepers.number)
        });
        match sleepers.wakers.get_mut(&entry) {
            Some(waker) => waker.clone_from(cx.waker()),
            None => _ = sleepers.wakers.insert(entry, cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.forget();
    }
}

/// A [`timeout`](Clock::timeout) was over first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was over first")
    }
}

impl std::error::Error for Elapsed {}
