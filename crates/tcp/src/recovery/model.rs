//! An algorithm that models the path is told of every acknowledgment and every loss, in recovery
//! too (draft-ietf-ccwg-bbr, section 5.2).

use super::Phase;
use super::rack::Rtt;
use super::scoreboard::{Delivered, Found};
use crate::congestion::RateSample;
use crate::connection::Active;
use crate::tcb::{Flags, Tcb};
use crate::{Connection, output};
use handfast_base::Instant;

/// An acknowledgment has said all it has to say: the delivery rate sampler takes it in, and so
/// does an algorithm that asked for that.
#[inline]
pub(crate) fn acknowledged(c: &mut Connection, d: &Delivered, now: Instant) {
    let Some(active) = c.active.as_deref_mut() else {
        return;
    };
    active.board.rate.sample(d.newest.as_ref(), now);
    if active.model {
        sample(c, d, now);
    }
}

fn sample(c: &mut Connection, d: &Delivered, now: Instant) {
    let in_flight = output::pipe(c);
    let (tcb, active) = c.parts();
    let rate = &active.board.rate;
    let original = d.original.map(|(at, _)| at);
    let newest = d.newest.as_ref();
    let sample = RateSample {
        now,
        newly_acked: d.octets,
        delivered: rate.total(),
        in_flight,
        rtt: original
            .filter(|at| newest.is_some_and(|n| n.sent_at == *at))
            .map(|at| now.since(at)),
        min_rtt: tcb.rtt.min(),
        cwnd_limited: core::mem::take(&mut active.window_used),
        app_limited: rate.is_app_limited(),
        in_recovery: active.recovery.phase != Phase::Open,
        selective: tcb.flags.contains(Flags::SACK),
        snd_nxt: tcb.snd_nxt,
        delivery: newest.map(|newest| rate.delivery(newest, now)),
    };
    c.with_congestion(|algorithm, w| algorithm.on_sample(w, &sample));
}

/// What RACK finds lost by now; see [`Rack::detect`](super::rack::Rack::detect).
pub(crate) fn detect(tcb: &Tcb, active: &mut Active, recovering: bool, now: Instant) -> Found {
    let (rtt, w) = (Rtt::of(tcb), tcb.congestion_window());
    let (rack, board) = (&active.recovery.rack, &mut active.board);
    let (model, algorithm) = (active.model, &mut active.congestion);
    rack.detect(board, recovering, rtt, now, |packet| {
        if model {
            algorithm.on_packet_lost(&w, packet, now);
        }
    })
}

/// The retransmission timer ran out: all that was not reported is lost.
pub(crate) fn all_is_lost(tcb: &Tcb, active: &mut Active, now: Instant) {
    let w = tcb.congestion_window();
    let (model, algorithm) = (active.model, &mut active.congestion);
    active.board.lose_all(|packet| {
        if model {
            algorithm.on_packet_lost(&w, packet, now);
        }
    });
}

/// Something new is about to leave, with nothing in flight.
#[inline]
pub(crate) fn starts(c: &mut Connection, now: Instant) {
    let (_, active) = c.parts();
    if active.model {
        let app_limited = active.board.rate.is_app_limited();
        c.with_congestion(|algorithm, w| algorithm.on_start(w, app_limited, now));
    }
}

/// Output has come to where nothing can leave now: `unsent` octets wait, of which the peer's
/// window lets out `usable` and ours `room` (CheckIfApplicationLimited, 4.1.2.4).
#[inline]
pub(crate) fn ran_dry(c: &mut Connection, unsent: u32, usable: u32, room: u32) {
    let mss = u32::from(c.tcb.snd_mss);
    let (_, active) = c.parts();
    if unsent == 0 && active.board.lost() == 0 && room > 0 {
        let in_flight = active.board.in_flight();
        active.board.rate.mark_app_limited(in_flight);
    }
    active.window_used |= room < mss && room < unsent.min(usable);
}
