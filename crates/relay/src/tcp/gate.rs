//! How many connections may be there, and how many of them may still be connecting: when that is
//! full, the oldest connect gives way, for it is the likeliest never to be answered; and first of
//! all one to a destination for which another has given way before, so that a crowd that asks
//! again and again keeps nobody else waiting.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

#[derive(Debug)]
pub(crate) struct Gate {
    /// One for each descriptor.
    places: Arc<Semaphore>,
    connects: usize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Those under way, in the order in which they give way, which is told by dropping a sender.
    under_way: BTreeMap<Rank, (oneshot::Sender<()>, SocketAddr)>,
    /// Destinations for which a connect has given way.
    silent: HashSet<SocketAddr>,
}

/// Who gives way first: those to silent destinations, then the oldest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Rank {
    is_fresh: bool,
    id: u64,
}

/// Silent destinations that are remembered at most.
const SILENT: usize = 65_536;

/// A place for a descriptor, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// A connect under way.
#[derive(Debug)]
pub(crate) struct Attempt {
    gate: Arc<Gate>,
    rank: Rank,
    give_way: oneshot::Receiver<()>,
}

impl Gate {
    pub(crate) fn new(connections: usize, connects: usize) -> Arc<Gate> {
        Arc::new(Gate {
            places: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
            connects: connects.max(1),
            queue: Mutex::default(),
        })
    }

    /// Enters a connect under `id`, which grows from one to the next, and makes others give way
    /// as needed.
    pub(crate) fn enter(self: &Arc<Gate>, id: u64, destination: SocketAddr) -> Attempt {
        let (sender, give_way) = oneshot::channel();
        let mut queue = self.queue();
        let rank = Rank {
            is_fresh: !queue.silent.contains(&destination),
            id,
        };
        // A place comes free when its holder has gone.
        if self.places.available_permits() == 0 {
            queue.pop();
        }
        queue.under_way.insert(rank, (sender, destination));
        while queue.under_way.len() > self.connects {
            queue.pop();
        }
        Attempt {
            gate: self.clone(),
            rank,
            give_way,
        }
    }

    /// A place for a descriptor that is there already; `None`: there is none, and a connect that
    /// gives way makes one for the next.
    pub(crate) fn place(&self) -> Option<Place> {
        match self.places.clone().try_acquire_owned() {
            Ok(permit) => Some(Place { _permit: permit }),
            Err(_) => {
                self.queue().pop();
                None
            }
        }
    }

    /// The destination has answered.
    pub(crate) fn answered(&self, destination: &SocketAddr) {
        self.queue().silent.remove(destination);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Makes one give way, if there is any.
    fn pop(&mut self) {
        if let Some((_, (_, destination))) = self.under_way.pop_first() {
            if self.silent.len() >= SILENT {
                self.silent.clear();
            }
            self.silent.insert(destination);
        }
    }
}

impl Attempt {
    /// Runs `connect` when there is a place for its descriptor; `None`: it has given way.
    pub(crate) async fn run<T>(mut self, connect: impl Future<Output = T>) -> Option<(T, Place)> {
        let places = self.gate.places.clone();
        let connected = async {
            // The gate never closes.
            let permit = places.acquire_owned().await.ok()?;
            Some((connect.await, Place { _permit: permit }))
        };
        tokio::select! {
            connected = connected => connected,
            _ = &mut self.give_way => None,
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.gate.queue().under_way.remove(&self.rank);
    }
}
