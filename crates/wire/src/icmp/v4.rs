use super::{Echo, HEADER_LEN, codes};
use crate::Discard;
use core::net::Ipv4Addr;

/// An ICMP message for IPv4 (RFC 792), without what follows its first eight octets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Icmpv4 {
    /// Type 0.
    EchoReply(Echo),
    /// Type 3, any code but 4.
    DestinationUnreachable(UnreachableV4),
    /// Type 3, code 4.
    FragmentationNeeded {
        /// MTU of the next hop; 0 from a router that does not say (RFC 1191, section 4).
        mtu: u16,
    },
    /// Type 4; a host ignores it (RFC 6633, section 3).
    SourceQuench,
    /// Type 5.
    Redirect {
        /// What is to be redirected.
        code: RedirectCode,
        /// To whom.
        gateway: Ipv4Addr,
    },
    /// Type 8.
    EchoRequest(Echo),
    /// Type 11.
    TimeExceeded(TimeExceeded),
    /// Type 12.
    ParameterProblem {
        /// What is wrong.
        code: ParameterProblemV4,
        /// Offset of the octet at fault in the quoted packet.
        pointer: u8,
    },
}

codes! {
    /// Codes of destination unreachable (RFC 792; RFC 1122, section 3.2.2.1; RFC 1812,
    /// section 5.2.7.1). Code 4 is [`Icmpv4::FragmentationNeeded`].
    UnreachableV4 {
        /// Network unreachable.
        Network = 0,
        /// Host unreachable.
        Host = 1,
        /// Protocol unreachable.
        Protocol = 2,
        /// Port unreachable.
        Port = 3,
        /// Source route failed.
        SourceRouteFailed = 5,
        /// Destination network unknown.
        NetworkUnknown = 6,
        /// Destination host unknown.
        HostUnknown = 7,
        /// Source host isolated.
        SourceHostIsolated = 8,
        /// Communication with the network administratively prohibited.
        NetworkProhibited = 9,
        /// Communication with the host administratively prohibited.
        HostProhibited = 10,
        /// Network unreachable for this type of service.
        NetworkTypeOfService = 11,
        /// Host unreachable for this type of service.
        HostTypeOfService = 12,
        /// Communication administratively prohibited.
        Prohibited = 13,
        /// Host precedence violation.
        HostPrecedenceViolation = 14,
        /// Precedence cutoff in effect.
        PrecedenceCutoff = 15,
    }
}

codes! {
    /// Codes of time exceeded, the same for both families (RFC 792; RFC 4443, section 3.3).
    TimeExceeded {
        /// Time to live, or hop limit, exceeded in transit.
        HopLimit = 0,
        /// Fragment reassembly time exceeded.
        Reassembly = 1,
    }
}

codes! {
    /// Codes of parameter problem (RFC 792; RFC 1122, section 3.2.2.5).
    ParameterProblemV4 {
        /// The pointer shows the error.
        Pointer = 0,
        /// A required option is missing.
        MissingOption = 1,
        /// Bad length.
        Length = 2,
    }
}

codes! {
    /// Codes of redirect (RFC 792).
    RedirectCode {
        /// For the network.
        Network = 0,
        /// For the host.
        Host = 1,
        /// For the type of service and the network.
        NetworkTypeOfService = 2,
        /// For the type of service and the host.
        HostTypeOfService = 3,
    }
}

impl Icmpv4 {
    /// The message at the start of `octets`; its checksum is not looked at. What follows its
    /// eight octets is echo data or, if it [is an error](Icmpv4::is_error), a
    /// [`Quote`](super::Quote).
    ///
    /// # Errors
    /// [`Discard::IcmpTruncated`]; [`Discard::IcmpType`] for a type or code that we do not know.
    pub fn parse(octets: &[u8]) -> Result<Icmpv4, Discard> {
        let Some(&[kind, code, _, _, a, b, c, d]) = octets.first_chunk() else {
            return Err(Discard::IcmpTruncated);
        };
        let message = match (kind, code) {
            (0, 0) => Some(Icmpv4::EchoReply(Echo::from_octets([a, b, c, d]))),
            (3, 4) => Some(Icmpv4::FragmentationNeeded {
                mtu: u16::from_be_bytes([c, d]),
            }),
            (3, _) => UnreachableV4::from_code(code).map(Icmpv4::DestinationUnreachable),
            (4, 0) => Some(Icmpv4::SourceQuench),
            (5, _) => RedirectCode::from_code(code).map(|code| Icmpv4::Redirect {
                code,
                gateway: Ipv4Addr::new(a, b, c, d),
            }),
            (8, 0) => Some(Icmpv4::EchoRequest(Echo::from_octets([a, b, c, d]))),
            (11, _) => TimeExceeded::from_code(code).map(Icmpv4::TimeExceeded),
            (12, _) => ParameterProblemV4::from_code(code)
                .map(|code| Icmpv4::ParameterProblem { code, pointer: a }),
            _ => None,
        };
        message.ok_or(Discard::IcmpType)
    }

    /// The first eight octets, checksum zero.
    pub fn to_octets(&self) -> [u8; HEADER_LEN] {
        let (kind, code, [a, b, c, d]) = match *self {
            Icmpv4::EchoReply(echo) => (0, 0, echo.to_octets()),
            Icmpv4::DestinationUnreachable(code) => (3, code.code(), [0; 4]),
            Icmpv4::FragmentationNeeded { mtu } => (3, 4, u32::from(mtu).to_be_bytes()),
            Icmpv4::SourceQuench => (4, 0, [0; 4]),
            Icmpv4::Redirect { code, gateway } => (5, code.code(), gateway.octets()),
            Icmpv4::EchoRequest(echo) => (8, 0, echo.to_octets()),
            Icmpv4::TimeExceeded(code) => (11, code.code(), [0; 4]),
            Icmpv4::ParameterProblem { code, pointer } => (12, code.code(), [pointer, 0, 0, 0]),
        };
        [kind, code, 0, 0, a, b, c, d]
    }

    /// Whether it reports on another packet, which it quotes (RFC 1122, section 3.2.2).
    pub fn is_error(&self) -> bool {
        matches!(self.to_octets()[0], 3 | 4 | 5 | 11 | 12)
    }
}
