//! Large segments vanish, and no router says why (RFC 4821, 7.7; RFC 8899, 4.3).

use super::{MtuProbing, base, discovery, packet, set, top};
use crate::Connection;
use handfast_base::Instant;

/// The estimate is halved no further. RFC 4821 (7.7) would go down to 68 octets of IPv4; but an
/// outage is far more common than such a path, and must not end in segments of a few octets.
const LEAST: u32 = 512;
/// Timeouts in a row that mean a black hole: R1 (RFC 9293, 3.8.3), as RFC 4821 has it ...
const PROVEN: u8 = 3;
/// ... and fewer if no segment as large has ever arrived.
const UNPROVEN: u8 = 2;

/// The timer ran out on the first segment in flight, again.
pub(super) fn timed_out(c: &mut Connection, now: Instant) {
    let Some(first) = c.active.as_deref().and_then(|a| a.board.front()) else {
        return;
    };
    let text = first.len().min(u32::from(c.tcb.snd_mss));
    let size = packet(c, text);
    let base = base(c);
    let least = base.min(LEAST.max(c.path.least_mtu()));
    if c.config.mtu_probing == MtuProbing::Off || size <= least {
        return;
    }
    let is_proven = text <= u32::from(c.tcb.acked_mss);
    let timeouts = c.tcb.rto.backoffs().min(first.retransmissions) + 1;
    if timeouts < if is_proven { PROVEN } else { UNPROVEN } {
        return;
    }
    let proven = packet(c, u32::from(c.tcb.acked_mss));
    let was = c.path.pmtu().min(top(c));
    // search_low first, then its initial value, then half of that.
    let mtu = match size {
        _ if !is_proven && proven > base => proven,
        size if size > base => base,
        size => (size / 2).max(least),
    };
    c.path.searching = true;
    set(c, mtu, now);
    c.tcb.acked_mss = 0;
    let d = discovery(c, now);
    if d.search.high < was || d.search.high <= mtu {
        d.search.high = was;
    }
    d.search.low = mtu;
    // It may all have been an outage: what has worked will work again.
    d.search.hint = is_proven.then_some(was);
    d.search.once = false;
    d.due = Instant::ZERO;
}
