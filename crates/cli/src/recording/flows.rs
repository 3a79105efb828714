//! Every TCP connection that crosses a link, counted exactly however long it is.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use handfast::wire::tcp::{TcpFlags, TcpHeader};
use handfast::wire::{
    Direction, Fate, IpHeader, Observation, Observer, Protocol, SendReason, SeqNumber,
};
use handfast_base::Instant;

/// Connections that are counted apart; what further ones do is counted together.
const MOST_FLOWS: usize = 65_536;

/// The end beyond the link, and ours.
type Ends = (SocketAddr, SocketAddr);

/// Counts what crosses a link. A handle: clones share the counts.
#[derive(Clone, Default)]
pub struct Flows(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// Connections between the same ends, oldest first.
    flows: HashMap<Ends, Vec<Flow>>,
    count: usize,
    /// Those beyond [`MOST_FLOWS`].
    further: FlowCounts,
    packets: u64,
}

#[derive(Clone, Debug)]
struct Flow {
    counts: FlowCounts,
    /// When its first and its newest segment were sent.
    began: Instant,
    newest: Instant,
    /// Whether we and the other end have sent FIN.
    fins: [bool; 2],
    /// Who sent RST first.
    reset: Option<Direction>,
    /// The initial sequence number that the opener's SYN named, and who opened.
    opened: Option<(Direction, SeqNumber)>,
    /// SND.NXT at its highest: of what we sent, of what we received.
    next: [Option<SeqNumber>; 2],
}

/// A connection by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowAccount {
    /// The end beyond the link, and ours.
    pub ends: (SocketAddr, SocketAddr),
    /// What happened to its segments.
    pub counts: FlowCounts,
    /// When its first segment was sent.
    pub began: Instant,
    /// From its first segment to its newest.
    pub lasted: Duration,
    /// How it has ended, if so: both ends sent FIN, or who sent RST.
    pub end: Option<FlowEnd>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowEnd {
    /// Both ends sent FIN.
    Closed,
    /// An end sent RST: we, or the one beyond the link.
    Reset(Direction),
}

/// What happened to the segments of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCounts {
    /// What we sent.
    pub sent: SegmentCounts,
    /// What the other end sent.
    pub received: SegmentCounts,
    /// Our retransmissions by cause.
    pub causes: Causes,
}

/// Segments that one end sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentCounts {
    /// All of them; the extra copies that a link makes are not counted.
    pub segments: u64,
    /// Octets of text, each counted once.
    pub octets: u64,
    /// Those that repeated octets, a SYN or a FIN.
    pub retransmissions: u64,
    /// Those that the link lost.
    pub lost: u64,
    /// Those in which the link flipped a bit.
    pub corrupted: u64,
}

/// Why we sent segments again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Causes {
    /// The peer's SYN came again (RFC 9293, section 3.10.7.4).
    pub handshake: u64,
    /// The timer ran out (RFC 6298).
    pub timeout: u64,
    /// Later ones arrived: duplicate acknowledgments (RFC 5681, section 3.2), or RACK (RFC 8985).
    pub fast: u64,
    /// A partial acknowledgment in recovery (RFC 6582), or another reason of recovery.
    pub recovery: u64,
}

impl Flows {
    /// What the nth connection between two ends has done, counted from 0; `other` is the end
    /// beyond the link.
    pub fn get(&self, other: SocketAddr, ours: SocketAddr, nth: usize) -> Option<FlowCounts> {
        let inner = self.lock();
        let flows = inner.flows.get(&(other, ours))?;
        flows.get(nth).map(|flow| flow.counts)
    }

    /// The connections whose near end is one of `ours`, in the order in which they began.
    pub fn with_ends(&self, ours: impl Fn(IpAddr) -> bool) -> Vec<FlowAccount> {
        let inner = self.lock();
        let near = inner.flows.iter().filter(|(ends, _)| ours(ends.1.ip()));
        let each = near.flat_map(|(ends, flows)| flows.iter().map(|flow| flow.account(*ends)));
        let mut all: Vec<FlowAccount> = each.collect();
        all.sort_by_key(|flow| flow.began);
        all
    }

    /// All connections together.
    pub fn total(&self) -> FlowCounts {
        let inner = self.lock();
        let each = inner.flows.values().flatten().map(|flow| flow.counts);
        each.fold(inner.further, FlowCounts::plus)
    }

    /// How many packets of any kind were seen, lost ones included.
    pub fn packets(&self) -> u64 {
        self.lock().packets
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Flows {
    fn on_packet(&mut self, seen: Observation<'_>) {
        self.lock().packet(&seen);
    }
}

impl Inner {
    fn packet(&mut self, seen: &Observation<'_>) {
        self.packets += 1;
        let Some((ends, header, len)) = segment(seen) else {
            return;
        };
        if matches!(seen.fate, Fate::Duplicate | Fate::Corrupted) {
            // An extra copy is nobody's doing, and where a bit was flipped the header may lie.
            if let (Fate::Corrupted, Some(flow)) = (seen.fate, self.newest(ends)) {
                flow.counts.count(seen, false);
            }
            return;
        }
        let is_new = match self.newest(ends) {
            Some(flow) => flow.is_reopened_by(seen.direction, &header),
            None => true,
        };
        if is_new && self.count < MOST_FLOWS {
            self.count += 1;
            let flows = self.flows.entry(ends).or_default();
            flows.push(Flow::new(seen.at));
        }
        match self.newest(ends) {
            Some(flow) => flow.segment(seen, &header, len),
            None => self
                .further
                .count(seen, seen.packet.reason.is_retransmission()),
        }
    }

    fn newest(&mut self, ends: Ends) -> Option<&mut Flow> {
        self.flows.get_mut(&ends)?.last_mut()
    }
}

impl Flow {
    fn new(began: Instant) -> Flow {
        Flow {
            counts: FlowCounts::default(),
            began,
            newest: began,
            fins: [false; 2],
            reset: None,
            opened: None,
            next: [None; 2],
        }
    }

    fn account(&self, ends: Ends) -> FlowAccount {
        let closed = (self.fins == [true; 2]).then_some(FlowEnd::Closed);
        FlowAccount {
            ends,
            counts: self.counts,
            began: self.began,
            lasted: self.newest.since(self.began),
            end: closed.or(self.reset.map(FlowEnd::Reset)),
        }
    }

    fn is_reopened_by(&self, direction: Direction, header: &TcpHeader) -> bool {
        let ended = self.reset.is_some() || self.fins.contains(&true);
        is_syn(header) && ended && self.opened != Some((direction, header.seq))
    }

    fn segment(&mut self, seen: &Observation<'_>, header: &TcpHeader, text: u32) {
        let way = seen.direction as usize;
        let has = |flag| header.flags.contains(flag);
        if is_syn(header) {
            self.opened.get_or_insert((seen.direction, header.seq));
        }
        self.newest = self.newest.max(seen.at);
        self.fins[way] |= has(TcpFlags::FIN);
        if has(TcpFlags::RST) {
            self.reset.get_or_insert(seen.direction);
        }
        let len = text + u32::from(has(TcpFlags::SYN)) + u32::from(has(TcpFlags::FIN));
        let end = header.seq + len;
        let (advance, told) = match (len > 0 && !has(TcpFlags::RST), self.next[way]) {
            (false, _) => (0, false),
            (true, None) => (len, false),
            (true, Some(next)) => (end.distance(next).max(0) as u32, header.seq.before(next)),
        };
        if advance > 0 {
            self.next[way] = Some(end);
        }
        // Ours says itself why it is sent; what the other end sends, its number tells.
        let repeats = match seen.direction {
            Direction::Sent => match seen.packet.reason {
                SendReason::LossProbe => told,
                why => why.is_retransmission(),
            },
            Direction::Received => told,
        };
        self.counts.count(seen, repeats);
        self.counts.of(seen.direction).octets += u64::from(advance.min(text));
    }
}

impl FlowCounts {
    fn of(&mut self, direction: Direction) -> &mut SegmentCounts {
        match direction {
            Direction::Sent => &mut self.sent,
            Direction::Received => &mut self.received,
        }
    }

    fn count(&mut self, seen: &Observation<'_>, repeats: bool) {
        let of = self.of(seen.direction);
        of.segments += 1;
        of.retransmissions += u64::from(repeats);
        of.lost += u64::from(matches!(seen.fate, Fate::Lost(_)));
        of.corrupted += u64::from(seen.fate == Fate::Corrupted);
        if repeats && seen.direction == Direction::Sent {
            match seen.packet.reason {
                SendReason::RetransmissionTimeout(_) => self.causes.timeout += 1,
                SendReason::FastRetransmit | SendReason::RackLoss => self.causes.fast += 1,
                SendReason::SynAckAgain => self.causes.handshake += 1,
                _ => self.causes.recovery += 1,
            }
        }
    }

    fn plus(self, other: FlowCounts) -> FlowCounts {
        let segments = |a: SegmentCounts, b: SegmentCounts| SegmentCounts {
            segments: a.segments + b.segments,
            octets: a.octets + b.octets,
            retransmissions: a.retransmissions + b.retransmissions,
            lost: a.lost + b.lost,
            corrupted: a.corrupted + b.corrupted,
        };
        FlowCounts {
            sent: segments(self.sent, other.sent),
            received: segments(self.received, other.received),
            causes: Causes {
                handshake: self.causes.handshake + other.causes.handshake,
                timeout: self.causes.timeout + other.causes.timeout,
                fast: self.causes.fast + other.causes.fast,
                recovery: self.causes.recovery + other.causes.recovery,
            },
        }
    }
}

fn is_syn(header: &TcpHeader) -> bool {
    header.flags & (TcpFlags::SYN | TcpFlags::ACK) == TcpFlags::SYN
}

/// The ends, the header and the octets of text of a TCP segment that is whole.
fn segment(seen: &Observation<'_>) -> Option<(Ends, TcpHeader, u32)> {
    let headers = seen.packet.headers();
    let (ip, offset, end) = IpHeader::parse(headers, seen.packet.len()).ok()?;
    if ip.protocol != Protocol::TCP || ip.fragment.is_some() {
        return None;
    }
    let upper = headers.get(offset..headers.len().min(end as usize))?;
    let (header, header_len) = TcpHeader::parse(upper).ok()?;
    let source = SocketAddr::new(ip.source, header.source_port);
    let destination = SocketAddr::new(ip.destination, header.destination_port);
    let ends = match seen.direction {
        Direction::Sent => (destination, source),
        Direction::Received => (source, destination),
    };
    let len = end.saturating_sub((offset + header_len) as u32);
    Some((ends, header, len))
}
