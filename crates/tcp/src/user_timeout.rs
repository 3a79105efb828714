//! Giving up: R1, R2 and the user timeout (RFC 9293, 3.8.3 and 3.10.8), and what both ends tell
//! each other of theirs (RFC 5482).

use crate::tcb::Flags;
use crate::{Config, Connection, Segment, SegmentSlot, State, window};
use handfast_base::{Duration, Instant};

/// Timer expirations in a row at which the application is told of trouble: R1 (SHLD-10).
pub(crate) const R1: u8 = 3;

/// When the connection is to be given up (MUST-20) if nothing changes: counted from when the oldest
/// unacknowledged octet was sent or the window closed, never restarted by retransmissions.
pub(crate) fn deadline(c: &Connection) -> Instant {
    if matches!(c.tcb.state, State::SynSent | State::SynReceived) {
        return c.stuck_since + c.config.user_timeout.unwrap_or(c.config.syn_limit);
    }
    match limit(c) {
        Some(limit) => c.stuck_since + limit,
        // A peer that answers probes keeps a connection with a closed window open (MUST-37), also
        // one that closed it over what is in flight (SHLD-17).
        // While somebody holds it: a peer could keep what nobody wants any more for ever.
        None if window::send::is_zero(&c.tcb) && !c.tcb.flags.contains(Flags::ORPHAN) => {
            c.stuck_since.max(c.last_heard) + c.config.retransmission_limit
        }
        // R2, as the application has set it (MUST-21).
        None => c.stuck_since + c.config.retransmission_limit,
    }
}

/// Whether the SYN went out as often as it may.
pub(crate) fn was_asked_enough(c: &Connection) -> bool {
    matches!(c.tcb.state, State::SynSent | State::SynReceived)
        && (c.config.syn_retries).is_some_and(|n| c.tcb.rto.syn_losses() >= n)
}

/// USER TIMEOUT as it is in force; `None`: R2 alone.
///
/// What the application has set stands, whatever the peer says (RFC 5482, 3.1: CHANGEABLE is
/// false). Else USER_TIMEOUT = min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT)), and L_LIMIT is
/// always more than the RTO.
pub(crate) fn limit(c: &Connection) -> Option<Duration> {
    c.config.user_timeout.or_else(|| {
        let option = c.config.user_timeout_option?;
        let remote = peers(c).unwrap_or(Duration::ZERO);
        let least = option.least.max(c.rto() + Duration::from_millis(1));
        Some(option.advertise.max(remote).max(least).min(option.most))
    })
}

/// The peer's user timeout as it last told us: REMOTE_UTO.
pub(crate) fn peers(c: &Connection) -> Option<Duration> {
    let told = c.tcb.peer_user_timeout;
    let value = u64::from(told & !MINUTES);
    let unit = if told & MINUTES == 0 { 1 } else { 60 };
    // A value of zero is reserved (RFC 5482, 3.4).
    (value > 0).then(|| Duration::from_secs(value * unit))
}

/// The G bit: the value counts minutes (RFC 5482, 3.3).
const MINUTES: u16 = 1 << 15;

/// ADV_UTO as it stands in an option; `None`: the option is not enabled.
pub(crate) fn option(config: &Config) -> Option<u16> {
    let told = config
        .user_timeout
        .or(config.user_timeout_option.map(|o| o.advertise))?;
    config.user_timeout_option?;
    let seconds = told.as_millis().div_ceil(1_000).max(1);
    Some(if seconds < u128::from(MINUTES) {
        seconds as u16
    } else {
        MINUTES | seconds.div_ceil(60).min(u128::from(MINUTES - 1)) as u16
    })
}

/// Notes what the peer says, if the option is enabled here.
#[inline]
pub(crate) fn note(c: &mut Connection, seg: &Segment) {
    if let Some(told) = seg.header.options.user_timeout
        && c.config.user_timeout_option.is_some()
    {
        c.tcb.peer_user_timeout = told;
    }
}

/// Puts the option on a segment that leaves, if it is due and has room: it takes four octets, for
/// which a full segment has none. Nobody relies on it (RFC 5482, 3.2).
#[inline]
pub(crate) fn stamp(c: &mut Connection, out: &mut SegmentSlot) {
    if c.tcb.flags.contains(Flags::USER_TIMEOUT_DUE)
        && (out.payload.is_empty() || out.payload.len() + 4 <= u32::from(c.tcb.snd_mss))
    {
        c.tcb.flags -= Flags::USER_TIMEOUT_DUE;
        out.header.options.user_timeout = option(&c.config);
    }
}
