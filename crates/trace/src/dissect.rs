//! Packet octets to what a log keeps of them.

use handfast_wire::icmp::{Quote, QuotedTransport};
use handfast_wire::tcp::TcpHeader;
use handfast_wire::{Discard, IpHeader, Packet, Protocol};
use std::net::SocketAddr;

/// What a packet is.
pub(crate) enum Dissected {
    /// A whole, well-formed TCP segment.
    Segment {
        source: SocketAddr,
        destination: SocketAddr,
        header: TcpHeader,
        payload_len: u32,
        /// Where the text begins, from the first octet of the packet.
        text_at: usize,
    },
    /// Anything else.
    Other {
        text: String,
        about: Option<(SocketAddr, SocketAddr)>,
    },
}

/// Looks at a packet of `packet_len` octets, of which `headers` are the first and `beyond` some
/// more after these.
pub(crate) fn dissect(headers: &[u8], beyond: &[u8], packet_len: u32) -> Dissected {
    match try_dissect(headers, beyond, packet_len) {
        Ok(found) => found,
        Err(why) => Dissected::Other {
            text: format!("malformed packet of {packet_len} bytes: {}", why.text()),
            about: None,
        },
    }
}

fn try_dissect(headers: &[u8], beyond: &[u8], packet_len: u32) -> Result<Dissected, Discard> {
    let (ip, offset, end) = IpHeader::parse(headers, packet_len)?;
    let upper = headers.get(offset..headers.len().min(end as usize));
    let upper = upper.unwrap_or_default();
    let len = end.saturating_sub(offset as u32);
    // Put into words only where words are kept: nearly all packets are segments.
    let ends = || format!("{} > {}", ip.source, ip.destination);
    if let Some(fragment) = ip.fragment {
        let (protocol, at) = (ip.protocol, fragment.offset);
        return Ok(other(format!(
            "{protocol} fragment at {at}, {len} bytes, {}",
            ends()
        )));
    }
    Ok(match ip.protocol {
        Protocol::TCP => {
            let (header, header_len) = TcpHeader::parse(upper)?;
            Dissected::Segment {
                source: SocketAddr::new(ip.source, header.source_port),
                destination: SocketAddr::new(ip.destination, header.destination_port),
                header,
                payload_len: len.saturating_sub(header_len as u32),
                text_at: offset + header_len,
            }
        }
        Protocol::UDP => {
            let [source, destination] = ports(upper).ok_or(Discard::UdpTruncated)?;
            let source = SocketAddr::new(ip.source, source);
            let destination = SocketAddr::new(ip.destination, destination);
            let text = len.saturating_sub(8);
            other(format!("UDP {source} > {destination}, {text} bytes"))
        }
        Protocol::ICMP | Protocol::ICMPV6 => {
            let &[kind, code, _, _, _, _, mtu_high, mtu_low, ref quote @ ..] = upper else {
                return Err(Discard::IcmpTruncated);
            };
            let quote = if quote.is_empty() { beyond } else { quote };
            let is_v6 = ip.protocol == Protocol::ICMPV6;
            let name = match is_v6 {
                false => icmp_name(kind, code, u16::from_be_bytes([mtu_high, mtu_low])),
                true => icmpv6_name(kind, code, u16::from_be_bytes([mtu_high, mtu_low])),
            };
            let is_error = if is_v6 {
                kind < 128
            } else {
                matches!(kind, 3 | 4 | 5 | 11 | 12)
            };
            Dissected::Other {
                text: format!("{} {name}, {}", ip.protocol, ends()),
                about: is_error.then(|| quoted(quote)).flatten(),
            }
        }
        protocol => other(format!("{protocol}, {len} bytes, {}", ends())),
    })
}

fn other(text: String) -> Dissected {
    Dissected::Other { text, about: None }
}

/// Source and destination port, where TCP and UDP have them.
fn ports(upper: &[u8]) -> Option<[u16; 2]> {
    let f = upper.first_chunk::<4>()?;
    Some([
        u16::from_be_bytes([f[0], f[1]]),
        u16::from_be_bytes([f[2], f[3]]),
    ])
}

/// The TCP endpoints in the cut packet that an ICMP error quotes.
fn quoted(quote: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let quote = match quote.first()? >> 4 {
        4 => Quote::parse_v4(quote).ok()?,
        _ => Quote::parse_v6(quote).ok()?,
    };
    match quote.transport {
        QuotedTransport::Tcp {
            source_port,
            destination_port,
            ..
        } => Some((
            SocketAddr::new(quote.source, source_port),
            SocketAddr::new(quote.destination, destination_port),
        )),
        _ => None,
    }
}

fn icmp_name(kind: u8, code: u8, mtu: u16) -> String {
    match (kind, code) {
        (0, _) => "echo reply".into(),
        (8, _) => "echo request".into(),
        (3, 4) => format!("fragmentation needed, MTU {mtu}"),
        (3, _) => {
            let what = ["network", "host", "protocol", "port"].get(usize::from(code));
            format!(
                "destination unreachable: {}",
                what.map_or_else(|| format!("code {code}"), |w| w.to_string())
            )
        }
        (4, _) => "source quench".into(),
        (5, _) => "redirect".into(),
        (11, _) => "time exceeded".into(),
        (12, _) => "parameter problem".into(),
        _ => format!("type {kind}"),
    }
}

fn icmpv6_name(kind: u8, code: u8, mtu: u16) -> String {
    match (kind, code) {
        (1, 0) => "destination unreachable: no route".into(),
        (1, 1) => "destination unreachable: prohibited".into(),
        (1, 3) => "destination unreachable: address".into(),
        (1, 4) => "destination unreachable: port".into(),
        (1, _) => format!("destination unreachable: code {code}"),
        (2, _) => format!("packet too big, MTU {mtu}"),
        (3, _) => "time exceeded".into(),
        (4, _) => "parameter problem".into(),
        (128, _) => "echo request".into(),
        (129, _) => "echo reply".into(),
        (130..=132 | 143, _) => "multicast listener discovery".into(),
        (133, _) => "router solicitation".into(),
        (134, _) => "router advertisement".into(),
        (135, _) => "neighbor solicitation".into(),
        (136, _) => "neighbor advertisement".into(),
        _ => format!("type {kind}"),
    }
}

/// How many octets of a first line are kept.
const LINE: usize = 60;

/// The first line of the text that begins at `text_at`, if it is printable ASCII.
pub(crate) fn first_line(packet: &Packet, text_at: usize) -> Option<Box<str>> {
    let slices = packet.payload.slices().iter().map(|s| &s[..]);
    let mut before = text_at;
    let text = std::iter::once(packet.head()).chain(slices).map(|piece| {
        let (skipped, text) = piece.split_at(before.min(piece.len()));
        before -= skipped.len();
        text
    });
    first_line_of(text.flatten().copied())
}

/// The first line of this text, if it is printable ASCII.
pub(crate) fn first_line_of(text: impl Iterator<Item = u8>) -> Option<Box<str>> {
    let mut line = String::with_capacity(LINE);
    for octet in text.take(LINE) {
        match octet {
            b'\r' | b'\n' => break,
            b' '..=b'~' => line.push(char::from(octet)),
            _ => return None,
        }
    }
    (!line.is_empty()).then(|| line.into_boxed_str())
}
