//! Events, the bounded log that keeps them, and the connections found in it.

mod connections;
#[cfg(test)]
mod tests;

pub(crate) use connections::events_of;
pub use connections::{Close, ConnectionSummary, Side};

use handfast_base::Instant;
use handfast_tcp::State;
use handfast_wire::tcp::TcpHeader;
use handfast_wire::{Direction, Fate, SendReason};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// One thing that happened.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A TCP segment crossed the link, or was lost on it.
    Segment(SegmentEvent),
    /// An endpoint that we own went from one state to another.
    State(StateChange),
    /// A packet that is no TCP segment.
    Other(OtherEvent),
}

impl Event {
    /// When it happened; for a packet, when it left its sender (or was read from a device).
    pub fn at(&self) -> Instant {
        match self {
            Event::Segment(e) => e.at,
            Event::State(e) => e.at,
            Event::Other(e) => e.at,
        }
    }
}

/// A TCP segment that crossed the link, or was lost on it.
#[derive(Clone, PartialEq, Debug)]
pub struct SegmentEvent {
    /// When it left its sender; for one read from a device, when it was read.
    pub at: Instant,
    /// When it reached the other end; `None` if it never did or nobody knows, and equal to `at`
    /// where a device is the only place we watch.
    pub arrival: Option<Instant>,
    /// Which way it went, seen from the stack that owns the link.
    pub direction: Direction,
    /// Who sent it.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    /// Its header.
    pub header: TcpHeader,
    /// Octets of text. More than an MSS for a super-segment.
    pub payload_len: u32,
    /// What became of it.
    pub fate: Fate,
    /// Why it was sent; [`SendReason::Unknown`] for what others sent.
    pub reason: SendReason,
    /// The first line of its text, printable ASCII and at most 60 characters; kept only where
    /// a recorder was told to look into payloads.
    pub first_line: Option<Box<str>>,
}

impl SegmentEvent {
    /// Whether the stack it was sent to took it in.
    pub fn is_delivered(&self) -> bool {
        matches!(self.fate, Fate::Passed | Fate::Reordered | Fate::Duplicate)
    }
}

/// An endpoint went from one state to another (RFC 9293, section 3.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StateChange {
    /// When.
    pub at: Instant,
    /// The endpoint whose state it is.
    pub local: SocketAddr,
    /// Its peer.
    pub remote: SocketAddr,
    /// The state it left.
    pub from: State,
    /// The state it entered.
    pub to: State,
}

/// A packet that is no TCP segment, or not a well-formed one.
#[derive(Clone, PartialEq, Debug)]
pub struct OtherEvent {
    /// As [`SegmentEvent::at`].
    pub at: Instant,
    /// As [`SegmentEvent::arrival`].
    pub arrival: Option<Instant>,
    /// As [`SegmentEvent::direction`].
    pub direction: Direction,
    /// Octets of the packet.
    pub len: u32,
    /// What became of it.
    pub fate: Fate,
    /// What it is, in a few words: `ICMP destination unreachable: port, 10.0.0.2 > 10.0.0.1`.
    pub text: Box<str>,
    /// For an ICMP error about a TCP segment: that segment's source and destination.
    pub about: Option<(SocketAddr, SocketAddr)>,
}

/// What happened, in order, bounded: the first half of the capacity is kept for good, the other
/// half is a ring of the newest events, and what fell out between the two is counted. So both
/// the handshake and the end of a long run are there.
#[derive(Clone, Debug)]
pub struct EventLog {
    head: Vec<Event>,
    tail: VecDeque<Event>,
    capacity: usize,
    left_out: u64,
}

impl EventLog {
    /// How many events [`EventLog::new`] keeps: some 40 MB when full.
    pub const DEFAULT_CAPACITY: usize = 131_072;
    /// How far back a discard is matched with the packet that it is about.
    const DISCARD_SEARCH: usize = 256;

    /// An empty log of the default capacity. Memory is taken as events come.
    pub fn new() -> EventLog {
        EventLog::with_capacity(EventLog::DEFAULT_CAPACITY)
    }

    /// An empty log that keeps at most `capacity` events (at least 2).
    pub fn with_capacity(capacity: usize) -> EventLog {
        EventLog {
            head: Vec::new(),
            tail: VecDeque::new(),
            capacity: capacity.max(2),
            left_out: 0,
        }
    }

    /// Adds an event. Events are to come in the order of [`Event::at`], as links report them.
    pub fn push(&mut self, event: Event) {
        let head_room = self.capacity / 2;
        if self.head.len() < head_room {
            self.head.push(event);
            return;
        }
        if self.tail.len() == self.capacity - head_room {
            self.tail.pop_front();
            self.left_out += 1;
        }
        self.tail.push_back(event);
    }

    /// Adds a segment that its receiver threw away. If the link reported the same packet shortly
    /// before, that event's fate is changed instead of counting the packet twice. Returns whether
    /// such an event was found.
    pub fn push_discarded(&mut self, discarded: SegmentEvent) -> bool {
        let earlier = self
            .tail
            .iter_mut()
            .rev()
            .chain(self.head.iter_mut().rev())
            .take(EventLog::DISCARD_SEARCH)
            .find_map(|event| match event {
                Event::Segment(e)
                    if !matches!(e.fate, Fate::Lost(_) | Fate::Discarded(_))
                        && (e.source, e.destination)
                            == (discarded.source, discarded.destination)
                        && (e.header, e.payload_len)
                            == (discarded.header, discarded.payload_len)
                        && e.arrival.unwrap_or(e.at) <= discarded.at =>
                {
                    Some(e)
                }
                _ => None,
            });
        let found = earlier.is_some();
        match earlier {
            Some(e) => e.fate = discarded.fate,
            None => self.push(Event::Segment(discarded)),
        }
        found
    }

    /// The events that are kept, oldest first.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.head.iter().chain(&self.tail)
    }

    /// How many events are kept.
    pub fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// How many events fell out of the middle because the log was full.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The time of the first event after those left out; `None` while nothing is left out.
    pub(crate) fn resumes_at(&self) -> Option<Instant> {
        (self.left_out > 0)
            .then(|| self.tail.front().map(Event::at))
            .flatten()
    }
}

impl Default for EventLog {
    fn default() -> EventLog {
        EventLog::new()
    }
}

impl Extend<Event> for EventLog {
    fn extend<T: IntoIterator<Item = Event>>(&mut self, events: T) {
        events.into_iter().for_each(|e| self.push(e));
    }
}
