use crate::IfaceId;
use core::net::{IpAddr, SocketAddr};
use hashbrown::HashTable;
use siphasher::sip::SipHasher13;
use smallvec::SmallVec;

/// What a socket is bound to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key {
    pub(super) local: Local,
    pub(super) port: u16,
    pub(super) remote: Option<SocketAddr>,
    pub(super) iface: Option<IfaceId>,
}

/// One address, or all of a family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Local {
    Address(IpAddr),
    AnyV4,
    AnyV6,
}

impl Local {
    pub(super) fn any(like: IpAddr) -> Local {
        match like {
            IpAddr::V4(_) => Local::AnyV4,
            IpAddr::V6(_) => Local::AnyV6,
        }
    }
}

/// The shapes of a key, the most specific first: connected, address, any; each with and without
/// an interface.
const SHAPES: usize = 6;

impl Key {
    fn shape(&self) -> usize {
        let what = match (self.remote, self.local) {
            (Some(_), _) => 0,
            (None, Local::Address(_)) => 2,
            (None, _) => 4,
        };
        what + usize::from(self.iface.is_none())
    }

    fn octets<'a>(&self, out: &'a mut [u8; 48]) -> &'a [u8] {
        // A port and an interface of none are told apart from any real ones by the shape.
        let [a, b] = self.port.to_be_bytes();
        let [c, d] = self.remote.map_or(0, |r| r.port()).to_be_bytes();
        out[..4].copy_from_slice(&[a, b, c, d]);
        out[4..8].copy_from_slice(&self.iface.map_or(0, |i| i.0).to_be_bytes());
        let mut at = 9;
        out[8] = self.shape() as u8 | u8::from(self.local == Local::AnyV4) << 4;
        let mut put = |octets: &[u8]| {
            out[at..at + octets.len()].copy_from_slice(octets);
            at += octets.len();
        };
        let local = match self.local {
            Local::Address(address) => Some(address),
            _ => None,
        };
        // The zone of a remote address is left to the comparison.
        for address in local.into_iter().chain(self.remote.map(|r| r.ip())) {
            match address {
                IpAddr::V4(a) => put(&a.octets()),
                IpAddr::V6(a) => put(&a.octets()),
            }
        }
        &out[..at]
    }
}

/// The sockets bound to one key, in the order in which they were: several if they share it.
type Owners = SmallVec<[u32; 2]>;

/// From what a datagram carries to whom it is for, by keyed hash.
pub(super) struct Demux {
    hasher: SipHasher13,
    table: HashTable<(Key, Owners)>,
    /// Keys of each shape: those of none need no lookup.
    shapes: [u32; SHAPES],
}

impl Demux {
    pub(super) fn new(key: &[u8; 16]) -> Demux {
        Demux {
            hasher: SipHasher13::new_with_key(key),
            table: HashTable::new(),
            shapes: [0; SHAPES],
        }
    }

    /// The socket most specifically bound to what a datagram carries.
    #[inline]
    pub(super) fn find(
        &self,
        local: IpAddr,
        port: u16,
        remote: SocketAddr,
        iface: IfaceId,
    ) -> Option<u32> {
        let at = Local::Address(local);
        let any = Local::any(local);
        let connected = Some(remote);
        let here = Some(iface);
        let candidates = [
            (at, connected, here),
            (at, connected, None),
            (at, None, here),
            (at, None, None),
            (any, None, here),
            (any, None, None),
        ];
        for ((local, remote_key, iface), keys) in candidates.into_iter().zip(self.shapes) {
            if keys == 0 {
                continue;
            }
            let key = Key {
                local,
                port,
                remote: remote_key,
                iface,
            };
            if let Some(owners) = self.owners(&key) {
                return Some(self.choose(owners, remote));
            }
        }
        None
    }

    pub(super) fn owners(&self, key: &Key) -> Option<&Owners> {
        let found = self.table.find(self.hash(key), |(k, _)| k == key);
        found.map(|(_, owners)| owners)
    }

    pub(super) fn insert(&mut self, key: Key, owner: u32) {
        let hash = self.hash(&key);
        if let Some((_, owners)) = self.table.find_mut(hash, |(k, _)| *k == key) {
            owners.push(owner);
            return;
        }
        let hasher = self.hasher;
        self.shapes[key.shape()] += 1;
        self.table
            .insert_unique(hash, (key, SmallVec::from_slice(&[owner])), |(k, _)| {
                hash_of(&hasher, k)
            });
    }

    pub(super) fn remove(&mut self, key: &Key, owner: u32) {
        let hash = self.hash(key);
        let Ok(mut entry) = self.table.find_entry(hash, |(k, _)| k == key) else {
            return;
        };
        let owners = &mut entry.get_mut().1;
        owners.retain(|o| *o != owner);
        if owners.is_empty() {
            entry.remove();
            self.shapes[key.shape()] -= 1;
        }
    }

    /// One of those that share a key: always the same for one peer.
    fn choose(&self, owners: &Owners, remote: SocketAddr) -> u32 {
        if owners.len() == 1 {
            return owners[0];
        }
        let flow = Key {
            local: Local::any(remote.ip()),
            port: 0,
            remote: Some(remote),
            iface: None,
        };
        owners[(self.hash(&flow) % owners.len() as u64) as usize]
    }

    fn hash(&self, key: &Key) -> u64 {
        hash_of(&self.hasher, key)
    }
}

fn hash_of(hasher: &SipHasher13, key: &Key) -> u64 {
    hasher.hash(key.octets(&mut [0; 48]))
}

impl core::fmt::Debug for Demux {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Demux({})", self.table.len())
    }
}
