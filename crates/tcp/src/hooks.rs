//! Every hook an extension may take, and the extensions in the order in which they take it.
//!
//! The checks of [`segment_arrives`](crate::segment_arrives) call these and know no extension.

use crate::congestion::{self, AckEvent};
use crate::tcb::{Flags, Recovery};
use crate::timer::Timer;
use crate::window::persist;
use crate::{Connection, Readiness, Segment, State, recovery, timestamps};
use handfast_base::Instant;

/// The handshake is complete, and SND.WND is known.
pub(crate) fn established(c: &mut Connection, now: Instant) {
    let syns = c.tcb.rto.syn_losses();
    // RFC 6928, 2: one lost SYN changes nothing, several mean a bad path.
    let segments = if syns > 1 { 1 } else { c.config.initial_window };
    c.tcb.cwnd = congestion::initial_window(u32::from(c.tcb.snd_mss), segments);
    c.tcb.recover = c.tcb.iss;
    c.enter(State::Established, now);
}

/// SEG.ACK acknowledges something for the first time: SND.UNA advances.
pub(crate) fn acknowledged(c: &mut Connection, seg: &Segment, now: Instant) {
    let ack = seg.header.ack;
    let in_flight = c.flight_size();
    let acked = {
        let (tcb, active) = c.parts();
        let acked = active.board.acknowledge(ack, now);
        active.send.acknowledge(ack);
        tcb.snd_una = ack;
        if let Some(rate) = acked.delivery_rate {
            active.delivery_rate = rate;
        }
        acked
    };
    c.counters.octets_acked += u64::from(acked.octets);
    c.stuck_since = now;
    if c.tcb.flags.contains(Flags::SEND_URGENT) && ack.at_or_after(c.tcb.snd_up) {
        c.tcb.flags -= Flags::SEND_URGENT;
    }

    // Round trip (RFC 6298, section 3): Karn's rule, or the timestamp that is never ambiguous.
    let rtt = match acked.sent_at {
        Some(at) if !acked.retransmitted => Some(now.since(at)),
        _ => timestamps::round_trip(&c.tcb, seg, now),
    };
    if let Some(rtt) = rtt {
        c.tcb.rtt.sample(rtt);
        c.tcb.rto.collapse();
    }
    c.tcb.flags -= Flags::R1_TOLD;

    // Recovery first, for it says whether the window may grow.
    let was = c.tcb.recovery;
    recovery::new_reno::acknowledged(c, ack, acked.octets);
    if was != Recovery::Fast && c.tcb.cwnd > 0 {
        let event = AckEvent {
            now,
            acked: acked.octets,
            in_flight,
            rtt,
            min_rtt: c.tcb.rtt.min(),
            cwnd_limited: c.tcb.flags.contains(Flags::CWND_LIMITED) || was == Recovery::Loss,
        };
        c.with_congestion(|algorithm, w| algorithm.on_ack(w, &event));
    }

    // RFC 6298 (5.2, 5.3): the timer restarts, or stops when nothing is left.
    rearm(c, now);
    if c.send_room() > 0 {
        c.events |= Readiness::WRITABLE;
    }
}

/// An acceptable ACK that acknowledges nothing new.
pub(crate) fn not_advanced(c: &mut Connection, seg: &Segment, window_changed: bool, now: Instant) {
    let duplicate = seg.is_empty()
        && !window_changed
        && seg.header.ack == c.tcb.snd_una
        && c.flight_size() > 0
        && c.tcb.snd_wnd > 0;
    if duplicate {
        c.counters.duplicate_acks_in = c.counters.duplicate_acks_in.wrapping_add(1);
        recovery::new_reno::duplicate_ack(c, now);
    }
}

/// SND.WND has another value than `was`.
pub(crate) fn window_changed(c: &mut Connection, was: u32, now: Instant) {
    if was == 0 && c.tcb.snd_wnd > 0 {
        // It opens: probes are over, and what they left in flight is data like any other.
        c.tcb.rto.collapse();
        c.tcb.flags -= Flags::PROBE;
        rearm(c, now);
    } else if c.tcb.snd_wnd == 0 {
        c.stuck_since = now;
    }
}

/// Restarts the retransmission timer for what is in flight, or the probe timer, or none.
pub(crate) fn rearm(c: &mut Connection, now: Instant) {
    if c.flight_size() > 0 {
        let at = now + c.rto();
        c.timers.arm(Timer::Retransmission, at);
    } else {
        c.timers.stop(Timer::Retransmission);
        persist::arm(c, now);
    }
}
