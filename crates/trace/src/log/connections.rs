use super::{Event, EventLog, SegmentEvent, StateChange};
use crate::ladder::sequence::{self, Analysis};
use handfast_base::{Duration, Instant};
use handfast_tcp::State;
use handfast_wire::SeqNumber;
use handfast_wire::tcp::TcpFlags;
use std::collections::HashMap;
use std::net::SocketAddr;

/// One of the two ends of a connection, by its place in a ladder.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    /// The end that opened the connection, as far as we know.
    Left,
    /// The other end.
    Right,
}

impl Side {
    /// The other one.
    pub fn other(self) -> Side {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        }
    }
}

/// One connection found in a log. Arrays are indexed by [`Side`]`as usize`: what the left end
/// sent, what the right end sent.
#[derive(Clone, PartialEq, Debug)]
pub struct ConnectionSummary {
    /// The end that sent the first SYN, or else seems to be the client.
    pub left: SocketAddr,
    /// The other end.
    pub right: SocketAddr,
    /// When its first segment was sent.
    pub start: Instant,
    /// From its first segment to its last, sent or arrived.
    pub duration: Duration,
    /// Segments sent, lost ones included.
    pub segments: [u64; 2],
    /// Octets of text sent, each sequence number counted once.
    pub octets: [u64; 2],
    /// Segments that repeated octets, a SYN or a FIN.
    pub retransmissions: [u64; 2],
    /// Segments that the link lost or the receiver threw away.
    pub lost: [u64; 2],
    /// How it ended.
    pub close: Close,
}

/// How a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Close {
    /// Not yet: no FIN and no RST was seen.
    Open,
    /// The SYN was never answered.
    Unanswered,
    /// The SYN was answered by RST.
    Refused,
    /// That end sent FIN; the other has not.
    HalfClosed(Side),
    /// Both ends sent FIN; that one was first.
    Finished(Side),
    /// That end sent RST.
    Reset(Side),
}

impl EventLog {
    /// The connections in this log, in the order of their first segment. A SYN between the same
    /// two endpoints after a FIN or RST begins a new one.
    pub fn connections(&self) -> Vec<ConnectionSummary> {
        let mut all: Vec<_> = groups(self).iter().filter_map(summary).collect();
        all.sort_by_key(|c| c.start);
        all
    }
}

/// The events of one connection in order; empty if this log does not hold it (any more).
pub(crate) fn events_of<'a>(log: &'a EventLog, wanted: &ConnectionSummary) -> Vec<&'a Event> {
    groups(log)
        .into_iter()
        .find(|g| g.ends() == Some((wanted.left, wanted.right)) && g.start() == Some(wanted.start))
        .map_or_else(Vec::new, |g| g.events)
}

/// The events of one connection while they are being sorted out.
#[derive(Default)]
struct Group<'a> {
    events: Vec<&'a Event>,
    /// Who sent a SYN without ACK, with which number.
    syns: Vec<(SocketAddr, SeqNumber)>,
    ended: bool,
    states: Vec<(SocketAddr, State)>,
}

impl<'a> Group<'a> {
    /// How many different SYNs are remembered, newest first.
    const SYNS: usize = 8;

    fn segments(&self) -> impl Iterator<Item = &'a SegmentEvent> {
        self.events.iter().filter_map(|e| match e {
            Event::Segment(s) => Some(s),
            _ => None,
        })
    }

    fn start(&self) -> Option<Instant> {
        self.segments().next().map(|s| s.at)
    }

    /// Left end and right end.
    fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        let is_answer = |s: &&SegmentEvent| s.header.flags.contains(TcpFlags::SYN | TcpFlags::ACK);
        if let Some(s) = self.segments().find(|s| is_syn(s)) {
            return Some((s.source, s.destination));
        }
        if let Some(s) = self.segments().find(is_answer) {
            return Some((s.destination, s.source));
        }
        let s = self.segments().next()?;
        let from_server = s.source.port() < 1024 && s.destination.port() >= 1024;
        Some(if from_server {
            (s.destination, s.source)
        } else {
            (s.source, s.destination)
        })
    }

    fn state_of(&self, end: SocketAddr) -> Option<State> {
        let found = self.states.iter().find(|(e, _)| *e == end);
        found.map(|(_, state)| *state)
    }

    /// Whether this SYN opens another connection between the same two endpoints.
    fn is_reopened_by(&self, s: &SegmentEvent) -> bool {
        is_syn(s) && self.ended && !self.syns.contains(&(s.source, s.header.seq))
    }

    /// Whether this active or passive open belongs to another connection than this one.
    fn is_reopened_by_state(&self, c: &StateChange) -> bool {
        matches!(c.to, State::SynSent) && self.ended
    }

    fn push(&mut self, event: &'a Event) {
        match event {
            Event::Segment(s) => {
                if is_syn(s) && !self.syns.contains(&(s.source, s.header.seq)) {
                    self.syns.truncate(Group::SYNS - 1);
                    self.syns.insert(0, (s.source, s.header.seq));
                }
                self.ended |= s.header.flags.intersects(TcpFlags::FIN | TcpFlags::RST);
            }
            Event::State(c) => {
                self.states.retain(|(e, _)| *e != c.local);
                self.states.push((c.local, c.to));
            }
            Event::Other(_) => {}
        }
        self.events.push(event);
    }
}

fn is_syn(s: &SegmentEvent) -> bool {
    s.header.flags & (TcpFlags::SYN | TcpFlags::ACK) == TcpFlags::SYN
}

fn groups(log: &EventLog) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut of_pair: HashMap<(SocketAddr, SocketAddr), Vec<usize>> = HashMap::new();
    for event in log.events() {
        let (a, b) = match event {
            Event::Segment(s) => (s.source, s.destination),
            Event::State(c) => (c.local, c.remote),
            Event::Other(o) => match o.about {
                Some(pair) => pair,
                None => continue,
            },
        };
        let known = of_pair.entry((a.min(b), a.max(b))).or_default();
        let newest = known.last().map(|&i| &groups[i]);
        let chosen = match (event, newest) {
            (Event::Segment(s), Some(g)) if g.is_reopened_by(s) => None,
            (Event::State(c), Some(g)) if g.is_reopened_by_state(c) => None,
            // The end of an earlier connection's TIME-WAIT may come after a new one began.
            (Event::State(c), Some(_)) => known
                .iter()
                .rev()
                .take(8)
                .find(|&&i| groups[i].state_of(c.local) == Some(c.from))
                .or(known.last()),
            (_, Some(_)) => known.last(),
            (Event::Other(_), None) => continue,
            (_, None) => None,
        };
        let i = chosen.copied().unwrap_or_else(|| {
            known.push(groups.len());
            groups.push(Group::default());
            groups.len() - 1
        });
        groups[i].push(event);
    }
    groups
}

fn summary(group: &Group<'_>) -> Option<ConnectionSummary> {
    let (left, right) = group.ends()?;
    let start = group.start()?;
    let end = group
        .segments()
        .map(|s| s.arrival.unwrap_or(s.at))
        .max()
        .unwrap_or(start);
    let analysis = sequence::analyse(&group.segments().collect::<Vec<_>>(), left);
    Some(ConnectionSummary {
        left,
        right,
        start,
        duration: end.since(start),
        segments: analysis.count(|_| true),
        octets: analysis.octets(),
        retransmissions: analysis.count(|s| s.retransmission.is_some()),
        lost: analysis.count(|s| s.is_lost()),
        close: close(&analysis),
    })
}

fn close(analysis: &Analysis) -> Close {
    let sent = |side: Side, flag: TcpFlags| {
        let mut segments = analysis.segments.iter();
        segments.any(|s| s.from == side && s.flags().contains(flag))
    };
    let reset = analysis
        .segments
        .iter()
        .find(|s| s.flags().contains(TcpFlags::RST));
    let first_fin = analysis
        .segments
        .iter()
        .find(|s| s.flags().contains(TcpFlags::FIN));
    match (reset, first_fin) {
        (Some(r), None) if r.from == Side::Right && !sent(Side::Right, TcpFlags::SYN) => {
            Close::Refused
        }
        (_, Some(f)) if sent(f.from.other(), TcpFlags::FIN) => Close::Finished(f.from),
        (Some(r), _) => Close::Reset(r.from),
        (None, Some(f)) => Close::HalfClosed(f.from),
        (None, None) => {
            let answered = analysis.segments.iter().any(|s| s.from == Side::Right);
            if sent(Side::Left, TcpFlags::SYN) && !answered {
                Close::Unanswered
            } else {
                Close::Open
            }
        }
    }
}
