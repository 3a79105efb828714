//! The timestamps option (RFC 7323, sections 3 and 4).

use crate::tcb::{Flags, Tcb};
use crate::{Segment, paws};
use handfast_base::{Duration, Instant};
use handfast_wire::tcp::{TcpHeader, Timestamps};

/// Our timestamp clock: 1 ms (RFC 7323, 5.4), with the connection's secret offset.
#[inline]
pub(crate) fn clock(tcb: &Tcb, now: Instant) -> u32 {
    (now.as_millis() as u32).wrapping_add(tcb.ts_offset)
}

/// Puts the option on a segment we send: on every one but a reset, once negotiated (RFC 7323, 3.2).
#[inline]
pub(crate) fn stamp(tcb: &Tcb, header: &mut TcpHeader, now: Instant) {
    if tcb.flags.contains(Flags::TIMESTAMPS) {
        header.options.timestamps = Some(Timestamps {
            value: clock(tcb, now),
            echo: tcb.ts_recent,
        });
    }
}

/// Notes TSval as TS.Recent if the segment covers what we last acknowledged (RFC 7323, 4.3): a
/// delayed acknowledgment then echoes the earliest segment it stands for.
#[inline]
pub(crate) fn note(tcb: &mut Tcb, seg: &Segment, now: Instant) {
    if !tcb.flags.contains(Flags::TIMESTAMPS) {
        return;
    }
    if let Some(ts) = seg.header.options.timestamps
        && (ts.value.wrapping_sub(tcb.ts_recent) as i32 >= 0 || paws::is_stale(tcb, now))
        && seg.header.seq.at_or_before(tcb.last_ack_sent)
    {
        tcb.ts_recent = ts.value;
        tcb.ts_recent_age = now.as_millis() as u32;
    }
}

/// The round trip that TSecr tells, in steps of our clock, about data of which the last
/// retransmission left at `resent_at`.
///
/// `None` when it echoes something older: then the original had arrived, its acknowledgment got
/// lost, and this one says again what it said; nobody knows when. Or when it cannot be ours.
pub(crate) fn round_trip(
    tcb: &Tcb,
    seg: &Segment,
    resent_at: Instant,
    now: Instant,
) -> Option<Duration> {
    let echo = seg.header.options.timestamps?.echo;
    let age = clock(tcb, now).wrapping_sub(echo);
    let since = clock(tcb, now).wrapping_sub(clock(tcb, resent_at));
    (tcb.flags.contains(Flags::TIMESTAMPS) && age <= since)
        .then(|| Duration::from_millis(u64::from(age).max(1)))
}
