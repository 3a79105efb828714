use super::{Choose, Counters, Impairment, Path};
use crate::memory;
use crate::observed::Watchers;
use crate::{Capabilities, Link, Source};
use handfast_base::{Instant, Rng};
use handfast_wire::{Batch, Direction, Observer};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// How a pair is built.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PairConfig {
    /// From the first end to the second.
    pub up: Impairment,
    /// From the second end to the first.
    pub down: Impairment,
    /// Decides every chance.
    pub seed: u64,
    /// What both ends say they can do.
    pub capabilities: Capabilities,
}

impl Default for PairConfig {
    /// No impairment, seed 0, the capabilities of [`memory::Config::default`].
    fn default() -> PairConfig {
        PairConfig {
            up: Impairment::default(),
            down: Impairment::default(),
            seed: 0,
            capabilities: memory::Config::default().capabilities,
        }
    }
}

/// Two ends of an impaired path in memory.
pub fn pair(config: &PairConfig) -> (End, End) {
    let mut seed = Rng::new(config.seed);
    let medium = config.capabilities.medium;
    let paths = [config.up, config.down].map(|impairment| Path::new(impairment, medium, &mut seed));
    let shared = Arc::new(Mutex::new(Shared {
        paths,
        observers: [None, None],
        wakers: [None, None],
        refused: [false, false],
        dropped: [false, false],
    }));
    let end = |side| End {
        side,
        capabilities: config.capabilities,
        shared: Arc::clone(&shared),
    };
    (end(0), end(1))
}

/// One end of a [`pair`]; each may live on a thread of its own.
///
/// When the other end is dropped, what is under way still arrives; then both calls fail with
/// [`io::ErrorKind::BrokenPipe`].
pub struct End {
    /// 0 or 1: the index of this end in all pairs of [`Shared`], and of the path it sends into.
    side: usize,
    capabilities: Capabilities,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    paths: [Path; 2],
    observers: [Option<Box<dyn Observer>>; 2],
    wakers: [Option<Waker>; 2],
    refused: [bool; 2],
    dropped: [bool; 2],
}

impl End {
    /// Tells `observer` of every wire packet both ways, when it is sent, as this end sees it.
    pub fn set_observer(&mut self, observer: Option<Box<dyn Observer>>) {
        self.lock().observers[self.side] = observer;
    }

    /// Has another impairment from the next packet on.
    pub fn set_impairment(&mut self, direction: Direction, impairment: Impairment) {
        self.lock().paths[self.path(direction)].set_impairment(impairment);
    }

    /// Lets `choose` decide for single packets, or none any more.
    pub fn choose(&mut self, direction: Direction, choose: Option<Choose>) {
        self.lock().paths[self.path(direction)].choose(choose);
    }

    /// What has happened so far.
    pub fn counters(&self, direction: Direction) -> Counters {
        self.lock().paths[self.path(direction)].counters()
    }

    fn path(&self, direction: Direction) -> usize {
        match direction {
            Direction::Sent => self.side,
            Direction::Received => 1 - self.side,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link for End {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn receive(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        let other = 1 - self.side;
        let mut shared = self.lock();
        let count = shared.paths[other].receive(now, batch);
        if count == 0 && shared.dropped[other] && shared.paths[other].is_empty() {
            return Err(memory::gone());
        }
        let refused = count > 0 && std::mem::take(&mut shared.refused[other]);
        let wake = refused.then(|| shared.wakers[other].clone()).flatten();
        drop(shared);
        wake.inspect(Waker::wake_by_ref);
        Ok(count)
    }

    fn transmit(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        let (side, other) = (self.side, 1 - self.side);
        let medium = self.capabilities.medium;
        let mut shared = self.lock();
        if shared.dropped[other] {
            return Err(memory::gone());
        }
        let Shared {
            paths, observers, ..
        } = &mut *shared;
        let [first, second] = paths;
        let (path, opposite) = match side {
            0 => (first, second),
            _ => (second, first),
        };
        let before = path.poll_timeout();
        let [first, second] = observers;
        let (sender, receiver) = if side == 0 {
            (first, second)
        } else {
            (second, first)
        };
        let count = path.send(now, batch, &mut Watchers::both(medium, sender, receiver));
        let is_sooner = |at: Option<Instant>, before: Option<Instant>| {
            at.is_some_and(|at| before.is_none_or(|before| at < before))
        };
        let sooner = is_sooner(path.poll_timeout(), before);
        let mut back = None;
        if !path.messages().is_empty() {
            // What a hop has to tell goes back, as if the other end had sent it.
            let before = opposite.poll_timeout();
            let mut watchers = Watchers::both(medium, receiver, sender);
            opposite.send(now, path.messages(), &mut watchers);
            path.messages().clear();
            if is_sooner(opposite.poll_timeout(), before) {
                back = shared.wakers[side].clone();
            }
        }
        shared.refused[side] = !batch.is_empty();
        let wake = sooner.then(|| shared.wakers[other].clone()).flatten();
        drop(shared);
        wake.into_iter().chain(back).for_each(Waker::wake);
        Ok(count)
    }

    /// When the next packet arrives at this end.
    fn poll_timeout(&self) -> Option<Instant> {
        self.lock().paths[1 - self.side].poll_timeout()
    }

    fn readiness(&self) -> Source<'_> {
        Source::Polled
    }

    /// When [`Link::poll_timeout`] becomes earlier, when there is room again after a partial send,
    /// and when the other end is dropped.
    fn set_waker(&mut self, waker: &Waker) {
        self.lock().wakers[self.side] = Some(waker.clone());
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut shared = self.lock();
        shared.dropped[self.side] = true;
        shared.observers[self.side] = None;
        let wakers = shared.wakers.each_mut().map(Option::take);
        drop(shared);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("End")
            .field("side", &self.side)
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}
