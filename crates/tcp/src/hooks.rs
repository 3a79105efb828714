//! Every hook an extension may take, and the extensions in the order in which they take it.
//!
//! The checks of [`segment_arrives`](crate::segment_arrives) call these and know no extension.

use crate::congestion::{self, AckEvent};
use crate::connection::Active;
use crate::recovery::{self, Phase, clock::Pending, scoreboard::Acked};
use crate::rtt::RttEstimator;
use crate::tcb::Flags;
use crate::timer::Timer;
use crate::window::{self, persist};
use crate::{
    Connection, Readiness, Segment, State, ecn, fast_open, path_mtu, timestamps, user_timeout,
};
use handfast_base::Instant;

/// The handshake is complete, and SND.WND is known.
pub(crate) fn established(c: &mut Connection, now: Instant) {
    let syns = c.tcb.rto.syn_losses();
    // RFC 6928, 2: one lost SYN changes nothing, several mean a bad path.
    let segments = if syns > 1 { 1 } else { c.config.initial_window };
    c.tcb.cwnd = congestion::initial_window(u32::from(c.tcb.snd_mss), segments);
    c.tcb.rto.handshake_completed();
    c.tcb.flags -= Flags::FAST_OPEN;
    // RFC 5482, 3: again on the first segment that is no SYN.
    let enabled = c.config.user_timeout_option.is_some();
    c.tcb.flags.set(Flags::USER_TIMEOUT_DUE, enabled);
    if syns > 0 {
        // RFC 6298 (5.7): what was measured on a SYN that had to be repeated does not count.
        c.tcb.rtt = RttEstimator::default();
    }
    c.enter(State::Established, now);
}

/// The peer's SYN,ACK has answered our SYN, and SND.UNA is what it acknowledges.
pub(crate) fn syn_answered(c: &mut Connection, seg: &Segment) {
    fast_open::answered(c, seg);
}

/// The segment is the peer's: its sequence number and its acknowledgment are acceptable.
#[inline]
pub(crate) fn heard(c: &mut Connection, seg: &Segment, now: Instant) {
    c.last_heard = now;
    c.tcb.probes = 0;
    timestamps::note(&mut c.tcb, seg, now);
    ecn::arrived(c, seg, now);
    user_timeout::note(c, seg);
}

/// SEG.ACK acknowledges something for the first time: SND.UNA advances.
pub(crate) fn acknowledged(c: &mut Connection, seg: &Segment, now: Instant) {
    let ack = seg.header.ack;
    let in_flight = c.flight_size();
    let mut acked = {
        let (tcb, active) = c.parts();
        let acked = active.board.acknowledge(ack, now);
        active.send.acknowledge(ack);
        tcb.snd_una = ack;
        acked
    };
    c.counters.octets_acked += u64::from(acked.octets);
    path_mtu::acknowledged(c, ack, acked.largest, now);
    c.stuck_since = now;
    if c.tcb.flags.contains(Flags::SEND_URGENT) && ack.at_or_after(c.tcb.snd_up) {
        c.tcb.flags -= Flags::SEND_URGENT;
    }

    // Round trip (RFC 6298, 3): Karn's rule (MUST-18), or a timestamp that is not ambiguous.
    let rtt = match (acked.sent_at, acked.resent_at) {
        (Some(at), _) => Some(now.since(at)),
        (None, Some(at)) => timestamps::round_trip(&c.tcb, seg, at, now),
        (None, None) => None,
    };
    if let Some(rtt) = rtt {
        c.tcb.rtt.sample(rtt);
        c.tcb.rto.collapse();
    }
    c.tcb.flags -= Flags::R1_TOLD;

    // Recovery first, for it says whether the window may grow.
    let was = {
        let (_, active) = c.parts();
        active.snd_sml = active.snd_sml.later(ack);
        active.recovery.phase
    };
    if c.tcb.flags.contains(Flags::SACK) {
        let at = recovery::sack::arrived(c, seg, &mut acked, true, now);
        if let (None, Some(at)) = (rtt, at) {
            c.tcb.rtt.sample(now.since(at));
        }
        recovery::sack::keep_behind(c, ack);
    } else {
        recovery::new_reno::acknowledged(c, ack, acked.octets);
    }
    let is = c.parts().1.recovery.phase;
    // What grows the window: all that is acknowledged. In fast recovery delivery does (RFC 9937),
    // and so the acknowledgment that ends it has only that left which nothing had reported before.
    let grown = match was == Phase::Fast {
        true if c.tcb.flags.contains(Flags::SACK) => acked.delivered.octets,
        true => 0,
        false => acked.octets,
    };
    if grown > 0 && is != Phase::Fast && c.tcb.cwnd > 0 && !ecn::forbids_growth(c, seg) {
        let event = AckEvent {
            now,
            acked: grown,
            in_flight,
            rtt,
            min_rtt: c.tcb.rtt.min(),
            smoothed_rtt: c.tcb.rtt.smoothed(),
            snd_una: ack,
            snd_nxt: c.tcb.snd_nxt,
            cwnd_limited: c.tcb.flags.contains(Flags::CWND_LIMITED) || was == Phase::Loss,
            after_timeout: was == Phase::Loss,
        };
        c.with_congestion(|algorithm, w| algorithm.on_ack(w, &event));
    }

    if c.tcb.cwnd > 0 {
        recovery::model::acknowledged(c, &acked.delivered, now);
    }

    // RFC 6298, 5 (5.2, 5.3): the timer restarts, or stops when nothing is left.
    rearm(c, now);
    if c.send_room() > 0 {
        c.events |= Readiness::WRITABLE;
    }
}

/// An acceptable ACK that acknowledges nothing new; SND.WND was `wnd` before it.
pub(crate) fn not_advanced(c: &mut Connection, seg: &Segment, wnd: u32, now: Instant) {
    if c.tcb.flags.contains(Flags::SACK) {
        let probing = |a: &Active| a.recovery.probe.is_some() && seg.is_empty();
        let news = !seg.header.options.sack.is_empty();
        if seg.header.ack == c.tcb.snd_una
            && c.active.as_deref().is_some_and(|a| news || probing(a))
        {
            let mut acked = Acked::default();
            if let Some(at) = recovery::sack::arrived(c, seg, &mut acked, false, now) {
                c.tcb.rtt.sample(now.since(at));
            }
            recovery::model::acknowledged(c, &acked.delivered, now);
        }
        return;
    }
    // RFC 5681, 2: (a) data is outstanding, (b) no text, (c) neither SYN nor FIN, (d) the highest
    // acknowledgment so far, (e) the same window. A closed window is being probed: not (a).
    let duplicate = seg.is_empty()
        && seg.header.ack == c.tcb.snd_una
        && window::send::offered(&c.tcb, seg) == wnd
        && c.tcb.snd_wnd == wnd
        && wnd > 0
        && c.flight_size() > 0;
    if duplicate {
        c.counters.duplicate_acks_in = c.counters.duplicate_acks_in.wrapping_add(1);
        recovery::new_reno::duplicate_ack(c, now);
    }
}

/// SND.WND has another value than `was`.
pub(crate) fn window_changed(c: &mut Connection, was: u32, now: Instant) {
    if was == 0 && c.tcb.snd_wnd > 0 {
        // It opens: probes are over. What one of them carried was thrown away, most likely.
        c.tcb.rto.collapse();
        c.tcb.flags -= Flags::PROBE;
        if c.flight_size() > 0 {
            recovery::new_reno::retransmit_first(c);
        }
        if c.config.user_timeout.is_none() {
            // While it was closed the peer's answers counted, not its progress.
            c.stuck_since = now;
        }
        rearm(c, now);
    }
}

/// Restarts the retransmission timer for what is in flight, or the probe timer, or none.
pub(crate) fn rearm(c: &mut Connection, now: Instant) {
    if c.flight_size() > 0 {
        recovery::clock::restart(c, now);
    } else {
        c.timers.stop(Timer::Retransmission);
        persist::arm(c, now);
    }
}

/// The retransmission timer runs from now, but not beyond the point where we give up.
pub(crate) fn arm_retransmission(c: &mut Connection, now: Instant) {
    let at = (now + c.rto()).min(user_timeout::deadline(c));
    if let Some(active) = c.active.as_deref_mut() {
        active.recovery.pending = Pending::Timeout;
        active.recovery.timeout_at = at;
    }
    c.timers.arm(Timer::Retransmission, at);
}
