use crate::address::AddressClass;
use core::net::IpAddr;
use handfast_wire::icmp::{Echo, HEADER_LEN, Icmpv4, Icmpv6};
use handfast_wire::{IpHeader, Packet, SendReason};

/// Whether a packet may be answered by a message of ours: from one host to one host, and not a
/// fragment but the first (RFC 1122, section 3.2.2; RFC 4443, section 2.4). `is_broadcast` says
/// whether an address is a broadcast address of *any* interface, so that nobody is flooded by
/// replies to what he did not send.
#[inline]
pub fn is_answerable(ip: &IpHeader, is_broadcast: impl Fn(IpAddr) -> bool) -> bool {
    is_one_host(ip.source, &is_broadcast)
        && is_one_host(ip.destination, &is_broadcast)
        && ip.fragment.is_none_or(|f| f.offset == 0)
}

pub(super) fn is_one_host(address: IpAddr, is_broadcast: impl Fn(IpAddr) -> bool) -> bool {
    let class = AddressClass::of(address);
    (class.is_host() || class == AddressClass::Loopback) && !is_broadcast(address)
}

/// Turns an echo request into its reply: `out` gets the request's data, by reference, and
/// `request` is left empty. `transport..end` is the ICMP message in the request, whose IP header
/// is `ip`; it must be [answerable](is_answerable). False, with `out` as it was, when the headers
/// are of different families.
///
/// The reply is as large as the request. Where that is more than the MTU, it may be fragmented if
/// the request could be.
pub fn write_echo_reply(
    request: &mut Packet,
    ip: &IpHeader,
    transport: usize,
    end: u32,
    echo: Echo,
    hop_limit: u8,
    out: &mut Packet,
) -> bool {
    if ip.source.is_ipv4() != ip.destination.is_ipv4() {
        return false;
    }
    let mut reply = IpHeader::new(ip.destination, ip.source, ip.protocol);
    reply.hop_limit = hop_limit;
    // The same service (RFC 1122, section 3.2.2.6), but no ECN codepoint of somebody's transport.
    reply.traffic_class = ip.traffic_class & !3;
    reply.dont_fragment = ip.dont_fragment;
    // As unique among what we send him as it was among what he sent us.
    reply.identification = match ip.source {
        IpAddr::V4(_) => ip.identification,
        IpAddr::V6(_) => 0,
    };
    out.clear();
    out.payload = request.take_payload((transport + HEADER_LEN) as u32, end);
    out.reason = SendReason::EchoReply;
    match ip.source {
        IpAddr::V4(_) => out.write_icmpv4(&reply, &Icmpv4::EchoReply(echo)),
        IpAddr::V6(_) => out.write_icmpv6(&reply, &Icmpv6::EchoReply(echo)),
    }
}
