//! Who agrees on what in the handshake (RFC 3168, 6.1.1).

use super::{Bits, Ecn};
use crate::tcb::Flags;
use crate::{Config, Connection};
use handfast_wire::tcp::{TcpFlags, TcpHeader};

/// ECE and CWR on a SYN: an ECN-setup SYN.
const SETUP: TcpFlags = TcpFlags::ECE.union(TcpFlags::CWR);

fn is_setup_syn(syn: &TcpHeader) -> bool {
    syn.flags.contains(SETUP)
}

/// ECE without CWR: a peer that reflects the reserved bits of our SYN agrees to nothing.
fn is_setup_syn_ack(syn_ack: &TcpHeader) -> bool {
    syn_ack.flags.intersection(SETUP) == TcpFlags::ECE
}

/// Our SYN leaves: it asks for ECN the first time; again it does not, for there are middleboxes
/// that drop what they do not know (6.1.1.1).
pub(crate) fn ask(c: &mut Connection, syn: &mut TcpHeader, first: bool) {
    let asks = c.config.ecn == Ecn::On && first;
    if asks {
        c.tcb.ecn = Bits::ASKED;
        syn.flags |= SETUP;
    } else if c.tcb.ecn.contains(Bits::ASKED) {
        c.tcb.ecn |= Bits::RETREATED;
    }
}

/// A reset answers a SYN that asked for ECN: it goes out once more and asks for nothing. False:
/// it did not ask, and is refused (6.1.1.1).
pub(crate) fn refused(c: &mut Connection) -> bool {
    let asked = c.tcb.ecn.intersection(Bits::ASKED | Bits::RETREATED) == Bits::ASKED;
    if asked {
        let (tcb, active) = c.parts();
        active.board.mark_all_lost();
        tcb.flags |= Flags::FORCE_RETRANSMIT;
    }
    asked
}

/// The peer's SYN, with or without an ACK of ours, says what it agrees to.
pub(crate) fn learn(c: &mut Connection, header: &TcpHeader) {
    let ecn = &mut c.tcb.ecn;
    let agrees = match header.flags.contains(TcpFlags::ACK) {
        true => is_setup_syn_ack(header),
        false => is_setup_syn(header),
    };
    if ecn.contains(Bits::ASKED) && agrees {
        // Who has sent a SYN that did not ask sends no ECT, but still hears marks.
        let retreated = ecn.contains(Bits::RETREATED);
        *ecn |= if retreated {
            Bits::ECHOES
        } else {
            Bits::CLASSIC
        };
    }
}

/// What the SYN of a passive open gets.
pub(crate) fn agreed_passively(syn: &TcpHeader, config: &Config) -> Bits {
    match config.ecn {
        Ecn::Off => Bits::empty(),
        _ if is_setup_syn(syn) => Bits::CLASSIC,
        _ => Bits::empty(),
    }
}

/// The SYN came again: one that asks no longer is answered as if none had asked.
pub(crate) fn agreed_passively_again(bits: &mut Bits, syn: &TcpHeader) {
    if !is_setup_syn(syn) {
        *bits = Bits::empty();
    }
}

/// Our SYN,ACK says what was agreed.
pub(crate) fn syn_ack(bits: Bits, header: &mut TcpHeader) {
    if bits.contains(Bits::CLASSIC) {
        header.flags |= TcpFlags::ECE;
    }
}
