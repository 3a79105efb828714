//! SYN-SENT state (RFC 9293, 3.10.7.3).

use super::{Step, discard, text_and_controls};
use crate::tcb::Flags;
use crate::{Connection, ConnectionError, Segment, State, ecn, hooks, mss, user_timeout, window};
use core::ops::ControlFlow;
use handfast_base::Instant;
use handfast_wire::Discard;
use handfast_wire::tcp::TcpFlags;

pub(super) fn segment_arrives(c: &mut Connection, seg: &mut Segment, now: Instant) -> Step {
    let h = seg.header;
    // First, check the ACK bit.
    let acks_us = seg.has(TcpFlags::ACK);
    if acks_us && (h.ack.at_or_before(c.tcb.iss) || h.ack.after(c.tcb.snd_nxt)) {
        if !seg.has(TcpFlags::RST) {
            // <SEQ=SEG.ACK><CTL=RST>, and our own attempt goes on: the segment is an old one.
            c.tcb.snd_wl2 = h.ack;
            c.tcb.flags |= Flags::RESET_BARE;
        }
        return discard(Discard::TcpUnacceptableAck);
    }
    // Second, check the RST bit. RFC 5961's check of the sequence number does not apply here:
    // the acknowledged ISS is the proof.
    if seg.has(TcpFlags::RST) {
        if !acks_us {
            return discard(Discard::TcpResetInSynSent);
        }
        if ecn::refused(c) {
            return discard(Discard::TcpResetInSynSent);
        }
        c.die(ConnectionError::Refused);
        return ControlFlow::Break(crate::Disposition::Processed);
    }
    // Fourth, check the SYN bit. Fifth: neither SYN nor RST.
    if !seg.has(TcpFlags::SYN) {
        return discard(Discard::TcpNoSynNorReset);
    }
    learn_from_syn(c, seg, now);
    if acks_us {
        hooks::acknowledged(c, seg, now);
        window::send::set(&mut c.tcb, seg, u32::from(h.window));
        c.tcb.flags |= Flags::ACK_NOW;
        hooks::established(c, now);
        hooks::syn_answered(c, seg);
        // The text on a SYN starts behind it; what follows is judged as in any other state.
        return text_and_controls(c, seg, now);
    }
    // Simultaneous open: our SYN goes out again, as SYN,ACK. Text on the SYN is not kept: the
    // peer sends it again, for it is not acknowledged.
    window::send::set(&mut c.tcb, seg, u32::from(h.window));
    c.enter(State::SynReceived, now);
    let (_, active) = c.parts();
    active.board.mark_all_lost();
    c.tcb.flags |= Flags::FORCE_RETRANSMIT;
    ControlFlow::Continue(())
}

/// Takes what the peer's SYN says: its sequence number and its options (MUST-14).
fn learn_from_syn(c: &mut Connection, seg: &Segment, now: Instant) {
    let options = seg.header.options;
    c.last_heard = now;
    let t = &mut c.tcb;
    t.irs = seg.header.seq;
    t.rcv_nxt = t.irs + 1;
    t.rcv_adv = t.rcv_nxt;
    t.last_ack_sent = t.rcv_nxt;
    // The window that our SYN offered. Both must offer to scale it (RFC 7323, 2.2).
    window::receive::select_for_syn(t, &c.config);
    match options.window_scale {
        Some(shift) if c.config.window_scaling => {
            t.snd_scale = window::scale::accepted(shift);
            t.flags |= Flags::SCALING;
        }
        _ => t.rcv_scale = 0,
    }
    // RFC 2018, 2: the option of both SYNs allows it in both directions.
    t.flags
        .set(Flags::SACK, options.sack_permitted && c.config.sack);
    if let Some(ts) = options.timestamps
        && c.config.timestamps
    {
        t.flags |= Flags::TIMESTAMPS;
        t.ts_recent = ts.value;
        t.ts_recent_age = now.as_millis() as u32;
    }
    user_timeout::note(c, seg);
    let t = &mut c.tcb;
    t.peer_mss = options.mss.unwrap_or(c.path.default_mss());
    ecn::learn(c, &seg.header, seg.ecn);
    mss::update(c);
}
