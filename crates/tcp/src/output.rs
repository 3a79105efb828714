//! What may be sent now, and why.
//!
//! Output sends and never decides: recovery has marked what is lost, congestion has sized the
//! window, the checks have said what is owed.

use crate::decisions::{Hold, held};
use crate::fast_open;
use crate::path_mtu::{self, Turn};
use crate::recovery::{LostBy, Phase, limited_transmit, model, undo::Frto};
use crate::tcb::Flags;
use crate::timer::Timer;
use crate::window::{self, persist, silly_window};
use crate::{
    Connection, SegmentSlot, State, ack, cork, ecn, hooks, mss, nagle, timestamps, user_timeout,
};
use handfast_base::{Duration, Instant};
use handfast_wire::tcp::TcpFlags;
use handfast_wire::{SendReason, SeqNumber};

pub(crate) fn poll_transmit(c: &mut Connection, now: Instant, out: &mut SegmentSlot) -> bool {
    if c.tcb
        .flags
        .intersects(Flags::RESET.union(Flags::RESET_BARE))
    {
        return reset(c, out);
    }
    match c.tcb.state {
        State::Closed | State::Listen => false,
        State::SynSent | State::SynReceived => handshake(c, now, out),
        State::TimeWait => pure_ack(c, now, out),
        _ => {
            duplicate_ack(c, now, out)
                || retransmission(c, now, out)
                || new_data(c, now, out)
                || keep_alive(c, now, out)
                || pure_ack(c, now, out)
        }
    }
}

/// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=RST,ACK> of an abort, or <SEQ=SEG.ACK><CTL=RST> that answers
/// an acknowledgment of what we never sent (SND.WL2 holds it while nothing is established).
fn reset(c: &mut Connection, out: &mut SegmentSlot) -> bool {
    if c.tcb.flags.contains(Flags::RESET_BARE) {
        c.tcb.flags -= Flags::RESET_BARE;
        out.begin(c.tcb.snd_wl2, TcpFlags::RST, SendReason::ResetClosed);
        return true;
    }
    c.tcb.flags -= Flags::RESET;
    out.begin(
        acceptable_seq(c),
        TcpFlags::RST | TcpFlags::ACK,
        SendReason::ResetAborted,
    );
    out.header.ack = c.tcb.rcv_nxt;
    true
}

/// SYN of an active open, or SYN,ACK of a simultaneous one, first time or again. It always names an
/// MSS (MUST-14, SHLD-5, MAY-3), which no other segment does (MUST-65).
fn handshake(c: &mut Connection, now: Instant, out: &mut SegmentSlot) -> bool {
    let first = c.tcb.snd_nxt == c.tcb.iss;
    let answering = c.tcb.state == State::SynReceived;
    if !first {
        let (tcb, active) = c.parts();
        let first = active.board.front();
        // Behind it there may be text, which waits for the handshake to be complete.
        let is_lost = first.is_some_and(|r| r.start == tcb.iss && r.lost);
        if !is_lost || active.board.next_lost(1).is_none() {
            let may_send = tcb.flags.contains(Flags::FAST_OPEN);
            return answering && (may_send && new_data(c, now, out) || pure_ack(c, now, out));
        }
    } else if fast_open::waits(c, now) {
        return false;
    }
    let (flags, mut reason) = if answering {
        (TcpFlags::SYN | TcpFlags::ACK, SendReason::SynAck)
    } else {
        (TcpFlags::SYN, SendReason::Syn)
    };
    if !first && c.tcb.rto.backoffs() > 0 {
        reason = SendReason::RetransmissionTimeout(c.tcb.rto.backoffs());
    }
    out.begin(c.tcb.iss, flags, reason);
    let (timestamps, scaling, sack) = if answering {
        out.header.ack = c.tcb.rcv_nxt;
        (
            c.tcb.flags.contains(Flags::TIMESTAMPS),
            c.tcb.flags.contains(Flags::SCALING),
            c.tcb.flags.contains(Flags::SACK),
        )
    } else {
        (c.config.timestamps, c.config.window_scaling, c.config.sack)
    };
    out.header.options.sack_permitted = sack;
    if answering {
        ecn::answer(c, &mut out.header);
    } else {
        ecn::ask(c, &mut out.header, first);
    }
    out.header.options.mss = Some(mss::announced(c));
    if scaling {
        out.header.options.window_scale = Some(c.tcb.rcv_scale);
    }
    if timestamps {
        let echo = c.tcb.ts_recent;
        let value = timestamps::clock(&c.tcb, now);
        out.header.options.timestamps = Some(handfast_wire::tcp::Timestamps { value, echo });
    }
    out.header.options.user_timeout = user_timeout::option(&c.config);
    out.header.window = window::receive::select_for_syn(&mut c.tcb, &c.config);
    let text = if first { fast_open::ride(c, out) } else { 0 };
    let (tcb, active) = c.parts();
    if first {
        active.board.sent(tcb.iss, tcb.iss + 1, now);
        tcb.snd_nxt = tcb.iss + 1;
        if text > 0 {
            active.board.sent(tcb.snd_nxt, tcb.snd_nxt + text, now);
            tcb.snd_nxt += text;
        }
        c.stuck_since = now;
    } else {
        active.board.retransmitted(now);
        c.counters.retransmissions = c.counters.retransmissions.wrapping_add(1);
    }
    c.tcb.flags -= Flags::FORCE_RETRANSMIT;
    if answering {
        ack::delayed_ack::sent(c);
    }
    if first || !c.timers.is_armed(Timer::Retransmission) {
        hooks::arm_retransmission(c, now);
    }
    true
}

/// One acknowledgment for each out-of-order segment: duplicates are counted by their receiver.
/// And one ahead of the text it could ride on when it has blocks to report.
fn duplicate_ack(c: &mut Connection, now: Instant, out: &mut SegmentSlot) -> bool {
    if c.tcb.owed_acks == 0 {
        let reports = c.tcb.flags.contains(Flags::ACK_NOW) && ack::sack_blocks::is_due(c);
        return reports && pure_ack(c, now, out);
    }
    c.tcb.owed_acks -= 1;
    write_ack(c, now, out, SendReason::DuplicateAck);
    true
}

/// What recovery has marked lost: one segment regardless of the window when it says so, and
/// else as the congestion window lets it (RFC 8985, 9.3).
fn retransmission(c: &mut Connection, now: Instant, out: &mut SegmentSlot) -> bool {
    let mss = u32::from(c.tcb.snd_mss);
    let Some(active) = c.active.as_deref_mut() else {
        return false;
    };
    if active.board.lost() == 0 {
        c.tcb.flags -= Flags::FORCE_RETRANSMIT;
        return false;
    }
    let forced = c.tcb.flags.contains(Flags::FORCE_RETRANSMIT);
    // RFC 5682, 3 (2b): new data first, which tells whether the timeout was right.
    let held_back = active.recovery.frto == Frto::Probing;
    if !forced && held_back {
        return held(c, Hold::NewDataFirst, now);
    }
    if !forced && congestion_room(c) < mss {
        return held(c, Hold::CongestionWindow, now);
    }
    let (tcb, active) = c.parts();
    let Some((start, end)) = active.board.next_lost(mss) else {
        return false;
    };
    // Should the peer's window have shrunk, one segment at a time goes beyond it (SHLD-16, MAY-7).
    if !forced && !start.before(tcb.snd_una + tcb.snd_wnd) {
        return held(c, Hold::PeerWindow, now);
    }
    if !forced && active.pacer.holds(now) {
        return held(c, Hold::Pacing, now);
    }
    active.board.retransmitted(now);
    // RFC 9937, 6.3.
    active.recovery.prr.sent(end.offset_from(start));
    if let Some(undo) = &mut active.recovery.undo {
        undo.retransmitted();
    }
    let reason = match active.recovery.phase {
        Phase::Loss => match active.recovery.lost_by {
            LostBy::Timeout => SendReason::RetransmissionTimeout(tcb.rto.backoffs().max(1)),
            LostBy::Size => SendReason::TooBig,
            LostBy::Move => SendReason::Moved,
        },
        Phase::Fast if tcb.flags.contains(Flags::SACK) => SendReason::RackLoss,
        Phase::Open if tcb.flags.contains(Flags::LOSS_PROBE) => SendReason::LossProbe,
        Phase::Fast if active.recovery.duplicate_acks >= 3 => SendReason::FastRetransmit,
        Phase::Fast => SendReason::PartialAck,
        Phase::Open if tcb.snd_wnd == 0 => SendReason::WindowProbe,
        Phase::Open => SendReason::FastRetransmit,
    };
    // A probe of the path's MTU that was lost had its room in the window: its pieces have it now.
    let has_room = active.recovery.phase == Phase::Open && active.board.lost() > 0;
    tcb.flags -= Flags::LOSS_PROBE;
    tcb.flags.set(Flags::FORCE_RETRANSMIT, has_room);
    c.counters.retransmissions = c.counters.retransmissions.wrapping_add(1);
    write_data(c, now, out, start, end, reason);
    true
}

/// Text never sent before, in segments as large as may be (SHLD-28), then the FIN.
fn new_data(c: &mut Connection, now: Instant, out: &mut SegmentSlot) -> bool {
    let Some(active) = c.active.as_deref() else {
        return false;
    };
    if c.tcb.flags.contains(Flags::FIN_SENT) {
        return false;
    }
    let end = active.send.end();
    let unsent = end.distance(c.tcb.snd_nxt).max(0) as u32;
    let fin_waits = c.tcb.state.is_fin_queued();
    if unsent == 0 && !fin_waits {
        c.tcb.flags -= Flags::PROBE | Flags::LOSS_PROBE | Flags::CWND_LIMITED;
        let room = congestion_room(c);
        model::ran_dry(c, 0, 0, room);
        return false;
    }
    if ecn::is_held(c, now) {
        return held(c, Hold::Mark, now);
    }
    restart_after_idle(c, now);
    let mss = u32::from(c.tcb.snd_mss);
    let in_flight = c.flight_size() > 0;
    let usable = window::send::usable(&c.tcb);
    let room = congestion_room(c);
    let mut len = unsent.min(usable).min(room);
    if c.tcb.flags.contains(Flags::PROBE) {
        // The timer let it out: one octet through a closed window, or what a narrow one takes
        // (SHLD-29; the override timeout of 3.8.6.2.1).
        c.tcb.flags -= Flags::PROBE;
        len = unsent.min(usable.max(1)).min(mss);
        let fin = len == unsent && fin_waits;
        let snd_nxt = c.tcb.snd_nxt;
        send_new(c, now, out, snd_nxt + len, fin, SendReason::WindowProbe);
        return true;
    }
    if c.tcb.flags.contains(Flags::LOSS_PROBE) {
        // One segment, whatever the congestion window says (RFC 8985, 7.3).
        c.tcb.flags -= Flags::LOSS_PROBE;
        len = unsent.min(usable).min(mss);
        if len > 0 {
            let fin = fin_waits && len == unsent && usable > len;
            let snd_nxt = c.tcb.snd_nxt;
            send_new(c, now, out, snd_nxt + len, fin, SendReason::LossProbe);
            return true;
        }
    }
    // A window that is wider than the congestion window lets congestion be the limit.
    c.tcb
        .flags
        .set(Flags::CWND_LIMITED, room < unsent.min(usable));
    if room < mss {
        model::ran_dry(c, unsent, usable, room);
    }
    let turn = path_mtu::turn(c, unsent, usable, room, now);
    if turn == Turn::Wait {
        return held(c, Hold::MtuProbe, now);
    }
    let mss = u32::from(c.tcb.snd_mss);
    if let Turn::Probe(octets) = turn {
        len = octets;
    } else if unsent > 0 {
        if len < mss && len < unsent {
            // Cut by a window. By the congestion window: wait, an ACK will come. By the peer's:
            // silly-window avoidance.
            let by_peer = usable < room.min(unsent);
            if len == 0 || !by_peer || !silly_window::may_send(len, in_flight, c.tcb.max_snd_wnd) {
                persist::arm(c, now);
                let by = match by_peer {
                    true if usable == 0 => Hold::PeerWindow,
                    true => Hold::SillyWindow,
                    false => Hold::CongestionWindow,
                };
                return held(c, by, now);
            }
        } else if len == unsent && len < mss {
            if !nagle::may_send(c) {
                if cork::holds(c) {
                    cork::wait(c, now);
                    return held(c, Hold::Cork, now);
                }
                return held(c, Hold::Nagle, now);
            }
        } else if len > mss {
            len = super_segment(c, len, unsent);
        }
    }
    // The FIN rides on the last text, and needs room of one octet in the peer's window.
    let fin = fin_waits && len == unsent && usable > len;
    if len == 0 && !fin {
        persist::arm(c, now);
        return held(c, Hold::PeerWindow, now);
    }
    if len > 0 && c.parts().1.pacer.holds(now) {
        return held(c, Hold::Pacing, now);
    }
    let recovery = c.active.as_deref().map(|a| &a.recovery);
    let reason = match recovery {
        Some(r) if r.phase == Phase::Open && r.duplicate_acks > 0 => SendReason::LimitedTransmit,
        _ if turn != Turn::Usual => SendReason::MtuProbe,
        _ if len == 0 => SendReason::Fin,
        _ => SendReason::Data,
    };
    let snd_nxt = c.tcb.snd_nxt;
    send_new(c, now, out, snd_nxt + len, fin, reason);
    if reason == SendReason::MtuProbe {
        path_mtu::probe::sent(c, snd_nxt, snd_nxt + len);
    }
    true
}

/// How much of `len` octets goes out as one super-segment: whole segments, but for the last of
/// the queue; no more than the link takes; and half a congestion window, so that the peer's
/// acknowledgments keep the clock; and a millisecond of the pacing rate. At least two segments.
fn super_segment(c: &Connection, len: u32, unsent: u32) -> u32 {
    let mss = u32::from(c.tcb.snd_mss);
    let headers = u32::from(c.path.ip_header) + 60;
    let link = c.path.gso_max.saturating_sub(headers);
    if link < 2 * mss || c.config.option_room > 0 || ecn::forbids_super_segments(c) {
        return mss;
    }
    let paced = c.active.as_deref().map_or(u32::MAX, |a| a.pacer.burst(mss));
    let most = link.min((c.tcb.cwnd / 2).max(2 * mss)).min(paced);
    let whole = len.min(most) / mss * mss;
    // The tail of the queue may ride along, unless Nagle holds it.
    if len == unsent && len <= most && nagle::may_send(c) {
        len
    } else {
        whole.max(mss)
    }
}

/// Sends new text up to `end`, and the FIN after it if `fin`.
fn send_new(
    c: &mut Connection,
    now: Instant,
    out: &mut SegmentSlot,
    end: SeqNumber,
    fin: bool,
    reason: SendReason,
) {
    let start = c.tcb.snd_nxt;
    let end = end + u32::from(fin);
    let (tcb, active) = c.parts();
    active.board.sent(start, end, now);
    // RFC 9937, 6.3.
    active.recovery.prr.sent(end.offset_from(start));
    if tcb.snd_una == start && reason != SendReason::WindowProbe {
        c.stuck_since = now;
    }
    if fin {
        c.tcb.flags |= Flags::FIN_SENT;
    }
    c.tcb.snd_nxt = end;
    let mss = u32::from(c.tcb.snd_mss);
    let len = end.offset_from(start);
    if len != mss && !len.is_multiple_of(mss) && reason != SendReason::MtuProbe {
        c.parts().1.snd_sml = end;
    }
    c.tcb.last_sent = now.as_millis() as u32;
    cork::release(c);
    ack::quick_ack::text_sent(c);
    write_data(c, now, out, start, end, reason);
    ecn::mark_new_data(c, out);
    window::autotune::sent(c);
}

/// Writes the octets `start..end`, of which the last may be our FIN.
fn write_data(
    c: &mut Connection,
    now: Instant,
    out: &mut SegmentSlot,
    start: SeqNumber,
    end: SeqNumber,
    reason: SendReason,
) {
    let fin = c.tcb.flags.contains(Flags::FIN_SENT) && end == c.tcb.snd_nxt;
    let mss = u32::from(c.tcb.snd_mss);
    let len = end.offset_from(start) - u32::from(fin);
    out.begin(start, TcpFlags::ACK, reason);
    let (tcb, active) = c.parts();
    active.pacer.sent(len, now);
    active.send.slice(start, len, &mut out.payload);
    if out.payload.len() > mss && reason != SendReason::MtuProbe {
        out.gso_size = tcb.snd_mss;
    }
    if fin {
        out.header.flags |= TcpFlags::FIN;
    }
    // The last of what is queued is pushed (MUST-61); bits in between collapse (SHLD-27).
    if len > 0 && start + len == active.send.end() {
        out.header.flags |= TcpFlags::PSH;
    }
    // Urgent data may be longer than the field can say (MUST-31): until its end is near, the pointer
    // is inside of it.
    if tcb.flags.contains(Flags::SEND_URGENT) && start.before(tcb.snd_up) {
        out.header.flags |= TcpFlags::URG;
        out.header.urgent_pointer = tcb.snd_up.offset_from(start).min(0xffff) as u16;
    }
    acknowledge(c, now, out);
    if !c.timers.is_armed(Timer::Retransmission) {
        hooks::rearm(c, now);
    }
}

/// <SEQ=SND.NXT-1><ACK=RCV.NXT>, without text (SHLD-12) unless asked (MAY-6): outside the peer's
/// window, so that it must answer (3.8.4).
fn keep_alive(c: &mut Connection, now: Instant, out: &mut SegmentSlot) -> bool {
    if !c.tcb.flags.contains(Flags::KEEP_ALIVE) {
        return false;
    }
    c.tcb.flags -= Flags::KEEP_ALIVE;
    if c.flight_size() > 0 {
        // Something else went first, and it asks as well. The octet before SND.NXT is no longer
        // an old one: a probe of garbage would take its place.
        return false;
    }
    out.begin(c.tcb.snd_nxt - 1, TcpFlags::ACK, SendReason::KeepAlive);
    if c.config.keep_alive.is_some_and(|k| k.garbage_octet) {
        out.payload.push(bytes::Bytes::from_static(&[0]));
    }
    acknowledge(c, now, out);
    true
}

/// An acknowledgment that found no data to ride on, one for all that arrived (MUST-58, MUST-59).
fn pure_ack(c: &mut Connection, now: Instant, out: &mut SegmentSlot) -> bool {
    let f = c.tcb.flags;
    if !f.intersects(Flags::ACK_NOW | Flags::USER_TIMEOUT_DUE) {
        settle(c, now);
        return false;
    }
    let reason = if f.contains(Flags::CHALLENGE) {
        SendReason::ChallengeAck
    } else if f.contains(Flags::WINDOW_UPDATE) {
        SendReason::WindowUpdate
    } else if f.contains(Flags::ACK_DELAYED) {
        SendReason::DelayedAck
    } else {
        SendReason::Ack
    };
    write_ack(c, now, out, reason);
    true
}

fn write_ack(c: &mut Connection, now: Instant, out: &mut SegmentSlot, reason: SendReason) {
    out.begin(acceptable_seq(c), TcpFlags::ACK, reason);
    acknowledge(c, now, out);
    let following = usize::from(c.tcb.owed_acks);
    ack::sack_blocks::write(c, &mut out.header, following);
}

/// Fills in what every segment of a synchronized connection carries: ACK, window, timestamps.
#[inline]
pub(crate) fn acknowledge(c: &mut Connection, now: Instant, out: &mut SegmentSlot) {
    out.header.ack = c.tcb.rcv_nxt;
    out.header.window = match c.tcb.flags.contains(Flags::SHUT) {
        true => 0,
        false => {
            let own_mss = mss::announced(c);
            window::receive::select(&mut c.tcb, &c.config, own_mss)
        }
    };
    timestamps::stamp(&c.tcb, &mut out.header, now);
    ecn::stamp(c, out);
    user_timeout::stamp(c, out);
    ack::delayed_ack::sent(c);
}

/// The sequence number of a segment without text: SND.NXT, but inside the peer's window, should
/// that have shrunk.
fn acceptable_seq(c: &Connection) -> SeqNumber {
    let edge = c.tcb.snd_una + c.tcb.snd_wnd;
    c.tcb.snd_nxt.earlier(edge).later(c.tcb.snd_una)
}

/// Octets that the congestion window lets out now.
fn congestion_room(c: &Connection) -> u32 {
    c.tcb.cwnd.saturating_sub(pipe(c))
}

/// Octets in the network, as far as is known (SetPipe of RFC 6675, 4; RFC 6675, 5).
pub(crate) fn pipe(c: &Connection) -> u32 {
    let gone = c.active.as_deref().map_or(0, |a| {
        let left = limited_transmit::left_the_network(&a.recovery, u32::from(c.tcb.snd_mss));
        a.board.lost() + a.board.sacked().saturating_add(left)
    });
    c.flight_size().saturating_sub(gone)
}

/// After an idle time longer than an RTO the acknowledgments that clocked the window are gone
/// (RFC 5681, 4.1).
fn restart_after_idle(c: &mut Connection, now: Instant) {
    if c.flight_size() > 0 {
        return;
    }
    model::starts(c, now);
    let idle = (now.as_millis() as u32).wrapping_sub(c.tcb.last_sent);
    if Duration::from_millis(u64::from(idle)) > c.rto() {
        let mss = u32::from(c.tcb.snd_mss);
        let restart = crate::congestion::initial_window(mss, c.config.initial_window);
        if c.tcb.cwnd > restart {
            c.with_congestion(|algorithm, w| algorithm.on_idle_restart(w, restart));
        }
        c.tcb.last_sent = now.as_millis() as u32;
    }
}

/// Nothing is left to send: start what must run while all is quiet.
fn settle(c: &mut Connection, now: Instant) {
    persist::arm(c, now);
    if c.active.is_some() && !c.timers.is_armed(Timer::Idle) && c.is_quiet() {
        // A model of the path is worth what it takes as long as its measurements count.
        let models = c.active.as_deref().is_some_and(|a| a.model);
        let least = Duration::from_secs(if models { 10 } else { 1 });
        let at = now + c.rto().max(least);
        c.timers.arm(Timer::Idle, at);
    }
}
