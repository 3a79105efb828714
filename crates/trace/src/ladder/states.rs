//! Which row entered which state: reported states are put beside the segment that caused them,
//! unreported ones are derived.

use super::derive::{Machine, Step};
use super::quantity::duration;
use super::sequence::Analysis;
use super::{Change, LadderOptions, Note, Segment, Side};
use crate::log::StateChange;
use handfast_base::{Duration, Instant};
use handfast_tcp::State;
use handfast_wire::tcp::TcpFlags;
use handfast_wire::{Fate, SendReason};

/// A report this close to the segment that explains it belongs to it: between the two lies only
/// the time between handling a packet and moving it, which a busy machine stretches.
const CLOSE_TO: Duration = Duration::from_millis(100);

/// The states of one end.
pub(super) struct States {
    pub(super) is_derived: bool,
    /// Changes with the index of the segment that caused them, if one did.
    pub(super) changes: Vec<(Option<usize>, Change)>,
    /// Notes on segments, by index.
    pub(super) notes: Vec<(usize, Note)>,
}

/// The states of `side`, from what was `reported` about it or else by replaying. At `resumes_at`
/// the log goes on after it left something out.
pub(super) fn states_of(
    side: Side,
    analysis: &Analysis,
    reported: &[StateChange],
    start: Instant,
    resumes_at: Option<Duration>,
    options: &LadderOptions,
) -> States {
    let segments = &analysis.segments;
    let (mut changes, mut notes) = replay(side, segments, resumes_at);
    if !reported.is_empty() {
        changes = reported
            .iter()
            .map(|c| {
                let change = Change {
                    at: c.at.since(start),
                    side,
                    from: c.from,
                    to: c.to,
                };
                (cause(&change, segments), change)
            })
            .collect();
    }
    note_time_wait(&changes, options, &mut notes);
    States {
        is_derived: reported.is_empty(),
        changes,
        notes,
    }
}

/// The instant at which `s` mattered to `side`, if it did: its departure or its arrival.
fn moment(side: Side, s: &Segment) -> Option<Duration> {
    if s.from == side {
        return Some(s.at);
    }
    let is_delivered = matches!(s.fate, Fate::Passed | Fate::Reordered | Fate::Duplicate);
    is_delivered.then(|| s.arrival.unwrap_or(s.at))
}

#[expect(clippy::type_complexity, reason = "two fields of the result above")]
fn replay(
    side: Side,
    segments: &[Segment],
    mut resumes_at: Option<Duration>,
) -> (Vec<(Option<usize>, Change)>, Vec<(usize, Note)>) {
    let mut moments: Vec<(Duration, usize)> = segments
        .iter()
        .enumerate()
        .filter_map(|(i, s)| moment(side, s).map(|at| (at, i)))
        .collect();
    moments.sort();
    let mut machine = Machine::new(initial(side, segments));
    let mut restarts = 0;
    let (mut changes, mut notes) = (Vec::new(), Vec::new());
    for (at, i) in moments {
        let s = &segments[i];
        if resumes_at.take_if(|r| s.at >= *r).is_some() {
            machine.resume();
        }
        let step = Step {
            flags: s.flags(),
            seq: s.seq,
            ack: s.ack.unwrap_or(0),
            len: s.len,
        };
        let mut from = machine.state();
        let entered = match s.from == side {
            true => machine.sent(step),
            false => machine.received(step),
        };
        for to in entered {
            changes.push((Some(i), Change { at, side, from, to }));
            from = to;
        }
        if s.from == side && machine.time_wait_restarts() > restarts {
            restarts = machine.time_wait_restarts();
            notes.push((i, Note::important("2MSL restarted")));
        }
    }
    (changes, notes)
}

/// The state that `side` was in before the first segment.
fn initial(side: Side, segments: &[Segment]) -> State {
    let is_syn = |s: &&Segment| s.flags().contains(TcpFlags::SYN);
    let own = || segments.iter().filter(|s| s.from == side);
    let first_syn = segments.iter().find(is_syn);
    match (own().find(is_syn), first_syn) {
        (Some(s), _) if s.ack.is_none() => State::Closed,
        (Some(_), _) => State::Listen,
        // It never sent a SYN: it was closed, or never heard of the peer's; unless we came late.
        (None, Some(_)) => State::Closed,
        (None, None) => State::Established,
    }
}

/// The segment that explains a reported change: of those sent, the first from then on; of those
/// received, the first up to then that acknowledges what had to be acknowledged, or the last up to
/// then that could bring the FIN (in order, which an earlier one may not have been).
fn cause(change: &Change, segments: &[Segment]) -> Option<usize> {
    use State::*;
    let own_fin = segments
        .iter()
        .find(|s| s.from == change.side && s.flags().contains(TcpFlags::FIN));
    let explains = |s: &Segment| {
        let sent = s.from == change.side;
        let has = |flag| s.flags().contains(flag);
        let acknowledges = |end: i64| !sent && s.ack.is_some_and(|ack| ack >= end);
        match (change.from, change.to) {
            (_, SynSent) => sent && has(TcpFlags::SYN),
            (_, SynReceived) | (SynSent, Established) => !sent && has(TcpFlags::SYN),
            (_, Established) => acknowledges(1),
            (_, FinWait1 | LastAck) => sent && has(TcpFlags::FIN),
            (_, CloseWait | Closing) | (FinWait1 | FinWait2, TimeWait) => {
                !sent && (has(TcpFlags::FIN) || s.len > 0)
            }
            (_, FinWait2 | TimeWait) | (LastAck, Closed) => {
                own_fin.is_some_and(|fin| acknowledges(fin.end()))
            }
            (_, Listen) | (_, Closed) => has(TcpFlags::RST),
        }
    };
    let near = |(i, s): (usize, &Segment)| {
        let at = moment(change.side, s).filter(|_| explains(s))?;
        let is_near = match s.from == change.side {
            true => at >= change.at,
            false => at <= change.at,
        };
        (is_near && at.abs_diff(change.at) <= CLOSE_TO).then_some((at, i))
    };
    let candidates = segments.iter().enumerate().filter_map(near);
    let brings_fin = matches!(
        (change.from, change.to),
        (_, CloseWait | Closing) | (FinWait1 | FinWait2, TimeWait)
    );
    let found = match brings_fin {
        true => candidates.max(),
        false => candidates.min(),
    };
    found.map(|(_, i)| i)
}

/// Says beside each TIME-WAIT how long it lasts, where that is known.
fn note_time_wait(
    changes: &[(Option<usize>, Change)],
    options: &LadderOptions,
    notes: &mut Vec<(usize, Note)>,
) {
    for (n, (row, change)) in changes.iter().enumerate() {
        let (State::TimeWait, Some(row)) = (change.to, row) else {
            continue;
        };
        let left = changes[n + 1..]
            .iter()
            .find(|(_, c)| c.from == State::TimeWait);
        notes.push((
            *row,
            Note::new(match (left, options.two_msl) {
                (Some((_, end)), _) => format!(
                    "TIME-WAIT lasts {}",
                    duration(end.at.saturating_sub(change.at))
                ),
                (None, Some(two_msl)) => format!("2MSL {}", duration(two_msl)),
                (None, None) => "2MSL begins".into(),
            }),
        ));
    }
}

/// Whether a reason says that the segment belongs to bulk transfer and to nothing else.
pub(super) fn is_ordinary(reason: SendReason) -> bool {
    matches!(
        reason,
        SendReason::Unknown
            | SendReason::Data
            | SendReason::Ack
            | SendReason::DelayedAck
            | SendReason::WindowUpdate
    )
}
