//! Fifth, check the ACK field (RFC 9293, 3.10.7.4; RFC 5961, 5).

use super::{Step, discard};
use crate::tcb::Flags;
use crate::{Connection, Disposition, Segment, State, challenge_ack, hooks, window};
use core::ops::ControlFlow;
use handfast_base::Instant;
use handfast_wire::Discard;
use handfast_wire::tcp::TcpFlags;

pub(super) fn check(c: &mut Connection, seg: &Segment, now: Instant) -> Step {
    if !seg.has(TcpFlags::ACK) {
        return discard(Discard::TcpNoAck);
    }
    let ack = seg.header.ack;
    let t = &c.tcb;
    if t.state == State::SynReceived {
        if !(t.snd_una.before(ack) && ack.at_or_before(t.snd_nxt)) {
            c.tcb.snd_wl2 = ack;
            c.tcb.flags |= Flags::RESET_BARE;
            return discard(Discard::TcpUnacceptableAck);
        }
        let wnd = window::send::offered(t, seg);
        hooks::heard(c, seg, now);
        hooks::acknowledged(c, seg, now);
        window::send::set(&mut c.tcb, seg, wnd);
        hooks::established(c, now);
        return ControlFlow::Continue(());
    }
    // RFC 5961, 5.2 (MAY-12): (SND.UNA - MAX.SND.WND) =< SEG.ACK =< SND.NXT.
    if ack.after(t.snd_nxt) {
        challenge_ack::send(c, now);
        return discard(Discard::TcpAckOfUnsent);
    }
    if t.snd_una.distance(ack) > t.max_snd_wnd.min(i32::MAX as u32) as i32 {
        challenge_ack::send(c, now);
        return discard(Discard::TcpAckTooOld);
    }
    hooks::heard(c, seg, now);
    if ack.at_or_after(c.tcb.snd_una) {
        take(c, seg, now);
    }
    fin(c, now)
}

/// The ACK and the window of a segment that acknowledges no less than the last one did.
fn take(c: &mut Connection, seg: &Segment, now: Instant) {
    let was = c.tcb.snd_wnd;
    let advances = seg.header.ack.after(c.tcb.snd_una);
    window::send::update(&mut c.tcb, seg);
    if advances {
        hooks::acknowledged(c, seg, now);
    } else {
        hooks::not_advanced(c, seg, was, now);
    }
    if c.tcb.snd_wnd != was {
        hooks::window_changed(c, was, now);
    }
}

/// The ACK of a segment whose text has all arrived before. 3.10.7.4 drops such a segment; but of two
/// ends whose pure acknowledgments are all lost, each repeats what the other has, and this is how
/// either learns it. Only what acknowledges something, and that was sent (RFC 5961, 5.2), is heard;
/// who guesses it has to guess a number of the last window, as with text of the next.
pub(super) fn of_old_text(c: &mut Connection, seg: &Segment, now: Instant) {
    let (ack, t) = (seg.header.ack, &c.tcb);
    if seg.has(TcpFlags::ACK)
        && !seg.has(TcpFlags::SYN)
        && t.state != State::SynReceived
        && ack.after(t.snd_una)
        && ack.at_or_before(t.snd_nxt)
    {
        take(c, seg, now);
        let _ = fin(c, now);
    }
}

/// What follows once our FIN is acknowledged.
fn fin(c: &mut Connection, now: Instant) -> Step {
    if !is_fin_acknowledged(c) {
        return ControlFlow::Continue(());
    }
    match c.tcb.state {
        State::FinWait1 => c.enter(State::FinWait2, now),
        State::Closing => {
            c.enter(State::TimeWait, now);
            return ControlFlow::Break(Disposition::Processed);
        }
        State::LastAck => {
            c.enter(State::Closed, now);
            return ControlFlow::Break(Disposition::Processed);
        }
        _ => {}
    }
    ControlFlow::Continue(())
}

/// Whether our FIN has been sent and acknowledged.
fn is_fin_acknowledged(c: &Connection) -> bool {
    c.tcb.flags.contains(Flags::FIN_SENT) && c.tcb.snd_una == c.tcb.snd_nxt
}
