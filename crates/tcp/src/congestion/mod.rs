//! Congestion control: how many octets may be in flight (RFC 9293, 3.8.2; RFC 5681; MUST-19).
//!
//! Congestion *sizes* and never sees the TCB; `recovery` decides what is lost
//! and never sends; `output` sends and never decides.

mod ack_train;
mod bbr;
mod cubic;
mod dctcp;
pub mod hystart;
pub mod pacing;
mod reno;
mod sample;
pub mod slow_start;
#[cfg(test)]
mod tests;
pub mod validation;

pub use bbr::Bbr;
pub use cubic::Cubic;
pub use dctcp::Dctcp;
pub use reno::Reno;
pub use sample::{Delivery, LostPacket, RateSample};

use alloc::boxed::Box;
use core::fmt::{self, Debug};
use core::str::FromStr;
use handfast_base::{Duration, Instant};
use handfast_wire::SeqNumber;

/// The congestion window and what every algorithm shares with the sender, in octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CongestionWindow {
    /// Octets that may be in flight.
    pub cwnd: u32,
    /// Where slow start ends.
    pub ssthresh: u32,
    /// Octets of text in a full segment as really sent (peer's MSS, path MTU, options).
    pub mss: u32,
}

impl CongestionWindow {
    /// Whether the window grows by slow start (RFC 5681, 3.1).
    #[inline]
    pub fn in_slow_start(&self) -> bool {
        self.cwnd < self.ssthresh
    }
}

/// New data was acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct AckEvent {
    /// When.
    pub now: Instant,
    /// Octets acknowledged for the first time.
    pub acked: u32,
    /// Octets that were in flight before.
    pub in_flight: u32,
    /// An unambiguous round-trip sample, if this acknowledgment gave one.
    pub rtt: Option<Duration>,
    /// Smallest round trip seen on this connection.
    pub min_rtt: Duration,
    /// Smoothed round trip (RFC 6298); zero before the first sample.
    pub smoothed_rtt: Duration,
    /// SND.UNA, with this acknowledgment.
    pub snd_una: SeqNumber,
    /// SND.NXT: whoever counts round trips waits until this is acknowledged.
    pub snd_nxt: SeqNumber,
    /// Whether the congestion window, and not the application or the peer's window, was what
    /// held the sender back (RFC 7661).
    pub cwnd_limited: bool,
    /// Whether the sender recovers from a retransmission timeout: then much of what is
    /// acknowledged had arrived long before (RFC 3465, 2.3).
    pub after_timeout: bool,
}

/// What an acknowledgment says about marks on what was sent (RFC 3168, RFC 9768).
#[derive(Clone, Copy, Debug)]
pub struct Feedback {
    /// Octets acknowledged for the first time.
    pub acked: u32,
    /// Of these, how many routers have marked. With classic feedback all of them or none.
    pub marked: u32,
    /// SND.UNA, with this acknowledgment.
    pub snd_una: SeqNumber,
    /// SND.NXT: what was sent by now.
    pub snd_nxt: SeqNumber,
}

/// Data was lost.
#[derive(Clone, Copy, Debug)]
pub struct LossEvent {
    /// When it was found.
    pub now: Instant,
    /// Octets in flight when it was found (FlightSize).
    pub in_flight: u32,
    /// How it was found.
    pub kind: LossKind,
}

/// How a loss was found; the three are separate on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LossKind {
    /// By duplicate acknowledgments: once per window.
    FastRetransmit,
    /// Not at all: a router marked instead of dropping (RFC 3168). Once per window.
    Ecn,
    /// By the retransmission timer; `repeated` when it ran out for the same data before.
    Timeout {
        /// The timer ran out for this data before: ssthresh stays (RFC 5681, 3.1).
        repeated: bool,
    },
}

/// An algorithm that sizes the congestion window. All later ones stand behind this trait, and a
/// user's own can too.
pub trait CongestionControl: Send + Sync + Debug {
    /// The name reports print.
    fn name(&self) -> &'static str;

    /// New data was acknowledged outside recovery: grow.
    fn on_ack(&mut self, window: &mut CongestionWindow, ack: &AckEvent);

    /// Data was lost: set `ssthresh`, and `cwnd` for the time of recovery.
    fn on_loss(&mut self, window: &mut CongestionWindow, loss: &LossEvent);

    /// What an acknowledgment says about marks, if ECN is in use: told of each that advances, while [`on_loss`](CongestionControl::on_loss) is told of the first mark
    /// in each window.
    fn on_feedback(&mut self, _window: &mut CongestionWindow, _feedback: &Feedback) {}

    /// Everything that was in flight when recovery began is acknowledged.
    fn on_recovery_exit(&mut self, window: &mut CongestionWindow, in_flight: u32);

    /// The loss that was answered last has been none: the window is put back to what it was
    /// `before` (RFC 4015), unless it has grown beyond that.
    fn on_spurious_loss(&mut self, window: &mut CongestionWindow, before: &CongestionWindow) {
        window.cwnd = window.cwnd.max(before.cwnd);
        window.ssthresh = window.ssthresh.max(before.ssthresh);
    }

    /// The sender was idle for longer than an RTO (RFC 5681, 4.1): acknowledgments that clocked
    /// the window are gone, but slow start may go on to where it nearly was (RFC 7661, 4.4.3).
    fn on_idle_restart(&mut self, window: &mut CongestionWindow, initial_window: u32) {
        restart(window, initial_window);
    }

    /// Whether the algorithm models the path. Then it is told of
    /// [every acknowledgment](CongestionControl::on_sample) and of
    /// [every loss](CongestionControl::on_packet_lost), and its window holds in recovery too: there
    /// is no proportional rate reduction (RFC 9937) and no restart window (RFC 5681, 4.1) but its
    /// own. Asked once.
    fn models_the_path(&self) -> bool {
        false
    }

    /// An acknowledgment, in recovery too; last of all that is told of it. Only if it
    /// [models the path](CongestionControl::models_the_path).
    fn on_sample(&mut self, _window: &mut CongestionWindow, _sample: &RateSample) {}

    /// A transmission is marked lost; [`on_loss`](CongestionControl::on_loss) follows if that
    /// begins a recovery, [`on_sample`](CongestionControl::on_sample) unless a timer found it. Only
    /// if it [models the path](CongestionControl::models_the_path).
    fn on_packet_lost(&mut self, _window: &CongestionWindow, _packet: &LostPacket, _now: Instant) {}

    /// Something new is about to leave and nothing is in flight; `app_limited`: for want of anything
    /// to send. Only if it [models the path](CongestionControl::models_the_path).
    fn on_start(&mut self, _window: &mut CongestionWindow, _app_limited: bool, _now: Instant) {}

    /// Octets a second at which to pace, or `None` not to pace.
    fn pacing_rate(&self, _window: &CongestionWindow, _smoothed_rtt: Duration) -> Option<u64> {
        None
    }
}

/// Which algorithm a connection uses: a constructor that a [`Config`](crate::Config) can hold.
///
/// It can be had by name: `"cubic".parse()`.
#[derive(Clone, Copy, Debug)]
pub struct Congestion(fn() -> Box<dyn CongestionControl>);

impl Congestion {
    /// CUBIC (RFC 9438) with HyStart++ (RFC 9406).
    pub const CUBIC: Congestion = Congestion(|| Box::new(Cubic::default()));

    /// Reno (RFC 5681, 6582), counting octets (RFC 3465), with HyStart++ (RFC 9406).
    pub const RENO: Congestion = Congestion(|| Box::new(Reno::default()));

    /// DCTCP (RFC 8257), for a network of one's own whose routers mark early (section 5): beside
    /// others it takes more than its share. Wants [`Ecn::Accurate`](crate::Ecn::Accurate) feedback;
    /// with the classic kind it takes a round trip in which anything was marked for marked throughout.
    pub const DCTCP: Congestion = Congestion(|| Box::new(Dctcp::default()));

    /// CUBIC whose segments leave at a rate ([`pacing`]).
    pub const CUBIC_PACED: Congestion = Congestion(|| Box::new(Cubic::paced()));

    /// BBR, version 3 (draft-ietf-ccwg-bbr).
    pub const BBR: Congestion = Congestion(|| Box::new(Bbr::default()));

    /// All that have a name.
    pub const NAMED: [Congestion; 4] = [
        Congestion::CUBIC,
        Congestion::RENO,
        Congestion::CUBIC_PACED,
        Congestion::BBR,
    ];

    /// An algorithm of your own (MAY-18).
    pub const fn custom(new: fn() -> Box<dyn CongestionControl>) -> Congestion {
        Congestion(new)
    }

    /// The name reports print.
    pub fn name(self) -> &'static str {
        self.build().name()
    }

    pub(crate) fn build(self) -> Box<dyn CongestionControl> {
        (self.0)()
    }
}

impl Default for Congestion {
    fn default() -> Congestion {
        Congestion::CUBIC
    }
}

impl FromStr for Congestion {
    type Err = UnknownCongestion;

    fn from_str(name: &str) -> Result<Congestion, UnknownCongestion> {
        let mut named = Congestion::NAMED.into_iter();
        named.find(|c| c.name() == name).ok_or(UnknownCongestion)
    }
}

/// No algorithm has that name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownCongestion;

impl fmt::Display for UnknownCongestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such congestion control; there are")?;
        for known in Congestion::NAMED {
            write!(f, " {}", known.name())?;
        }
        Ok(())
    }
}

impl core::error::Error for UnknownCongestion {}

/// What every algorithm does after an idle time.
fn restart(w: &mut CongestionWindow, initial_window: u32) {
    if w.cwnd > initial_window {
        w.ssthresh = w.ssthresh.max(w.cwnd / 4 * 3);
        w.cwnd = initial_window;
    }
}

/// Fast recovery is over (RFC 5681, 3.2, step 6; RFC 6582, 3.2, step 3, option 1): no burst into an
/// empty pipe.
fn after_recovery(w: &mut CongestionWindow, in_flight: u32) {
    w.cwnd = w.ssthresh.min(in_flight.max(w.mss).saturating_add(w.mss));
}

/// Octets a new connection may send unasked (RFC 5681, 3.1; RFC 6928, 2): `segments` full segments, but
/// no more than 14,600 octets unless two segments are more than that.
pub(crate) fn initial_window(mss: u32, segments: u8) -> u32 {
    let wanted = mss.saturating_mul(u32::from(segments.max(1)));
    if segments <= 1 {
        return wanted;
    }
    wanted.min((2 * mss).max(14_600))
}
