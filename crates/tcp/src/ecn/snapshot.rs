//! ECN of a connection as a part of its value.

use super::{Bits, EcnMode, accurate, record};
use crate::Connection;

/// What was agreed about ECN, what is owed, and the counters of accurate feedback (RFC 9768), which
/// stand still with the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EcnSnapshot {
    /// What was agreed.
    pub mode: EcnMode,
    /// What we send may be marked.
    pub sends: bool,
    /// A mark has arrived, and no CWR since: every acknowledgment carries ECE (RFC 3168, 6.1.3).
    pub echo: bool,
    /// r.cep: packets that arrived marked, from 5 on.
    pub ce_packets: u32,
    /// r.e0b, r.ceb and r.e1b: octets of text that arrived with ECT(0), CE and ECT(1); the first
    /// and the last from 1 on.
    pub octets: [u32; 3],
    /// s.cep: packets that the peer has seen marked, as far as it has told; three bits.
    pub heard_packets: u8,
    /// s.ceb: octets that it has seen marked; 24 bits.
    pub heard_octets: u32,
}

pub(crate) fn export(c: &Connection) -> EcnSnapshot {
    let bits = c.tcb.ecn;
    let mut s = EcnSnapshot {
        mode: bits.mode(),
        sends: bits.contains(Bits::SENDS),
        echo: bits.contains(Bits::ECHO),
        ..EcnSnapshot::default()
    };
    if let Some(counters) = c.ecn.as_deref().and_then(|r| r.accurate) {
        counters.export(&mut s);
    }
    s
}

pub(crate) fn import(c: &mut Connection, s: &EcnSnapshot) {
    c.tcb.ecn = match s.mode {
        EcnMode::Off => return,
        EcnMode::Classic => Bits::CLASSIC,
        EcnMode::Accurate => Bits::ACCURATE,
    };
    c.tcb.ecn.set(Bits::SENDS, s.sends);
    c.tcb
        .ecn
        .set(Bits::ECHO, s.echo && s.mode == EcnMode::Classic);
    if s.mode == EcnMode::Accurate {
        record(c).accurate = Some(accurate::Counters::import(s, !s.sends));
    }
}
