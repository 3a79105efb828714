//! Undoing what a spurious retransmission made congestion control do: Eifel by timestamps
//! (RFC 3522, 4015), D-SACK (RFC 3708), F-RTO (RFC 5682).

use super::{Phase, scoreboard::Delivered};
use crate::congestion::CongestionWindow;
use crate::tcb::Flags;
use crate::{Connection, Segment, timestamps, window};
use handfast_base::Instant;
use handfast_wire::SeqNumber;
use handfast_wire::tcp::SackBlock;

/// What a recovery must know to be undone; dropped once it has been, or proven right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Undo {
    /// The window before.
    before: CongestionWindow,
    /// Our timestamp clock when it began: echoes of what was sent earlier prove originals.
    stamp: u32,
    /// SND.UNA and SND.NXT then: D-SACKs of what lies between count.
    from: SeqNumber,
    to: SeqNumber,
    /// Segments sent again that no D-SACK has reported as arrived twice.
    unreported: u32,
    /// It began with what RACK marked lost, not with a timeout.
    fast: bool,
    /// Something was sent again since it began.
    resent: bool,
    /// The first acknowledgment of what was sent again has been judged by its timestamp.
    judged: bool,
}

/// F-RTO with SACK (RFC 5682, section 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Frto {
    /// Not under way: conventional recovery.
    Off,
    /// After a first timeout: one segment went out again (step 1).
    Resent,
    /// The first acknowledgment advanced: new data goes out in place of old (step 2b).
    Probing,
}

impl Undo {
    /// Something went out again.
    #[inline]
    pub(crate) fn retransmitted(&mut self) {
        self.unreported = self.unreported.saturating_add(1);
        self.resent = true;
    }
}

/// A recovery begins; the window is as it was before.
pub(crate) fn begin(c: &mut Connection, fast: bool, now: Instant) {
    let stamp = timestamps::clock(&c.tcb, now);
    let (tcb, active) = c.parts();
    active.recovery.undo = Some(Undo {
        before: tcb.congestion_window(),
        stamp,
        from: tcb.snd_una,
        to: tcb.snd_nxt,
        fast,
        unreported: 0,
        resent: false,
        judged: false,
    });
}

/// A mark has reduced the window since: nobody imagines a mark, and who undoes the recovery leaves
/// that reduction as it is.
pub(crate) fn marked(c: &mut Connection) {
    let (tcb, active) = c.parts();
    if let Some(undo) = &mut active.recovery.undo {
        undo.before.cwnd = undo.before.cwnd.min(tcb.ssthresh);
        undo.before.ssthresh = undo.before.ssthresh.min(tcb.ssthresh);
    }
}

/// Whether this acknowledgment, which `advances` SND.UNA over something sent again if
/// `covers_resent`, proves that it had not been lost.
pub(crate) fn is_spurious(
    c: &mut Connection,
    seg: &Segment,
    covers_resent: bool,
    duplicate: Option<SackBlock>,
) -> bool {
    let (tcb, active) = c.parts();
    let mss = u32::from(tcb.snd_mss);
    let Some(undo) = &mut active.recovery.undo else {
        return false;
    };
    // RFC 3522: the first acknowledgment of what was sent again echoes something older.
    if covers_resent && undo.resent && !undo.judged {
        undo.judged = true;
        if tcb.flags.contains(Flags::TIMESTAMPS)
            && let Some(ts) = seg.header.options.timestamps
            && (ts.echo.wrapping_sub(undo.stamp) as i32) < 0
        {
            return true;
        }
    }
    // RFC 3708: all that was sent again had arrived before.
    if let Some(block) = duplicate
        && undo.resent
        && block.left.at_or_after(undo.from)
        && block.right.at_or_before(undo.to)
    {
        let segments = block.right.offset_from(block.left).div_ceil(mss);
        undo.unreported = undo.unreported.saturating_sub(segments);
        if undo.unreported == 0 {
            return true;
        }
    }
    // Sequence numbers that went far beyond say nothing about it any more.
    if tcb.snd_una.distance(undo.to) > 1 << 29 {
        active.recovery.undo = None;
    }
    false
}

/// Whether all that was taken for lost has arrived although none of it was sent again: it had only
/// been overtaken. So it is where reports and what proves them wrong come in one batch, for output
/// waits until its end.
pub(crate) fn has_all_arrived_unaided(c: &mut Connection) -> bool {
    let (_, active) = c.parts();
    active.recovery.phase == Phase::Fast
        && active.board.lost() == 0
        && active.recovery.undo.is_some_and(|u| u.fast && !u.resent)
}

/// F-RTO's steps 2 and 3, while the timeout's recovery is under way. True when the timeout was
/// spurious: what was never sent again arrives.
pub(crate) fn frto(c: &mut Connection, advances: bool, d: &Delivered) -> bool {
    let usable = window::send::usable(&c.tcb);
    let (tcb, active) = c.parts();
    let r = &mut active.recovery;
    match r.frto {
        Frto::Off => false,
        Frto::Resent => {
            let unsent = active.send.end().distance(tcb.snd_nxt).max(0) as u32;
            let can_probe = unsent.min(usable) >= u32::from(tcb.snd_mss);
            r.frto = match advances && tcb.snd_una.before(r.recover) && can_probe {
                true => Frto::Probing,
                false => Frto::Off,
            };
            false
        }
        Frto::Probing => {
            r.frto = Frto::Off;
            d.lowest_original
                .is_some_and(|end| end.at_or_before(r.recover))
        }
    }
}

/// Puts the window back, once, and ends the recovery: what was marked lost is on its way.
pub(crate) fn undo(c: &mut Connection) {
    let Some(undo) = c.parts().1.recovery.undo.take() else {
        return;
    };
    let (tcb, active) = c.parts();
    active.recovery.rack.was_wrong(undo.fast);
    if active.recovery.phase != Phase::Open {
        active.board.unmark_lost();
        active.recovery.phase = Phase::Open;
        tcb.flags -= Flags::FORCE_RETRANSMIT;
    }
    active.recovery.frto = Frto::Off;
    c.with_congestion(|algorithm, w| algorithm.on_spurious_loss(w, &undo.before));
}
