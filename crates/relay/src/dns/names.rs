//! Which names led to which addresses.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Names that one address may have; beyond that the one to be forgotten first is.
const PER_ADDRESS: usize = 16;
/// Programs go on with an address for longer than the answer allows, and connect a while after
/// they have asked.
const AT_LEAST: Duration = Duration::from_secs(600);
const AT_MOST: Duration = Duration::from_secs(24 * 3600);

/// The names that DNS answers gave for addresses, for as long as the answers hold, but no less
/// than ten minutes and no more than a day. Names are lower case and have no dot at the end.
#[derive(Debug)]
pub struct Names {
    addresses: Mutex<HashMap<IpAddr, Vec<Known>>>,
    capacity: usize,
}

#[derive(Debug)]
struct Known {
    name: String,
    expires: Instant,
}

impl Default for Names {
    /// For up to 16,384 addresses.
    fn default() -> Names {
        Names::new(16_384)
    }
}

impl Names {
    /// For up to so many addresses, at least 8: beyond that, an eighth of them is forgotten, those
    /// whose time is over first.
    pub fn new(capacity: usize) -> Names {
        Names {
            addresses: Mutex::default(),
            capacity: capacity.max(8),
        }
    }

    /// Remembers that `name` leads to `address`. The last one remembered is the one told by
    /// [`of`](Names::of).
    pub fn note(&self, address: IpAddr, name: &str, ttl: Duration) {
        let now = Instant::now();
        let mut addresses = self.addresses();
        if addresses.len() >= self.capacity && !addresses.contains_key(&address) {
            make_room(&mut addresses, self.capacity);
        }
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let known = addresses.entry(address).or_default();
        known.retain(|k| k.name != name && k.expires > now);
        known.truncate(PER_ADDRESS - 1);
        let expires = now + ttl.clamp(AT_LEAST, AT_MOST);
        known.insert(0, Known { name, expires });
    }

    /// The name by which an address was asked for last.
    pub fn of(&self, address: IpAddr) -> Option<String> {
        self.all(address).into_iter().next()
    }

    /// All names of an address, the latest first: those asked for, and their canonical ones.
    pub fn all(&self, address: IpAddr) -> Vec<String> {
        let mut addresses = self.addresses();
        let Entry::Occupied(mut known) = addresses.entry(address.to_canonical()) else {
            return Vec::new();
        };
        let now = Instant::now();
        known.get_mut().retain(|k| k.expires > now);
        if known.get().is_empty() {
            known.remove();
            return Vec::new();
        }
        known.get().iter().map(|k| k.name.clone()).collect()
    }

    /// How many addresses have names.
    pub fn len(&self) -> usize {
        self.addresses().len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn addresses(&self) -> MutexGuard<'_, HashMap<IpAddr, Vec<Known>>> {
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(addresses: &mut HashMap<IpAddr, Vec<Known>>, capacity: usize) {
    let last = |known: &[Known]| known.iter().map(|k| k.expires).max();
    let mut order: Vec<_> = addresses
        .iter()
        .map(|(address, known)| (last(known), *address))
        .collect();
    order.sort_unstable();
    let surplus = order.len() - (capacity - capacity / 8);
    for (_, address) in order.iter().take(surplus) {
        addresses.remove(address);
    }
}
