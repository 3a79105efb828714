//! What a connection counts, and how it spends its time: the sources of [`TcpInfo`](crate::TcpInfo).

use crate::decisions::Decisions;
use crate::tcb::Flags;
use crate::{Connection, Segment, SegmentSlot, State, window};
use alloc::boxed::Box;
use handfast_base::{Duration, Instant};
use handfast_wire::tcp::TcpFlags;
use handfast_wire::{SendReason, SeqNumber};

/// What a connection has done so far. Counters of 32 bits wrap.
#[derive(Clone, Debug)]
pub(crate) struct Counters {
    pub(crate) octets_acked: u64,
    pub(crate) octets_received: u64,
    pub(crate) octets_sent: u64,
    pub(crate) octets_retransmitted: u64,
    pub(crate) segments_in: u32,
    pub(crate) segments_out: u32,
    pub(crate) data_segments_in: u32,
    pub(crate) data_segments_out: u32,
    pub(crate) duplicate_segments_in: u32,
    pub(crate) retransmissions: u32,
    pub(crate) timeouts: u32,
    pub(crate) duplicate_acks_in: u32,
    pub(crate) out_of_order_in: u32,
    /// [`Instant::FAR_FUTURE`]: never, for these three.
    pub(crate) last_data_sent: Instant,
    pub(crate) last_data_received: Instant,
    pub(crate) last_ack_received: Instant,
    pub(crate) chronograph: Chronograph,
    /// Why it did so, if somebody wants to know.
    pub(crate) decisions: Option<Box<Decisions>>,
}

impl Default for Counters {
    fn default() -> Counters {
        let never = Instant::FAR_FUTURE;
        Counters {
            octets_acked: 0,
            octets_received: 0,
            octets_sent: 0,
            octets_retransmitted: 0,
            segments_in: 0,
            segments_out: 0,
            data_segments_in: 0,
            data_segments_out: 0,
            duplicate_segments_in: 0,
            retransmissions: 0,
            timeouts: 0,
            duplicate_acks_in: 0,
            out_of_order_in: 0,
            last_data_sent: never,
            last_data_received: never,
            last_ack_received: never,
            chronograph: Chronograph::default(),
            decisions: None,
        }
    }
}

impl Counters {
    /// A segment arrives, and is not judged yet; `old` says that its text begins before RCV.NXT.
    #[inline]
    pub(crate) fn arrived(&mut self, seg: &Segment, old: bool, now: Instant) {
        self.segments_in = self.segments_in.wrapping_add(1);
        if !seg.payload.is_empty() {
            let wire = wire_segments(seg.payload.len(), seg.gso_size);
            self.data_segments_in = self.data_segments_in.wrapping_add(wire);
            self.last_data_received = now;
            if old {
                self.duplicate_segments_in = self.duplicate_segments_in.wrapping_add(1);
            }
        }
        if seg.has(TcpFlags::ACK) {
            self.last_ack_received = now;
        }
    }

    /// A segment leaves; `nxt` was SND.NXT before it.
    #[inline]
    pub(crate) fn left(&mut self, out: &SegmentSlot, nxt: SeqNumber, now: Instant) {
        self.segments_out = self.segments_out.wrapping_add(1);
        let octets = out.payload.len();
        if octets > 0 && out.reason != SendReason::KeepAlive {
            let wire = wire_segments(octets, out.gso_size);
            self.data_segments_out = self.data_segments_out.wrapping_add(wire);
            self.octets_sent += u64::from(octets);
            if out.header.seq.before(nxt) {
                self.octets_retransmitted += u64::from(octets);
            }
            self.last_data_sent = now;
        }
    }
}

/// How many segments cross the wire as one super-segment.
#[inline]
fn wire_segments(octets: u32, gso_size: u16) -> u32 {
    match gso_size {
        0 => 1,
        size => octets.div_ceil(u32::from(size)),
    }
}

/// What a sender with something to send waits for. Linux keeps the same three, and the same way:
/// the clock is looked at only where one gives way to another (`tcp_chrono_start`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waits {
    /// Acknowledgments, as any transfer.
    Network,
    /// The peer's window: there is text, and it takes no segment of it.
    PeerWindow,
    /// The send buffer: all of it is in flight, and the application can queue no more.
    SendBuffer,
}

/// Time spent in each kind of waiting.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chronograph {
    running: Option<(Waits, Instant)>,
    /// In nanoseconds.
    spent: [u64; 3],
}

impl Chronograph {
    #[inline]
    fn set(&mut self, waits: Option<Waits>, now: Instant) {
        if self.running.map(|r| r.0) != waits {
            if let Some((was, since)) = self.running {
                self.spent[was as usize] += now.nanos_since(since);
            }
            self.running = waits.map(|w| (w, now));
        }
    }

    /// Time spent waiting for this, up to now.
    pub(crate) fn spent(&self, waits: Waits, now: Instant) -> Duration {
        let running = match self.running {
            Some((w, since)) if w == waits => now.since(since),
            _ => Duration::ZERO,
        };
        Duration::from_nanos(self.spent[waits as usize]) + running
    }

    /// Time with anything unacknowledged or unsent, up to now.
    pub(crate) fn busy(&self, now: Instant) -> Duration {
        [Waits::Network, Waits::PeerWindow, Waits::SendBuffer]
            .iter()
            .fold(Duration::ZERO, |sum, &w| sum + self.spent(w, now))
    }
}

/// All that may leave has left: what is it that the rest waits for?
#[inline]
pub(crate) fn output_ended(c: &mut Connection, now: Instant) {
    let waits = waits(c);
    c.counters.chronograph.set(waits, now);
}

#[inline]
fn waits(c: &Connection) -> Option<Waits> {
    let active = c.active.as_deref()?;
    let t = &c.tcb;
    if !t.state.is_synchronized() || t.state == State::TimeWait {
        return None;
    }
    let unsent = active.send.end().distance(t.snd_nxt).max(0) as u32;
    if unsent > 0 {
        let least = unsent.min(u32::from(t.snd_mss));
        let by_peer = window::send::usable(t) < least && !t.flags.contains(Flags::CWND_LIMITED);
        return Some(match by_peer {
            true => Waits::PeerWindow,
            false => Waits::Network,
        });
    }
    if t.snd_una == t.snd_nxt {
        return None;
    }
    Some(match c.send_room() {
        0 => Waits::SendBuffer,
        _ => Waits::Network,
    })
}
