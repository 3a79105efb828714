//! Tail loss probes (RFC 8985, section 7): a segment that asks for an acknowledgment when the last
//! ones of a flight may have been lost, ahead of the retransmission timeout.

use super::Phase;
use crate::tcb::Flags;
use crate::{Connection, window};
use handfast_base::{Duration, Instant};
use handfast_wire::SeqNumber;

/// How long a peer may delay its acknowledgment of a lone segment (TLP.max_ack_delay).
const PEER_ACK_DELAY: Duration = Duration::from_millis(200);
/// The timeout while no round trip was measured (RFC 8985, 7.2).
const UNMEASURED: Duration = Duration::from_secs(1);

/// The probe under way: one an episode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    /// TLP.end_seq: SND.NXT once it was sent.
    pub(crate) end: SeqNumber,
    /// TLP.is_retrans: it repeats what was sent before.
    pub(crate) repeats: bool,
}

/// Whether a probe may be scheduled: nothing is known to be lost or out of order, and none is
/// under way.
pub(crate) fn is_allowed(c: &Connection) -> bool {
    c.tcb.flags.contains(Flags::SACK)
        && c.tcb.state.is_synchronized()
        && c.tcb.rto.backoffs() == 0
        && c.tcb.snd_wnd > 0
        && c.active.as_deref().is_some_and(|a| {
            a.recovery.phase == Phase::Open
                && a.recovery.probe.is_none()
                && a.board.sacked() == 0
                && a.board.lost() == 0
        })
}

/// TLP_calc_PTO: two round trips, before it is known how many segments wait.
pub(crate) fn timeout(c: &Connection) -> Duration {
    if !c.tcb.rtt.has_sample() {
        return UNMEASURED;
    }
    c.tcb.rtt.smoothed() * 2
}

/// TLP_send_probe: new data if there is any and the peer has room, else the last segment again.
pub(crate) fn send(c: &mut Connection) {
    let mss = u32::from(c.tcb.snd_mss);
    let usable = window::send::usable(&c.tcb);
    let (tcb, active) = c.parts();
    let unsent = active.send.end().distance(tcb.snd_nxt).max(0) as u32;
    let repeats = unsent == 0 || usable < unsent.min(mss);
    if repeats {
        active.board.mark_last_lost(mss);
        tcb.flags |= Flags::FORCE_RETRANSMIT;
    }
    tcb.flags |= Flags::LOSS_PROBE;
    active.recovery.probe = Some(Probe {
        end: tcb.snd_nxt + u32::from(!repeats),
        repeats,
    });
}

/// TLP_process_ack. True when the probe has repaired a loss that nobody else saw.
pub(crate) fn acknowledged(
    probe: &mut Option<Probe>,
    ack: SeqNumber,
    advances: bool,
    has_blocks: bool,
    duplicate: bool,
) -> bool {
    let Some(Probe { end, repeats }) = *probe else {
        return false;
    };
    if ack.before(end) {
        return false;
    }
    if !repeats || duplicate {
        // All that was sent once has arrived; or the probe arrived twice: nothing was lost.
        *probe = None;
        return false;
    }
    if ack.after(end) {
        *probe = None;
        return true;
    }
    if !advances && !has_blocks {
        // One acknowledgment for the original, one for the probe.
        *probe = None;
    }
    false
}

/// When the probe is due, counted from when something new was sent last; with time for a delayed
/// acknowledgment of a lone segment.
pub(crate) fn due(c: &Connection) -> Option<Instant> {
    let newest = c.active.as_deref()?.board.back()?.sent_at;
    let is_lone = c.flight_size() <= u32::from(c.tcb.snd_mss);
    let allowance = if is_lone {
        PEER_ACK_DELAY
    } else {
        Duration::ZERO
    };
    Some(newest + timeout(c) + allowance)
}
