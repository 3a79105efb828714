//! Explicit Congestion Notification (RFC 3168, RFC 8311, RFC 9768; SHLD-8): routers mark instead of
//! dropping.
//!
//! Every hook of the extension is a function here. What was agreed and what is owed is one octet
//! of [`Bits`] in the TCB; what is remembered beyond that, a [`Record`] that lives from the first
//! mark on.

mod accurate;
mod classic;
mod negotiation;
mod snapshot;

pub(crate) use classic::{
    arrived, forbids_growth, forbids_super_segments, has_answered, is_held, mark_new_data,
    predicted, reduced, released, stamp,
};
pub(crate) use negotiation::{
    adopt, agreed_passively, agreed_passively_again, answer, ask, learn, refused, syn_ack,
};

pub use snapshot::EcnSnapshot;
pub(crate) use snapshot::{export, import};

use crate::Connection;
use alloc::boxed::Box;
use handfast_wire::SeqNumber;

/// How far a connection uses ECN.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Ecn {
    /// Never.
    Off,
    /// When the peer asks for it; the default, as deployed stacks have it.
    #[default]
    Passive,
    /// Our own SYNs ask for it, too (RFC 3168, 6.1.1).
    On,
    /// Our own SYNs ask for accurate feedback, and those of a peer that do so are granted it
    /// (RFC 9768). With a peer that has the classic kind only, it is that.
    Accurate,
}

/// What two ends have agreed about ECN.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum EcnMode {
    /// Nothing.
    #[default]
    Off,
    /// One echo a round trip (RFC 3168).
    Classic,
    /// Every mark is counted (RFC 9768).
    Accurate,
}

bitflags::bitflags! {
    /// What was agreed, and what is owed.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub(crate) struct Bits: u8 {
        /// What we send may be marked: new data is ECT(0).
        const SENDS = 1 << 0;
        /// Marks on what we receive are echoed.
        const ECHOES = 1 << 1;
        /// Our SYN has asked for ECN.
        const ASKED = 1 << 2;
        /// A later SYN of ours has not: then nothing we send is ECT (RFC 3168, 6.1.1).
        const RETREATED = 1 << 3;
        /// A mark has arrived, and no CWR since: every acknowledgment carries ECE.
        const ECHO = 1 << 4;
        /// The window was reduced: the next new data carries CWR.
        const REDUCED = 1 << 5;
        /// A mark found the window at one segment: new data waits for the timer.
        const HELD = 1 << 6;
        /// Feedback is accurate (RFC 9768).
        const IS_ACCURATE = 1 << 7;
    }
}

impl Bits {
    /// Both directions, as RFC 3168 negotiates them.
    pub(crate) const CLASSIC: Bits = Bits::SENDS.union(Bits::ECHOES);

    /// Both directions, as RFC 9768 negotiates them.
    pub(crate) const ACCURATE: Bits = Bits::CLASSIC.union(Bits::IS_ACCURATE);

    pub(crate) fn mode(self) -> EcnMode {
        if self.contains(Bits::IS_ACCURATE) {
            EcnMode::Accurate
        } else if self.intersects(Bits::CLASSIC) {
            EcnMode::Classic
        } else {
            EcnMode::Off
        }
    }
}

/// What only those connections remember on which something was marked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Record {
    /// SND.NXT at the last reduction: up to there a mark was answered.
    recover: Option<SeqNumber>,
    /// Segments that arrived with CE.
    pub(crate) ce_in: u32,
    /// Segments that arrived with ECE.
    pub(crate) ece_in: u32,
    /// Times the window was reduced for ECE.
    pub(crate) reductions: u32,
    /// The counters of accurate feedback.
    accurate: Option<accurate::Counters>,
}

fn record(c: &mut Connection) -> &mut Record {
    c.ecn.get_or_insert_with(Box::default)
}
