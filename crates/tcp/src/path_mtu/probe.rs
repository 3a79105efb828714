//! A segment larger than is known to fit, to find out whether it does (RFC 4821, 7 and 10.1).
//!
//! It is new data like any other, in one record of the scoreboard. Should it be lost, and nothing
//! else with it, that is no sign of congestion, and its octets go out again in segments of the usual
//! size.

use super::{MtuProbing, Probe, Turn, discovery, headers, lifetime, search::Search, set, top};
use crate::recovery::Phase;
use crate::tcb::Flags;
use crate::{Connection, State};
use handfast_base::{Duration, Instant};
use handfast_wire::SeqNumber;

/// Segments that follow a probe, so that its loss is found without the timer (RFC 4821, 7.4).
const FOLLOWERS: u32 = 3;
/// A loss found by the timer costs more: the next probe waits that much longer (7.6.3).
const TIMEOUT_PENALTY: u32 = 5;

/// Something is due about the path.
#[cold]
pub(super) fn turn(c: &mut Connection, unsent: u32, usable: u32, room: u32, now: Instant) -> Turn {
    if now < discovery(c, now).due {
        return Turn::Usual;
    }
    if c.config.mtu_probing == MtuProbing::Off {
        // RFC 1191, 6.3: the first link's, and routers will say if that is too much.
        c.path.searching = false;
        let mtu = c.path.mtu;
        set(c, mtu, now);
        discovery(c, now).due = Instant::FAR_FUTURE;
        return Turn::Usual;
    }
    if !c.path.searching {
        // What is known has become old (RFC 4821, 7.3).
        let search = Search {
            low: c.path.pmtu(),
            high: top(c),
            hint: None,
            once: true,
        };
        discovery(c, now).search = search;
        c.path.searching = true;
    }
    let Some(size) = discovery(c, now).search.next() else {
        converged(c, now);
        return Turn::Usual;
    };
    let len = size.saturating_sub(headers(c));
    let enough = len + FOLLOWERS * u32::from(c.tcb.snd_mss);
    if !may_probe(c) || unsent.min(usable) < enough || c.tcb.cwnd < enough {
        return Turn::Usual;
    }
    match room < len {
        true => Turn::Wait,
        false => Turn::Probe(len),
    }
}

/// RFC 4821, 7.4: no probe and no loss is outstanding.
fn may_probe(c: &Connection) -> bool {
    let is_free = |a: &crate::connection::Active| {
        a.recovery.phase == Phase::Open
            && a.recovery.duplicate_acks == 0
            && a.board.lost() == 0
            && a.board.sacked() == 0
    };
    matches!(c.tcb.state, State::Established | State::CloseWait)
        && !c
            .tcb
            .flags
            .intersects(Flags::LOSS_PROBE | Flags::SEND_URGENT)
        && c.discovery.as_deref().is_some_and(|d| d.probe.is_none())
        && c.active.as_deref().is_some_and(is_free)
}

/// The octets `start..end` have left as a probe.
pub(crate) fn sent(c: &mut Connection, start: SeqNumber, end: SeqNumber) {
    let size = super::packet(c, end.offset_from(start));
    if let Some(d) = c.discovery.as_deref_mut() {
        d.probe = Some(Probe { start, end, size });
        d.probes = d.probes.wrapping_add(1);
    }
}

/// Everything before `ack` has arrived: so has the probe, if it was not sent again (RFC 4821, 7.6.1).
pub(super) fn acknowledged(c: &mut Connection, ack: SeqNumber, now: Instant) {
    let Some(d) = c.discovery.as_deref_mut() else {
        return;
    };
    let Some(probe) = d.probe.filter(|p| ack.at_or_after(p.end)) else {
        return;
    };
    d.search.succeeded(probe.size);
    let has_ended = d.search.next().is_none();
    set(c, probe.size, now);
    c.tcb.acked_mss = c.tcb.snd_mss;
    match has_ended {
        true => converged(c, now),
        false => discovery(c, now).due = Instant::ZERO,
    }
}

/// Nothing larger is worth a try before what is known has become old.
fn converged(c: &mut Connection, now: Instant) {
    c.path.searching = false;
    let due = match c.path.pmtu() >= top(c) {
        true => Instant::FAR_FUTURE,
        false => now + lifetime(&c.config),
    };
    let d = discovery(c, now);
    d.due = due;
    d.has_news = true;
}

/// The probe does not fit (RFC 4821, 7.6.2); a router may have `told` what does. It goes out again at once,
/// in smaller segments.
fn failed(c: &mut Connection, probe: Probe, told: Option<u32>, now: Instant) {
    wait(c, probe, told, 1, now);
    let (tcb, active) = c.parts();
    active.board.mark_lost_within(probe.start, probe.end);
    tcb.flags |= Flags::FORCE_RETRANSMIT;
}

/// Probing rests for as many round trips as there are segments in the window: so long it takes
/// congestion to lose one, and probes must not lose more (RFC 4821, 7.6.2).
fn wait(c: &mut Connection, probe: Probe, told: Option<u32>, factor: u32, now: Instant) {
    let trips = (c.tcb.cwnd / u32::from(c.tcb.snd_mss)).max(1);
    let trip = c.tcb.rtt.smoothed().max(Duration::from_millis(1));
    let rest = trip.saturating_mul(trips.saturating_mul(factor));
    let due = now + rest;
    let d = discovery(c, now);
    d.probe = None;
    d.probes_lost = d.probes_lost.wrapping_add(1);
    d.search.failed(probe.size, told);
    d.due = due;
    if d.search.next().is_none() {
        converged(c, now);
    }
}

/// A router says that the probe at `quoted` was too big. True when it says nothing else.
pub(super) fn too_big(c: &mut Connection, mtu: u32, quoted: SeqNumber, now: Instant) -> bool {
    let probe = c.discovery.as_deref().and_then(|d| d.probe);
    let Some(probe) = probe.filter(|p| quoted == p.start) else {
        return false;
    };
    let is_about_it = mtu < probe.size && mtu >= c.path.pmtu();
    if is_about_it {
        failed(c, probe, Some(mtu), now);
    }
    is_about_it
}

/// Something was found to be lost. True when that is the probe, and nothing else: then it says
/// nothing about congestion (RFC 4821, 7.6.2). With others it says nothing about the path
/// (RFC 4821, 7.6.4).
pub(crate) fn was_lost(c: &mut Connection, now: Instant) -> bool {
    let Some(probe) = c.discovery.as_deref().and_then(|d| d.probe) else {
        return false;
    };
    let board = &c.parts().1.board;
    let (lost, all) = (board.lost_within(probe.start, probe.end), board.lost());
    if lost == 0 {
        return false;
    }
    let alone = lost == all && c.parts().1.recovery.phase == Phase::Open;
    match alone {
        true => failed(c, probe, None, now),
        false => discovery(c, now).probe = None,
    }
    alone
}

/// Duplicate acknowledgments, without blocks, say that the first segment in flight is lost. True
/// when that is the probe.
pub(crate) fn was_first_lost(c: &mut Connection, now: Instant) -> bool {
    let Some(probe) = c.discovery.as_deref().and_then(|d| d.probe) else {
        return false;
    };
    let is_first = probe.start == c.tcb.snd_una;
    match is_first {
        true => {
            failed(c, probe, None, now);
            // More duplicates of the same window say nothing new.
            let (tcb, active) = c.parts();
            active.recovery.recover = tcb.snd_nxt;
        }
        false => discovery(c, now).probe = None,
    }
    is_first
}

/// The retransmission timer ran out: on the probe (RFC 4821, 7.6.3), or on something else (RFC 4821,
/// 7.6.4).
pub(super) fn timed_out(c: &mut Connection, now: Instant) {
    let Some(probe) = c.discovery.as_deref().and_then(|d| d.probe) else {
        return;
    };
    match probe.start == c.tcb.snd_una {
        true => wait(c, probe, None, TIMEOUT_PENALTY, now),
        false => discovery(c, now).probe = None,
    }
}
