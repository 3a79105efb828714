//! ICMP for both families: the fixed eight octets as a value, and the packet an error quotes.
//!
//! What follows the eight octets, echo data or a quotation, is the payload of the packet.

mod quote;
mod v4;
mod v6;

pub use quote::{Quote, QuotedTransport};
pub use v4::{Icmpv4, ParameterProblemV4, RedirectCode, TimeExceeded, UnreachableV4};
pub use v6::{Icmpv6, ParameterProblemV6, UnreachableV6};

use crate::{Checksum, GsoKind, IpHeader, Packet};

/// Length of the fixed part of every message, type to rest-of-header.
pub const HEADER_LEN: usize = 8;

/// What pairs an echo with its reply (RFC 792; RFC 4443, section 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Echo {
    /// Identifier.
    pub identifier: u16,
    /// Sequence number.
    pub sequence: u16,
}

impl Echo {
    fn from_octets([a, b, c, d]: [u8; 4]) -> Echo {
        Echo {
            identifier: u16::from_be_bytes([a, b]),
            sequence: u16::from_be_bytes([c, d]),
        }
    }

    fn to_octets(self) -> [u8; 4] {
        let [a, b] = self.identifier.to_be_bytes();
        let [c, d] = self.sequence.to_be_bytes();
        [a, b, c, d]
    }
}

impl Packet {
    /// Writes `ip` and the ICMP message into the head, in front of the payload (echo data or
    /// quotation) that is there already, with its checksum complete. `ip.protocol` is to be ICMP.
    ///
    /// Returns false, with the head empty, when the addresses are of different families.
    pub fn write_icmpv4(&mut self, ip: &IpHeader, message: &Icmpv4) -> bool {
        self.write_icmp(ip, message.to_octets())
    }

    /// As [`write_icmpv4`](Packet::write_icmpv4); `ip.protocol` is to be ICMPv6.
    pub fn write_icmpv6(&mut self, ip: &IpHeader, message: &Icmpv6) -> bool {
        self.write_icmp(ip, message.to_octets())
    }

    fn write_icmp(&mut self, ip: &IpHeader, octets: [u8; HEADER_LEN]) -> bool {
        let ip_len = ip.header_len();
        let head = self.reserve_head(Packet::HEAD_CAPACITY);
        head[ip_len..][..HEADER_LEN].copy_from_slice(&octets);
        self.finish_head(ip, HEADER_LEN, GsoKind::Udp, 0) && {
            self.fill_checksum(ip, ip_len, Checksum::None);
            true
        }
    }
}

/// Enumerates the codes of a message type.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$code_doc:meta])* $code:ident = $value:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum $name { $($(#[$code_doc])* $code = $value,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [$name] = &[$($name::$code,)*];

            /// The code with this number; `None` when there is none.
            pub const fn from_code(code: u8) -> Option<$name> {
                match code {
                    $($value => Some($name::$code),)*
                    _ => None,
                }
            }

            /// Its number.
            pub const fn code(self) -> u8 {
                self as u8
            }
        }
    };
}
use codes;
