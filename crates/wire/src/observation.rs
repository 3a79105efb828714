use crate::{Discard, Packet};
use handfast_base::Instant;

/// What a link tells its observer about one wire-sized packet.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// When it left the sender (or, for a packet read from a device, when it was read).
    pub at: Instant,
    /// When it reaches the other end, where the link knows; equals `at` for a device.
    pub arrival: Option<Instant>,
    /// Which way it went, seen from the stack that owns the link.
    pub direction: Direction,
    /// What became of it.
    pub fate: Fate,
    /// The packet itself.
    pub packet: &'a Packet,
}

/// Which way a packet went, seen from the stack that owns the link.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// From the stack to the link.
    Sent,
    /// From the link to the stack.
    Received,
}

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Fate {
    /// It passed.
    Passed,
    /// It passed out of order: held back behind later packets, or ahead of earlier ones.
    Reordered,
    /// It is the extra copy of a packet that passed.
    Duplicate,
    /// It passed with a bit flipped.
    Corrupted,
    /// The link lost it.
    Lost(Loss),
    /// The stack threw it away.
    Discarded(Discard),
}

/// Why a link lost a packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Loss {
    /// Random loss that was asked for.
    Random,
    /// The bad state of a Gilbert-Elliott burst.
    Burst,
    /// The bottleneck's queue was full.
    QueueFull,
    /// A test named this packet.
    Chosen,
    /// A hop on the way carries no packet so large.
    TooBig,
}

/// Told of every wire-sized packet that crosses a link. It must not block.
pub trait Observer: Send {
    /// Whether it is to be shown this packet, or the wire packets that it will be cut into: asked
    /// once for a super-segment as a whole, before anything is copied, cut or summed for it. What
    /// it does not want costs this question and nothing else.
    fn wants(&self, _packet: &Packet) -> bool {
        true
    }

    /// Called once for every wire packet that it [wants](Observer::wants), in the order of
    /// [`Observation::at`].
    fn on_packet(&mut self, seen: Observation<'_>);
}
