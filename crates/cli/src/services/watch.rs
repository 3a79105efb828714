//! The record of the connections to port 80, each for itself, so that the newest of them are whole.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use handfast::stack::TraceEvent;
use handfast::wire::{Observation, Observer, Packet, Protocol};
use handfast_trace::{EventLog, Ladder, LadderOptions, Recorder, StateChange};

use super::site::PORT;

/// Connections that are recorded. A new one takes the place of the one that has been still longest.
const MOST: usize = 256;
/// Events of one connection: its first and its newest. In all they are as many as one log has.
const EVENTS: usize = EventLog::DEFAULT_CAPACITY / MOST;

/// Records the connections to port 80 of some addresses, and no other packet.
///
/// A handle; clones record into the same place. One is the observer of the stack's link; another is
/// told what the stack traces ([`Watch::on_event`]); the services read a third.
#[derive(Clone)]
pub struct Watch {
    addresses: Arc<[IpAddr]>,
    connections: Arc<Mutex<Connections>>,
}

/// Client and server.
type Ends = (SocketAddr, SocketAddr);

#[derive(Default)]
struct Connections {
    recorded: HashMap<Ends, Recorded>,
    /// Counts what is recorded.
    clock: u64,
}

struct Recorded {
    recorder: Recorder,
    /// The clock when something was recorded last.
    touched: u64,
}

impl Watch {
    /// Watches port 80 of `addresses`.
    pub fn new(addresses: &[IpAddr]) -> Watch {
        Watch {
            addresses: addresses.into(),
            connections: Arc::default(),
        }
    }

    /// Takes what the stack tells: the states of our end of the connections that are recorded.
    pub fn on_event(&self, event: &TraceEvent) {
        if let TraceEvent::State {
            at,
            local,
            remote,
            from,
            to,
        } = *event
            && self.is_ours(local)
            && let Some(recorder) = self.lock().touch((remote, local))
        {
            recorder.state_change(StateChange {
                at,
                local,
                remote,
                from,
                to,
            });
        }
    }

    /// The ladder so far of the newest connection from `client` to `server`; `None` if it is not
    /// recorded, or not any more.
    pub fn ladder(
        &self,
        client: SocketAddr,
        server: SocketAddr,
        options: &LadderOptions,
    ) -> Option<Ladder> {
        let recorder = {
            let connections = self.lock();
            connections
                .recorded
                .get(&(client, server))?
                .recorder
                .clone()
        };
        recorder.with_log(|log| {
            let newest = log.connections().pop()?;
            Some(Ladder::with(log, &newest, options))
        })
    }

    fn is_ours(&self, end: SocketAddr) -> bool {
        end.port() == PORT && self.addresses.contains(&end.ip())
    }

    /// The ends of the connection that a packet is of, if it is one of ours.
    fn ends(&self, segment: &Segment) -> Option<Ends> {
        let Segment { from, to, .. } = *segment;
        match (self.is_ours(from), self.is_ours(to)) {
            (_, true) => Some((from, to)),
            (true, _) => Some((to, from)),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        // Whoever panicked left it whole: nothing here is done in two steps.
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    /// The recorder of a connection, if it has one.
    fn touch(&mut self, ends: Ends) -> Option<Recorder> {
        self.clock += 1;
        let recorded = self.recorded.get_mut(&ends)?;
        recorded.touched = self.clock;
        Some(recorded.recorder.clone())
    }

    /// Begins to record a connection, and forgets another if there are too many.
    fn begin(&mut self, ends: Ends) -> Recorder {
        if self.recorded.len() >= MOST {
            let stillest = self.recorded.iter().min_by_key(|(_, r)| r.touched);
            if let Some(stillest) = stillest.map(|(ends, _)| *ends) {
                self.recorded.remove(&stillest);
            }
        }
        let recorder = Recorder::new(EventLog::with_capacity(EVENTS));
        // What was said is shown to nobody but who said it.
        recorder.keep_first_lines(true);
        let recorded = Recorded {
            recorder: recorder.clone(),
            touched: self.clock,
        };
        self.recorded.insert(ends, recorded);
        recorder
    }
}

impl Observer for Watch {
    fn wants(&self, packet: &Packet) -> bool {
        Segment::of(packet).is_some_and(|segment| self.ends(&segment).is_some())
    }

    fn on_packet(&mut self, seen: Observation<'_>) {
        let Some(segment) = Segment::of(seen.packet) else {
            return;
        };
        let Some(ends) = self.ends(&segment) else {
            return;
        };
        let mut connections = self.lock();
        let recorder = match connections.touch(ends) {
            Some(recorder) => Some(recorder),
            // One that began unseen would be a ladder without its first rungs.
            None => segment.opens.then(|| connections.begin(ends)),
        };
        drop(connections);
        if let Some(mut recorder) = recorder {
            recorder.on_packet(seen);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("addresses", &self.addresses)
            .field("connections", &self.lock().recorded.len())
            .finish()
    }
}

/// What must be known of each packet to tell whether it is wanted: read by hand, for it is asked of
/// every packet of every connection.
struct Segment {
    from: SocketAddr,
    to: SocketAddr,
    /// SYN without ACK.
    opens: bool,
}

impl Segment {
    fn of(packet: &Packet) -> Option<Segment> {
        let ip = packet.headers();
        let (from, to, tcp): (IpAddr, IpAddr, _) = match ip.first()? >> 4 {
            4 => {
                let is_fragment = ip.get(6)? & 0x3f != 0 || *ip.get(7)? != 0;
                if *ip.get(9)? != Protocol::TCP.0 || is_fragment {
                    return None;
                }
                let address = |at: usize| Some(*ip.get(at..)?.first_chunk::<4>()?);
                let header = usize::from(ip[0] & 0x0f) * 4;
                (address(12)?.into(), address(16)?.into(), ip.get(header..)?)
            }
            6 if *ip.get(6)? == Protocol::TCP.0 => {
                let address = |at: usize| Some(*ip.get(at..)?.first_chunk::<16>()?);
                (address(8)?.into(), address(24)?.into(), ip.get(40..)?)
            }
            _ => return None,
        };
        let port = |at: usize| Some(u16::from_be_bytes(*tcp.get(at..)?.first_chunk()?));
        Some(Segment {
            from: SocketAddr::new(from, port(0)?),
            to: SocketAddr::new(to, port(2)?),
            opens: tcp.get(13)? & 0x12 == 0x02,
        })
    }
}
