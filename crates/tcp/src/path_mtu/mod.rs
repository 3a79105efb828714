//! The path MTU: the largest IP packet that reaches the peer whole.
//!
//! Routers say when a packet was too big ([`too_big`]; RFC 1191, 8201, 5927). Where they are
//! silent, [`black_hole`] finds it out by timeouts; and [`probe`] finds out by larger segments what
//! more the path carries (RFC 4821, 8899). What is sized by it, the sender's MSS, is `mss`'s
//! business.
//!
//! A connection whose path carries what its first link does has no state here but
//! [`Tcb::acked_mss`](crate::tcb::Tcb).

pub(crate) mod black_hole;
pub(crate) mod probe;
mod search;
#[cfg(test)]
mod tests;
pub(crate) mod too_big;

use crate::tcb::Flags;
use crate::{Config, Connection, Path, mss};
use alloc::boxed::Box;
use handfast_base::{Duration, Instant};
use handfast_wire::SeqNumber;
use search::Search;

/// An estimate is raised no sooner after it was lowered (RFC 8201, 4).
const SOONEST: Duration = Duration::from_secs(300);

/// Whether, and when, larger segments are tried (RFC 4821).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum MtuProbing {
    /// Never. Only routers tell what the path carries; when their word has become old, packets of
    /// the first link's size are sent again (RFC 1191, 6.3).
    Off,
    /// After large segments have vanished without a word: then from
    /// [`Config::base_mtu`](crate::Config::base_mtu) upwards. And one segment when a router's word
    /// has become old.
    #[default]
    BlackHole,
    /// From the beginning: a connection starts with packets of
    /// [`Config::base_mtu`](crate::Config::base_mtu), and no router needs to say anything.
    Always,
}

/// What a connection knows of its path MTU, if that is, or may be, less than the first link's.
#[derive(Clone, Debug)]
pub(crate) struct Discovery {
    search: Search,
    /// The segment that is larger than is known to fit, while it is in flight.
    probe: Option<Probe>,
    /// What a router has said, and nobody believes yet.
    pending: Option<Pending>,
    /// Output looks at this again then; FAR_FUTURE: never.
    due: Instant,
    /// The stack has not been told of the estimate.
    has_news: bool,
    /// Probes sent, and of them those lost.
    pub(crate) probes: u32,
    pub(crate) probes_lost: u32,
}

/// A probe in flight: `start..end` in one packet of `size` octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Probe {
    start: SeqNumber,
    end: SeqNumber,
    size: u32,
}

/// A claim that waits for the timer to confirm it (RFC 5927, 7.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Pending {
    mtu: u32,
    quoted: SeqNumber,
}

impl Connection {
    /// What is new about the path since the last call, for others that use it.
    #[inline]
    pub fn take_path_news(&mut self) -> Option<Path> {
        let discovery = self.discovery.as_deref_mut()?;
        core::mem::take(&mut discovery.has_news).then_some(self.path)
    }

    /// Whether [`take_path_news`](Connection::take_path_news) has something to tell.
    #[inline]
    pub fn has_path_news(&self) -> bool {
        self.discovery.as_deref().is_some_and(|d| d.has_news)
    }
}

/// How long an estimate stands before larger sizes are tried (RFC 1191, 6.3; RFC 8201, 4).
fn lifetime(config: &Config) -> Duration {
    config.mtu_lifetime.max(SOONEST)
}

/// eff_pmtu's lower bound where nothing is known, in octets of IP packet (RFC 4821, 7.2).
fn base(c: &Connection) -> u32 {
    let least = c.path.least_mtu();
    u32::from(c.config.base_mtu).min(top(c)).max(least)
}

/// The largest packet that may be tried: what the first link, the peer and the user allow.
fn top(c: &Connection) -> u32 {
    let most = mss::limit(c).saturating_add(u32::from(c.path.ip_header) + 20);
    c.path.mtu.min(most)
}

/// The packet that carries so many octets of text.
fn packet(c: &Connection, text: u32) -> u32 {
    text + headers(c)
}

/// Octets of header on every segment with text.
fn headers(c: &Connection) -> u32 {
    let stamps = match c.tcb.flags.contains(Flags::TIMESTAMPS) {
        true => u32::from(mss::TIMESTAMPS_LEN),
        false => 0,
    };
    u32::from(c.path.ip_header) + 20 + stamps + u32::from(c.config.option_room)
}

/// The state, which comes to life with what is known now. An estimate that came from elsewhere is
/// as young as can be.
fn discovery(c: &mut Connection, now: Instant) -> &mut Discovery {
    let known = c.path.pmtu();
    let (high, due) = match c.path.searching {
        true => (top(c), Instant::ZERO),
        false if known < c.path.mtu => (known, now + lifetime(&c.config)),
        false => (known, Instant::FAR_FUTURE),
    };
    c.discovery.get_or_insert_with(|| {
        Box::new(Discovery {
            search: Search {
                low: known,
                high,
                // Most paths carry what their first link does; but not where somebody searches
                // because of what vanished.
                hint: (c.config.mtu_probing == MtuProbing::Always).then_some(high),
                once: false,
            },
            probe: None,
            pending: None,
            due,
            has_news: false,
            probes: 0,
            probes_lost: 0,
        })
    })
}

/// The estimate changes; the search is where it was, and nothing is under way.
fn set(c: &mut Connection, mtu: u32, now: Instant) {
    let old = u32::from(c.tcb.snd_mss);
    let was = (c.tcb.cwnd, c.tcb.ssthresh);
    c.path.estimate = mtu;
    mss::update(c);
    let new = u32::from(c.tcb.snd_mss);
    if new > old {
        // Larger segments are no reason to send more octets.
        c.tcb.cwnd = was.0.max(new);
        c.tcb.ssthresh = was.1.max(2 * new);
        // What is in flight left in the old size.
        if let Some(active) = c.active.as_deref_mut() {
            active.board.split_all(old);
        }
    }
    let d = discovery(c, now);
    d.probe = None;
    d.has_news = true;
}

/// A connection is new, or has another path: `path` says what is known of it.
pub(crate) fn begin(c: &mut Connection) {
    c.discovery = None;
    c.tcb.acked_mss = 0;
    if c.config.mtu_probing == MtuProbing::Always && c.path.pmtu() >= c.path.mtu {
        // What the peer takes is not known yet.
        c.path.estimate = u32::from(c.config.base_mtu).max(c.path.least_mtu());
        c.path.searching = c.path.estimate < c.path.mtu;
    }
}

/// What output is to do about the path before it sends new data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turn {
    /// Nothing.
    Usual,
    /// Wait until there is room for a probe: an acknowledgment makes some.
    Wait,
    /// Send so many octets of text in one segment.
    Probe(u32),
}

/// Whether nothing is due about the path.
#[inline]
pub(crate) fn is_quiet(c: &Connection, now: Instant) -> bool {
    match c.discovery.as_deref() {
        Some(discovery) => now < discovery.due,
        None => c.path.pmtu() >= c.path.mtu,
    }
}

/// What is to be done about the path, when there is new data: `unsent` octets of it, for which the
/// peer's window has room for `usable` and the congestion window for `room`.
#[inline]
pub(crate) fn turn(c: &mut Connection, unsent: u32, usable: u32, room: u32, now: Instant) -> Turn {
    match is_quiet(c, now) {
        true => Turn::Usual,
        false => probe::turn(c, unsent, usable, room, now),
    }
}

/// `ack` is new, and the largest segment that it acknowledges, sent once, had `largest` octets of
/// text.
#[inline]
pub(crate) fn acknowledged(c: &mut Connection, ack: SeqNumber, largest: u32, now: Instant) {
    let text = largest.min(u32::from(c.tcb.snd_mss)) as u16;
    if text > c.tcb.acked_mss {
        c.tcb.acked_mss = text;
    }
    if c.discovery.is_some() {
        too_big::acknowledged(c, ack);
        probe::acknowledged(c, ack, now);
    }
}

/// The retransmission timer ran out on data. True when that is explained by a packet too big for the path,
/// and the packets are smaller from now on: then it says nothing about congestion.
pub(crate) fn timed_out(c: &mut Connection, now: Instant) -> bool {
    if too_big::confirmed(c, now) {
        return true;
    }
    probe::timed_out(c, now);
    black_hole::timed_out(c, now);
    false
}
