//! Why a connection did what it did: each segment that left, and each time one could not; what was
//! heard, what counts as lost, and what that made of the windows and timers.
//!
//! Off, it costs a look at a pointer. On, what a connection knows is compared before and after each
//! input and output, so that no extension has to be asked: what changes, shows.

mod observe;
mod text;

pub(crate) use observe::{arrived, before, fired, quoted, transmitted};

use crate::{Connection, State};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use handfast_base::{Duration, Instant};
use handfast_wire::SendReason;

/// Something a connection decided, or learned and drew conclusions from.
///
/// Written out it is a sentence for a reader; positions in the stream are then relative to the ISS,
/// as they are in [`DecisionEvent`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decision {
    /// When.
    pub at: Instant,
    /// What.
    pub event: DecisionEvent,
}

/// What was decided. Positions count from the ISS, so that the first octet of text is 1; like
/// sequence numbers they wrap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DecisionEvent {
    /// The connection is in another state (RFC 9293, 3.3.2).
    State {
        /// The state before.
        from: State,
        /// The state now.
        to: State,
    },
    /// A segment, or super-segment, left.
    Sent {
        /// Position of its first octet.
        seq: u32,
        /// Octets of text.
        octets: u32,
        /// Why.
        reason: SendReason,
        /// Octets taken to be in the network, with it (RFC 6675's pipe).
        in_flight: u32,
        /// The congestion window, in octets.
        cwnd: u32,
    },
    /// There is something to send, and it has to wait. Told once, until something is sent.
    Held {
        /// What holds it back.
        by: Hold,
        /// Octets never sent.
        unsent: u32,
        /// Octets that count as lost, and were not sent again yet.
        lost: u32,
        /// Octets taken to be in the network (RFC 6675's pipe).
        in_flight: u32,
        /// The congestion window, in octets.
        cwnd: u32,
        /// Octets that the peer's window still takes.
        usable: u32,
    },
    /// The peer has more than before.
    Acknowledged {
        /// Position up to which it has everything: SND.UNA.
        ack: u32,
        /// Octets by which that advanced.
        octets: u32,
        /// Octets that it has reported beyond that (RFC 2018).
        sacked: u32,
    },
    /// The peer's window has closed, or opened again.
    PeerWindow {
        /// SND.WND before, in octets.
        from: u32,
        /// SND.WND now.
        to: u32,
    },
    /// A round trip was measured (RFC 6298).
    Rtt {
        /// The sample.
        sample: Duration,
        /// SRTT with it.
        smoothed: Duration,
        /// RTTVAR with it.
        variance: Duration,
        /// The retransmission timeout that follows, backed off as it may be.
        rto: Duration,
    },
    /// Octets count as lost from now on.
    Lost {
        /// Position of the first that counts as lost.
        from: u32,
        /// Octets that do so newly.
        octets: u32,
        /// Why.
        cause: LossCause,
    },
    /// Loss recovery has begun or ended.
    Recovery {
        /// Where it stood.
        from: RecoveryPhase,
        /// Where it stands.
        to: RecoveryPhase,
    },
    /// The windows of congestion control have changed.
    Window {
        /// By what.
        cause: WindowCause,
        /// The congestion window before and now, in octets.
        cwnd: (u32, u32),
        /// The slow start threshold before and now, in octets; `u32::MAX`: none yet.
        ssthresh: (u32, u32),
    },
    /// A timer was set that was off, or waited for something else, or not as long.
    Armed {
        /// For what.
        timer: TimerKind,
        /// How long it waits.
        after: Duration,
        /// How often the timeout was doubled.
        backoffs: u8,
    },
    /// That timer ran out.
    Expired {
        /// What it waited for.
        timer: TimerKind,
        /// How often in a row, the probes for a lost tail not counted.
        backoffs: u8,
    },
}

/// What holds back something that is there to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Hold {
    /// The congestion window is full (RFC 5681).
    CongestionWindow,
    /// The peer's window is full (RFC 9293, 3.8.6).
    PeerWindow,
    /// The peer's window takes only a small part (RFC 9293, 3.8.6.2.1).
    SillyWindow,
    /// Nagle's algorithm: less than a segment, and something is in flight (RFC 9293, 3.7.4).
    Nagle,
    /// A cork: less than a segment.
    Cork,
    /// The pacing rate.
    Pacing,
    /// A mark found the window at one segment (RFC 3168, 6.1.2).
    Mark,
    /// New data goes first, to see whether the timeout was right (RFC 5682).
    NewDataFirst,
    /// More text is wanted for a probe of the path's MTU (RFC 4821).
    MtuProbe,
    /// The stack has no memory for what the application wants to write.
    Memory,
}

/// Why octets count as lost.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum LossCause {
    /// What was sent later has arrived, and they are overdue (RFC 8985).
    Overtaken,
    /// Duplicate acknowledgments, or a partial one in recovery (RFC 5681, 6582).
    DuplicateAcks,
    /// The retransmission timer ran out (RFC 6298).
    Timeout,
    /// Nothing says that they are: the last segment goes out again to find out (RFC 8985, 7).
    Probe,
    /// Nothing says that they are: the peer had no room for them when they came, and has now.
    WindowReopened,
    /// A router had to throw them away, being too large (RFC 1191).
    TooBig,
}

/// Where loss recovery stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RecoveryPhase {
    /// Nothing is known to be lost.
    Open,
    /// Fast recovery (RFC 6582, RFC 9937).
    Fast,
    /// All that was in flight counts as lost, after a retransmission timeout for one.
    Loss,
}

/// What changed the windows of congestion control.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum WindowCause {
    /// The handshake is complete (RFC 6928).
    Begin,
    /// An acknowledgment.
    Acknowledgment,
    /// A loss that was noticed without a timeout.
    Loss,
    /// Proportional rate reduction, or NewReno's inflation, while recovery lasts.
    Recovering,
    /// Recovery is over.
    Recovered,
    /// A retransmission timeout.
    Timeout,
    /// A mark of a router's (ECN).
    Mark,
    /// The loss was none: the windows are put back.
    Undone,
    /// The connection was idle, or did not use its window.
    Idle,
    /// Segments have another size.
    SegmentSize,
}

/// What the retransmission timer waits for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum TimerKind {
    /// The retransmission timeout (RFC 6298).
    Retransmission,
    /// What was overtaken to become lost (RFC 8985, 6.3).
    Reordering,
    /// A probe for a lost tail (RFC 8985, 7).
    LossProbe,
    /// A probe of a closed window (RFC 9293, 3.8.6.1).
    WindowProbe,
}

/// No connection keeps more events.
const MOST: usize = 1 << 20;

/// The newest decisions of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Decisions {
    events: VecDeque<Decision>,
    capacity: usize,
    lost: u64,
    /// What holds something back since the last segment left.
    held: Option<Hold>,
    last: Instant,
}

impl Decisions {
    fn push(&mut self, event: DecisionEvent, now: Instant) {
        self.last = self.last.max(now);
        if self.events.len() >= self.capacity {
            self.events.pop_front();
            self.lost += 1;
        }
        let at = self.last;
        self.events.push_back(Decision { at, event });
    }
}

impl Connection {
    /// Keeps the newest `events` decisions from now on, for
    /// [`poll_decision`](Connection::poll_decision); 0: none, and those kept are forgotten.
    pub fn set_trace(&mut self, events: usize) {
        let kept = self.counters.decisions.take();
        if events > 0 {
            let kept = kept.map(|d| *d);
            let mut decisions = kept.unwrap_or(Decisions {
                events: VecDeque::new(),
                capacity: 0,
                lost: 0,
                held: None,
                last: Instant::ZERO,
            });
            decisions.capacity = events.min(MOST);
            self.counters.decisions = Some(Box::new(decisions));
        }
    }

    /// Takes the oldest decision that is kept.
    pub fn poll_decision(&mut self) -> Option<Decision> {
        self.counters.decisions.as_mut()?.events.pop_front()
    }

    /// Decisions that gave way to newer ones before anybody took them.
    pub fn decisions_lost(&self) -> u64 {
        self.counters.decisions.as_ref().map_or(0, |d| d.lost)
    }

    /// The application wants to write, and there is no memory for it.
    pub fn held_by_memory(&mut self, now: Instant) {
        held(self, Hold::Memory, now);
    }

    /// Whether decisions are kept.
    #[inline]
    pub(crate) fn is_traced(&self) -> bool {
        self.counters.decisions.is_some()
    }
}

/// Something is there to be sent, and this holds it back. Always false, as the answer to whether
/// something was sent.
#[inline]
pub(crate) fn held(c: &mut Connection, by: Hold, now: Instant) -> bool {
    if c.is_traced() {
        observe::note_held(c, by, now);
    }
    false
}

/// The state has changed.
#[inline]
pub(crate) fn entered(c: &mut Connection, from: State, now: Instant) {
    let to = c.tcb.state;
    if let Some(decisions) = &mut c.counters.decisions
        && from != to
    {
        decisions.push(DecisionEvent::State { from, to }, now);
    }
}
