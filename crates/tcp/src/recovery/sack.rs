//! The sender's use of selective acknowledgments (RFC 2018, section 5; RFC 8985).

use super::scoreboard::{Acked, Found};
use super::undo::{self, Frto};
use super::{Phase, clock, model, prr::Prr, tlp};
use crate::congestion::{LossEvent, LossKind};
use crate::tcb::Flags;
use crate::{Connection, Segment, path_mtu, timestamps};
use handfast_base::Instant;
use handfast_wire::SeqNumber;
use handfast_wire::tcp::SackBlock;

/// An acceptable acknowledgment; `acked` is what SND.UNA's advance took off the scoreboard.
/// Returns the time at which the newest of what was delivered for the first time and never sent
/// again had left, for want of a better measure of the round trip.
pub(crate) fn arrived(
    c: &mut Connection,
    seg: &Segment,
    acked: &mut Acked,
    advances: bool,
    now: Instant,
) -> Option<Instant> {
    let una = c.tcb.snd_una;
    let blocks = seg.header.options.sack;
    let duplicate = blocks.as_slice().first().copied();
    let duplicate = duplicate.filter(|b| is_duplicate(c, b, blocks.as_slice().get(1)));
    let (tcb, active) = c.parts();
    let (mss, nxt) = (u32::from(tcb.snd_mss), tcb.snd_nxt);
    let lost_before = active.board.lost();
    for block in &blocks.as_slice()[usize::from(duplicate.is_some())..] {
        // What does not lie within SND.UNA and SND.NXT is none (RFC 2018, 8; RFC 6675, 4).
        let left = block.left.later(una);
        if una.distance(block.left) > tcb.max_snd_wnd.min(1 << 30) as i32 {
            continue;
        }
        if block.left.before(block.right)
            && left.before(block.right)
            && block.right.at_or_before(nxt)
        {
            active
                .board
                .sack(left, block.right, mss, now, &mut acked.delivered);
        }
    }
    let d = acked.delivered;
    if active.recovery.phase == Phase::Open
        && blocks.is_empty()
        && active.recovery.probe.is_none()
        && active.board.sacked() == 0
        && lost_before == 0
    {
        // The usual case: everything arrives in order.
        let min = tcb.rtt.min();
        active.recovery.rack.arrived(&d, min, now, |_| true);
        active.recovery.reordering_until = None;
        return None;
    }
    let (octets, original) = (d.octets, d.original);
    if !advances && octets > 0 {
        c.counters.duplicate_acks_in = c.counters.duplicate_acks_in.wrapping_add(1);
    }
    learn(c, seg, acked, duplicate, now);

    if undo::is_spurious(c, seg, acked.resent_at.is_some(), duplicate)
        || undo::has_all_arrived_unaided(c)
    {
        undo::undo(c);
    }
    let in_loss = c.parts().1.recovery.phase == Phase::Loss;
    if in_loss && undo::frto(c, advances, &acked.delivered) {
        undo::undo(c);
    }
    let r = &mut c.parts().1.recovery;
    if r.phase != Phase::Open && una.at_or_after(r.recover) {
        leave(c);
    }
    let repaired = {
        let probe = &mut c.parts().1.recovery.probe;
        tlp::acknowledged(
            probe,
            una,
            advances,
            !blocks.is_empty(),
            duplicate.is_some(),
        )
    };
    if repaired && c.parts().1.recovery.phase == Phase::Open {
        // One loss, repaired before anybody saw it: it counts all the same (RFC 8985, 7.4).
        reduce(c, now);
        leave(c);
    }
    let found = detect(c, now);
    // SafeACK (RFC 9937, 6.2).
    let (delivered, safe) = (acked.delivered.octets, advances && found.octets == 0);
    proceed(c, delivered, safe, &found, now);
    if !advances {
        clock::choose(c, now);
    }
    original.map(|(at, _)| at)
}

/// RFC 2883, 5: the first block reports a duplicate if it lies below the acknowledgment, or
/// within the second block.
fn is_duplicate(c: &Connection, first: &SackBlock, second: Option<&SackBlock>) -> bool {
    let within =
        |b: &SackBlock| first.left.at_or_after(b.left) && first.right.at_or_before(b.right);
    let una = c.tcb.snd_una;
    let below = first.right.at_or_before(una)
        && una.distance(first.left) <= c.tcb.max_snd_wnd.min(1 << 30) as i32;
    first.left.before(first.right)
        && first.right.at_or_before(c.tcb.snd_nxt)
        && (below || second.is_some_and(within))
}

/// RACK learns what arrived.
fn learn(
    c: &mut Connection,
    seg: &Segment,
    acked: &Acked,
    duplicate: Option<SackBlock>,
    now: Instant,
) {
    let echo = seg.header.options.timestamps.map(|ts| ts.echo);
    let (tcb, active) = c.parts();
    let stamped = tcb.flags.contains(Flags::TIMESTAMPS);
    let tcb = &*tcb;
    let is_ambiguous = |at: Instant| {
        stamped && echo.is_some_and(|e| (e.wrapping_sub(timestamps::clock(tcb, at)) as i32) < 0)
    };
    let rack = &mut active.recovery.rack;
    rack.arrived(&acked.delivered, tcb.rtt.min(), now, is_ambiguous);
    if duplicate.is_some() {
        rack.duplicate_reported(tcb.snd_una, tcb.snd_nxt);
    }
}

/// Marks what is lost by now; what may become so is waited for.
fn detect(c: &mut Connection, now: Instant) -> Found {
    let (tcb, active) = c.parts();
    let r = &mut active.recovery;
    if tcb.snd_wnd == 0 {
        // The peer throws away what does not fit: that is no loss, and comes when it has room.
        r.reordering_until = None;
        return Found::default();
    }
    let recovering = r.phase != Phase::Open;
    let found = model::detect(tcb, active, recovering, now);
    active.recovery.reordering_until = found.until;
    found
}

/// Enters fast recovery if something is lost, and lets proportional rate reduction say what may
/// leave in it.
fn proceed(c: &mut Connection, delivered: u32, safe: bool, found: &Found, now: Instant) {
    let in_flight = c.flight_size();
    let lost = found.octets;
    let is_probe = lost > 0 && path_mtu::probe::was_lost(c, now);
    if c.parts().1.recovery.phase == Phase::Open && lost > 0 && !is_probe {
        let (_, active) = c.parts();
        // RFC 9937, 6.1: without what had arrived before this acknowledgment.
        let before = in_flight - active.board.sacked() + delivered;
        reduce(c, now);
        let (tcb, active) = c.parts();
        let r = &mut active.recovery;
        r.phase = Phase::Fast;
        r.recover = tcb.snd_nxt;
        r.prr = Prr::new(before);
        // The first retransmission leaves whatever the window says (RFC 9937, 6.2).
        tcb.flags |= Flags::FORCE_RETRANSMIT;
        // And has a whole timeout for itself.
        let timeout_at = now + c.rto();
        c.parts().1.recovery.timeout_at = timeout_at;
    } else if let Some(sent_at) = found.resent {
        lost_again(c, sent_at, in_flight, delivered, now);
    }
    let (tcb, active) = c.parts();
    if active.recovery.phase == Phase::Fast && !active.model {
        let mss = u32::from(tcb.snd_mss);
        let pipe = in_flight - active.board.sacked() - active.board.lost();
        let prr = &mut active.recovery.prr;
        let room = prr.acknowledged(delivered, pipe, tcb.ssthresh, mss, safe);
        tcb.cwnd = pipe.saturating_add(room).clamp(mss, 1 << 30);
    }
}

/// What was sent again at `sent_at` in fast recovery is lost once more: a second indication of
/// congestion, which lowers the window a second time (RFC 5681, 4.3; RFC 8985, 9.3), unless it had
/// left before the last time. The loss that began the recovery was none of imagination.
fn lost_again(c: &mut Connection, sent_at: Instant, in_flight: u32, delivered: u32, now: Instant) {
    let (tcb, active) = c.parts();
    let r = &mut active.recovery;
    if r.phase != Phase::Fast || sent_at < r.reduced_at {
        return;
    }
    r.recover = tcb.snd_nxt;
    r.prr = Prr::new(in_flight - active.board.sacked() + delivered);
    if !active.model {
        // The window was on its way there.
        tcb.cwnd = tcb.cwnd.max(tcb.ssthresh.min(in_flight));
    }
    // As the first time, one segment leaves whatever the window says.
    tcb.flags |= Flags::FORCE_RETRANSMIT;
    let loss = found_lost(c, now);
    // What it befell had left after whatever was answered before, a mark or a loss.
    c.congested_anew(&loss);
    c.parts().1.recovery.undo = None;
}

/// Congestion control answers a loss, in a way that can be undone; or has answered a mark in the
/// same window of data, and then recovery ends with the window as it is.
fn reduce(c: &mut Connection, now: Instant) {
    undo::begin(c, true, now);
    let loss = found_lost(c, now);
    c.congested(&loss);
    let least = 2 * u32::from(c.tcb.snd_mss);
    c.tcb.ssthresh = c.tcb.ssthresh.min(c.tcb.cwnd.max(least));
}

fn found_lost(c: &mut Connection, now: Instant) -> LossEvent {
    c.parts().1.recovery.reduced_at = now;
    LossEvent {
        now,
        in_flight: c.flight_size().min(c.tcb.cwnd),
        kind: LossKind::FastRetransmit,
    }
}

/// Everything that was in flight when recovery began is acknowledged.
fn leave(c: &mut Connection) {
    let (tcb, active) = c.parts();
    let was = core::mem::replace(&mut active.recovery.phase, Phase::Open);
    active.recovery.frto = Frto::Off;
    active.recovery.rack.recovered();
    if was != Phase::Loss {
        // RFC 9937, 6.4: the window is ssthresh then.
        let in_flight = tcb.ssthresh;
        c.with_congestion(|algorithm, w| algorithm.on_recovery_exit(w, in_flight));
    }
}

/// The reordering timer ran out (RFC 8985, 6.3).
pub(crate) fn reordering_over(c: &mut Connection, now: Instant) {
    let found = detect(c, now);
    proceed(c, 0, false, &found, now);
}

/// The retransmission timer ran out: what was reported is forgotten, for the peer may have thrown
/// it away (RFC 2018, 8; RFC 6675, 5.1), and the first retransmission tells whether that was right (RFC 5682).
pub(crate) fn timed_out(c: &mut Connection, now: Instant) {
    let several = c.flight_size() > u32::from(c.tcb.snd_mss);
    let was = c.parts().1.recovery.phase;
    match was {
        Phase::Open => undo::begin(c, false, now),
        // The recovery that this one takes over from was right about something.
        Phase::Fast => c.parts().1.recovery.undo = None,
        Phase::Loss => {}
    }
    let r = &mut c.parts().1.recovery;
    r.reordering_until = None;
    r.probe = None;
    r.frto = match was != Phase::Loss && several {
        true => Frto::Resent,
        false => Frto::Off,
    };
}

/// A point of recovery long past would come out ahead once sequence numbers have gone half round.
pub(crate) fn keep_behind(c: &mut Connection, ack: SeqNumber) {
    let r = &mut c.parts().1.recovery;
    if r.phase == Phase::Open {
        r.recover = r.recover.later(ack - 1);
    }
}
