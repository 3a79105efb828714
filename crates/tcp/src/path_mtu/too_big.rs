//! A router says that a packet was too big (RFC 1191, 6.4; RFC 8201, 5.4), and whether to believe it
//! (RFC 5927, 7.2).

use super::{Pending, discovery, lifetime, packet, probe, set};
use crate::recovery::new_reno;
use crate::{Connection, State};
use handfast_base::Instant;
use handfast_wire::SeqNumber;

/// Hardly any path of IPv4 carries less: such a claim waits for the timer, always (RFC 5927, 7.2).
const DOUBTFUL: u32 = 552;

/// A message about the segment that began at `quoted`, which is in flight, claims that packets of
/// `mtu` octets would fit.
pub(crate) fn arrived(c: &mut Connection, mtu: u32, quoted: SeqNumber, now: Instant) {
    let least = c.path.least_mtu();
    let is_v4 = c.path.ip_header == 20;
    if mtu < least && !is_v4 {
        // IPv6 has no such path (RFC 8201, 4).
        return;
    }
    let mtu = mtu.max(least);
    if probe::too_big(c, mtu, quoted, now) || mtu >= c.path.pmtu() || mtu >= sent(c, quoted) {
        // Never raised (RFC 8201, 4), and not for a packet that would have fit (RFC 5927, 7.2).
        return;
    }
    let proven = packet(c, u32::from(c.tcb.acked_mss));
    if c.tcb.acked_mss > 0 && mtu < proven || is_v4 && mtu < DOUBTFUL {
        // Packets as large have arrived: let the connection's progress decide. The largest of
        // several claims stands.
        let pending = &mut discovery(c, now).pending;
        if pending.is_none_or(|p| p.mtu < mtu) {
            *pending = Some(Pending { mtu, quoted });
        }
        return;
    }
    // At once, and in the new size, but no congestion (RFC 1191, 6.4; RFC 8201, 5.4).
    lower(c, mtu, now);
    if !matches!(c.tcb.state, State::SynSent | State::SynReceived) {
        new_reno::too_big(c);
    }
}

/// The largest packet in which the octet at `quoted` can have left.
fn sent(c: &Connection, quoted: SeqNumber) -> u32 {
    const OPTIONS: u32 = 40;
    let record = c.active.as_deref().and_then(|a| a.board.at(quoted));
    let text = record.map_or(0, |r| r.end.offset_from(quoted));
    text + u32::from(c.path.ip_header) + 20 + OPTIONS
}

/// The estimate is less from now on, for as long as it stands.
pub(super) fn lower(c: &mut Connection, mtu: u32, now: Instant) {
    c.path.searching = false;
    set(c, mtu, now);
    c.tcb.acked_mss = c.tcb.acked_mss.min(c.tcb.snd_mss);
    let due = now + lifetime(&c.config);
    let d = discovery(c, now);
    d.search.low = d.search.low.min(mtu);
    d.search.high = mtu;
    d.search.hint = None;
    d.pending = None;
    d.due = due;
}

/// The quoted octet has arrived: the claim was false.
pub(super) fn acknowledged(c: &mut Connection, ack: SeqNumber) {
    if let Some(d) = c.discovery.as_deref_mut()
        && d.pending.is_some_and(|p| ack.after(p.quoted))
    {
        d.pending = None;
    }
}

/// The timer ran out, with a claim about what has timed out: it is true.
pub(super) fn confirmed(c: &mut Connection, now: Instant) -> bool {
    let pending = c.discovery.as_deref_mut().and_then(|d| d.pending.take());
    let Some(Pending { mtu, .. }) = pending else {
        return false;
    };
    if mtu >= c.path.pmtu() {
        return false;
    }
    lower(c, mtu, now);
    new_reno::too_big(c);
    true
}
