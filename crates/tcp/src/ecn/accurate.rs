//! Accurate ECN (RFC 9768): every mark is counted, in packets by the three bits AE, CWR and ECE
//! (ACE) of every segment, in octets by an option on acknowledgments without text.

use super::{Bits, EcnSnapshot, record};
use crate::tcb::Flags;
use crate::{Connection, Path, Segment, SegmentSlot};
use handfast_base::Instant;
use handfast_wire::tcp::{AccurateEcn, TcpFlags, TcpHeader};
use handfast_wire::{Ecn, SendReason};

/// AE, CWR and ECE: the ACE field.
pub(super) const ACE: TcpFlags = TcpFlags::AE.union(TcpFlags::CWR).union(TcpFlags::ECE);

/// r.cep and s.cep when a connection begins: not zero, so that a middlebox that clears the field
/// is seen (RFC 9768, 3.2.1).
const CEP: u32 = 5;
/// Marks after which an acknowledgment leaves at once (3.2.2.5.1): where one is owed, and where
/// none is.
const MARKS: u8 = 2;
const MARKS_ALONE: u8 = 3;
/// The byte counters of the option have 24 bits.
const COUNTER: u32 = 0xff_ffff;

/// The counters of one connection, and what is known about the path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counters {
    /// Packets that arrived with CE, r.cep.
    cep_in: u32,
    /// Octets of text that arrived with each codepoint: r.e0b, r.ceb, r.e1b.
    e0b_in: u32,
    ceb_in: u32,
    e1b_in: u32,
    /// Marks on what we sent, as far as heard: s.cep (3 bits of it) and s.ceb.
    cep_out: u8,
    ceb_out: u32,
    /// Marks that arrived since the last acknowledgment.
    unreported: u8,
    /// The ECN field of the last packet that arrived.
    last: Ecn,
    /// The ECN field on the peer's SYN, or SYN,ACK.
    pub(super) of_syn: Ecn,
    /// The peer's first ACE, or its first option, has been looked at.
    seen_ace: bool,
    seen_option: bool,
    /// The peer's ACE, or its option, is not to be believed.
    bad_ace: bool,
    bad_option: bool,
}

impl Counters {
    pub(super) fn new(of_syn: Ecn) -> Counters {
        Counters {
            cep_in: CEP,
            e0b_in: 1,
            ceb_in: 0,
            e1b_in: 1,
            cep_out: CEP as u8,
            ceb_out: 0,
            unreported: 0,
            last: Ecn::NotEct,
            of_syn,
            seen_ace: false,
            seen_option: false,
            bad_ace: false,
            bad_option: false,
        }
    }
}

impl Counters {
    /// Fills in what another stack must know to go on counting.
    pub(super) fn export(&self, s: &mut EcnSnapshot) {
        s.ce_packets = self.cep_in;
        s.octets = [self.e0b_in, self.ceb_in, self.e1b_in];
        s.heard_packets = self.cep_out;
        s.heard_octets = self.ceb_out;
    }

    /// Goes on where another stack has left off; `is_bad`: what the peer says was not believed.
    pub(super) fn import(s: &EcnSnapshot, is_bad: bool) -> Counters {
        Counters {
            cep_in: s.ce_packets,
            e0b_in: s.octets[0],
            ceb_in: s.octets[1],
            e1b_in: s.octets[2],
            cep_out: s.heard_packets & 7,
            ceb_out: s.heard_octets & COUNTER,
            seen_ace: true,
            seen_option: true,
            bad_ace: is_bad,
            ..Counters::new(Ecn::NotEct)
        }
    }
}

/// The ACE field of a segment as a number.
pub(super) fn ace(flags: TcpFlags) -> u8 {
    let bit = |f, value| if flags.contains(f) { value } else { 0 };
    bit(TcpFlags::AE, 4) | bit(TcpFlags::CWR, 2) | bit(TcpFlags::ECE, 1)
}

fn put_ace(header: &mut TcpHeader, value: u32) {
    header.flags.set(TcpFlags::AE, value & 4 != 0);
    header.flags.set(TcpFlags::CWR, value & 2 != 0);
    header.flags.set(TcpFlags::ECE, value & 1 != 0);
}

/// How a handshake says with which ECN field the other end's SYN or SYN,ACK came (tables 2 and 3).
fn handshake_encoding(field: Ecn) -> u32 {
    match field {
        Ecn::NotEct => 0b010,
        Ecn::Ect1 => 0b011,
        Ecn::Ect0 => 0b100,
        Ecn::Ce => 0b110,
    }
}

/// Whether a packet takes a TCP header of any length.
pub(super) fn has_room(path: Path) -> bool {
    path.pmtu() >= u32::from(path.ip_header) + 60
}

/// The SYN,ACK of two ends with accurate feedback (table 2), and the initial counters.
pub(super) fn write_syn_ack(header: &mut TcpHeader, of_syn: Ecn, with_option: bool) {
    put_ace(header, handshake_encoding(of_syn));
    if with_option {
        // 3.2.3.2: there are middleboxes that drop it; it is not repeated.
        header.options.accurate_ecn = Some(AccurateEcn {
            order_1: false,
            counters: [Some(1), Some(0), Some(1)],
        });
    }
}

/// The SYN or SYN,ACK of the peer agreed to accurate feedback.
pub(super) fn begin(c: &mut Connection, of_syn: Ecn, header: &TcpHeader) {
    let mut n = Counters::new(of_syn);
    if header.flags.contains(TcpFlags::ACK) {
        // CE on a SYN,ACK counts, on a SYN it does not (3.2.2.2).
        n.cep_in += u32::from(of_syn == Ecn::Ce);
        // Our SYN was not ECT, whatever the peer has seen: something on the path writes the
        // field. Nothing is sent as ECT over it, but marks are reported, and answered, as ever
        // (RFC 9768, 3.2.2.3).
        if !matches!(ace(header.flags), 0b010 | 0b101) {
            c.tcb.ecn -= Bits::SENDS;
        }
    }
    note_option(&mut n, header);
    record(c).accurate = Some(n);
}

/// An option whose first counter is zero at first was cleared on the way (RFC 9768, 3.2.3.2.4).
fn note_option(n: &mut Counters, header: &TcpHeader) {
    if let Some(option) = header.options.accurate_ecn
        && !n.seen_option
        && option.counters[0].is_some()
    {
        n.seen_option = true;
        n.bad_option = option.counters[0] == Some(0);
    }
}

/// An acceptable segment: its marks are counted, and those it reports answered.
pub(super) fn arrived(c: &mut Connection, seg: &Segment, now: Instant) {
    if seg.has(TcpFlags::SYN) {
        return;
    }
    count(c, seg);
    let (ack, una) = (seg.header.ack, c.tcb.snd_una);
    let is_passive = !c.tcb.ecn.contains(Bits::ASKED);
    let completes = is_passive && ack == c.tcb.iss + 1 && seg.header.seq == c.tcb.irs + 1;
    let Some(n) = record(c).accurate.as_mut() else {
        return;
    };
    note_option(n, &seg.header);
    let value = ace(seg.header.flags);
    let mut is_mangled = false;
    if !n.seen_ace {
        n.seen_ace = true;
        // Zero is what none of the counters begins with (3.2.2.1, 3.2.2.4).
        n.bad_ace |= value == 0;
        // What the peer has seen on our SYN,ACK, which was not ECT (3.2.2.1, table 4).
        is_mangled = completes && seg.is_empty() && matches!(value, 0b011 | 0b100 | 0b110);
    }
    let is_bad = n.bad_ace;
    if is_bad || is_mangled {
        c.tcb.ecn -= Bits::SENDS;
    }
    // What does not advance may be older than what we have heard.
    let acked = ack.distance(una);
    if is_bad || acked <= 0 || una == c.tcb.iss {
        return;
    }
    let acked = acked as u32;
    let marked = reported(c, seg, value, acked);
    super::classic::feed_back(c, ack, acked, marked);
    if marked > 0 {
        let r = record(c);
        r.ece_in = r.ece_in.wrapping_add(1);
        super::classic::answer_mark(c, ack, now);
    }
}

/// Marks on what arrives (2.1): packets with or without text, octets of text.
fn count(c: &mut Connection, seg: &Segment) {
    let octets = seg.payload.len();
    let packets = match octets {
        0 => 1,
        _ => octets.div_ceil(seg.wire_size().max(1)),
    };
    let field = seg.ecn;
    let owes = octets > 0 || c.tcb.rcv_nxt != c.tcb.last_ack_sent;
    let r = record(c);
    let Some(n) = r.accurate.as_mut() else {
        return;
    };
    let counter = match field {
        Ecn::NotEct => None,
        Ecn::Ect0 => Some(&mut n.e0b_in),
        Ecn::Ect1 => Some(&mut n.e1b_in),
        Ecn::Ce => Some(&mut n.ceb_in),
    };
    if let Some(counter) = counter {
        *counter = counter.wrapping_add(octets);
    }
    if field == Ecn::Ce {
        n.cep_in = n.cep_in.wrapping_add(packets);
        n.unreported = n.unreported.saturating_add(packets.min(0xff) as u8);
        r.ce_in = r.ce_in.wrapping_add(packets);
    }
    // RFC 9768, 3.2.2.5.1: text that begins a run of marks, and every second mark, is told at
    // once. Where nothing is owed it is every third, so that two ends whose acknowledgments are
    // marked do not answer each other for ever.
    let changed = (field == Ecn::Ce) != (n.last == Ecn::Ce);
    n.last = field;
    let enough = if owes { MARKS } else { MARKS_ALONE };
    if octets > 0 && changed || field == Ecn::Ce && n.unreported >= enough {
        c.tcb.flags |= Flags::ACK_NOW;
    }
}

/// Octets newly reported as marked, of `acked` newly acknowledged ones: by the option if there is
/// one, else by the packets that ACE has counted.
fn reported(c: &mut Connection, seg: &Segment, ace: u8, acked: u32) -> u32 {
    let mss = u32::from(c.tcb.snd_mss);
    let Some(n) = record(c).accurate.as_mut() else {
        return 0;
    };
    let packets = u32::from(ace.wrapping_sub(n.cep_out) & 7);
    n.cep_out = ace;
    if let Some(option) = seg.header.options.accurate_ecn
        && let Some(ceb) = option.counters[1]
        && !n.bad_option
    {
        let octets = ceb.wrapping_sub(n.ceb_out) & COUNTER;
        n.ceb_out = ceb;
        // Less than was estimated while there was no option: then nothing is new.
        let is_new = octets <= COUNTER / 2;
        return if is_new { octets.min(acked) } else { 0 };
    }
    // RFC 9768, 3.2.2.5.2: three bits may have gone round when one acknowledgment stands for many packets;
    // the most that fits is assumed.
    let acked_packets = acked.div_ceil(mss);
    let packets = match acked_packets >= 8 {
        true if packets > 0 => acked_packets - (acked_packets - packets) % 8,
        _ => packets,
    };
    let octets = packets.saturating_mul(mss).min(acked);
    n.ceb_out = n.ceb_out.wrapping_add(octets) & COUNTER;
    octets
}

/// Puts ACE on a segment that leaves, and the option where there is no text.
pub(super) fn stamp(c: &mut Connection, out: &mut SegmentSlot) {
    let t = &c.tcb;
    let nothing_moved = t.snd_nxt == t.iss + 1 && t.rcv_nxt == t.irs + 1;
    let answers_syn_ack = nothing_moved
        && t.ecn.contains(Bits::ASKED)
        && matches!(out.reason, SendReason::Ack | SendReason::ChallengeAck);
    let path = c.path;
    let Some(n) = record(c).accurate.as_mut() else {
        return;
    };
    let is_pure = out.payload.is_empty() && !out.header.flags.contains(TcpFlags::FIN);
    if answers_syn_ack && is_pure {
        // 3.2.2.1, table 3.
        put_ace(&mut out.header, handshake_encoding(n.of_syn));
    } else {
        put_ace(&mut out.header, n.cep_in);
    }
    n.unreported = 0;
    if is_pure && has_room(path) {
        // Order 0; the last field is left away as long as nothing was ECT(1) (3.2.3).
        let ect1 = (n.e1b_in != 1).then_some(n.e1b_in & COUNTER);
        out.header.options.accurate_ecn = Some(AccurateEcn {
            order_1: false,
            counters: [Some(n.e0b_in & COUNTER), Some(n.ceb_in & COUNTER), ect1],
        });
    }
}

/// Whether ACE has the bit that segmentation offload takes for CWR, and keeps on the first
/// segment only: then segments leave one by one.
pub(super) fn forbids_super_segments(c: &Connection) -> bool {
    let n = c.ecn.as_deref().and_then(|r| r.accurate);
    n.is_some_and(|n| n.cep_in & 2 != 0)
}
