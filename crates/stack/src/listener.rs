//! Passive opens before there is a connection: who listens where, and with which limits.

use crate::slots::Slots;
use crate::{PendingId, SynCookies, tuple};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::net::{IpAddr, SocketAddr};
use handfast_base::Instant;
use handfast_tcp::Config;
use handfast_tcp::authentication::KeyRing;
use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

/// How to listen.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Where. An unspecified address takes every address of ours: `0.0.0.0` those of IPv4, `[::]`
    /// those of both families. Port 0 and `None` pick a free port; `None` is `[::]:0`.
    pub local: Option<SocketAddr>,
    /// `[::]` is for IPv6 alone.
    pub v6_only: bool,
    /// How many connections may wait for [`tcp_accept`](crate::Stack::tcp_accept), and how many
    /// handshakes may be under way; at least 1. Beyond the first, SYNs meet silence; beyond the
    /// second, [`syn_cookies`](ListenOptions::syn_cookies) decides.
    pub backlog: usize,
    /// Listen although connections, most likely in TIME-WAIT, still use the address and port, and
    /// beside a listener with a more or less specific address that has set this too. Never beside
    /// one with the same address.
    pub reuse_address: bool,
    /// Every SYN waits for the application's decision before it is answered
    /// ([`tcp_pending`](crate::Stack::tcp_pending)).
    pub pending: bool,
    /// Take connections to every address, ours or not, that no other listener takes; and with
    /// port 0 or `None` to every port.
    pub accept_any: bool,
    /// A handshake that finds the accept queue full when it completes is reset. Else, by default,
    /// its acknowledgment is overlooked, and the SYN,ACK goes out again later.
    pub abort_on_overflow: bool,
    /// Text on a SYN is taken from peers that have our cookie (RFC 7413, 2), while at most so many of
    /// their handshakes are under way; 0, the default: from nobody. What it says may come twice,
    /// so only where that does no harm. A [`pending`](ListenOptions::pending) listener never does.
    pub fast_open: usize,
    /// When SYNs are answered without keeping anything of them.
    pub syn_cookies: SynCookies,
    /// Which peers must sign what they send, and with which keys; what is sent to them is signed,
    /// too. They get neither cookies nor Fast Open.
    pub keys: KeyRing,
    /// Options of the connections; `None`: the stack's own.
    pub config: Option<Arc<Config>>,
}

impl Default for ListenOptions {
    fn default() -> ListenOptions {
        ListenOptions {
            local: None,
            v6_only: false,
            backlog: 1024,
            reuse_address: false,
            pending: false,
            accept_any: false,
            abort_on_overflow: false,
            fast_open: 0,
            syn_cookies: SynCookies::default(),
            keys: KeyRing::new(),
            config: None,
        }
    }
}

impl ListenOptions {
    /// To listen on `local`, all else by default.
    pub fn on(local: SocketAddr) -> ListenOptions {
        ListenOptions {
            local: Some(local),
            ..ListenOptions::default()
        }
    }
}

/// Which destination addresses a listener takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scope {
    Address(IpAddr),
    AllV4,
    AllV6,
    Both,
    Foreign,
}

impl Scope {
    pub(crate) fn of(options: &ListenOptions) -> Scope {
        match options.local.map(|l| l.ip()) {
            _ if options.accept_any => Scope::Foreign,
            Some(a) if !a.is_unspecified() => Scope::Address(a),
            Some(IpAddr::V4(_)) => Scope::AllV4,
            _ if options.v6_only => Scope::AllV6,
            _ => Scope::Both,
        }
    }

    /// Whether the address is inside.
    pub(crate) fn takes(self, address: IpAddr) -> bool {
        match self {
            Scope::Address(own) => own == address,
            Scope::AllV4 => address.is_ipv4(),
            Scope::AllV6 => address.is_ipv6(),
            Scope::Both | Scope::Foreign => true,
        }
    }

    /// Whether some address is in both.
    fn overlaps(self, other: Scope) -> bool {
        use Scope::{Address, AllV4, AllV6, Both, Foreign};
        match (self, other) {
            (Foreign, _) | (_, Foreign) => self == other,
            (Address(a), Address(b)) => a == b,
            (Address(a), AllV4) | (AllV4, Address(a)) => a.is_ipv4(),
            (Address(a), AllV6) | (AllV6, Address(a)) => a.is_ipv6(),
            (AllV4, AllV6) | (AllV6, AllV4) => false,
            (AllV4 | AllV6 | Both, _) | (_, Both) => true,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) scope: Scope,
    pub(crate) local: SocketAddr,
    pub(crate) options: ListenOptions,
    pub(crate) config: Arc<Config>,
    /// Half-open connections of this listener, the undecided included.
    pub(crate) half_open: usize,
    /// Connections waiting to be accepted, by index.
    pub(crate) accept_queue: VecDeque<u32>,
    /// SYNs that wait for a decision and have not been shown to the application.
    pub(crate) undecided: VecDeque<PendingId>,
    /// Connections that text on a SYN has made, by index and generation; some have gone on since.
    pub(crate) fast_opened: VecDeque<(u32, u32)>,
    /// Until then a peer may bring back a cookie of ours.
    pub(crate) cookies_until: Instant,
    pub(crate) events: handfast_tcp::Readiness,
}

impl Listener {
    /// Whether there is room for one more handshake under way.
    pub(crate) fn may_begin(&self) -> bool {
        self.half_open < self.options.backlog.max(1)
    }

    /// Whether there is room for one more connection to be accepted.
    pub(crate) fn may_finish(&self) -> bool {
        self.accept_queue.len() < self.options.backlog.max(1)
    }
}

/// All listeners of a stack, found by address and port.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) slots: Slots<Listener>,
    index: HashTable<u32>,
    hasher: SipHasher13,
    foreign: usize,
}

impl Listeners {
    pub(crate) fn new(key: &[u8; 16]) -> Listeners {
        Listeners {
            slots: Slots::new(),
            index: HashTable::new(),
            hasher: SipHasher13::new_with_key(key),
            foreign: 0,
        }
    }

    /// Whether connections to addresses that are not ours are wanted.
    #[inline]
    pub(crate) fn takes_foreign(&self) -> bool {
        self.foreign > 0
    }

    /// The listener for a SYN to `local`: the most specific one.
    pub(crate) fn find(&self, local: SocketAddr, is_ours: bool) -> Option<u32> {
        let port = local.port();
        let family = match local {
            SocketAddr::V4(_) => Scope::AllV4,
            SocketAddr::V6(_) => Scope::AllV6,
        };
        let ours = [Scope::Address(local.ip()), family, Scope::Both];
        let ours = ours.into_iter().filter(|_| is_ours).map(|s| (s, port));
        let foreign = [(Scope::Foreign, port), (Scope::Foreign, 0)];
        ours.chain(foreign)
            .find_map(|(scope, port)| self.at(scope, port))
            .filter(|&index| {
                self.slots.get(index).is_some_and(|l| {
                    let zone = tuple::zone(l.local);
                    zone == 0 || zone == tuple::zone(local)
                })
            })
    }

    /// Whether a bind must be refused because of another listener.
    pub(crate) fn conflicts(&self, scope: Scope, port: u16, reuse_address: bool) -> bool {
        self.at(scope, port).is_some()
            || port != 0
                && self.slots.iter().any(|(_, l)| {
                    l.local.port() == port
                        && l.scope.overlaps(scope)
                        && !(reuse_address && l.options.reuse_address)
                })
    }

    /// Whether a listener takes `local`, so that no connection may be opened from there.
    pub(crate) fn covers(&self, local: SocketAddr) -> bool {
        self.conflicts(Scope::Address(local.ip()), local.port(), false)
    }

    pub(crate) fn insert(&mut self, listener: Listener) -> u32 {
        let hash = self.hash(listener.scope, listener.local.port());
        self.foreign += usize::from(listener.scope == Scope::Foreign);
        let index = self.slots.insert(listener);
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.index.insert_unique(hash, index, |&i| {
            slots
                .get(i)
                .map_or(0, |l| hash_with(hasher, l.scope, l.local.port()))
        });
        index
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<Listener> {
        let listener = self.slots.remove(index)?;
        let hash = self.hash(listener.scope, listener.local.port());
        if let Ok(entry) = self.index.find_entry(hash, |&i| i == index) {
            entry.remove();
        }
        self.foreign -= usize::from(listener.scope == Scope::Foreign);
        Some(listener)
    }

    fn at(&self, scope: Scope, port: u16) -> Option<u32> {
        let is_it = |&i: &u32| {
            let l = self.slots.get(i);
            l.is_some_and(|l| l.scope == scope && l.local.port() == port)
        };
        self.index.find(self.hash(scope, port), is_it).copied()
    }

    fn hash(&self, scope: Scope, port: u16) -> u64 {
        hash_with(&self.hasher, scope, port)
    }
}

fn hash_with(hasher: &SipHasher13, scope: Scope, port: u16) -> u64 {
    let mut octets = [0; 19];
    octets[..2].copy_from_slice(&port.to_be_bytes());
    octets[2] = match scope {
        Scope::Address(IpAddr::V4(a)) => {
            octets[3..7].copy_from_slice(&a.octets());
            0
        }
        Scope::Address(IpAddr::V6(a)) => {
            octets[3..].copy_from_slice(&a.octets());
            1
        }
        Scope::AllV4 => 2,
        Scope::AllV6 => 3,
        Scope::Both => 4,
        Scope::Foreign => 5,
    };
    hasher.hash(&octets)
}
