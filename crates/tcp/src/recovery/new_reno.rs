//! NewReno: fast retransmit and fast recovery by duplicate and partial acknowledgments
//! (RFC 5681, 3.2; RFC 6582).

use super::{LostBy, Phase, model, sack};
use crate::congestion::{LossEvent, LossKind};
use crate::tcb::Flags;
use crate::{Connection, path_mtu};
use handfast_base::Instant;
use handfast_wire::SeqNumber;

/// Duplicate acknowledgments that mean loss.
const THRESHOLD: u16 = 3;

/// A duplicate acknowledgment arrived.
pub(crate) fn duplicate_ack(c: &mut Connection, now: Instant) {
    let in_flight = c.flight_size();
    let (tcb, active) = c.parts();
    // More than there are segments in flight cannot be honest; they let nothing out.
    let segments = (in_flight / u32::from(tcb.snd_mss)).max(active.board.transmissions());
    let most = (segments + 1).clamp(u32::from(THRESHOLD), 0xffff) as u16;
    let r = &mut active.recovery;
    let before = r.duplicate_acks;
    r.duplicate_acks = before.saturating_add(1).min(most);
    let third = before < THRESHOLD && r.duplicate_acks >= THRESHOLD;
    if r.phase == Phase::Loss {
        // Later segments arrive, this one got lost again. RFC 6582 waits for the timer, which is
        // backed off by now: instead it goes out once more, and the window stays as it is.
        if third && active.board.front().is_some_and(|first| !first.lost) {
            retransmit_first(c);
        }
    } else if r.phase == Phase::Open
        && r.duplicate_acks >= THRESHOLD
        // RFC 6582, 3.2 (2): only when all that was in flight at the last loss is acknowledged.
        && tcb.snd_una.after(r.recover)
        && !path_mtu::probe::was_first_lost(c, now)
    {
        let (tcb, active) = c.parts();
        let r = &mut active.recovery;
        r.phase = Phase::Fast;
        r.recover = tcb.snd_nxt;
        let loss = LossEvent {
            now,
            // Without what limited transmit let out beyond the window (RFC 5681, 3.2, step 2).
            in_flight: in_flight.min(tcb.cwnd),
            kind: LossKind::FastRetransmit,
        };
        c.congested(&loss);
        retransmit_first(c);
    }
}

/// SND.UNA advanced to `ack`, by `octets`.
pub(crate) fn acknowledged(c: &mut Connection, ack: SeqNumber, octets: u32) {
    let in_flight = c.flight_size();
    let (tcb, active) = c.parts();
    let r = &mut active.recovery;
    let full = ack.at_or_after(r.recover);
    match r.phase {
        Phase::Open => r.duplicate_acks = 0,
        Phase::Fast if !full => {
            // A partial acknowledgment: the next hole is at its edge. The segments between were
            // what the duplicates had counted.
            let mss = u32::from(tcb.snd_mss);
            let gone = octets.div_ceil(mss).saturating_sub(1).min(0xffff) as u16;
            r.duplicate_acks = r.duplicate_acks.saturating_sub(gone);
            retransmit_first(c);
            return;
        }
        was => {
            r.duplicate_acks = 0;
            if full {
                r.phase = Phase::Open;
                if was == Phase::Fast {
                    c.with_congestion(|algorithm, w| algorithm.on_recovery_exit(w, in_flight));
                }
            }
        }
    }
    // A point long past would come out ahead once sequence numbers have gone half round.
    let r = &mut c.parts().1.recovery;
    r.recover = r.recover.later(ack - 1);
}

/// The retransmission timer ran out: everything in flight counts as lost (RFC 6582, 4.1).
pub(crate) fn timed_out(c: &mut Connection, now: Instant) {
    let in_flight = c.flight_size();
    if c.tcb.flags.contains(Flags::SACK) {
        sack::timed_out(c, now);
    }
    let (tcb, active) = c.parts();
    let resent = active.board.front().is_some_and(|r| r.retransmissions > 0);
    let loss = LossEvent {
        now,
        in_flight: match active.recovery.phase {
            // This loss was answered already: ssthresh only goes further down if less than that
            // is in flight by now.
            Phase::Fast => in_flight.min(tcb.ssthresh.saturating_mul(2)),
            _ => in_flight,
        },
        kind: LossKind::Timeout {
            repeated: active.recovery.phase == Phase::Loss && resent,
        },
    };
    c.congested(&loss);
    let (tcb, active) = c.parts();
    model::all_is_lost(tcb, active, now);
    all_is_lost(c, LostBy::Timeout);
}

/// A router threw away what was sent because it was too big for the path: it goes out again in
/// smaller segments, and that says nothing about congestion (RFC 8201, 5.4).
pub(crate) fn too_big(c: &mut Connection) {
    if c.flight_size() > 0 {
        all_is_lost(c, LostBy::Size);
    }
}

/// The earliest goes out again at once (RFC 6298, 5.4), the others as the window lets them.
fn all_is_lost(c: &mut Connection, by: LostBy) {
    let (tcb, active) = c.parts();
    active.recovery.phase = Phase::Loss;
    active.recovery.lost_by = by;
    active.recovery.recover = tcb.snd_nxt;
    active.recovery.duplicate_acks = 0;
    active.board.mark_all_lost();
    tcb.flags |= Flags::FORCE_RETRANSMIT;
}

/// One segment goes out again at once, even with the window full.
pub(crate) fn retransmit_first(c: &mut Connection) {
    let mss = u32::from(c.tcb.snd_mss);
    let (tcb, active) = c.parts();
    active.board.mark_first_lost(mss);
    tcb.flags |= Flags::FORCE_RETRANSMIT;
}
