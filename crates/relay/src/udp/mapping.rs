//! One endpoint of the program and the socket of the machine's that stands for it.

use super::errors::NetworkError;
use super::flow::{Direction, Flow, FlowEnd};
use super::host_socket::{Arrival, HostSocket, Sent};
use super::nat::Shared;
use super::train;
use handfast::stack::{Foreign, ForeignDatagram};
use handfast::wire::Payload;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Octets that wait while the machine's socket takes no more; what comes beyond is lost.
const PENDING: u32 = 1 << 20;
/// How often it is looked for flows that are over, at most.
const SWEEP: Duration = Duration::from_secs(1);

pub(super) struct Mapping {
    pub(super) program: SocketAddr,
    pub(super) is_published: bool,
    socket: HostSocket,
    state: Mutex<State>,
    /// Something waits to be sent.
    waiting: Notify,
}

#[derive(Default)]
struct State {
    /// By the peer's address as the program sees it.
    flows: HashMap<SocketAddr, Flow>,
    /// The hosts, by their addresses outside, that may send to the program.
    contacts: HashMap<IpAddr, Contact>,
    pending: VecDeque<(ForeignDatagram, SocketAddr)>,
    pending_octets: u32,
}

struct Contact {
    /// The host's address as the program sees it.
    inside: IpAddr,
    flows: usize,
}

impl Mapping {
    pub(super) fn new(program: SocketAddr, socket: HostSocket, is_published: bool) -> Mapping {
        Mapping {
            program,
            is_published,
            socket,
            state: Mutex::default(),
            waiting: Notify::new(),
        }
    }

    /// When something was last said between the program and this peer; `None` if nothing was.
    pub(super) fn last_with(&self, destination: SocketAddr) -> Option<Instant> {
        self.state().flows.get(&destination).map(|flow| flow.last)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.state().flows.is_empty()
    }

    /// When something was last said.
    pub(super) fn last(&self) -> Option<Instant> {
        self.state().flows.values().map(|flow| flow.last).max()
    }

    /// Sends what the program has sent.
    pub(super) fn up(&self, mut train: ForeignDatagram, shared: &Shared) {
        let now = Instant::now();
        let mut state = self.state();
        let outside = match state.flows.get(&train.destination) {
            Some(flow) => flow.outside,
            None => {
                let Some(outside) = shared.admit(train.destination) else {
                    drop(state);
                    shared.refuse(train);
                    return;
                };
                self.open(&mut state, train.destination, outside, false, shared, now);
                outside
            }
        };
        if let Some(flow) = state.flows.get_mut(&train.destination) {
            let octets = train.payload.len().into();
            flow.count(Direction::Up, train::datagrams(&train), octets, now);
        }
        let mut errors = Vec::new();
        let mut never = None;
        if !state.pending.is_empty() {
            state.push(train, outside, shared);
        } else {
            match self.socket.send(&mut train, outside, |e| errors.push(e)) {
                Sent::Yes => {}
                Sent::Full => {
                    state.push(train, outside, shared);
                    self.waiting.notify_one();
                }
                Sent::Never(why) => never = Some((train, why)),
            }
        }
        drop(state);
        errors.into_iter().for_each(|e| self.tell(e, shared));
        if let Some((train, why)) = never {
            shared.unsendable(&train.into(), why);
        }
    }

    /// Serves the machine's side, until no flow is left.
    pub(super) async fn run(self: Arc<Mapping>, shared: Arc<Shared>) {
        let mut arrivals = Vec::new();
        let mut packets = Vec::new();
        loop {
            let (deadline, has_pending) = self.next();
            let ready = tokio::select! {
                ready = self.socket.ready(has_pending) => match ready {
                    Ok(ready) => Some(ready),
                    // The reactor is gone, and all else with it.
                    Err(_) => return,
                },
                () = self.waiting.notified() => None,
                () = sleep_until(deadline) => {
                    self.expire(&shared);
                    if !self.is_published && shared.remove_if_idle(&self) {
                        return;
                    }
                    None
                }
            };
            let Some(ready) = ready else { continue };
            if ready.is_writable() {
                self.flush(&shared);
            }
            if ready.is_error() {
                while let Ok(error) = self.socket.take_error() {
                    self.tell(error, &shared);
                }
            }
            // An error of something sent may be told here, too; its turn comes.
            if ready.is_readable() && self.socket.receive(&mut arrivals).is_ok() {
                self.down(&mut arrivals, &mut packets, &shared);
                let lost = shared.foreign.send_many(&mut packets).await;
                shared.counters.lost_down.add(lost as u64);
            }
        }
    }

    /// When to look for flows that are over, and whether something waits to be sent.
    fn next(&self) -> (Instant, bool) {
        let state = self.state();
        let now = Instant::now();
        let first = state.flows.values().map(Flow::expires).min();
        // Without any, a published port has nothing to look for, and any other is over.
        let at = first.unwrap_or(match self.is_published {
            true => now + Duration::from_secs(3600),
            false => now,
        });
        (at.max(now + SWEEP), !state.pending.is_empty())
    }

    /// Makes what came from outside the program's, unless it is from a stranger.
    fn down(&self, arrivals: &mut Vec<Arrival>, packets: &mut Vec<Foreign>, shared: &Shared) {
        let now = Instant::now();
        let mut state = self.state();
        for arrival in arrivals.drain(..) {
            let peer = arrival.peer;
            let known = state.contacts.get(&peer.ip()).map(|c| c.inside);
            let inside = match known {
                Some(inside) => Some(inside),
                None if self.is_published => shared.seen_inside(peer.ip()),
                None => None,
            };
            let Some(source) = inside.map(|ip| SocketAddr::new(ip, peer.port())) else {
                shared.counters.filtered.add(1);
                continue;
            };
            if !state.flows.contains_key(&source) {
                self.open(&mut state, source, peer, self.is_published, shared, now);
            }
            let next = ForeignDatagram {
                source,
                destination: self.program,
                payload: Payload::from(arrival.payload),
                segment_size: arrival.segment_size,
                hop_limit: 0,
                traffic_class: arrival.ecn,
            };
            if let Some(flow) = state.flows.get_mut(&source) {
                let octets = next.payload.len().into();
                flow.count(Direction::Down, train::datagrams(&next), octets, now);
            }
            let rest = match packets.last_mut() {
                Some(Foreign::Datagram(last)) => train::couple(last, next),
                _ => Some(next),
            };
            packets.extend(rest.map(Foreign::Datagram));
        }
    }

    /// Sends what waits.
    fn flush(&self, shared: &Shared) {
        let mut errors = Vec::new();
        let mut never = Vec::new();
        let mut state = self.state();
        while let Some((mut train, outside)) = state.pending.pop_front() {
            let before = train.payload.len();
            let sent = self.socket.send(&mut train, outside, |e| errors.push(e));
            state.pending_octets -= before;
            match sent {
                Sent::Yes => {}
                Sent::Full => {
                    state.pending_octets += train.payload.len();
                    state.pending.push_front((train, outside));
                    break;
                }
                Sent::Never(why) => never.push((train, why)),
            }
        }
        drop(state);
        errors.into_iter().for_each(|e| self.tell(e, shared));
        for (train, why) in never {
            shared.unsendable(&train.into(), why);
        }
    }

    /// Tells the program what the network told the machine.
    fn tell(&self, error: NetworkError, shared: &Shared) {
        let inside = |ip: &IpAddr| self.state().contacts.get(ip).map(|c| c.inside);
        let Some(destination) = inside(&error.destination.ip()) else {
            return;
        };
        // A host that has another address inside has it here, too; and nobody else's is shown
        // that would make no sense there.
        let reporter = error.reporter.and_then(|ip| match inside(&ip) {
            Some(inside) => Some(inside),
            None => Some(ip).filter(|ip| !ip.is_loopback() && !ip.is_unspecified()),
        });
        let about = Foreign::Datagram(ForeignDatagram {
            source: self.program,
            destination: SocketAddr::new(destination, error.destination.port()),
            payload: Payload::from(error.quoted),
            segment_size: 0,
            hop_limit: 0,
            traffic_class: 0,
        });
        shared.reject(&about, error.problem, reporter);
    }

    fn open(
        &self,
        state: &mut State,
        destination: SocketAddr,
        outside: SocketAddr,
        is_published: bool,
        shared: &Shared,
        now: Instant,
    ) {
        if state.flows.len() >= shared.config.flows.max(1) {
            let oldest = state.flows.iter().min_by_key(|(_, flow)| flow.last);
            if let Some(oldest) = oldest.map(|(destination, _)| *destination) {
                self.end(state, oldest, FlowEnd::Evicted, shared);
            }
        }
        let contact = state.contacts.entry(outside.ip()).or_insert(Contact {
            inside: destination.ip(),
            flows: 0,
        });
        contact.flows += 1;
        let flow = Flow::new(outside, is_published, now);
        state.flows.insert(destination, flow);
    }

    fn end(&self, state: &mut State, destination: SocketAddr, end: FlowEnd, shared: &Shared) {
        let Some(flow) = state.flows.remove(&destination) else {
            return;
        };
        let host = flow.outside.ip();
        if let Some(contact) = state.contacts.get_mut(&host) {
            contact.flows -= 1;
            if contact.flows == 0 {
                state.contacts.remove(&host);
            }
        }
        let names = shared.config.names.as_ref();
        let name = names.and_then(|names| names.of(destination.ip()));
        let report = flow.report(self.program, destination, name, end);
        (shared.config.report)(report);
    }

    fn expire(&self, shared: &Shared) {
        let now = Instant::now();
        let mut state = self.state();
        let over = state.flows.iter().filter(|(_, flow)| flow.expires() <= now);
        for destination in over.map(|(to, _)| *to).collect::<Vec<_>>() {
            self.end(&mut state, destination, FlowEnd::Idle, shared);
        }
    }

    /// Ends all flows.
    pub(super) fn end_all(&self, end: FlowEnd, shared: &Shared) {
        let mut state = self.state();
        for destination in state.flows.keys().copied().collect::<Vec<_>>() {
            self.end(&mut state, destination, end, shared);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, train: ForeignDatagram, outside: SocketAddr, shared: &Shared) {
        let octets = train.payload.len();
        if self.pending_octets + octets > PENDING {
            shared.counters.lost_up.add(train::datagrams(&train));
            return;
        }
        self.pending_octets += octets;
        self.pending.push_back((train, outside));
    }
}
