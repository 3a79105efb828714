//! Buffers that grow with what the path takes (dynamic right-sizing).
//!
//! The receive buffer must hold what is in flight within a round trip, and as much again while a
//! lost segment is repeated; a sender in slow start doubles on top. What the application has read
//! within a round trip tells how much that is. A round trip ends when the peer proves that it has
//! heard what we said at its beginning: it echoes a timestamp of then. Without timestamps the time
//! of a round trip has to do, or, if none was measured, a window's worth of text.
//!
//! The send buffer holds what is in flight and as much again to follow it: two congestion windows.

use crate::tcb::{Flags, Tcb};
use crate::{Buffer, Config, Connection, Readiness, Segment, timestamps};
use handfast_base::{Duration, Instant};
use handfast_wire::SeqNumber;

/// Our timestamp clock is no finer: a shorter round trip counts as this long.
const SHORTEST: Duration = Duration::from_millis(1);

/// Where the measurement of the receive buffer's need stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Autotune {
    /// The round trip that is being watched; none before the first text.
    round: Option<Round>,
    /// Octets that the application read in the one before.
    before: u32,
}

#[derive(Clone, Copy, Debug)]
struct Round {
    began: Instant,
    /// Our timestamp clock then.
    clock: u32,
    /// The right edge then.
    edge: SeqNumber,
    /// The first octet that the application had not released then.
    unread: SeqNumber,
}

impl Round {
    fn begin(tcb: &Tcb, now: Instant) -> Round {
        Round {
            began: now,
            clock: timestamps::clock(tcb, now),
            edge: tcb.rcv_adv,
            unread: tcb.rcv_nxt - tcb.rcv_held,
        }
    }

    /// Whether the peer has heard what we said when it began.
    fn is_over(&self, tcb: &Tcb, seg: &Segment, now: Instant) -> bool {
        match seg.header.options.timestamps {
            Some(ts) if tcb.flags.contains(Flags::TIMESTAMPS) => {
                ts.echo.wrapping_sub(self.clock) as i32 >= 0
            }
            _ if tcb.rtt.has_sample() => now.since(self.began) >= tcb.rtt.smoothed(),
            _ => tcb.rcv_nxt.at_or_after(self.edge),
        }
    }
}

/// The receive buffer now, in octets.
#[inline]
pub(crate) fn receive_capacity(tcb: &Tcb, config: &Config) -> u32 {
    config.receive_buffer.doubled(tcb.rcv_doublings)
}

/// The send buffer now, in octets. While memory is short only what is in flight goes on.
#[inline]
pub(crate) fn send_capacity(tcb: &Tcb, config: &Config) -> u32 {
    let wanted = match tcb.flags.contains(Flags::MEMORY_SHORT) {
        true => 0,
        false => tcb.cwnd.saturating_mul(2),
    };
    config.send_buffer.suiting(wanted)
}

/// Text in order has arrived.
#[inline]
pub(crate) fn text_arrived(c: &mut Connection, seg: &Segment, now: Instant) {
    if matches!(c.config.receive_buffer, Buffer::Fixed(_)) {
        return;
    }
    let Some(active) = c.active.as_deref_mut() else {
        return;
    };
    let tcb = &mut c.tcb;
    match active.autotune.round {
        Some(round) if now.since(round.began) < SHORTEST || !round.is_over(tcb, seg, now) => {}
        Some(round) => {
            let next = Round::begin(tcb, now);
            let read = next.unread.distance(round.unread).max(0) as u32;
            active.autotune.round = Some(next);
            let before = core::mem::replace(&mut active.autotune.before, read);
            resize(tcb, &c.config, read, before);
        }
        None => active.autotune.round = Some(Round::begin(tcb, now)),
    }
}

/// The application has read `read` octets in this round trip, and `before` in the one before.
/// Under pressure the buffer shrinks by half each round trip; what was offered stays so, and the
/// window is reached by what arrives (RFC 9293, 3.8.6, SHLD-14).
fn resize(tcb: &mut Tcb, config: &Config, read: u32, before: u32) {
    let growth = read.saturating_sub(before);
    let wanted = read.saturating_mul(2).saturating_add(growth);
    let wanted = wanted.min(config.receive_buffer.most());
    if tcb.flags.contains(Flags::MEMORY_SHORT) {
        tcb.rcv_doublings = tcb.rcv_doublings.saturating_sub(1);
    } else if !tcb.flags.contains(Flags::NO_GROWTH) {
        while receive_capacity(tcb, config) < wanted {
            tcb.rcv_doublings += 1;
        }
    }
}

/// New octets have left: those that wait may have come below the mark.
#[inline]
pub(crate) fn sent(c: &mut Connection) {
    if c.config.notsent_lowat.is_some() && c.send_room() > 0 {
        c.events |= Readiness::WRITABLE;
    }
}
