//! The window the peer offers (RFC 9293, 3.10.7.4, fifth step).

use crate::tcb::{Flags, Tcb};
use crate::{Segment, State};
use handfast_wire::tcp::TcpFlags;

/// SEG.WND in octets, a number without sign (MUST-1): scaled, but for a SYN (RFC 7323, 2.2).
#[inline]
pub(crate) fn offered(tcb: &Tcb, seg: &Segment) -> u32 {
    let wire = u32::from(seg.header.window);
    let scaled = tcb.flags.contains(Flags::SCALING) && !seg.has(TcpFlags::SYN);
    if scaled { wire << tcb.snd_scale } else { wire }
}

/// Takes the window of a segment that is not older than the last one that set it (WL1, WL2); before
/// SND.UNA goes on to what it acknowledges.
///
/// What acknowledges something new is newer than all that was heard, whatever its sequence number: a
/// peer that repeats what was lost speaks from there. Were its window left aside, SND.UNA would carry
/// the edge of the last one along, beyond what was ever offered, and the peer throws away what lies
/// there together with its ACK.
#[inline]
pub(crate) fn update(tcb: &mut Tcb, seg: &Segment) {
    let h = &seg.header;
    if tcb.snd_una.before(h.ack)
        || tcb.snd_wl1.before(h.seq)
        || tcb.snd_wl1 == h.seq && tcb.snd_wl2.at_or_before(h.ack)
    {
        let wnd = offered(tcb, seg);
        set(tcb, seg, wnd);
    }
}

/// Sets SND.WND, SND.WL1 and SND.WL2 from a segment.
#[inline]
pub(crate) fn set(tcb: &mut Tcb, seg: &Segment, wnd: u32) {
    tcb.snd_wnd = wnd;
    tcb.max_snd_wnd = tcb.max_snd_wnd.max(wnd);
    tcb.snd_wl1 = seg.header.seq;
    tcb.snd_wl2 = seg.header.ack;
}

/// Octets of new data the peer's window takes; 0 when it has shrunk below what was sent (MUST-34,
/// SHLD-15).
#[inline]
pub(crate) fn usable(tcb: &Tcb) -> u32 {
    (tcb.snd_una + tcb.snd_wnd).distance(tcb.snd_nxt).max(0) as u32
}

/// Whether the window is shut on a connection that may send.
#[inline]
pub(crate) fn is_zero(tcb: &Tcb) -> bool {
    tcb.snd_wnd == 0 && tcb.state.is_synchronized() && tcb.state != State::SynReceived
}
