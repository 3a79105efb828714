use crate::{Medium, wire_packets};
use handfast_wire::icmp::{Icmpv4, Icmpv6};
use handfast_wire::{IpHeader, Packet, Payload, Protocol};

/// A hop on the way that carries less than the link's ends.
///
/// A larger packet is lost there, and its sender may be told. One of IPv4 that may be cut passes
/// whole, as if it had been put together again behind the hop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hop {
    /// Largest IP packet that passes, in octets.
    pub mtu: u32,
    /// Whether the sender is told (RFC 792, RFC 4443): the message goes the other way, which may
    /// lose it as any other. If not, this is a black hole.
    pub tells: bool,
}

/// What a message quotes at most, so that it fits everywhere (RFC 1812, 4.3.2.3; RFC 4443, 2.4 (c)).
const QUOTE_V4: u32 = 576 - 28;
const QUOTE_V6: u32 = 1280 - 48;

impl Hop {
    /// Whether the packet comes through.
    pub(super) fn passes(&self, packet: &Packet, medium: Medium) -> bool {
        let at = wire_packets::ip_offset(packet, medium);
        let len = packet.len().saturating_sub(at as u32);
        len <= self.mtu || !parse(packet, at).is_some_and(|ip| ip.dont_fragment)
    }

    /// The message that packet too big, if there is to be one: none about ICMP, nor over Ethernet,
    /// where the hop would need an address to send from. It speaks in the destination's name, for it
    /// has none of its own.
    pub(super) fn message(&self, packet: &Packet, medium: Medium) -> Option<Packet> {
        let ip = parse(packet, 0).filter(|_| self.tells && medium == Medium::Ip)?;
        let is_icmp = matches!(ip.protocol, Protocol::ICMP | Protocol::ICMPV6);
        if is_icmp || ip.fragment.is_some_and(|f| f.offset > 0) {
            return None;
        }
        let is_v4 = ip.source.is_ipv4();
        let (protocol, quote) = match is_v4 {
            true => (Protocol::ICMP, QUOTE_V4),
            false => (Protocol::ICMPV6, QUOTE_V6),
        };
        let back = IpHeader::new(ip.destination, ip.source, protocol);
        let mut message = Packet::new();
        let whole = packet.to_bytes();
        let quoted = whole.slice(..whole.len().min(quote as usize));
        message.payload = Payload::from(quoted);
        let written = match is_v4 {
            true => {
                let mtu = u16::try_from(self.mtu).unwrap_or(u16::MAX);
                message.write_icmpv4(&back, &Icmpv4::FragmentationNeeded { mtu })
            }
            false => message.write_icmpv6(&back, &Icmpv6::PacketTooBig { mtu: self.mtu }),
        };
        written.then(|| Packet::from_bytes(message.to_bytes()))
    }
}

fn parse(packet: &Packet, at: usize) -> Option<IpHeader> {
    let headers = packet.headers().get(at..)?;
    let len = packet.len().checked_sub(at as u32)?;
    IpHeader::parse(headers, len).ok().map(|(ip, ..)| ip)
}
