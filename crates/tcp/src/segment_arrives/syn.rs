//! Fourth, check the SYN bit (RFC 9293, 3.10.7.4; RFC 5961, 4).

use super::{Step, discard};
use crate::{Connection, Segment, challenge_ack};
use core::ops::ControlFlow;
use handfast_base::Instant;
use handfast_wire::Discard;
use handfast_wire::tcp::TcpFlags;

/// A SYN inside a live connection draws a challenge ACK: a peer that has restarted answers it
/// with an exact reset, an attacker cannot.
pub(super) fn check(c: &mut Connection, seg: &Segment, now: Instant) -> Step {
    if !seg.has(TcpFlags::SYN) {
        return ControlFlow::Continue(());
    }
    challenge_ack::send(c, now);
    discard(Discard::TcpSynInConnection)
}
