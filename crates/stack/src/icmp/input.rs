use core::net::IpAddr;
use handfast_tcp::{IcmpError, NetError};
use handfast_wire::icmp::{
    Echo, HEADER_LEN, Icmpv4, Icmpv6, ParameterProblemV6, Quote, UnreachableV4, UnreachableV6,
};
use handfast_wire::{Discard, IpHeader, Packet, Protocol};

/// What an ICMP message wants of us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum IcmpInput {
    /// To be answered, if it is [answerable](super::is_answerable) and addressed to us.
    EchoRequest(Echo),
    /// For the [`Ping`](super::Ping) with that identifier.
    EchoReply(Echo),
    /// For whoever sent what it quotes.
    Error(IcmpEvent),
}

/// An ICMP error about a packet that we are said to have sent. Whether we did, the owner of the
/// quoted addresses must know: anybody can send such errors (RFC 5927).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IcmpEvent {
    /// Who says so: a router, or the peer itself.
    pub reporter: IpAddr,
    /// The packet it is about; its source is ours.
    pub quote: Quote,
    /// What it says, and whether that may end anything (RFC 1122, section 4.2.3.9; RFC 5461).
    pub error: IcmpError,
}

/// Octets of a quotation that are looked at: an IPv6 header, and extension headers as long again
/// several times over.
const QUOTE: usize = 256;
/// The least an IPv4 link carries (RFC 791, section 3.2).
const V4_MIN: u32 = 68;
/// The least an IPv6 link carries (RFC 8200, section 5).
const V6_MIN: u32 = 1280;

/// Reads the ICMP message at `transport..end` of a packet whose IP header is `ip` and whose
/// checksum is good.
///
/// # Errors
/// [`Discard::IcmpTruncated`]; [`Discard::IcmpType`] for what we do not handle, neighbour
/// discovery and multicast listener messages included; [`Discard::IcmpQuote`] for an error whose
/// quotation is cut off before the ports, of the other family, of a fragment but the first, itself
/// an ICMP error, or not of a packet sent by the address that the error is sent to;
/// [`Discard::IcmpMtu`], [`Discard::IcmpSourceQuench`] and [`Discard::IcmpRedirect`].
pub fn parse(
    packet: &Packet,
    ip: &IpHeader,
    transport: usize,
    end: u32,
) -> Result<IcmpInput, Discard> {
    let message = packet.headers().get(transport..);
    let message = message.ok_or(Discard::IcmpTruncated)?;
    let message = &message[..message.len().min((end as usize).saturating_sub(transport))];
    let mut octets = [0; QUOTE];
    let (quote, error) = match ip.protocol {
        Protocol::ICMP => {
            let error = match Icmpv4::parse(message)? {
                Icmpv4::EchoRequest(echo) => return Ok(IcmpInput::EchoRequest(echo)),
                Icmpv4::EchoReply(echo) => return Ok(IcmpInput::EchoReply(echo)),
                // MUST-55.
                Icmpv4::SourceQuench => return Err(Discard::IcmpSourceQuench),
                Icmpv4::Redirect { .. } => return Err(Discard::IcmpRedirect),
                error => error,
            };
            let quote = Quote::parse_v4(quotation(packet, transport, end, &mut octets))?;
            (quote, v4_error(error, &quote)?)
        }
        Protocol::ICMPV6 => {
            let error = match Icmpv6::parse(message)? {
                Icmpv6::EchoRequest(echo) => return Ok(IcmpInput::EchoRequest(echo)),
                Icmpv6::EchoReply(echo) => return Ok(IcmpInput::EchoReply(echo)),
                error => error,
            };
            let quote = Quote::parse_v6(quotation(packet, transport, end, &mut octets))?;
            (quote, v6_error(error)?)
        }
        _ => return Err(Discard::IcmpType),
    };
    if quote.source != ip.destination {
        return Err(Discard::IcmpQuote);
    }
    Ok(IcmpInput::Error(IcmpEvent {
        reporter: ip.source,
        quote,
        error,
    }))
}

/// The start of what follows the eight octets of the message, wherever in the packet it lies.
fn quotation<'a>(
    packet: &Packet,
    transport: usize,
    end: u32,
    octets: &'a mut [u8; QUOTE],
) -> &'a [u8] {
    let start = transport + HEADER_LEN;
    let head = packet.head().get(start..).unwrap_or(&[]);
    let from_head = head.len().min(QUOTE);
    octets[..from_head].copy_from_slice(&head[..from_head]);
    let skipped = start.saturating_sub(packet.head().len()) as u32;
    let rest = packet.payload.slice(skipped, QUOTE as u32);
    let filled = from_head + rest.copy_to(&mut octets[from_head..]);
    &octets[..filled.min((end as usize).saturating_sub(start))]
}

fn v4_error(message: Icmpv4, quote: &Quote) -> Result<IcmpError, Discard> {
    use UnreachableV4 as Code;
    let code = match message {
        Icmpv4::DestinationUnreachable(code) => code,
        Icmpv4::FragmentationNeeded { mtu } => {
            let mtu = match mtu {
                0 => plateau_below(quote.packet_len),
                mtu => mtu.into(),
            };
            return Ok(IcmpError::TooBig {
                mtu: mtu.max(V4_MIN),
            });
        }
        Icmpv4::TimeExceeded(_) => return Ok(IcmpError::Soft(NetError::TimeExceeded)),
        Icmpv4::ParameterProblem { .. } => return Ok(IcmpError::Soft(NetError::ParameterProblem)),
        _ => return Err(Discard::IcmpType),
    };
    Ok(match code {
        Code::Protocol => IcmpError::Hard(NetError::ProtocolUnreachable),
        Code::Port => IcmpError::Hard(NetError::PortUnreachable),
        Code::NetworkProhibited
        | Code::HostProhibited
        | Code::Prohibited
        | Code::HostPrecedenceViolation
        | Code::PrecedenceCutoff => IcmpError::Hard(NetError::Prohibited),
        Code::Network | Code::NetworkUnknown | Code::NetworkTypeOfService => {
            IcmpError::Soft(NetError::NetworkUnreachable)
        }
        _ => IcmpError::Soft(NetError::HostUnreachable),
    })
}

fn v6_error(message: Icmpv6) -> Result<IcmpError, Discard> {
    use UnreachableV6 as Code;
    let code = match message {
        Icmpv6::DestinationUnreachable(code) => code,
        // Would break what every link carries (RFC 8201, section 4).
        Icmpv6::PacketTooBig { mtu } if mtu < V6_MIN => return Err(Discard::IcmpMtu),
        Icmpv6::PacketTooBig { mtu } => return Ok(IcmpError::TooBig { mtu }),
        Icmpv6::TimeExceeded(_) => return Ok(IcmpError::Soft(NetError::TimeExceeded)),
        Icmpv6::ParameterProblem { code, .. } => {
            // How a host without the protocol says so (RFC 5461, section 2).
            return Ok(match code {
                ParameterProblemV6::NextHeader => IcmpError::Hard(NetError::ProtocolUnreachable),
                _ => IcmpError::Soft(NetError::ParameterProblem),
            });
        }
        _ => return Err(Discard::IcmpType),
    };
    Ok(match code {
        Code::Port => IcmpError::Hard(NetError::PortUnreachable),
        Code::Prohibited | Code::SourcePolicy | Code::RejectRoute => {
            IcmpError::Hard(NetError::Prohibited)
        }
        Code::NoRoute => IcmpError::Soft(NetError::NetworkUnreachable),
        _ => IcmpError::Soft(NetError::HostUnreachable),
    })
}

/// A router that does not say what would have fit: the next smaller MTU in common use (RFC 1191,
/// 5; the table is that of section 7).
fn plateau_below(packet_len: u32) -> u32 {
    const PLATEAUS: [u32; 10] = [32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, V4_MIN];
    let smaller = PLATEAUS.into_iter().find(|mtu| *mtu < packet_len);
    smaller.unwrap_or(V4_MIN)
}
