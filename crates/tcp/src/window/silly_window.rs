//! Silly-window avoidance on both sides (RFC 9293, 3.8.6.2).

/// The receiver's half (3.8.6.2.2, MUST-39): the right edge stays until it can move by
/// min(Fr * RCV.BUFF, Eff.snd.MSS), with Fr = 1/2.
#[inline]
pub(crate) fn receive_threshold(capacity: u32, mss: u16) -> u32 {
    (capacity / 2).min(u32::from(mss)).max(1)
}

/// The sender's half (3.8.6.2.1, MUST-38), for a segment that the window cuts below a full one:
/// it leaves only when nothing is in flight and it fills at least half of the largest window the
/// peer ever offered (Fs = 1/2), so that nobody waits for a window that cannot come.
#[inline]
pub(crate) fn may_send(len: u32, in_flight: bool, max_snd_wnd: u32) -> bool {
    !in_flight && len >= max_snd_wnd / 2
}
