//! Every TCP connection that crosses a link, counted exactly however long it is.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use handfast::wire::tcp::{TcpFlags, TcpHeader};
use handfast::wire::{
    Direction, Fate, IpHeader, Observation, Observer, Protocol, SendReason, SeqNumber,
};

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

#[derive(Clone, Debug, Default)]
struct Flow {
    counts: FlowCounts,
    /// The initial sequence number that the opener's SYN named, and who opened.
    opened: Option<(Direction, SeqNumber)>,
    /// It has seen FIN or RST.
    ended: bool,
    /// SND.NXT at its highest: of what we sent, of what we received.
    next: [Option<SeqNumber>; 2],
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
    /// The timer ran out (RFC 6298).
    pub timeout: u64,
    /// Duplicate acknowledgments (RFC 5681, section 3.2).
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
            self.flows.entry(ends).or_default().push(Flow::default());
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
    fn is_reopened_by(&self, direction: Direction, header: &TcpHeader) -> bool {
        is_syn(header) && self.ended && self.opened != Some((direction, header.seq))
    }

    fn segment(&mut self, seen: &Observation<'_>, header: &TcpHeader, len: u32) {
        if is_syn(header) {
            self.opened.get_or_insert((seen.direction, header.seq));
        }
        self.ended |= header.flags.intersects(TcpFlags::FIN | TcpFlags::RST);
        let control = [TcpFlags::SYN, TcpFlags::FIN].map(|flag| header.flags.contains(flag));
        let len = len + control.map(u32::from).iter().sum::<u32>();
        let is_reset = header.flags.contains(TcpFlags::RST);
        let next = &mut self.next[seen.direction as usize];
        let told = match (len > 0 && !is_reset, *next) {
            (false, _) => false,
            (true, None) => {
                *next = Some(header.seq + len);
                false
            }
            (true, Some(before)) => {
                *next = Some(before.later(header.seq + len));
                header.seq.before(before)
            }
        };
        // Ours says itself why it is sent; what the other end sends, its number tells.
        let repeats = match seen.direction {
            Direction::Sent => seen.packet.reason.is_retransmission(),
            Direction::Received => told,
        };
        self.counts.count(seen, repeats);
    }
}

impl FlowCounts {
    fn count(&mut self, seen: &Observation<'_>, repeats: bool) {
        let of = match seen.direction {
            Direction::Sent => &mut self.sent,
            Direction::Received => &mut self.received,
        };
        of.segments += 1;
        of.retransmissions += u64::from(repeats);
        of.lost += u64::from(matches!(seen.fate, Fate::Lost(_)));
        of.corrupted += u64::from(seen.fate == Fate::Corrupted);
        if repeats && seen.direction == Direction::Sent {
            match seen.packet.reason {
                SendReason::RetransmissionTimeout(_) => self.causes.timeout += 1,
                SendReason::FastRetransmit => self.causes.fast += 1,
                _ => self.causes.recovery += 1,
            }
        }
    }

    fn plus(self, other: FlowCounts) -> FlowCounts {
        let segments = |a: SegmentCounts, b: SegmentCounts| SegmentCounts {
            segments: a.segments + b.segments,
            retransmissions: a.retransmissions + b.retransmissions,
            lost: a.lost + b.lost,
            corrupted: a.corrupted + b.corrupted,
        };
        FlowCounts {
            sent: segments(self.sent, other.sent),
            received: segments(self.received, other.received),
            causes: Causes {
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
