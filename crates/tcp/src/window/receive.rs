//! The window we offer (RFC 9293, 3.8.6 and 3.8.6.2.2).

use super::autotune::receive_capacity;
use super::silly_window;
use crate::tcb::Tcb;
use crate::timer::Timer;
use crate::{Config, Connection, State};

/// RCV.WND: octets from RCV.NXT to the right edge, as far as it was ever offered. Data inside
/// any edge ever offered is accepted (RFC 7323, 2.4).
#[inline]
pub(crate) fn rcv_wnd(tcb: &Tcb) -> u32 {
    tcb.rcv_adv.distance(tcb.rcv_nxt).max(0) as u32
}

/// Octets that could be offered: the buffer less what the application has not released, for ever if
/// it releases nothing (MAY-8).
#[inline]
fn free(tcb: &Tcb, config: &Config) -> u32 {
    receive_capacity(tcb, config).saturating_sub(tcb.rcv_held)
}

/// Chooses the window for a segment that leaves now, moves the right edge, and returns the
/// window field. The edge never moves left (SHLD-14), and moves right only in steps that are
/// worth a segment.
#[inline]
pub(crate) fn select(tcb: &mut Tcb, config: &Config, own_mss: u16) -> u16 {
    let (free, capacity) = (free(tcb, config), receive_capacity(tcb, config));
    let gain = (tcb.rcv_nxt + free).distance(tcb.rcv_adv);
    if gain > 0 && gain as u32 >= silly_window::receive_threshold(capacity, own_mss) {
        tcb.rcv_adv = tcb.rcv_nxt + free;
    }
    let (wnd, shift) = (rcv_wnd(tcb), tcb.rcv_scale);
    // Rounding down would take back up to 2^shift - 1 octets that were offered; so the field is
    // rounded up, and what that promises is kept. A peer that sends octets one by one could push
    // the edge for ever that way: an eighth beyond the buffer it ends.
    let most = capacity + (capacity / 8).max(1 << shift);
    let up = (wnd + ((1 << shift) - 1)) >> shift;
    let field = if (up << shift).saturating_add(tcb.rcv_held) > most {
        wnd >> shift
    } else {
        up
    };
    let field = field.min(0xffff);
    tcb.rcv_adv = tcb.rcv_adv.later(tcb.rcv_nxt + (field << shift));
    field as u16
}

/// The window field of a SYN: never scaled (RFC 7323, 2.2).
pub(crate) fn select_for_syn(tcb: &mut Tcb, config: &Config) -> u16 {
    let field = receive_capacity(tcb, config).min(0xffff);
    tcb.rcv_adv = tcb.rcv_adv.later(tcb.rcv_nxt + field);
    field as u16
}

/// While the peer has this much window left, what it hears with a delayed acknowledgment is soon
/// enough: the window of a SYN is small only because it cannot be scaled, and the answer to a
/// request should not be preceded by a segment that says no more than it.
const AMPLE: u32 = 1 << 15;

/// Whether the application has made enough room that the peer should hear of it at once: the
/// window at least doubles, by two segments or half the buffer.
#[inline]
pub(crate) fn is_update_due(c: &Connection) -> bool {
    let t = &c.tcb;
    if !t.state.may_receive() || t.state == State::SynSent {
        return false;
    }
    let free = free(t, &c.config);
    let gain = (t.rcv_nxt + free).distance(t.rcv_adv);
    let worth = (c.receive_capacity() / 2).min(2 * u32::from(crate::mss::announced(c)));
    let wnd = rcv_wnd(t);
    let told_soon = c.timers.is_armed(Timer::DelayedAck) && wnd >= AMPLE;
    gain > 0 && gain as u32 >= worth && free / 2 >= wnd && !told_soon
}
