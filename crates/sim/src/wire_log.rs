//! What crossed all links: one hash and a few figures.

use handfast::base::Instant;
use handfast::stack::TraceEvent;
use handfast::trace::{Recorder, StateChange};
use handfast::wire::tcp::{TcpFlags, TcpHeader};
use handfast::wire::{Fate, IpHeader, Loss, Observation, Observer, Packet, Protocol, SeqNumber};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Wire packets on all links since the simulation began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Traffic {
    /// All of them, lost ones and extra copies included.
    pub packets: u64,
    /// Octets of all of them.
    pub octets: u64,
    /// TCP segments with text.
    pub data_segments: u64,
    /// Lost, for whatever reason.
    pub lost: u64,
    /// Lost because a bottleneck's queue was full.
    pub queue_full: u64,
    /// Arrived with a bit flipped.
    pub corrupted: u64,
    /// Extra copies.
    pub duplicated: u64,
    /// Passed out of order.
    pub reordered: u64,
}

/// Shared by the links, which tell it of packets, the hosts, which tell it of states, and those
/// who ask.
#[derive(Clone, Default)]
pub(crate) struct WireLog(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    hash: u64,
    traffic: Traffic,
    recorder: Option<Recorder>,
    /// Packets lost of each connection, both ways. Looked up, never walked through: the order of
    /// the table is not the seed's.
    losses: HashMap<[SocketAddr; 2], u64>,
    /// By source and destination: acknowledgments of something new, those under way included.
    acks: HashMap<[SocketAddr; 2], VecDeque<Progress>>,
}

/// The arrival of an acknowledgment of something new.
#[derive(Clone, Copy)]
pub(crate) struct Progress {
    ack: SeqNumber,
    /// When.
    pub(crate) at: Instant,
    /// What had been lost by then, as [`WireLog::losses`] counts.
    pub(crate) losses: u64,
}

impl WireLog {
    pub(crate) fn hash(&self) -> u64 {
        self.lock().hash
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.lock().traffic
    }

    /// Packets of the connection between `a` and `b` that were lost, and packets of anybody that
    /// arrived damaged: of these nobody can tell whose they were.
    pub(crate) fn losses(&self, a: SocketAddr, b: SocketAddr) -> u64 {
        self.lock().losses([a, b])
    }

    /// The last time before `now` that `local` got something from `peer` that acknowledged more than
    /// before.
    pub(crate) fn last_progress(
        &self,
        local: SocketAddr,
        peer: SocketAddr,
        now: Instant,
    ) -> Option<Progress> {
        let inner = self.lock();
        let mut acks = inner.acks.get(&[peer, local])?.iter().rev();
        acks.find(|progress| progress.at < now).copied()
    }

    /// Has everything recorded from now on.
    pub(crate) fn record(&self) -> Recorder {
        self.lock().recorder.get_or_insert_default().clone()
    }

    /// An event of the stack of the host with this number.
    pub(crate) fn on_event(&self, host: usize, event: &TraceEvent) {
        let mut inner = self.lock();
        inner.mix(host as u64);
        match *event {
            TraceEvent::State {
                at,
                local,
                remote,
                from,
                to,
            } => {
                inner.mix(at.as_nanos());
                inner.mix_end(local);
                inner.mix_end(remote);
                inner.mix((from as u64) << 8 | to as u64);
                if let Some(recorder) = &inner.recorder {
                    recorder.state_change(StateChange {
                        at,
                        local,
                        remote,
                        from,
                        to,
                    });
                }
            }
            TraceEvent::Discard { at, reason, .. } => {
                inner.mix(at.as_nanos());
                inner.mix(reason.index() as u64);
            }
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for WireLog {
    fn on_packet(&mut self, seen: Observation<'_>) {
        let mut inner = self.lock();
        inner.mix(seen.at.as_nanos());
        inner.mix(seen.arrival.map_or(0, |at| at.as_nanos()));
        inner.mix(u64::from(seen.packet.len()) << 8 | seen.direction as u64);
        inner.mix_octets(seen.packet.head());
        for slice in seen.packet.payload.slices() {
            inner.mix_octets(slice);
        }
        inner.count(&seen);
        if let Some(recorder) = &mut inner.recorder {
            recorder.on_packet(seen);
        }
    }
}

impl Inner {
    fn count(&mut self, seen: &Observation<'_>) {
        let segment = Gist::of(seen.packet);
        let t = &mut self.traffic;
        t.packets += 1;
        t.octets += u64::from(seen.packet.len());
        match seen.fate {
            Fate::Lost(why) => {
                t.lost += 1;
                t.queue_full += u64::from(why == Loss::QueueFull);
            }
            Fate::Corrupted => t.corrupted += 1,
            Fate::Duplicate => t.duplicated += 1,
            Fate::Reordered => t.reordered += 1,
            _ => {}
        }
        let Some(segment) = segment else { return };
        t.data_segments += u64::from(segment.text > 0);
        match (seen.fate, segment.ack, seen.arrival) {
            (Fate::Lost(_), _, _) => {
                let [a, b] = segment.ends;
                *self.losses.entry(ends(a, b)).or_default() += 1;
            }
            (Fate::Passed | Fate::Reordered | Fate::Duplicate, Some(ack), Some(at)) => {
                let losses = self.losses(segment.ends);
                let progress = Progress { ack, at, losses };
                let acks = self.acks.entry(segment.ends).or_default();
                let is_new = acks.back().is_none_or(|latest| {
                    ack.after(latest.ack) || segment.is_syn && ack != latest.ack
                });
                if is_new {
                    // Of those that have arrived, only the last matters.
                    while acks.get(1).is_some_and(|second| second.at <= seen.at) {
                        acks.pop_front();
                    }
                    acks.push_back(progress);
                }
            }
            _ => {}
        }
    }

    fn losses(&self, [a, b]: [SocketAddr; 2]) -> u64 {
        let lost = self.losses.get(&ends(a, b)).copied().unwrap_or(0);
        lost + self.traffic.corrupted
    }

    /// Not for adversaries: for a fault to show in some bit of the end.
    fn mix(&mut self, word: u64) {
        let mixed = (self.hash ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.hash = mixed ^ mixed >> 29;
    }

    fn mix_octets(&mut self, octets: &[u8]) {
        let (words, rest) = octets.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.mix(u64::from_le_bytes(last));
    }

    fn mix_end(&mut self, end: SocketAddr) {
        match end.ip() {
            std::net::IpAddr::V4(ip) => self.mix_octets(&ip.octets()),
            std::net::IpAddr::V6(ip) => self.mix_octets(&ip.octets()),
        }
        self.mix(end.port().into());
    }
}

/// Two ends in an order that does not depend on who asks.
fn ends(a: SocketAddr, b: SocketAddr) -> [SocketAddr; 2] {
    if a <= b { [a, b] } else { [b, a] }
}

/// What is counted of a TCP segment.
struct Gist {
    /// Source and destination.
    ends: [SocketAddr; 2],
    ack: Option<SeqNumber>,
    is_syn: bool,
    /// Octets of text.
    text: u32,
}

impl Gist {
    fn of(packet: &Packet) -> Option<Gist> {
        let headers = packet.headers();
        let (ip, at, end) = IpHeader::parse(headers, packet.len()).ok()?;
        if ip.protocol != Protocol::TCP || ip.fragment.is_some() {
            return None;
        }
        let (tcp, len) = TcpHeader::parse(headers.get(at..)?).ok()?;
        let source = SocketAddr::new(ip.source, tcp.source_port);
        let destination = SocketAddr::new(ip.destination, tcp.destination_port);
        Some(Gist {
            ends: [source, destination],
            // A reset may be refused, and its acknowledgment with it.
            ack: (tcp.flags & (TcpFlags::ACK | TcpFlags::RST) == TcpFlags::ACK).then_some(tcp.ack),
            is_syn: tcp.flags.contains(TcpFlags::SYN),
            text: end.saturating_sub((at + len) as u32),
        })
    }
}
