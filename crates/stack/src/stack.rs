use crate::address::{AddressPrefix, IfaceId};
use crate::authentication::RawHeader;
use crate::budget::Budget;
use crate::fast_open::{FastOpenKeys, FastOpenPeers};
use crate::foreign_socket::ForeignQueue;
use crate::handshake::Claim;
use crate::icmp::Identifiers;
use crate::listener::Listeners;
use crate::network::Network;
use crate::orphans::Orphans;
use crate::ping_sockets::PingSocket;
use crate::ports::Ports;
use crate::rate_limit::{AnswerLimit, AnswerRate};
use crate::reassembly::Reassembly;
use crate::route::{Route, RouteError};
use crate::slots::Slots;
use crate::snapshot::Departed;
use crate::source_address::Privacy;
use crate::syn_cookie::CookieSecret;
use crate::tcp_table::TcpTable;
use crate::timer_wheel::TimerWheel;
use crate::trace::Trace;
use crate::tuple::Tuple;
use crate::udp::UdpTable;
use crate::{
    InterfaceConfig, InterfaceError, InterfaceMetrics, Metrics, SocketId, SocketKind, TraceEvent,
    tcp_sockets,
};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;
use handfast_base::Instant;
use handfast_tcp::{Config, Path, Readiness, Segment, SegmentSlot, isn};
use handfast_wire::Batch;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use siphasher::sip::SipHasher13;

/// The limits and defaults of a stack.
#[derive(Clone, Debug)]
pub struct StackConfig {
    /// Octets that the stack holds at most for connections, half-open connections, TIME-WAIT and
    /// datagrams together. Default 256 MiB.
    pub memory: usize,
    /// Half-open connections of all listeners together. Default 65,536.
    pub max_half_open: usize,
    /// TIME-WAIT records; beyond that the oldest gives way. Default 262,144.
    pub max_time_wait: usize,
    /// Connections that the application has let go of and that have not ended; beyond that the
    /// oldest is reset. Default 65,536.
    pub max_orphans: usize,
    /// Hop limit (time to live) of what is sent (MUST-49). Default 64.
    pub hop_limit: u8,
    /// DSCP in the upper six bits. Default 0.
    pub traffic_class: u8,
    /// Where automatic ports come from; default 1024 to 65535 (RFC 6056, section 3.2). From an
    /// empty range none come.
    pub ports: RangeInclusive<u16>,
    /// Resets in answer to segments for nobody.
    pub resets: AnswerRate,
    /// ICMP errors.
    pub icmp_errors: AnswerRate,
    /// Which of our addresses to prefer as a source (RFC 6724).
    pub privacy: Privacy,
    /// Options of connections that name none.
    pub tcp: Arc<Config>,
    /// Events that may wait in [`Stack::poll_trace`]; 0, the default, traces nothing.
    pub trace: usize,
    /// Whether [`Stack::poll_trace`] tells every connection's decisions, too; then those of single
    /// connections are not kept for their owners
    /// ([`TcpMut::poll_decision`](crate::TcpMut::poll_decision)). Default off.
    pub decisions: bool,
}

impl Default for StackConfig {
    fn default() -> StackConfig {
        StackConfig {
            memory: 256 << 20,
            max_half_open: 65_536,
            max_time_wait: 262_144,
            max_orphans: 65_536,
            hop_limit: 64,
            traffic_class: 0,
            ports: Ports::RANGE,
            resets: AnswerRate::default(),
            icmp_errors: AnswerRate::default(),
            privacy: Privacy::default(),
            tcp: Arc::default(),
            trace: 0,
            decisions: false,
        }
    }
}

/// A TCP/IP stack. It knows no file descriptor, no thread, no clock and no link: packets, time
/// and randomness are arguments, and what it wants is there to be polled.
///
/// Whoever drives it does this, again and again:
///
/// 1. [`receive`](Stack::receive) all packets that have arrived, a bounded batch at a time;
/// 2. [`timeout`](Stack::timeout) when [`poll_timeout`](Stack::poll_timeout) is due;
/// 3. [`poll_event`](Stack::poll_event) until `None`, and let the application act;
/// 4. [`poll_transmit`](Stack::poll_transmit) for each interface, and hand the batch to its link;
/// 5. wait until a packet arrives, the application acts, or `poll_timeout` is due.
#[derive(Debug)]
pub struct Stack {
    pub(crate) config: StackConfig,
    pub(crate) rng: ChaCha20Rng,
    pub(crate) isn: isn::Secret,
    pub(crate) cookies: CookieSecret,
    flow_labels: SipHasher13,
    pub(crate) resets: AnswerLimit,
    pub(crate) icmp_errors: AnswerLimit,
    /// `None`: the configured range is empty.
    pub(crate) ports: Option<Ports>,

    pub(crate) network: Network,
    pub(crate) table: TcpTable,
    pub(crate) listeners: Listeners,
    pub(crate) orphans: Orphans,
    pub(crate) departed: Departed,
    pub(crate) fast_open_keys: FastOpenKeys,
    pub(crate) fast_open_peers: FastOpenPeers,
    pub(crate) handshakes: Slots<Claim>,

    pub(crate) udp: UdpTable,
    pub(crate) udp_charged: u32,
    pub(crate) pings: Slots<PingSocket>,
    pub(crate) ping_identifiers: Identifiers,
    pub(crate) foreign: ForeignQueue,
    pub(crate) reassembly: Reassembly,
    pub(crate) reassembly_charged: u32,

    pub(crate) wheel: TimerWheel,
    /// Sockets with events, each once.
    pub(crate) ready: VecDeque<SocketId>,
    /// Connections whose data was refused for want of memory.
    pub(crate) starved: Vec<SocketId>,
    pub(crate) budget: Budget,
    pub(crate) metrics: Metrics,
    pub(crate) trace: Trace,

    /// Scratch: the segment that arrives, the one that leaves, the batch that stays inside.
    pub(crate) segment: Segment,
    pub(crate) raw_header: RawHeader,
    pub(crate) slot: SegmentSlot,
    pub(crate) local: Option<Batch>,
}

impl Stack {
    /// A stack with a loopback interface and nothing else. `seed` comes from a cryptographic
    /// source (or, in a simulation, from its seed): every secret derives from it.
    pub fn new(config: StackConfig, seed: [u8; 32]) -> Stack {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let mut key = || {
            let mut key = [0; 16];
            rng.fill_bytes(&mut key);
            key
        };
        Stack {
            isn: isn::Secret::new(key()),
            flow_labels: SipHasher13::new_with_key(&key()),
            resets: AnswerLimit::new(key(), config.resets),
            icmp_errors: AnswerLimit::new(key(), config.icmp_errors),
            ports: Ports::new(key(), config.ports.clone()).ok(),
            network: Network::new(config.privacy),
            table: TcpTable::new(&key(), config.max_time_wait),
            listeners: Listeners::new(&key()),
            orphans: Orphans::default(),
            departed: Departed::default(),
            handshakes: Slots::new(),
            udp: UdpTable::new(&key(), Ports::new(key(), config.ports.clone()).ok()),
            udp_charged: 0,
            pings: Slots::new(),
            ping_identifiers: Identifiers::new(),
            foreign: ForeignQueue::default(),
            reassembly: Reassembly::default(),
            reassembly_charged: 0,
            wheel: TimerWheel::new(Instant::ZERO),
            ready: VecDeque::new(),
            starved: Vec::new(),
            budget: Budget::new(config.memory),
            metrics: Metrics::new(),
            trace: Trace::new(config.trace),
            raw_header: RawHeader::NONE,
            segment: Segment::default(),
            slot: SegmentSlot::default(),
            local: None,
            cookies: CookieSecret::new([key(), key()]),
            fast_open_keys: FastOpenKeys::new(key()),
            fast_open_peers: FastOpenPeers::default(),
            rng,
            config,
        }
    }

    // ---- interfaces and routes ---------------------------------------------------------------

    /// Adds an interface, and a route to each of its networks. Its id is never used again.
    ///
    /// # Errors
    /// An [`InterfaceError`]; nothing has changed then.
    pub fn add_interface(&mut self, config: InterfaceConfig) -> Result<IfaceId, InterfaceError> {
        let id = self.network.interfaces.add(&config)?;
        self.network.interfaces.addresses_changed();
        self.table.demux.forget();
        for prefix in config.addresses {
            self.add_network(id, prefix);
        }
        Ok(id)
    }

    /// Removes an interface with its addresses and routes. Connections from its addresses are
    /// aborted; others find another way or wait for one. False when there is no such interface.
    pub fn remove_interface(&mut self, id: IfaceId, now: Instant) -> bool {
        let removed = self.network.interfaces.remove(id).is_some();
        if removed {
            self.network.routes.retain(|route| route.iface != id);
            self.udp.remove_interface(id);
            self.budget.refund(self.foreign.remove_interface(id));
            let half_open = self.table.half_open.iter();
            let on_it = half_open
                .filter(|(_, h)| h.iface == id)
                .map(|(index, _)| index);
            for index in on_it.collect::<Vec<_>>() {
                self.remove_half_open(index, Some(now));
            }
            self.reroute(now);
        }
        removed
    }

    /// Adds an address to an interface, and a route to its network.
    ///
    /// # Errors
    /// An [`InterfaceError`]; nothing has changed then.
    pub fn add_address(
        &mut self,
        id: IfaceId,
        prefix: AddressPrefix,
        now: Instant,
    ) -> Result<(), InterfaceError> {
        let iface = self
            .network
            .interfaces
            .get_mut(id)
            .ok_or(InterfaceError::Unknown)?;
        iface.add_address(prefix)?;
        self.add_network(id, prefix);
        self.reroute(now);
        Ok(())
    }

    /// Removes an address and the route to its network; connections from it are aborted. False
    /// when there is no such address.
    pub fn remove_address(&mut self, id: IfaceId, address: IpAddr, now: Instant) -> bool {
        let Some(iface) = self.network.interfaces.get_mut(id) else {
            return false;
        };
        let prefix = iface
            .addresses
            .iter()
            .map(|a| a.prefix)
            .find(|p| p.address() == address);
        if let Some(prefix) = prefix {
            iface.addresses.remove(address);
            self.udp.remove_address(address);
            let others = iface.addresses.iter();
            if !others
                .map(|a| a.prefix.network())
                .any(|n| n == prefix.network())
            {
                self.network.routes.remove(prefix, None, id);
            }
            self.reroute(now);
        }
        prefix.is_some()
    }

    /// The addresses of an interface, in the order in which they were added.
    pub fn addresses(&self, id: IfaceId) -> impl Iterator<Item = AddressPrefix> + '_ {
        let iface = self.network.interfaces.get(id).into_iter();
        iface.flat_map(|i| i.addresses.iter().map(|a| a.prefix))
    }

    /// Whether the address is one of ours, on any interface.
    pub fn owns(&self, address: IpAddr) -> bool {
        self.network.interfaces.is_ours(address)
    }

    /// Changes the MTU of an interface; its connections act on it at once.
    ///
    /// # Errors
    /// [`InterfaceError::Unknown`] or [`InterfaceError::Mtu`].
    pub fn set_mtu(&mut self, id: IfaceId, mtu: u32, now: Instant) -> Result<(), InterfaceError> {
        let iface = self
            .network
            .interfaces
            .get_mut(id)
            .ok_or(InterfaceError::Unknown)?;
        iface.set_mtu(mtu)?;
        self.reroute(now);
        Ok(())
    }

    /// Adds a route.
    ///
    /// # Errors
    /// A [`RouteError`]; nothing has changed then.
    pub fn add_route(&mut self, route: Route, now: Instant) -> Result<(), RouteError> {
        let iface = self.network.interfaces.get(route.iface);
        self.network
            .routes
            .add(route, iface.map(|i| &i.addresses))?;
        self.reroute(now);
        Ok(())
    }

    /// Removes a route; false when there is no such one.
    pub fn remove_route(
        &mut self,
        prefix: AddressPrefix,
        gateway: Option<IpAddr>,
        iface: IfaceId,
        now: Instant,
    ) -> bool {
        let removed = self.network.routes.remove(prefix, gateway, iface);
        if removed {
            self.reroute(now);
        }
        removed
    }

    /// All routes, IPv4 first, each family best first.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.network.routes.iter()
    }

    fn add_network(&mut self, id: IfaceId, prefix: AddressPrefix) {
        let route = Route::new(prefix, None, id);
        let addresses = self.network.interfaces.get(id).map(|i| &i.addresses);
        // A second address in one network finds the route there already.
        let _ = self.network.routes.add(route, addresses);
    }

    /// Something about interfaces or routes has changed: every connection looks for its way anew.
    /// The one place where all of them are visited.
    fn reroute(&mut self, now: Instant) {
        self.network.interfaces.addresses_changed();
        self.table.demux.forget();
        let all: Vec<u32> = self
            .table
            .connections
            .iter()
            .map(|(index, _)| index)
            .collect();
        for index in all {
            let Some(socket) = self.table.connections.get(index) else {
                continue;
            };
            let tuple = socket.tuple.get();
            let was = socket.iface;
            let gone = !socket.foreign && !self.network.interfaces.is_ours(tuple.local.ip());
            let egress = self.network.egress(tuple.remote);
            let path = egress.map(|id| self.network.path(id, tuple.remote.ip(), now));
            let Some(socket) = self.table.connections.get_mut(index) else {
                continue;
            };
            if gone {
                socket.connection.abort();
            }
            if let (Some(id), Some(path)) = (egress, path) {
                // What it has to send is on the list of another interface now.
                socket.dirty &= socket.iface == id;
                socket.iface = id;
                // What is known of the path beyond the first link stands, if that is the same.
                let known = socket.connection.path();
                let same = Path {
                    estimate: known.estimate,
                    searching: known.searching,
                    ..path
                };
                if same != known {
                    socket.connection.set_path(path);
                }
            }
            if self.network.interfaces.get(was).is_none()
                && let Some(socket) = self.table.connections.get_mut(index)
            {
                // It was on a list that is no more.
                socket.dirty = false;
            }
            self.mark_dirty(index);
            self.settle(index, now);
        }
    }

    /// The flow label of a connection (RFC 6437).
    pub(crate) fn flow_label(&self, tuple: &Tuple) -> u32 {
        match tuple.local {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(_) => {
                let octets = &mut [0; Tuple::MAX_LEN];
                self.flow_labels.hash(tuple.octets(octets)) as u32 & 0xf_ffff
            }
        }
    }

    /// 32 bits that tell nothing of those before or after.
    pub(crate) fn random(&mut self) -> u32 {
        self.rng.next_u32()
    }

    // ---- time --------------------------------------------------------------------------------

    /// Does what is due at `now`. Harmless when nothing is.
    pub fn timeout(&mut self, now: Instant) {
        // What is armed anew for now has to wait for the next call.
        for _ in 0..self.wheel.len() {
            let Some(key) = self.wheel.pop(now) else {
                break;
            };
            let index = key as u32;
            match key >> 32 << 32 {
                tcp_sockets::CONNECTION_TIMER => self.connection_timer(index, now),
                tcp_sockets::SYN_RECEIVED_TIMER => self.half_open_timer(index, now),
                _ => self.time_wait_timer(index, now),
            }
        }
        self.reassembly.expire(now);
        self.settle_reassembly();
        self.deliver_locally(now);
    }

    /// When [`timeout`](Stack::timeout) and [`poll_transmit`](Stack::poll_transmit) want to be
    /// called next if nothing happens before; `None`: never. [`Instant::ZERO`], which is in the
    /// past of every clock, when there is output to take or to deliver locally: at once.
    ///
    /// A driver whose link takes no packets at the moment waits for the link and
    /// [`poll_timer`](Stack::poll_timer) instead.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.network.interfaces.have_output() {
            return Some(Instant::ZERO);
        }
        self.poll_timer()
    }

    /// As [`poll_timeout`](Stack::poll_timeout), output not considered.
    pub fn poll_timer(&self) -> Option<Instant> {
        let fragments = self.reassembly.poll_timeout();
        self.wheel
            .next_deadline()
            .into_iter()
            .chain(fragments)
            .min()
    }

    /// Whether [`poll_transmit`](Stack::poll_transmit) has something for `iface`.
    pub fn has_output(&self, iface: IfaceId) -> bool {
        self.network
            .interfaces
            .get(iface)
            .is_some_and(|i| i.has_output())
    }

    // ---- what happened -----------------------------------------------------------------------

    /// The next socket on which something has happened, and what, since it was last reported.
    /// O(1): sockets on which nothing happens cost nothing.
    pub fn poll_event(&mut self) -> Option<(SocketId, Readiness)> {
        if self.may_feed_starved() {
            self.feed_starved();
        }
        while let Some(id) = self.ready.pop_front() {
            let events = match id.kind {
                SocketKind::Tcp if self.table.connections.is_live(id.index, id.generation) => self
                    .table
                    .connections
                    .get_mut(id.index)
                    .map(|s| &mut s.events),
                SocketKind::Listener if self.listeners.slots.is_live(id.index, id.generation) => {
                    self.listeners
                        .slots
                        .get_mut(id.index)
                        .map(|l| &mut l.events)
                }
                SocketKind::Handshake if self.handshakes.is_live(id.index, id.generation) => {
                    self.handshakes.get_mut(id.index).map(|c| &mut c.events)
                }
                SocketKind::Ping if self.pings.is_live(id.index, id.generation) => {
                    self.pings.get_mut(id.index).map(|p| &mut p.events)
                }
                SocketKind::Foreign if self.foreign.is_live(id) => Some(&mut self.foreign.events),
                _ => None,
            };
            if let Some(events) = events.map(core::mem::take)
                && !events.is_empty()
            {
                return Some((id, events));
            }
        }
        self.udp.pop_ready()
    }

    /// Whether [`poll_event`](Stack::poll_event) may have something to tell.
    pub fn has_events(&self) -> bool {
        !self.ready.is_empty() || self.may_feed_starved()
    }

    /// Whether somebody was refused memory, and now there is some.
    fn may_feed_starved(&self) -> bool {
        !self.starved.is_empty() && self.budget.room() > 0
    }

    /// The next thing that happened inside; nothing unless [`StackConfig::trace`] allows it.
    pub fn poll_trace(&mut self) -> Option<TraceEvent> {
        self.trace.pop()
    }

    /// Trace events that were lost because too many waited.
    pub fn trace_lost(&self) -> u64 {
        self.trace.lost()
    }

    /// Counters of the whole stack.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Counters of one interface.
    pub fn interface_metrics(&self, id: IfaceId) -> Option<&InterfaceMetrics> {
        self.network.interfaces.get(id).map(|i| &i.metrics)
    }

    /// How much the stack holds now.
    pub fn usage(&self) -> Usage {
        Usage {
            memory: self.budget.used(),
            memory_limit: self.budget.limit(),
            connections: self.table.connections.len(),
            orphans: self.orphans.live,
            half_open: self.table.half_open.len(),
            time_wait: self.table.time_wait.slots.len(),
            listeners: self.listeners.slots.len(),
            udp: self.udp.len(),
            pings: self.pings.len(),
            timers: self.wheel.len(),
        }
    }
}

/// How much a stack holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Usage {
    /// Octets counted against the limit.
    pub memory: usize,
    /// The limit.
    pub memory_limit: usize,
    /// Connections, those included that have ended and whose handle is still open.
    pub connections: usize,
    /// Those of them that nobody holds, and that have not ended.
    pub orphans: usize,
    /// Half-open connections.
    pub half_open: usize,
    /// TIME-WAIT records.
    pub time_wait: usize,
    /// Listeners.
    pub listeners: usize,
    /// UDP sockets.
    pub udp: usize,
    /// Sockets for ICMP echo.
    pub pings: usize,
    /// Entries in the timer wheel.
    pub timers: usize,
}
