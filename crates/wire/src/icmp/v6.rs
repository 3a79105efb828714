use super::{Echo, HEADER_LEN, TimeExceeded, codes};
use crate::Discard;

/// An ICMP message for IPv6 (RFC 4443), without what follows its first eight octets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Icmpv6 {
    /// Type 1.
    DestinationUnreachable(UnreachableV6),
    /// Type 2.
    PacketTooBig {
        /// MTU of the next hop.
        mtu: u32,
    },
    /// Type 3.
    TimeExceeded(TimeExceeded),
    /// Type 4.
    ParameterProblem {
        /// What is wrong.
        code: ParameterProblemV6,
        /// Offset of the octet at fault in the quoted packet; may lie beyond the quotation.
        pointer: u32,
    },
    /// Type 128.
    EchoRequest(Echo),
    /// Type 129.
    EchoReply(Echo),
}

codes! {
    /// Codes of destination unreachable (RFC 4443, section 3.1).
    UnreachableV6 {
        /// No route to destination.
        NoRoute = 0,
        /// Communication administratively prohibited.
        Prohibited = 1,
        /// Beyond the scope of the source address.
        BeyondScope = 2,
        /// Address unreachable.
        Address = 3,
        /// Port unreachable.
        Port = 4,
        /// Source address failed ingress or egress policy.
        SourcePolicy = 5,
        /// Reject route to destination.
        RejectRoute = 6,
    }
}

codes! {
    /// Codes of parameter problem (RFC 4443, section 3.4; RFC 7112, section 6).
    ParameterProblemV6 {
        /// Erroneous header field.
        HeaderField = 0,
        /// Unrecognised next header type.
        NextHeader = 1,
        /// Unrecognised IPv6 option.
        Option = 2,
        /// First fragment without the whole header chain.
        IncompleteHeaderChain = 3,
    }
}

impl Icmpv6 {
    /// The message at the start of `octets`; its checksum is not looked at. What follows its
    /// eight octets is echo data or, if it [is an error](Icmpv6::is_error), a
    /// [`Quote`](super::Quote).
    ///
    /// # Errors
    /// [`Discard::IcmpTruncated`]; [`Discard::IcmpType`] for a type or code that we do not know.
    pub fn parse(octets: &[u8]) -> Result<Icmpv6, Discard> {
        let Some(&[kind, code, _, _, a, b, c, d]) = octets.first_chunk() else {
            return Err(Discard::IcmpTruncated);
        };
        let rest = [a, b, c, d];
        let message = match (kind, code) {
            (1, _) => UnreachableV6::from_code(code).map(Icmpv6::DestinationUnreachable),
            // The code is to be ignored (RFC 4443, section 3.2).
            (2, _) => Some(Icmpv6::PacketTooBig {
                mtu: u32::from_be_bytes(rest),
            }),
            (3, _) => TimeExceeded::from_code(code).map(Icmpv6::TimeExceeded),
            (4, _) => ParameterProblemV6::from_code(code).map(|code| Icmpv6::ParameterProblem {
                code,
                pointer: u32::from_be_bytes(rest),
            }),
            (128, 0) => Some(Icmpv6::EchoRequest(Echo::from_octets(rest))),
            (129, 0) => Some(Icmpv6::EchoReply(Echo::from_octets(rest))),
            _ => None,
        };
        message.ok_or(Discard::IcmpType)
    }

    /// The first eight octets, checksum zero.
    pub fn to_octets(&self) -> [u8; HEADER_LEN] {
        let (kind, code, [a, b, c, d]) = match *self {
            Icmpv6::DestinationUnreachable(code) => (1, code.code(), [0; 4]),
            Icmpv6::PacketTooBig { mtu } => (2, 0, mtu.to_be_bytes()),
            Icmpv6::TimeExceeded(code) => (3, code.code(), [0; 4]),
            Icmpv6::ParameterProblem { code, pointer } => (4, code.code(), pointer.to_be_bytes()),
            Icmpv6::EchoRequest(echo) => (128, 0, echo.to_octets()),
            Icmpv6::EchoReply(echo) => (129, 0, echo.to_octets()),
        };
        [kind, code, 0, 0, a, b, c, d]
    }

    /// Whether it reports on another packet, which it quotes (RFC 4443, section 2.1).
    pub fn is_error(&self) -> bool {
        self.to_octets()[0] < 128
    }
}
