use super::answer::{is_answerable, is_one_host};
use crate::address::AddressClass;
use bytes::Bytes;
use core::net::IpAddr;
use handfast_wire::icmp::{
    HEADER_LEN, Icmpv4, Icmpv6, ParameterProblemV4, ParameterProblemV6, TimeExceeded,
    UnreachableV4, UnreachableV6,
};
use handfast_wire::{IpHeader, Packet, Payload, Protocol, SendReason};

/// What is wrong with a packet, in either family.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Problem {
    /// No route to the destination.
    NoRoute,
    /// The destination does not answer on its link.
    Host,
    /// Nobody handles the protocol, whose number is `pointer` octets into the packet (IPv6 says
    /// so with a parameter problem; RFC 8200, section 4).
    Protocol {
        /// Offset in octets.
        pointer: u32,
    },
    /// Nobody is at the port.
    Port,
    /// A filter forbids it.
    Prohibited,
    /// The hop limit ran out.
    HopLimit,
    /// Not all fragments came in time.
    Reassembly,
    /// It does not fit the next link and must not be cut.
    TooBig {
        /// What would fit, in octets.
        mtu: u32,
    },
    /// A header field makes no sense.
    Field {
        /// Offset in octets.
        pointer: u32,
    },
    /// An IPv6 option that must not be skipped, of the kind that is reported even to a sender of
    /// multicast (type 10xxxxxx; RFC 8200, section 4.2).
    Option {
        /// Offset in octets.
        pointer: u32,
    },
}

/// Precedence of internetwork control (RFC 1812, section 4.3.2.5).
const INTERNETWORK_CONTROL: u8 = 0xc0;
/// What every host must accept (RFC 1122, section 3.3.2): the most an error may take
/// (RFC 1812, section 4.3.2.3).
const V4_MAX: u32 = 576;
/// IPv6's least MTU: the most an error may take (RFC 4443, section 2.4 (c)).
const V6_MAX: u32 = 1280;

/// Writes the ICMP error that tells the sender of `offending` what is wrong with it, from the
/// address `source` and for a link of `mtu` octets. The IP header of `offending` is `ip`; what
/// follows that and its extension headers starts at `transport`, and `end` is where the packet
/// ends.
///
/// False, with `out` as it was, when none may be sent: in answer to an ICMP error, a redirect, a
/// broadcast or multicast packet, a fragment but the first, or a source that is not one host
/// (RFC 1122, section 3.2.2; RFC 4443, section 2.4 (e)). `is_broadcast` says whether an address
/// is a broadcast address of any interface. Frames to a broadcast or multicast link address are
/// the caller's to leave out, and so is the [rate](crate::rate_limit::AnswerLimit).
#[expect(
    clippy::too_many_arguments,
    reason = "a packet in parts, an error, and where it leaves"
)]
pub fn write_error(
    offending: &Packet,
    ip: &IpHeader,
    transport: usize,
    end: u32,
    problem: Problem,
    source: IpAddr,
    mtu: u32,
    is_broadcast: impl Fn(IpAddr) -> bool,
    out: &mut Packet,
) -> bool {
    let to_group = matches!(problem, Problem::TooBig { .. } | Problem::Option { .. })
        && ip.destination.is_ipv6()
        && AddressClass::of(ip.destination) == AddressClass::Multicast
        && is_one_host(ip.source, &is_broadcast);
    let may_be_answered = to_group || is_answerable(ip, &is_broadcast);
    if !may_be_answered
        || is_error(offending, ip, transport)
        || ip.source.is_ipv4() != source.is_ipv4()
    {
        return false;
    }
    let (protocol, max) = match ip.source {
        IpAddr::V4(_) => (Protocol::ICMP, V4_MAX),
        IpAddr::V6(_) => (Protocol::ICMPV6, V6_MAX),
    };
    let mut header = IpHeader::new(source, ip.source, protocol);
    if ip.source.is_ipv4() {
        header.traffic_class = INTERNETWORK_CONTROL;
    }
    let headers_len = (header.header_len() + HEADER_LEN) as u32;
    let room = max.min(mtu).saturating_sub(headers_len);
    out.clear();
    out.payload = start_of(offending, room.min(end));
    out.reason = SendReason::IcmpError;
    match ip.source {
        IpAddr::V4(_) => out.write_icmpv4(&header, &problem.v4()),
        IpAddr::V6(_) => out.write_icmpv6(&header, &problem.v6()),
    }
}

impl Problem {
    fn v4(self) -> Icmpv4 {
        let unreachable = match self {
            Problem::NoRoute => UnreachableV4::Network,
            Problem::Host => UnreachableV4::Host,
            Problem::Protocol { .. } => UnreachableV4::Protocol,
            Problem::Port => UnreachableV4::Port,
            Problem::Prohibited => UnreachableV4::Prohibited,
            Problem::HopLimit => return Icmpv4::TimeExceeded(TimeExceeded::HopLimit),
            Problem::Reassembly => return Icmpv4::TimeExceeded(TimeExceeded::Reassembly),
            Problem::TooBig { mtu } => {
                let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
                return Icmpv4::FragmentationNeeded { mtu };
            }
            Problem::Field { pointer } | Problem::Option { pointer } => {
                return Icmpv4::ParameterProblem {
                    code: ParameterProblemV4::Pointer,
                    pointer: u8::try_from(pointer).unwrap_or(u8::MAX),
                };
            }
        };
        Icmpv4::DestinationUnreachable(unreachable)
    }

    fn v6(self) -> Icmpv6 {
        let problem = |code, pointer| Icmpv6::ParameterProblem { code, pointer };
        let unreachable = match self {
            Problem::NoRoute => UnreachableV6::NoRoute,
            Problem::Host => UnreachableV6::Address,
            Problem::Port => UnreachableV6::Port,
            Problem::Prohibited => UnreachableV6::Prohibited,
            Problem::Protocol { pointer } => {
                return problem(ParameterProblemV6::NextHeader, pointer);
            }
            Problem::HopLimit => return Icmpv6::TimeExceeded(TimeExceeded::HopLimit),
            Problem::Reassembly => return Icmpv6::TimeExceeded(TimeExceeded::Reassembly),
            Problem::TooBig { mtu } => return Icmpv6::PacketTooBig { mtu },
            Problem::Field { pointer } => return problem(ParameterProblemV6::HeaderField, pointer),
            Problem::Option { pointer } => return problem(ParameterProblemV6::Option, pointer),
        };
        Icmpv6::DestinationUnreachable(unreachable)
    }
}

/// Whether the packet is an ICMP error or a redirect, or may be one for all we can see.
fn is_error(packet: &Packet, ip: &IpHeader, transport: usize) -> bool {
    let kind = packet.headers().get(transport).copied();
    match ip.protocol {
        // Echo, timestamp, and the replies to them.
        Protocol::ICMP => !matches!(kind, Some(0 | 8 | 13 | 14)),
        // Below 128 are errors, and 137 is a redirect.
        Protocol::ICMPV6 => kind.is_none_or(|kind| kind < 128 || kind == 137),
        _ => false,
    }
}

/// The first `len` octets of a packet; by reference if it came from a device.
fn start_of(packet: &Packet, len: u32) -> Payload {
    let head = packet.head();
    if head.is_empty() {
        return packet.payload.slice(0, len);
    }
    let from_head = head.len().min(len as usize);
    let mut start = Payload::from(Bytes::copy_from_slice(&head[..from_head]));
    let rest = packet.payload.slice(0, len - from_head as u32);
    rest.slices().iter().for_each(|s| start.push(s.clone()));
    start
}
