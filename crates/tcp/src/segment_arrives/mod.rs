//! SEGMENT ARRIVES (RFC 9293, 3.10.7): the order of the checks, one file each.

pub(crate) mod ack;
pub(crate) mod closed;
mod fin;
pub(crate) mod listen;
mod rst;
mod sequence;
mod simultaneous_open;
mod syn;
mod syn_sent;
mod text;
mod urg;

use crate::{Connection, Disposition, Segment, State};
use core::ops::ControlFlow;
use handfast_base::Instant;
use handfast_wire::Discard;

/// One check: `Break` ends the processing of the segment.
type Step = ControlFlow<Disposition>;

/// The segment goes no further, and why.
fn discard(why: Discard) -> Step {
    ControlFlow::Break(Disposition::Discarded(why))
}

pub(crate) fn segment_arrives(c: &mut Connection, seg: &mut Segment, now: Instant) -> Disposition {
    let end = match c.tcb.state {
        State::Closed | State::Listen => discard(Discard::TcpNoConnection),
        State::SynSent => syn_sent::segment_arrives(c, seg, now),
        _ if simultaneous_open::is_answer(c, seg) => simultaneous_open::answered(c, seg, now),
        _ => otherwise(c, seg, now),
    };
    match end {
        ControlFlow::Break(disposition) => disposition,
        ControlFlow::Continue(()) => Disposition::Processed,
    }
}

/// Other states (3.10.7.4).
fn otherwise(c: &mut Connection, seg: &mut Segment, now: Instant) -> Step {
    sequence::check(c, seg, now)?; // first
    rst::check(c, seg, now)?; // second; the third, security and compartment, is not implemented
    syn::check(c, seg, now)?; // fourth
    ack::check(c, seg, now)?; // fifth
    text_and_controls(c, seg, now)
}

/// From the sixth check on: where SYN-SENT joins once our SYN is acknowledged (3.10.7.3).
fn text_and_controls(c: &mut Connection, seg: &mut Segment, now: Instant) -> Step {
    urg::check(c, seg)?; // sixth
    text::process(c, seg, now)?; // seventh
    fin::check(c, seg, now) // eighth
}

/// The text on a SYN that is taken before the handshake is complete.
pub(crate) fn take_text(c: &mut Connection, seg: &mut Segment, now: Instant) {
    let _ = text::process(c, seg, now);
}
