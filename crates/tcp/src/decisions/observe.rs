//! What an input or an output has changed.

use super::{DecisionEvent, Hold, LossCause, RecoveryPhase, TimerKind, WindowCause};
use crate::connection::Active;
use crate::recovery::{Phase, clock::Pending};
use crate::rtt::RttEstimator;
use crate::tcb::Flags;
use crate::timer::Timer;
use crate::{Connection, SegmentSlot, output, window};
use alloc::boxed::Box;
use handfast_base::Instant;
use handfast_wire::SeqNumber;

/// A connection as it was before an input or an output.
pub(crate) struct Before {
    una: SeqNumber,
    wnd: u32,
    cwnd: u32,
    ssthresh: u32,
    mss: u16,
    rtt: RttEstimator,
    phase: RecoveryPhase,
    marked: u64,
    sacked: u32,
    could_undo: bool,
    reductions: u32,
    timeouts: u32,
    timer: Option<(TimerKind, Instant)>,
    backoffs: u8,
}

#[cold]
pub(crate) fn before(c: &Connection) -> Box<Before> {
    let t = &c.tcb;
    let active = c.active.as_deref();
    Box::new(Before {
        una: t.snd_una,
        wnd: t.snd_wnd,
        cwnd: t.cwnd,
        ssthresh: t.ssthresh,
        mss: t.snd_mss,
        rtt: t.rtt,
        phase: phase(active),
        marked: active.map_or(0, |a| a.board.marked()),
        sacked: active.map_or(0, |a| a.board.sacked()),
        could_undo: active.is_some_and(|a| a.recovery.undo.is_some()),
        reductions: c.ecn.as_deref().map_or(0, |e| e.reductions),
        timeouts: c.counters.timeouts,
        timer: timer(c),
        backoffs: t.rto.backoffs(),
    })
}

fn phase(active: Option<&Active>) -> RecoveryPhase {
    match active.map_or(Phase::Open, |a| a.recovery.phase) {
        Phase::Open => RecoveryPhase::Open,
        Phase::Fast => RecoveryPhase::Fast,
        Phase::Loss => RecoveryPhase::Loss,
    }
}

/// What the retransmission timer waits for, and until when.
fn timer(c: &Connection) -> Option<(TimerKind, Instant)> {
    let at = c.timers.at(Timer::Retransmission)?;
    let pending = c.active.as_deref().map(|a| a.recovery.pending);
    let kind = match pending {
        _ if c.flight_size() == 0 => TimerKind::WindowProbe,
        Some(Pending::Reordering) => TimerKind::Reordering,
        Some(Pending::Probe) => TimerKind::LossProbe,
        _ => TimerKind::Retransmission,
    };
    Some((kind, at))
}

/// Position of a sequence number, from the ISS.
fn position(c: &Connection, at: SeqNumber) -> u32 {
    at.offset_from(c.tcb.iss)
}

fn push(c: &mut Connection, event: DecisionEvent, now: Instant) {
    if let Some(decisions) = &mut c.counters.decisions {
        decisions.push(event, now);
    }
}

/// A segment has arrived.
#[cold]
pub(crate) fn arrived(c: &mut Connection, b: &Before, now: Instant) {
    let sacked = c.active.as_deref().map_or(0, |a| a.board.sacked());
    if c.tcb.snd_una != b.una || sacked != b.sacked {
        let ack = position(c, c.tcb.snd_una);
        let octets = c.tcb.snd_una.offset_from(b.una);
        push(
            c,
            DecisionEvent::Acknowledged {
                ack,
                octets,
                sacked,
            },
            now,
        );
    }
    let (from, to) = (b.wnd, c.tcb.snd_wnd);
    let reopened = from == 0 && to > 0;
    if from > 0 && to == 0 || reopened {
        push(c, DecisionEvent::PeerWindow { from, to }, now);
    }
    let cause = match c.tcb.flags.contains(Flags::SACK) {
        _ if reopened => LossCause::WindowReopened,
        true => LossCause::Overtaken,
        false => LossCause::DuplicateAcks,
    };
    let is = phase(c.active.as_deref());
    let marked = c.ecn.as_deref().map_or(0, |e| e.reductions) != b.reductions;
    let undone = b.could_undo && (c.active.as_deref()).is_none_or(|a| a.recovery.undo.is_none());
    let window = match (b.phase, is) {
        _ if b.cwnd == 0 => WindowCause::Begin,
        _ if marked => WindowCause::Mark,
        _ if undone && is == RecoveryPhase::Open && c.tcb.cwnd > b.cwnd => WindowCause::Undone,
        (RecoveryPhase::Fast, RecoveryPhase::Fast) => WindowCause::Recovering,
        (_, RecoveryPhase::Fast) => WindowCause::Loss,
        (RecoveryPhase::Fast, RecoveryPhase::Open) => WindowCause::Recovered,
        // The probe for a lost tail has repaired it.
        _ if c.tcb.ssthresh < b.ssthresh && c.tcb.cwnd < b.cwnd => WindowCause::Loss,
        _ => WindowCause::Acknowledgment,
    };
    compare(c, b, cause, window, now);
    rearmed(c, b, now);
}

/// A deadline has come.
#[cold]
pub(crate) fn fired(c: &mut Connection, b: &Before, now: Instant) {
    if let Some((timer, at)) = b.timer
        && at <= now
    {
        let backoffs = c.tcb.rto.backoffs();
        push(c, DecisionEvent::Expired { timer, backoffs }, now);
    }
    let kind = b.timer.map(|t| t.0);
    let cause = match kind {
        Some(TimerKind::Reordering) => LossCause::Overtaken,
        Some(TimerKind::LossProbe) => LossCause::Probe,
        Some(TimerKind::WindowProbe) => LossCause::WindowReopened,
        _ => LossCause::Timeout,
    };
    let window = match phase(c.active.as_deref()) {
        _ if c.counters.timeouts != b.timeouts => WindowCause::Timeout,
        RecoveryPhase::Fast => WindowCause::Loss,
        _ => WindowCause::Idle,
    };
    compare(c, b, cause, window, now);
    rearmed(c, b, now);
}

/// A router has said something about a segment.
#[cold]
pub(crate) fn quoted(c: &mut Connection, b: &Before, now: Instant) {
    compare(c, b, LossCause::TooBig, WindowCause::SegmentSize, now);
    rearmed(c, b, now);
}

/// A segment has left, or nothing more may.
#[cold]
pub(crate) fn transmitted(c: &mut Connection, b: &Before, out: Option<&SegmentSlot>, now: Instant) {
    compare(c, b, LossCause::Timeout, WindowCause::Idle, now);
    if let Some(out) = out {
        let event = DecisionEvent::Sent {
            seq: position(c, out.header.seq),
            octets: out.payload.len(),
            reason: out.reason,
            in_flight: output::pipe(c),
            cwnd: c.tcb.cwnd,
        };
        push(c, event, now);
        if let Some(decisions) = &mut c.counters.decisions
            && !out.payload.is_empty()
        {
            decisions.held = None;
        }
    }
    rearmed(c, b, now);
}

fn compare(c: &mut Connection, b: &Before, loss: LossCause, window: WindowCause, now: Instant) {
    if let Some(sample) = c.tcb.rtt.sample_since(&b.rtt) {
        let event = DecisionEvent::Rtt {
            sample,
            smoothed: c.tcb.rtt.smoothed(),
            variance: c.tcb.rtt.variance(),
            rto: c.rto(),
        };
        push(c, event, now);
    }
    let active = c.active.as_deref();
    let marked = active.map_or(0, |a| a.board.marked().wrapping_sub(b.marked));
    if marked > 0 {
        let first = active.and_then(|a| a.board.first_lost());
        let event = DecisionEvent::Lost {
            from: position(c, first.unwrap_or(c.tcb.snd_una)),
            octets: marked.min(u32::MAX.into()) as u32,
            cause: loss,
        };
        push(c, event, now);
    }
    let to = phase(c.active.as_deref());
    if to != b.phase {
        let from = b.phase;
        push(c, DecisionEvent::Recovery { from, to }, now);
    }
    let (cwnd, ssthresh) = ((b.cwnd, c.tcb.cwnd), (b.ssthresh, c.tcb.ssthresh));
    if cwnd.0 != cwnd.1 || ssthresh.0 != ssthresh.1 {
        let cause = match c.tcb.snd_mss == b.mss || b.cwnd == 0 {
            true => window,
            false => WindowCause::SegmentSize,
        };
        let event = DecisionEvent::Window {
            cause,
            cwnd,
            ssthresh,
        };
        push(c, event, now);
    }
}

/// The timer is not as it was.
fn rearmed(c: &mut Connection, b: &Before, now: Instant) {
    let backoffs = c.tcb.rto.backoffs();
    if let Some((timer, at)) = timer(c)
        && (b.timer.map(|t| t.0) != Some(timer) || b.backoffs != backoffs)
    {
        let event = DecisionEvent::Armed {
            timer,
            after: at.since(now),
            backoffs,
        };
        push(c, event, now);
    }
}

#[cold]
pub(super) fn note_held(c: &mut Connection, by: Hold, now: Instant) {
    let active = c.active.as_deref();
    let end = active.map_or(c.tcb.snd_nxt, |a| a.send.end());
    let event = DecisionEvent::Held {
        by,
        unsent: end.distance(c.tcb.snd_nxt).max(0) as u32,
        lost: active.map_or(0, |a| a.board.lost()),
        in_flight: output::pipe(c),
        cwnd: c.tcb.cwnd,
        usable: window::send::usable(&c.tcb),
    };
    if let Some(decisions) = &mut c.counters.decisions
        && decisions.held != Some(by)
    {
        decisions.held = Some(by);
        decisions.push(event, now);
    }
}
