//! How many connections may be there, and how many of them may still be connecting: when that is
//! full, the oldest connect gives way, for it is the likeliest never to be answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

#[derive(Debug)]
pub(crate) struct Gate {
    /// One for each descriptor.
    places: Arc<Semaphore>,
    connects: usize,
    /// Those under way, oldest first; dropping a sender makes one give way.
    under_way: Mutex<BTreeMap<u64, oneshot::Sender<()>>>,
}

/// A place for a descriptor, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// A connect under way.
#[derive(Debug)]
pub(crate) struct Attempt {
    gate: Arc<Gate>,
    id: u64,
    give_way: oneshot::Receiver<()>,
}

impl Gate {
    pub(crate) fn new(connections: usize, connects: usize) -> Arc<Gate> {
        Arc::new(Gate {
            places: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
            connects: connects.max(1),
            under_way: Mutex::default(),
        })
    }

    /// Enters a connect under `id`, which grows from one to the next, and makes others give way
    /// as needed.
    pub(crate) fn enter(self: &Arc<Gate>, id: u64) -> Attempt {
        let (sender, give_way) = oneshot::channel();
        let mut under_way = self.under_way();
        while under_way.len() >= self.connects {
            under_way.pop_first();
        }
        // Its place comes free when the oldest has gone.
        if self.places.available_permits() == 0 {
            under_way.pop_first();
        }
        under_way.insert(id, sender);
        Attempt {
            gate: self.clone(),
            id,
            give_way,
        }
    }

    /// A place for a descriptor that is there already; `None`: there is none, and a connect that
    /// gives way makes one for the next.
    pub(crate) fn place(&self) -> Option<Place> {
        match self.places.clone().try_acquire_owned() {
            Ok(permit) => Some(Place { _permit: permit }),
            Err(_) => {
                self.under_way().pop_first();
                None
            }
        }
    }

    fn under_way(&self) -> MutexGuard<'_, BTreeMap<u64, oneshot::Sender<()>>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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
        self.gate.under_way().remove(&self.id);
    }
}
