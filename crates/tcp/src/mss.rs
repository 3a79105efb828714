use crate::Connection;
use crate::tcb::Flags;

/// No segment carries less than this, whatever the peer announces: an MSS of 0 or 1 would make
/// a header a byte, or never end.
const FLOOR: u16 = 64;

/// Octets the timestamps option takes on every segment, padding included.
pub(crate) const TIMESTAMPS_LEN: u16 = 12;

/// What our MSS option announces (RFC 9293, 3.7.1, MUST-67): MMS_R - 20, independent of options.
#[inline]
pub(crate) fn announced(c: &Connection) -> u16 {
    c.path.announced_mss(c.config.mss)
}

/// Octets of options and text that the peer and the user take, whatever the path does.
pub(crate) fn limit(c: &Connection) -> u32 {
    let user = c.config.mss.unwrap_or(u16::MAX);
    u32::from(c.tcb.peer_mss.max(FLOOR).min(user))
}

/// Computes the effective send MSS anew (MUST-16): the smaller of what the peer takes and what
/// the path takes, less the options that ride on every segment (RFC 2385, 4.3).
pub(crate) fn update(c: &mut Connection) {
    let mut mss = limit(c).min(u32::from(c.path.mss())) as u16;
    if c.tcb.flags.contains(Flags::TIMESTAMPS) {
        mss = mss.saturating_sub(TIMESTAMPS_LEN);
    }
    mss = mss.saturating_sub(u16::from(c.config.option_room));
    let (old, new) = (u32::from(c.tcb.snd_mss), u32::from(mss.max(1)));
    c.tcb.snd_mss = new as u16;
    // Both are counted in octets, but mean segments (RFC 5681, 3.1).
    let scaled = |w: u32| (u64::from(w) * u64::from(new) / u64::from(old)).min(1 << 30) as u32;
    if new != old && c.tcb.cwnd > 0 {
        c.tcb.cwnd = scaled(c.tcb.cwnd).max(new);
        if c.tcb.ssthresh != u32::MAX {
            c.tcb.ssthresh = scaled(c.tcb.ssthresh).max(2 * new);
        }
    }
}
