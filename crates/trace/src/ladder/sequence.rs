//! What each segment was, told by its place in the connection: relative numbers, scaled windows,
//! retransmissions of senders that do not say why, reordering, duplicate ACKs, probes, notes.

use super::quantity::{duration, millis};
use super::{Note, Segment, Side};
use crate::log::SegmentEvent;
use crate::ranges::Ranges;
use handfast_base::{Duration, Instant};
use handfast_wire::tcp::TcpFlags;
use handfast_wire::{Fate, Loss, SendReason, SeqNumber};
use std::collections::HashMap;
use std::net::SocketAddr;

/// A connection's segments, looked at in order.
pub(crate) struct Analysis {
    pub(crate) segments: Vec<Segment>,
    /// From SYN to the ACK that ends the handshake, when neither was sent twice.
    pub(crate) round_trip: Option<Duration>,
    /// Whether an end sent segments of the connection but no SYN that we saw.
    pub(crate) is_syn_missing: bool,
    /// What counts as a full segment, by sender.
    pub(crate) full_segment: [u32; 2],
    octets: [u64; 2],
}

impl Analysis {
    /// How many segments satisfy `which`, by sender.
    pub(crate) fn count(&self, which: impl Fn(&Segment) -> bool) -> [u64; 2] {
        [Side::Left, Side::Right].map(|side| {
            let of_side = self.segments.iter().filter(|s| s.from == side);
            of_side.filter(|s| which(s)).count() as u64
        })
    }

    /// Octets of text by sender, each sequence number counted once.
    pub(crate) fn octets(&self) -> [u64; 2] {
        self.octets
    }
}

/// What the analysis remembers of one direction.
#[derive(Default)]
struct Flow {
    /// The ISN, or a guess when the SYN was not seen.
    base: Option<SeqNumber>,
    /// The relative number after the last octet sent.
    highest: i64,
    /// When `highest` last moved.
    advanced_at: Instant,
    /// Everything sent, text and control.
    sent: Ranges,
    text: Ranges,
    /// When what starts at this number was last sent.
    sent_at: HashMap<i64, Instant>,
    /// The shift of windows that this side offers.
    scale: u32,
    /// The newest acknowledgment this side sent, with its window.
    acked: Option<(i64, u64)>,
    duplicate_acks: u32,
    /// Since when this side's window is zero.
    closed_since: Option<Instant>,
    has_sent_fin: bool,
}

impl Flow {
    /// `seq` relative to the ISN: of all numbers that are equal modulo 2^32, the nearest to the
    /// newest octet.
    fn relative(&self, seq: SeqNumber) -> i64 {
        let base = self.base.unwrap_or(seq);
        self.highest + i64::from(seq.distance(base + self.highest as u32))
    }
}

/// Looks at all segments of one connection; `left` is the address of the left end.
pub(crate) fn analyse(events: &[&SegmentEvent], left: SocketAddr) -> Analysis {
    let side = |e: &SegmentEvent| match e.source == left {
        true => Side::Left,
        false => Side::Right,
    };
    let mut flows = [Side::Left, Side::Right].map(|s| Flow {
        base: base_of(s, events, &side),
        ..Flow::default()
    });
    let syn_of = |s| {
        let is_syn = |e: &&&SegmentEvent| side(e) == s && e.header.flags.contains(TcpFlags::SYN);
        events.iter().find(is_syn)
    };
    let syns = [Side::Left, Side::Right].map(syn_of);
    let scales = syns.map(|e| e.and_then(|e| e.header.options.window_scale));
    if let [Some(l), Some(r)] = scales {
        // RFC 7323, section 2.3: a shift above 14 is read as 14.
        flows[0].scale = u32::from(l.min(14));
        flows[1].scale = u32::from(r.min(14));
    }
    let mss = syns.map(|e| e.and_then(|e| e.header.options.mss));
    let start = events.first().map_or(Instant::ZERO, |e| e.at);
    let mut look = Look {
        flows,
        start,
        round_trip: None,
        syn_at: None,
        is_handshake_over: false,
    };
    let segments: Vec<Segment> = events.iter().map(|e| look.at(e, side(e))).collect();
    let full_segment = [Side::Left, Side::Right].map(|side| match mss {
        // An MSS does not count the up to 40 octets of options.
        [Some(l), Some(r)] => u32::from(l.min(r)).saturating_sub(40).max(1),
        // RFC 9293, section 3.7.1: the least that everybody can take.
        _ => {
            let lens = segments.iter().filter(|s| s.from == side).map(|s| s.len);
            lens.max().unwrap_or(0).max(536)
        }
    });
    Analysis {
        segments,
        round_trip: look.round_trip,
        is_syn_missing: events
            .iter()
            .any(|e| syns[side(e) as usize].is_none() && !e.header.flags.contains(TcpFlags::RST)),
        full_segment,
        octets: [0, 1].map(|i| look.flows[i].text.len() as u64),
    }
}

/// The ISN of that side: of its last SYN, or so that the first octet seen has number 1.
fn base_of(
    of: Side,
    events: &[&SegmentEvent],
    side: &impl Fn(&SegmentEvent) -> Side,
) -> Option<SeqNumber> {
    let is_own_syn = |e: &&&SegmentEvent| side(e) == of && e.header.flags.contains(TcpFlags::SYN);
    let syn = events.iter().rev().find(is_own_syn);
    syn.map(|e| e.header.seq).or_else(|| {
        events.iter().find_map(|e| match side(e) == of {
            true if e.header.flags.contains(TcpFlags::RST) => Some(e.header.seq),
            true => Some(e.header.seq - 1),
            false => e
                .header
                .flags
                .contains(TcpFlags::ACK)
                .then(|| e.header.ack - 1),
        })
    })
}

/// The state of the analysis.
struct Look {
    flows: [Flow; 2],
    start: Instant,
    round_trip: Option<Duration>,
    /// When the left end's SYN was sent; gone when it was sent twice.
    syn_at: Option<Instant>,
    is_handshake_over: bool,
}

impl Look {
    fn at(&mut self, e: &SegmentEvent, from: Side) -> Segment {
        let (sender, receiver) = (from as usize, from.other() as usize);
        let flags = e.header.flags;
        let shift = match flags.contains(TcpFlags::SYN) {
            true => 0,
            false => self.flows[sender].scale,
        };
        let peer = &self.flows[receiver];
        let blocks = e.header.options.sack.as_slice().iter();
        let mut s = Segment {
            from,
            at: e.at.since(self.start),
            arrival: e
                .arrival
                .filter(|_| !matches!(e.fate, Fate::Lost(_)))
                .map(|a| a.since(self.start)),
            header: e.header,
            seq: self.flows[sender].relative(e.header.seq),
            ack: flags
                .contains(TcpFlags::ACK)
                .then(|| peer.relative(e.header.ack)),
            len: e.payload_len,
            window: u64::from(e.header.window) << shift,
            sack: blocks
                .map(|b| (peer.relative(b.left), peer.relative(b.right)))
                .collect(),
            fate: e.fate,
            reason: e.reason,
            retransmission: None,
            is_out_of_order: e.fate == Fate::Reordered,
            probe: None,
            duplicate_ack: 0,
            is_window_update: false,
            repeats_window: false,
            notes: Vec::new(),
        };
        if let Some(line) = &e.first_line {
            s.notes.push(Note::new(&**line));
        }
        self.look_at_handshake(&mut s, e.at);
        self.look_at_sequence(&mut s, e.at);
        self.look_at_acknowledgment(&mut s);
        self.look_at_window(&mut s, e.at);
        self.look_at_close(&mut s);
        self.look_at_fate(&mut s);
        s
    }

    fn look_at_handshake(&mut self, s: &mut Segment, now: Instant) {
        let (syn, ack) = (
            s.flags().contains(TcpFlags::SYN),
            s.flags().contains(TcpFlags::ACK),
        );
        let is_first = !self.flows[s.from as usize].sent_at.contains_key(&s.seq);
        match (s.from, syn, ack) {
            (Side::Left, true, false) if is_first && s.seq == 0 => {
                self.syn_at = Some(now);
                s.notes.push(Note::new("① my ISN"));
            }
            (Side::Left, true, _) => self.syn_at = None,
            (Side::Right, true, true) if is_first && s.ack == Some(1) => {
                s.notes.push(Note::new("② your ISN heard + my ISN"));
            }
            (Side::Left, false, true)
                if !self.is_handshake_over
                    && s.ack == Some(1)
                    && self.flows[Side::Right as usize].highest >= 1
                    && !s.flags().contains(TcpFlags::RST) =>
            {
                self.is_handshake_over = true;
                self.round_trip = self.syn_at.map(|at| now.since(at));
                s.notes.push(Note::new(match self.round_trip {
                    Some(rtt) => format!("③ handshake RTT {} ms", millis(rtt, decimals(rtt))),
                    None => "③ your ISN heard".into(),
                }));
            }
            _ => {}
        }
    }

    fn look_at_sequence(&mut self, s: &mut Segment, now: Instant) {
        let peer_window = self.flows[s.from.other() as usize].acked.map(|a| a.1);
        let flow = &mut self.flows[s.from as usize];
        let control = TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST;
        if !s.flags().intersects(control) {
            let is_window_shut = peer_window == Some(0);
            let inferred = match s.len {
                _ if s.reason != SendReason::Unknown => None,
                1 if is_window_shut && s.seq == flow.highest => Some(SendReason::WindowProbe),
                0 | 1 if flow.highest > 1 && s.seq == flow.highest - 1 => Some(if is_window_shut {
                    SendReason::WindowProbe
                } else {
                    SendReason::KeepAlive
                }),
                _ => None,
            };
            s.probe = match s.reason {
                SendReason::KeepAlive | SendReason::WindowProbe => Some(s.reason),
                _ => inferred,
            };
            if let Some(probe) = s.probe {
                s.notes.push(Note::important(probe.to_string()));
            }
        }
        let (start, end) = (s.seq, s.end());
        let known = (end - start) - flow.sent.insert(start, end);
        if s.len > 0 {
            let text = start + i64::from(s.flags().contains(TcpFlags::SYN));
            flow.text.insert(text, text + i64::from(s.len));
        }
        let is_copy = s.fate == Fate::Duplicate;
        let repeats =
            known > 0 && (known == end - start || s.reason == SendReason::Unknown && known > 1);
        let before = flow.sent_at.get(&start).copied();
        if s.reason.is_retransmission() {
            s.retransmission = Some(s.reason);
        } else if repeats && !is_copy && s.probe.is_none() {
            // A probe of the tail may carry what was sent before, or new text.
            s.retransmission = Some(match s.reason {
                SendReason::LossProbe => SendReason::LossProbe,
                _ => SendReason::Unknown,
            });
        } else if known == 0 && end > start && end < flow.highest && !s.is_out_of_order {
            // A hole is filled by what was lost before we could see it, or by a straggler: nobody
            // can have asked for it again in less than a round trip.
            let late = now.since(flow.advanced_at);
            let patience = self.round_trip.unwrap_or(Duration::from_millis(3));
            s.is_out_of_order = late < patience;
            if !s.is_out_of_order {
                s.retransmission = Some(SendReason::Unknown);
            }
        }
        if let Some(why) = s.retransmission {
            let what = match why {
                SendReason::Unknown => "sent again".to_string(),
                why => why.to_string(),
            };
            s.notes.push(Note::important(match before {
                Some(at) => format!("{what} after {}", duration(now.since(at))),
                None if why == SendReason::Unknown => "fills a hole that we saw".into(),
                None => what,
            }));
        }
        if s.is_out_of_order {
            s.notes.push(Note::important("out of order"));
        }
        if end > start {
            flow.sent_at.insert(start, now);
        }
        if end > flow.highest {
            flow.highest = end;
            flow.advanced_at = now;
        }
    }

    fn look_at_acknowledgment(&mut self, s: &mut Segment) {
        let Some(ack) = s.ack else { return };
        if s.flags().intersects(TcpFlags::SYN | TcpFlags::RST) || s.fate == Fate::Duplicate {
            return;
        }
        let outstanding = self.flows[s.from.other() as usize].highest > ack;
        let flow = &mut self.flows[s.from as usize];
        let is_pure = s.len == 0 && !s.flags().contains(TcpFlags::FIN);
        match flow.acked {
            Some((last, _)) if ack > last => {
                if flow.duplicate_acks > 0 {
                    s.notes.push(Note::new("hole filled"));
                }
                flow.duplicate_acks = 0;
            }
            Some((last, window)) if ack == last && is_pure && s.probe.is_none() => {
                if outstanding && (window == s.window || !s.sack.is_empty()) {
                    flow.duplicate_acks += 1;
                    s.duplicate_ack = flow.duplicate_acks;
                    s.notes
                        .push(Note::new(format!("dup ACK {}", s.duplicate_ack)));
                } else if window != s.window {
                    s.is_window_update = true;
                }
            }
            _ => {}
        }
        // RFC 2883, section 4: the first block lies below the ACK or inside the second.
        let is_twice = |&(left, right): &(i64, i64)| {
            right <= ack || s.sack.get(1).is_some_and(|o| o.0 <= left && right <= o.1)
        };
        if let Some(&(left, right)) = s.sack.first().filter(|b| is_twice(b)) {
            s.notes.push(Note::important(format!(
                "D-SACK: {left}..{right} arrived twice"
            )));
        }
    }

    fn look_at_window(&mut self, s: &mut Segment, now: Instant) {
        if s.flags().contains(TcpFlags::RST) || s.ack.is_none() {
            return;
        }
        let flow = &mut self.flows[s.from as usize];
        match (s.is_zero_window(), flow.closed_since) {
            (true, None) => {
                flow.closed_since = Some(now);
                s.notes.push(Note::important("window closed"));
            }
            (false, Some(since)) => {
                flow.closed_since = None;
                let shut = duration(now.since(since));
                s.notes
                    .push(Note::important(format!("window open again after {shut}")));
            }
            (false, None) if s.is_window_update => s.notes.push(Note::new("window update")),
            _ => {}
        }
        s.repeats_window = flow.acked.is_some_and(|(_, window)| window == s.window);
        let ack = s.ack.unwrap_or(0);
        if flow.acked.is_none_or(|(last, _)| ack >= last) {
            flow.acked = Some((ack, s.window));
        }
    }

    fn look_at_close(&mut self, s: &mut Segment) {
        if s.flags().contains(TcpFlags::RST) {
            s.notes.push(Note::important(match s.reason {
                SendReason::Unknown => "reset".into(),
                why => format!("reset: {why}"),
            }));
        } else if s.flags().contains(TcpFlags::FIN) && s.retransmission.is_none() {
            let peer = &self.flows[s.from.other() as usize];
            let text = match (peer.has_sent_fin, s.ack.is_some_and(|a| a >= peer.highest)) {
                (false, _) => "active close",
                (true, true) => "passive close",
                (true, false) => "simultaneous close",
            };
            s.notes.push(Note::new(text));
            self.flows[s.from as usize].has_sent_fin = true;
        }
    }

    fn look_at_fate(&mut self, s: &mut Segment) {
        let text = match s.fate {
            Fate::Passed | Fate::Reordered => match s.reason {
                SendReason::DelayedAck | SendReason::ChallengeAck | SendReason::LimitedTransmit => {
                    s.notes.push(Note::new(s.reason.to_string()));
                    return;
                }
                _ => return,
            },
            fate => fate_text(fate),
        };
        s.notes.push(Note::important(text));
    }
}

/// What became of a packet, in words; empty for one that just passed.
pub(crate) fn fate_text(fate: Fate) -> String {
    match fate {
        Fate::Passed => String::new(),
        Fate::Reordered => "reordered".into(),
        Fate::Duplicate => "duplicate: the link made a copy".into(),
        Fate::Corrupted => "corrupted: a bit was flipped".into(),
        Fate::Lost(why) => format!("lost: {}", loss_text(why)),
        Fate::Discarded(why) => format!("discarded: {why}"),
        _ => "unknown fate".into(),
    }
}

fn loss_text(loss: Loss) -> &'static str {
    match loss {
        Loss::Random => "random",
        Loss::Burst => "burst",
        Loss::QueueFull => "queue full",
        Loss::Chosen => "chosen",
        Loss::TooBig => "too big",
        _ => "other",
    }
}

/// One decimal of a millisecond, or three where that would hide the digits.
fn decimals(d: Duration) -> usize {
    if d < Duration::from_millis(10) { 3 } else { 1 }
}
