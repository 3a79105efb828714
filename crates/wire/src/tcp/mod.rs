//! The TCP header and its options (RFC 9293, section 3.1).

mod flow;
mod header;
mod options;

pub use flow::{TcpFlow, TcpPlace};
pub(crate) use header::FIXED;

use crate::SeqNumber;

/// The control bits of a segment (RFC 9293, section 3.1; AE: RFC 9768).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TcpFlags(u16);

bitflags::bitflags! {
    impl TcpFlags: u16 {
        /// No more data from the sender.
        const FIN = 0x001;
        /// Synchronize sequence numbers.
        const SYN = 0x002;
        /// Reset the connection.
        const RST = 0x004;
        /// Push.
        const PSH = 0x008;
        /// The acknowledgment field is significant.
        const ACK = 0x010;
        /// The urgent pointer is significant.
        const URG = 0x020;
        /// ECN echo (RFC 3168).
        const ECE = 0x040;
        /// Congestion window reduced (RFC 3168).
        const CWR = 0x080;
        /// Accurate ECN (RFC 9768).
        const AE = 0x100;
    }
}

impl core::fmt::Debug for TcpFlags {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

impl core::fmt::Display for TcpFlags {
    /// `SYN,ACK`, in the order of ladders: control first, ACK last but for PSH before it.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut first = true;
        for (flag, name) in [
            (TcpFlags::SYN, "SYN"),
            (TcpFlags::FIN, "FIN"),
            (TcpFlags::RST, "RST"),
            (TcpFlags::PSH, "PSH"),
            (TcpFlags::URG, "URG"),
            (TcpFlags::ACK, "ACK"),
            (TcpFlags::ECE, "ECE"),
            (TcpFlags::CWR, "CWR"),
            (TcpFlags::AE, "AE"),
        ] {
            if self.contains(flag) {
                if !first {
                    f.write_str(",")?;
                }
                f.write_str(name)?;
                first = false;
            }
        }
        if first { f.write_str("none") } else { Ok(()) }
    }
}

/// A parsed TCP header: a validated value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpHeader {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// SEG.SEQ.
    pub seq: SeqNumber,
    /// SEG.ACK; meaningful only with [`TcpFlags::ACK`].
    pub ack: SeqNumber,
    /// Control bits.
    pub flags: TcpFlags,
    /// SEG.WND as on the wire, before scaling.
    pub window: u16,
    /// SEG.UP; meaningful only with [`TcpFlags::URG`].
    pub urgent_pointer: u16,
    /// The options that we know; others are skipped.
    pub options: TcpOptions,
}

/// The options of one segment. All known ones; unknown ones are skipped (MUST-6).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpOptions {
    /// Maximum segment size (kind 2, RFC 9293).
    pub mss: Option<u16>,
    /// Window scale shift, as sent: may exceed 14 (kind 3, RFC 7323).
    pub window_scale: Option<u8>,
    /// SACK permitted (kind 4, RFC 2018).
    pub sack_permitted: bool,
    /// TSval and TSecr (kind 8, RFC 7323).
    pub timestamps: Option<Timestamps>,
    /// SACK blocks, most recent first (kind 5, RFC 2018).
    pub sack: SackBlocks,
    /// User timeout as on the wire: granularity bit and 15-bit value (kind 28, RFC 5482).
    pub user_timeout: Option<u16>,
    /// Fast Open cookie, empty to request one (kind 34, or 254 with 0xF989; RFC 7413).
    pub fast_open: Option<FastOpenCookie>,
    /// MD5 signature (kind 19, RFC 2385).
    pub md5: Option<[u8; 16]>,
    /// Authentication option (kind 29, RFC 5925).
    pub authentication: Option<Authentication>,
    /// Accurate ECN counters (kinds 172 and 174, RFC 9768).
    pub accurate_ecn: Option<AccurateEcn>,
}

/// The two fields of the timestamps option (RFC 7323, section 3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Timestamps {
    /// TSval: the sender's clock.
    pub value: u32,
    /// TSecr: the newest TSval heard; meaningful only with ACK.
    pub echo: u32,
}

/// Up to four SACK blocks, in the order of the wire (RFC 2018, section 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SackBlocks {
    blocks: [SackBlock; 4],
    len: u8,
}

/// One SACK block: octets `left..right` have arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SackBlock {
    /// First sequence number of the block.
    pub left: SeqNumber,
    /// Sequence number just after the block.
    pub right: SeqNumber,
}

impl SackBlocks {
    /// No blocks.
    pub const NONE: SackBlocks = SackBlocks {
        blocks: [SackBlock {
            left: SeqNumber(0),
            right: SeqNumber(0),
        }; 4],
        len: 0,
    };

    /// Appends a block; false when four are there already.
    #[inline]
    pub fn push(&mut self, block: SackBlock) -> bool {
        let Some(slot) = self.blocks.get_mut(usize::from(self.len)) else {
            return false;
        };
        *slot = block;
        self.len += 1;
        true
    }

    /// The blocks in order.
    #[inline]
    pub fn as_slice(&self) -> &[SackBlock] {
        &self.blocks[..usize::from(self.len)]
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// A Fast Open cookie: 0 octets (a request) or 4 to 16, even (RFC 7413, section 4.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FastOpenCookie {
    octets: [u8; 16],
    len: u8,
}

impl FastOpenCookie {
    /// A cookie of these octets; `None` unless the length is 0 or an even number from 4 to 16.
    pub fn new(octets: &[u8]) -> Option<FastOpenCookie> {
        let n = octets.len();
        if n != 0 && !(4..=16).contains(&n) || n % 2 == 1 {
            return None;
        }
        let mut cookie = FastOpenCookie {
            octets: [0; 16],
            len: n as u8,
        };
        cookie.octets[..n].copy_from_slice(octets);
        Some(cookie)
    }

    /// The octets; empty for a request.
    pub fn as_slice(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }
}

/// The TCP authentication option (RFC 5925, section 2.2) with a MAC of up to 16 octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Authentication {
    /// KeyID: the key of this segment.
    pub key_id: u8,
    /// RNextKeyID: the key the sender is ready to receive.
    pub next_key_id: u8,
    mac: [u8; 16],
    mac_len: u8,
}

impl Authentication {
    /// An option with this MAC; `None` when it is longer than 16 octets.
    pub fn new(key_id: u8, next_key_id: u8, mac: &[u8]) -> Option<Authentication> {
        let mut a = Authentication {
            key_id,
            next_key_id,
            mac: [0; 16],
            mac_len: mac.len() as u8,
        };
        a.mac.get_mut(..mac.len())?.copy_from_slice(mac);
        Some(a)
    }

    /// The MAC.
    pub fn mac(&self) -> &[u8] {
        &self.mac[..usize::from(self.mac_len)]
    }
}

/// The AccECN option: 24-bit counters, absent from the end on (RFC 9768, section 3.2.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AccurateEcn {
    /// Order of the fields: false = kind 172 (EE0B, ECEB, EE1B), true = kind 174 (EE1B, ECEB, EE0B).
    pub order_1: bool,
    /// The fields in the order of the wire, each 24 bits; as many as were present.
    pub counters: [Option<u32>; 3],
}
