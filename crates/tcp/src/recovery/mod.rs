//! Loss recovery: decides what is lost, and never sends (RFC 5681, 6582, 3042, 6298).

pub(crate) mod clock;
pub(crate) mod delivery_rate;
pub(crate) mod limited_transmit;
pub(crate) mod model;
pub(crate) mod new_reno;
pub(crate) mod prr;
pub(crate) mod rack;
pub(crate) mod sack;
pub(crate) mod scoreboard;
#[cfg(test)]
mod tests;
pub(crate) mod tlp;
pub(crate) mod undo;

use clock::Pending;
use handfast_base::Instant;
use handfast_wire::SeqNumber;

/// Where loss recovery stands. It is about what is in flight, and an idle connection has none.
#[derive(Clone, Debug)]
pub(crate) struct Recovery {
    pub(crate) phase: Phase,
    /// Why the last [`Phase::Loss`] began.
    pub(crate) lost_by: LostBy,
    /// RECOVER: where the last loss recovery ends, or ended; before SND.UNA when there was none
    /// (RFC 6582).
    pub(crate) recover: SeqNumber,
    /// When the window was last reduced in fast recovery.
    pub(crate) reduced_at: Instant,
    /// Duplicate acknowledgments in a row (RFC 5681, 2).
    pub(crate) duplicate_acks: u16,
    /// What the retransmission timer waits for.
    pub(crate) pending: Pending,
    /// When the retransmission timeout is due, if something else goes before it.
    pub(crate) timeout_at: Instant,
    /// When what was overtaken counts as lost.
    pub(crate) reordering_until: Option<Instant>,
    pub(crate) rack: rack::Rack,
    pub(crate) prr: prr::Prr,
    /// The tail loss probe under way.
    pub(crate) probe: Option<tlp::Probe>,
    pub(crate) undo: Option<undo::Undo>,
    pub(crate) frto: undo::Frto,
}

/// What kind of recovery is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Nothing is known to be lost.
    Open,
    /// Fast recovery, until `recover` is acknowledged (RFC 6582).
    Fast,
    /// All that was in flight counts as lost, until `recover` is acknowledged.
    Loss,
}

/// Why all that was in flight counts as lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LostBy {
    /// The retransmission timer ran out (RFC 6298, 5.4).
    Timeout,
    /// It was too big for the path (RFC 8201, 5.4).
    Size,
    /// The connection came here from elsewhere, and its acknowledgments may not have.
    Move,
}

impl Recovery {
    /// Nothing lost, and everything before `una` acknowledged.
    pub(crate) fn new(una: SeqNumber) -> Recovery {
        Recovery {
            phase: Phase::Open,
            lost_by: LostBy::Timeout,
            recover: una - 1,
            reduced_at: Instant::ZERO,
            duplicate_acks: 0,
            pending: Pending::Timeout,
            timeout_at: Instant::FAR_FUTURE,
            reordering_until: None,
            rack: rack::Rack::default(),
            prr: prr::Prr::default(),
            probe: None,
            undo: None,
            frto: undo::Frto::Off,
        }
    }
}
