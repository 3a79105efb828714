//! NewReno: fast retransmit and fast recovery by duplicate and partial acknowledgments
//! (RFC 5681, 3.2; RFC 6582).

use crate::Connection;
use crate::congestion::{LossEvent, LossKind};
use crate::tcb::{Flags, Recovery};
use handfast_base::Instant;
use handfast_wire::SeqNumber;

/// Duplicate acknowledgments that mean loss.
const THRESHOLD: u16 = 3;

/// A duplicate acknowledgment arrived.
pub(crate) fn duplicate_ack(c: &mut Connection, now: Instant) {
    // More than there are segments in flight cannot be honest; they let nothing out.
    let most = c.flight_size() / u32::from(c.tcb.snd_mss) + 1;
    let t = &mut c.tcb;
    t.duplicate_acks = t
        .duplicate_acks
        .saturating_add(1)
        .min(most.min(0xffff) as u16);
    // RFC 6582, 3.2 (2): only when all that was in flight at the last loss is acknowledged.
    if t.recovery == Recovery::Open && t.duplicate_acks >= THRESHOLD && t.snd_una.after(t.recover) {
        let in_flight = c.flight_size();
        c.tcb.recovery = Recovery::Fast;
        c.tcb.recover = c.tcb.snd_nxt;
        let loss = LossEvent {
            now,
            in_flight,
            kind: LossKind::FastRetransmit,
        };
        c.with_congestion(|algorithm, w| algorithm.on_loss(w, &loss));
        retransmit_first(c);
    }
}

/// SND.UNA advanced to `ack`.
pub(crate) fn acknowledged(c: &mut Connection, ack: SeqNumber, octets: u32) {
    let full = ack.at_or_after(c.tcb.recover);
    match c.tcb.recovery {
        Recovery::Open => c.tcb.duplicate_acks = 0,
        Recovery::Loss if full => leave(c),
        Recovery::Loss => c.tcb.duplicate_acks = 0,
        Recovery::Fast if full => {
            let in_flight = c.flight_size();
            leave(c);
            c.with_congestion(|algorithm, w| algorithm.on_recovery_exit(w, in_flight));
        }
        Recovery::Fast => {
            // A partial acknowledgment: the next hole is at its edge. The segments between were
            // what the duplicates had counted.
            let mss = u32::from(c.tcb.snd_mss);
            let gone = octets.div_ceil(mss).saturating_sub(1).min(0xffff) as u16;
            c.tcb.duplicate_acks = c.tcb.duplicate_acks.saturating_sub(gone);
            retransmit_first(c);
        }
    }
}

/// The retransmission timer ran out: everything in flight counts as lost (RFC 6298, 5.4;
/// RFC 6582, 4.1).
pub(crate) fn timed_out(c: &mut Connection, now: Instant) {
    let in_flight = c.flight_size();
    let resent =
        |a: &crate::connection::Active| a.board.front().is_some_and(|r| r.retransmissions > 0);
    let repeated = c.tcb.recovery == Recovery::Loss && c.active.as_deref().is_some_and(resent);
    let loss = LossEvent {
        now,
        in_flight,
        kind: LossKind::Timeout { repeated },
    };
    c.with_congestion(|algorithm, w| algorithm.on_loss(w, &loss));
    c.tcb.recovery = Recovery::Loss;
    c.tcb.recover = c.tcb.snd_nxt;
    c.tcb.duplicate_acks = 0;
    c.tcb.flags |= Flags::FORCE_RETRANSMIT;
    let (_, active) = c.parts();
    active.board.mark_all_lost();
}

fn leave(c: &mut Connection) {
    c.tcb.recovery = Recovery::Open;
    c.tcb.duplicate_acks = 0;
}

/// One segment goes out again at once, even with the window full.
fn retransmit_first(c: &mut Connection) {
    let mss = u32::from(c.tcb.snd_mss);
    let (tcb, active) = c.parts();
    active.board.mark_first_lost(mss);
    tcb.flags |= Flags::FORCE_RETRANSMIT;
}
