//! TCP Fast Open (RFC 7413): who may put text on a SYN. As a server we give out cookies, a keyed
//! hash of the addresses; as a client we keep those that we were given.

use crate::tcp_sockets::{CONNECTION_COST, Holder};
use crate::tuple::{StoredTuple, Tuple};
use crate::{SocketId, SocketKind, Stack};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::hash::Hasher;
use core::net::IpAddr;
use handfast_base::{Duration, Instant};
use handfast_tcp::{Connection, FastOpenOutcome, Readiness, State, SynReceived};
use handfast_wire::Discard;
use handfast_wire::tcp::FastOpenCookie;
use siphasher::sip::SipHasher24;

/// Peers whose cookies are kept at most; the one that was not heard of for longest gives way.
const PEERS: usize = 256;
/// A peer that did not answer a SYN with the option gets none for twice this, then four times...
const BLACKHOLE: Duration = Duration::from_secs(60);
/// ... and so on up to 2^10 times.
const BLACKHOLE_LIMIT: u8 = 10;

/// The secrets behind the cookies that we give out: the newest, and the one before, whose cookies
/// still count.
pub(crate) struct FastOpenKeys {
    current: SipHasher24,
    previous: Option<SipHasher24>,
}

impl FastOpenKeys {
    pub(crate) fn new(key: [u8; 16]) -> FastOpenKeys {
        FastOpenKeys {
            current: SipHasher24::new_with_key(&key),
            previous: None,
        }
    }

    /// The cookie for a peer (RFC 7413, section 4.1.2): it proves that the peer has heard us at
    /// its address, and nothing can be told from it.
    pub(crate) fn cookie(&self, tuple: &Tuple) -> Option<FastOpenCookie> {
        FastOpenCookie::new(&cookie(self.current, tuple))
    }

    /// Cookies change with the key, and those of the key before still count (RFC 7413, 4.1.2).
    fn is_good(&self, tuple: &Tuple, presented: &FastOpenCookie) -> bool {
        [Some(self.current), self.previous]
            .into_iter()
            .flatten()
            .any(|key| cookie(key, tuple) == presented.as_slice())
    }
}

impl core::fmt::Debug for FastOpenKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("FastOpenKeys(..)")
    }
}

fn cookie(mut key: SipHasher24, tuple: &Tuple) -> [u8; 8] {
    for address in [tuple.remote.ip(), tuple.local.ip()] {
        match address {
            IpAddr::V4(a) => key.write(&a.octets()),
            IpAddr::V6(a) => key.write(&a.octets()),
        }
    }
    key.finish().to_be_bytes()
}

/// What we know of the peers that we open connections to fast.
#[derive(Debug, Default)]
pub(crate) struct FastOpenPeers(VecDeque<(IpAddr, Peer)>);

#[derive(Clone, Copy, Debug, Default)]
struct Peer {
    /// Empty: none yet.
    cookie: FastOpenCookie,
    mss: u16,
    /// How often in a row a SYN with the option found no answer.
    failures: u8,
    not_before: Instant,
}

/// How to open a connection to a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Approach {
    /// Without the option: it was lost there, not long ago.
    Plain,
    /// Asking for a cookie.
    Ask,
    /// With this cookie, and text for segments of this size.
    Fast(FastOpenCookie, u16),
}

impl FastOpenPeers {
    pub(crate) fn approach(&self, peer: IpAddr, now: Instant) -> Approach {
        match self.0.iter().find(|(address, _)| *address == peer) {
            Some((_, known)) if now < known.not_before => Approach::Plain,
            Some((_, known)) if !known.cookie.as_slice().is_empty() => {
                Approach::Fast(known.cookie, known.mss)
            }
            _ => Approach::Ask,
        }
    }

    /// How an opening went; `None`: the peer never answered (RFC 7413, section 4.1.3).
    pub(crate) fn learn(&mut self, peer: IpAddr, outcome: Option<FastOpenOutcome>, now: Instant) {
        let at = self.0.iter().position(|(address, _)| *address == peer);
        let known = at.and_then(|at| self.0.remove(at));
        let mut known = known.map_or_else(Peer::default, |(_, known)| known);
        if outcome.is_none_or(|o| o.syn_lost) {
            known.failures = (known.failures + 1).min(BLACKHOLE_LIMIT);
            known.not_before = now + BLACKHOLE * (1 << known.failures);
        } else {
            known.failures = 0;
        }
        if let Some(cookie) = outcome.and_then(|o| o.cookie) {
            known.cookie = cookie;
        }
        known.mss = outcome.map_or(known.mss, |o| o.mss);
        if self.0.len() >= PEERS {
            self.0.pop_front();
        }
        self.0.push_back((peer, known));
    }
}

impl Stack {
    /// Takes a new secret for the cookies of Fast Open; those of the one before still count. For
    /// servers that share an address, and so must share it; and from time to time (RFC 7413,
    /// section 4.1.2).
    pub fn set_fast_open_key(&mut self, key: [u8; 16]) {
        let new = FastOpenKeys::new(key);
        let old = core::mem::replace(&mut self.fast_open_keys, new);
        self.fast_open_keys.previous = Some(old.current);
    }

    /// The SYN in `self.segment` has the option, and the listener wants it.
    pub(crate) fn asks_for_fast_open(&self, listener: u32) -> bool {
        self.segment.header.options.fast_open.is_some()
            && self
                .listeners
                .slots
                .get(listener)
                .is_some_and(|l| l.options.fast_open > 0 && !l.options.pending)
    }

    /// A SYN with text and a good cookie makes a connection at once (RFC 7413, section 4.2.2).
    /// `None`: it is a SYN like others.
    pub(crate) fn fast_open_input(
        &mut self,
        index: u32,
        tuple: &Tuple,
        now: Instant,
    ) -> Option<Result<(), Discard>> {
        let presented = self.segment.header.options.fast_open?;
        if !self.asks_for_fast_open(index) || presented.as_slice().is_empty() {
            return None;
        }
        if !self.fast_open_keys.is_good(tuple, &presented) {
            self.metrics.tcp.fast_opens_refused += 1;
            return None;
        }
        let text = self.segment.payload.len() as usize;
        let iface = self.network.egress(tuple.remote)?;
        let (connections, generation) = (
            &self.table.connections,
            self.listeners.slots.generation(index),
        );
        let listener = self.listeners.slots.get_mut(index)?;
        if listener.fast_opened.len() >= listener.options.fast_open {
            // Only those count whose peer has not proved yet that it hears us (section 5.1).
            listener.fast_opened.retain(|&(index, generation)| {
                connections.is_live(index, generation)
                    && connections
                        .get(index)
                        .is_some_and(|s| s.state == State::SynReceived)
            });
        }
        if text == 0 || listener.fast_opened.len() >= listener.options.fast_open {
            return None;
        }
        if self.budget.is_tight(CONNECTION_COST + text) {
            return None;
        }
        let config = Arc::clone(&listener.config);
        let path = self.network.path(iface, tuple.remote.ip(), now);
        let iss = self.initial_sequence_number(tuple, None, now);
        let (local, remote) = (tuple.local.ip(), tuple.remote.ip());
        let offset = self.isn.timestamp_offset(local, remote);
        let record = SynReceived::new(&self.segment.header, iss, offset, &config, path, now);
        let connection = Connection::open_fast(record, &mut self.segment, config, path, now);
        let stored = StoredTuple::new(tuple);
        let socket = self.new_socket(connection, stored, iface, State::Listen, Holder::Listener);
        let connection = self.insert_connection(socket, None);
        self.metrics.tcp.passive_opens += 1;
        self.metrics.tcp.accepts += 1;
        self.metrics.tcp.fast_opens += 1;
        self.settle(connection, now);
        self.mark_dirty(connection);
        let live = self.table.connections.generation(connection);
        let listener = self.listeners.slots.get_mut(index)?;
        listener.fast_opened.push_back((connection, live));
        listener.accept_queue.push_back(connection);
        if listener.events.is_empty() {
            self.ready.push_back(SocketId {
                kind: SocketKind::Listener,
                index,
                generation,
            });
        }
        listener.events |= Readiness::READABLE;
        Some(Ok(()))
    }

    /// An active open of ours that was to be fast has come out of SYN-SENT, or has failed there.
    pub(crate) fn fast_open_ended(&mut self, index: u32, answered: bool, now: Instant) {
        let Some(socket) = self.table.connections.get_mut(index) else {
            return;
        };
        let peer = socket.tuple.get().remote.ip();
        let outcome = socket.connection.fast_open_outcome();
        if answered && outcome.is_none() {
            return;
        }
        if outcome.is_some_and(|o| o.text > 0 && !o.taken) {
            self.metrics.tcp.fast_opens_not_taken += 1;
        }
        self.metrics.tcp.fast_opens_taken += u64::from(outcome.is_some_and(|o| o.taken));
        self.fast_open_peers.learn(peer, outcome, now);
    }
}

#[cfg(test)]
mod tests;
