//! The table of mappings, and the way from the program to them.

use super::host_socket::HostSocket;
use super::mapping::Mapping;
use super::{Config, FlowEnd, train};
use crate::ping::Pings;
use handfast::stack::icmp::Problem;
use handfast::stack::{Foreign, ForeignDatagram};
use handfast::{ForeignSocket, Net};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::AbortHandle;

/// Relays the datagrams and pings that arrive for other hosts at a stack. Dropping it ends that.
pub struct Nat {
    shared: Arc<Shared>,
    up: AbortHandle,
}

/// How often something was not relayed, or given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Packets of the program's that the policy forbids.
    pub refused: u64,
    /// Packets of the program's that the machine would not send.
    pub unsendable: u64,
    /// Datagrams of the program's that were lost because the machine took no more.
    pub lost_up: u64,
    /// Datagrams to the program that the stack could not send.
    pub lost_down: u64,
    /// Datagrams of strangers.
    pub filtered: u64,
    /// Mappings that made room for others before their time.
    pub evicted: u64,
    /// Mappings that are there now.
    pub mappings: usize,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) refused: Counter,
    pub(super) unsendable: Counter,
    pub(super) lost_up: Counter,
    pub(super) lost_down: Counter,
    pub(super) filtered: Counter,
    pub(super) evicted: Counter,
}

#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) foreign: Arc<ForeignSocket>,
    pub(super) counters: Counters,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// By the program's endpoint; published ones first, of which there may be several.
    mappings: HashMap<SocketAddr, Vec<Entry>>,
    /// Those that are not published.
    own: usize,
}

struct Entry {
    mapping: Arc<Mapping>,
    task: AbortHandle,
}

impl Nat {
    /// Starts to relay what arrives for other hosts at the stack of `net`, which sends it all to
    /// nobody else: a stack has one such relay. Its tasks run in the current runtime of tokio.
    ///
    /// # Errors
    /// A published port that cannot be had; `AddrInUse` when the stack has a
    /// [`ForeignSocket`] already.
    pub fn start(net: &Net, config: Config) -> io::Result<Nat> {
        let foreign = Arc::new(ForeignSocket::bind(net, config.memory)?);
        let pings = config
            .ping
            .clone()
            .map(|ping| Pings::new(foreign.clone(), ping));
        let shared = Arc::new(Shared {
            foreign,
            counters: Counters::default(),
            table: Mutex::default(),
            config,
        });
        shared.publish()?;
        let up = tokio::spawn(shared.clone().up(pings)).abort_handle();
        Ok(Nat { shared, up })
    }

    /// How often something was not relayed.
    pub fn counts(&self) -> Counts {
        let counters = &self.shared.counters;
        Counts {
            refused: counters.refused.get(),
            unsendable: counters.unsendable.get(),
            lost_up: counters.lost_up.get(),
            lost_down: counters.lost_down.get(),
            filtered: counters.filtered.get(),
            evicted: counters.evicted.get(),
            mappings: self.shared.table().own,
        }
    }
}

impl Shared {
    fn publish(self: &Arc<Shared>) -> io::Result<()> {
        for port in &self.config.published {
            if port.outside.is_ipv4() != port.inside.is_ipv4() {
                let why = format!(
                    "{} and {} are of different families",
                    port.outside, port.inside
                );
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
            }
            let socket = HostSocket::bind(port.outside, &self.config.direct)
                .map_err(|e| io::Error::new(e.kind(), format!("UDP port {}: {e}", port.outside)))?;
            let mapping = Arc::new(Mapping::new(port.inside, socket, true));
            self.enter(&mut self.table(), mapping);
        }
        Ok(())
    }

    /// Carries what the program sends.
    async fn up(self: Arc<Shared>, pings: Option<Pings>) {
        let mut packets = Vec::new();
        loop {
            if self.foreign.recv_many(&mut packets).await.is_err() {
                return;
            }
            let mut train: Option<ForeignDatagram> = None;
            for packet in packets.drain(..) {
                match packet {
                    Foreign::Datagram(next) => {
                        let next = match &mut train {
                            Some(train) => train::couple(train, next),
                            None => Some(next),
                        };
                        if let Some(next) = next
                            && let Some(whole) = train.replace(next)
                        {
                            self.datagram(whole);
                        }
                    }
                    Foreign::Echo(echo) => match &pings {
                        Some(pings) => pings.request(echo, &self.config.admit),
                        None => self.reject(&echo.into(), Problem::Prohibited, None),
                    },
                    _ => {}
                }
            }
            train.into_iter().for_each(|train| self.datagram(train));
            // Who sends much must not keep others from being served.
            tokio::task::yield_now().await;
        }
    }

    fn datagram(self: &Arc<Shared>, train: ForeignDatagram) {
        // We are a hop of its way.
        if train.hop_limit <= 1 {
            self.reject(&train.into(), Problem::HopLimit, None);
            return;
        }
        let mut table = self.table();
        match self.mapping(&mut table, &train) {
            Ok(Some(mapping)) => mapping.up(train, self),
            Ok(None) => {
                drop(table);
                self.refuse(train);
            }
            Err(_) => {
                drop(table);
                self.unsendable(&train.into(), Some(Problem::Host));
            }
        }
    }

    /// Where a destination is outside, if it may be reached.
    pub(super) fn admit(&self, destination: SocketAddr) -> Option<SocketAddr> {
        let outside = (self.config.admit)(destination);
        outside.filter(|outside| outside.is_ipv4() == destination.is_ipv4())
    }

    /// Tells that a destination may not be reached.
    pub(super) fn refuse(&self, train: ForeignDatagram) {
        self.counters.refused.add(train::datagrams(&train));
        self.reject(&train.into(), Problem::Prohibited, None);
    }

    /// The mapping by which a datagram leaves; `None`, with none made, if it may not.
    fn mapping(
        self: &Arc<Shared>,
        table: &mut Table,
        train: &ForeignDatagram,
    ) -> io::Result<Option<Arc<Mapping>>> {
        let program = train.source;
        if let Some(entries) = table.mappings.get(&program) {
            // Several published ports may lead here: who is answered is answered by the one that
            // he used last.
            let mut all = entries.iter().map(|entry| &entry.mapping);
            let last = |m: &&Arc<Mapping>| m.last_with(train.destination);
            let known = all.clone().filter(|m| last(m).is_some()).max_by_key(last);
            if let Some(mapping) = known.or_else(|| all.next()) {
                return Ok(Some(mapping.clone()));
            }
        }
        if self.admit(train.destination).is_none() {
            return Ok(None);
        }
        if table.own >= self.config.mappings.max(1) {
            self.evict(table);
        }
        let direct = &self.config.direct;
        let bind = || HostSocket::bind_any(program.ip(), program.port(), direct);
        let socket = bind().or_else(|_| {
            // Descriptors may have run out.
            self.evict(table);
            bind()
        })?;
        let mapping = Arc::new(Mapping::new(program, socket, false));
        self.enter(table, mapping.clone());
        Ok(Some(mapping))
    }

    fn enter(self: &Arc<Shared>, table: &mut Table, mapping: Arc<Mapping>) {
        table.own += usize::from(!mapping.is_published);
        let task = tokio::spawn(mapping.clone().run(self.clone())).abort_handle();
        let entries = table.mappings.entry(mapping.program).or_default();
        entries.push(Entry { mapping, task });
    }

    /// The mapping that was idle for longest makes room.
    fn evict(&self, table: &mut Table) {
        let all = table.mappings.values().flatten();
        let own = all.filter(|entry| !entry.mapping.is_published);
        let oldest = own.min_by_key(|entry| entry.mapping.last());
        if let Some(oldest) = oldest.map(|entry| entry.mapping.clone()) {
            self.counters.evicted.add(1);
            oldest.end_all(FlowEnd::Evicted, self);
            table.remove(&oldest);
        }
    }

    /// Takes a mapping out that has no flows; false when it has got one meanwhile.
    pub(super) fn remove_if_idle(&self, mapping: &Arc<Mapping>) -> bool {
        let mut table = self.table();
        mapping.is_idle() && {
            table.remove(mapping);
            true
        }
    }

    /// As whom the program sees a peer that sends to a published port.
    pub(super) fn seen_inside(&self, peer: IpAddr) -> Option<IpAddr> {
        if peer.is_unspecified() || peer.is_multicast() {
            return None;
        }
        if !peer.is_loopback() {
            return Some(peer);
        }
        let aliases = &self.config.loopback_alias;
        aliases
            .iter()
            .find(|a| a.is_ipv4() == peer.is_ipv4())
            .copied()
    }

    /// What the machine would not send.
    pub(super) fn unsendable(&self, packet: &Foreign, why: Option<Problem>) {
        self.counters.unsendable.add(1);
        if let Some(why) = why {
            self.reject(packet, why, None);
        }
    }

    pub(super) fn reject(&self, packet: &Foreign, why: Problem, reporter: Option<IpAddr>) {
        self.foreign.reject(packet, why, reporter);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Takes a mapping out and ends its task.
    fn remove(&mut self, mapping: &Arc<Mapping>) {
        let Some(entries) = self.mappings.get_mut(&mapping.program) else {
            return;
        };
        if let Some(at) = entries
            .iter()
            .position(|e| Arc::ptr_eq(&e.mapping, mapping))
        {
            entries.remove(at).task.abort();
            self.own -= usize::from(!mapping.is_published);
        }
        if entries.is_empty() {
            self.mappings.remove(&mapping.program);
        }
    }
}

impl Drop for Nat {
    fn drop(&mut self) {
        self.up.abort();
        let mappings = std::mem::take(&mut *self.shared.table()).mappings;
        for entry in mappings.into_values().flatten() {
            entry.task.abort();
            entry.mapping.end_all(FlowEnd::Stopped, &self.shared);
        }
    }
}

impl fmt::Debug for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nat")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
