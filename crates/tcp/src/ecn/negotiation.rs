//! Who agrees on what in the handshake (RFC 3168, 6.1.1; RFC 9768, 3.1).

use super::accurate::{self, ACE, ace};
use super::{Bits, Ecn};
use crate::tcb::Flags;
use crate::{Config, Connection, Path};
use handfast_wire::Ecn as Field;
use handfast_wire::tcp::{TcpFlags, TcpHeader};

/// ECE and CWR on a SYN: an ECN-setup SYN.
const SETUP: TcpFlags = TcpFlags::ECE.union(TcpFlags::CWR);

/// What a SYN asks for.
fn asked(syn: &TcpHeader, config: &Config) -> Bits {
    let flags = syn.flags;
    match (config.ecn, ace(flags)) {
        (Ecn::Off, _) | (_, 0) => Bits::empty(),
        // 9768, 3.1.3: what is not defined yet asks for accurate feedback, too.
        (Ecn::Accurate, bits) if bits != 0b011 => Bits::ACCURATE,
        _ if flags.contains(SETUP) => Bits::CLASSIC,
        _ => Bits::empty(),
    }
}

/// What a SYN,ACK agrees to, if our SYN asked for accurate feedback or not (table 2).
fn granted(syn_ack: &TcpHeader, config: &Config) -> Bits {
    match ace(syn_ack.flags) {
        // ECE alone. A peer that reflects the reserved bits of our SYN agrees to nothing
        // (RFC 3168, 6.1.1.2).
        0b001 => Bits::CLASSIC,
        0b000 | 0b111 => Bits::empty(),
        // Nonces (RFC 3540) are history (RFC 8311); for us they are plain ECE.
        0b101 if config.ecn != Ecn::Accurate => Bits::CLASSIC,
        _ if config.ecn == Ecn::Accurate => Bits::ACCURATE,
        _ => Bits::empty(),
    }
}

/// Our SYN leaves. It asks for ECN the first time, for accurate feedback once more (RFC 9768,
/// 3.1.4.1), and then no longer, for there are middleboxes that drop what they do not know
/// (RFC 3168, 6.1.1.1).
pub(crate) fn ask(c: &mut Connection, syn: &mut TcpHeader, first: bool) {
    let flags = match c.config.ecn {
        Ecn::On if first => SETUP,
        Ecn::Accurate if c.tcb.rto.syn_losses() <= 1 && (first || is_asking(c)) => ACE,
        _ => TcpFlags::empty(),
    };
    if !flags.is_empty() {
        c.tcb.ecn = Bits::ASKED;
        syn.flags |= flags;
    } else if c.tcb.ecn.contains(Bits::ASKED) {
        c.tcb.ecn |= Bits::RETREATED;
    }
}

fn is_asking(c: &Connection) -> bool {
    c.tcb.ecn.intersection(Bits::ASKED | Bits::RETREATED) == Bits::ASKED
}

/// A reset answers a SYN that asked for ECN: it goes out once more and asks for nothing. False:
/// it did not ask, and is refused (6.1.1.1).
pub(crate) fn refused(c: &mut Connection) -> bool {
    let asked = is_asking(c);
    if asked {
        c.tcb.ecn |= Bits::RETREATED;
        let (tcb, active) = c.parts();
        active.board.mark_all_lost();
        tcb.flags |= Flags::FORCE_RETRANSMIT;
    }
    asked
}

/// The peer's SYN, with or without an ACK of ours and with this ECN field, says what it agrees to.
pub(crate) fn learn(c: &mut Connection, header: &TcpHeader, field: Field) {
    if !c.tcb.ecn.contains(Bits::ASKED) {
        return;
    }
    let mut agreed = match header.flags.contains(TcpFlags::ACK) {
        true => granted(header, &c.config),
        false => asked(header, &c.config),
    };
    if c.tcb.ecn.contains(Bits::RETREATED) {
        // Who has sent a SYN that did not ask sends no ECT, but still hears marks.
        agreed -= Bits::SENDS;
    }
    c.tcb.ecn |= agreed;
    if agreed.contains(Bits::IS_ACCURATE) {
        accurate::begin(c, field, header);
    }
}

/// What the SYN of a passive open gets.
pub(crate) fn agreed_passively(syn: &TcpHeader, config: &Config) -> Bits {
    asked(syn, config)
}

/// The SYN came again: one that asks no longer is answered as if none had asked. Accurate feedback
/// stays what it was, but nothing is sent as ECT (RFC 9768, 3.1.5).
pub(crate) fn agreed_passively_again(bits: &mut Bits, syn: &TcpHeader) {
    let asks = match bits.contains(Bits::IS_ACCURATE) {
        true => ace(syn.flags) != 0,
        false => syn.flags.contains(SETUP),
    };
    if !asks {
        let keeps = bits.intersection(Bits::IS_ACCURATE | Bits::ECHOES);
        *bits = match bits.contains(Bits::IS_ACCURATE) {
            true => keeps | Bits::RETREATED,
            false => Bits::empty(),
        };
    }
}

/// Our SYN,ACK says what was agreed, and with which ECN field the SYN came; `repeated` so many
/// times. Accurate feedback that gets no answer twice is no longer mentioned, nor anything sent as
/// ECT (RFC 9768, 3.1.4.2 and 3.1.5).
pub(crate) fn syn_ack(
    bits: &mut Bits,
    header: &mut TcpHeader,
    of_syn: Field,
    repeated: u8,
    path: Path,
) {
    if bits.contains(Bits::IS_ACCURATE) {
        if repeated >= 2 {
            *bits -= Bits::SENDS;
            *bits |= Bits::RETREATED;
        }
        if !bits.contains(Bits::RETREATED) {
            let with_option = repeated == 0 && accurate::has_room(path);
            accurate::write_syn_ack(header, of_syn, with_option);
        }
    } else if bits.contains(Bits::CLASSIC) {
        header.flags |= TcpFlags::ECE;
    }
}

/// The passive open is complete: what its record has agreed is the connection's.
pub(crate) fn adopt(c: &mut Connection, bits: Bits, of_syn: Field) {
    c.tcb.ecn = bits;
    if bits.contains(Bits::IS_ACCURATE) {
        super::record(c).accurate = Some(accurate::Counters::new(of_syn));
    }
}

/// As [`syn_ack`], of the SYN,ACK of a simultaneous open.
pub(crate) fn answer(c: &mut Connection, header: &mut TcpHeader) {
    let accurate = c.ecn.as_deref().and_then(|r| r.accurate);
    let of_syn = accurate.map_or(Field::NotEct, |n| n.of_syn);
    let mut bits = c.tcb.ecn;
    syn_ack(&mut bits, header, of_syn, c.tcb.rto.syn_losses(), c.path);
    c.tcb.ecn = bits;
}
