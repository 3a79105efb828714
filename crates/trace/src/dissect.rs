//! Packet octets to what a log keeps of them.

use handfast_wire::ip::upper_layer;
use handfast_wire::tcp::TcpHeader;
use handfast_wire::{Discard, IpHeader, Packet, Protocol};
use std::net::{IpAddr, SocketAddr};

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

/// Looks at a packet of `packet_len` octets, of which `headers` are the first.
pub(crate) fn dissect(headers: &[u8], packet_len: u32) -> Dissected {
    match try_dissect(headers, packet_len) {
        Ok(found) => found,
        Err(why) => Dissected::Other {
            text: format!("malformed packet of {packet_len} bytes: {}", why.text()),
            about: None,
        },
    }
}

fn try_dissect(headers: &[u8], packet_len: u32) -> Result<Dissected, Discard> {
    let (ip, offset, end) = IpHeader::parse(headers, packet_len)?;
    let upper = headers.get(offset..headers.len().min(end as usize));
    let upper = upper.unwrap_or_default();
    let len = end.saturating_sub(offset as u32);
    let ends = format!("{} > {}", ip.source, ip.destination);
    if let Some(fragment) = ip.fragment {
        let (protocol, at) = (ip.protocol, fragment.offset);
        return Ok(other(format!(
            "{protocol} fragment at {at}, {len} bytes, {ends}"
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
            let &[kind, code, _, _, _, _, mtu_high, mtu_low, ..] = upper else {
                return Err(Discard::IcmpTruncated);
            };
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
                text: format!("{} {name}, {ends}", ip.protocol),
                about: is_error.then(|| quoted(&upper[8..])).flatten(),
            }
        }
        protocol => other(format!("{protocol}, {len} bytes, {ends}")),
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

/// The TCP endpoints in the cut packet that an ICMP error quotes (RFC 792, RFC 4443). Routers
/// may change what they quote, so that checksum and length are not looked at.
fn quoted(quote: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (source, destination, upper): (IpAddr, IpAddr, &[u8]) = match quote.first()? >> 4 {
        4 => {
            let f = quote.first_chunk::<20>()?;
            if f[9] != Protocol::TCP.0 {
                return None;
            }
            let address = |at: usize| [f[at], f[at + 1], f[at + 2], f[at + 3]].into();
            (
                address(12),
                address(16),
                quote.get(usize::from(f[0] & 15) * 4..)?,
            )
        }
        6 => {
            let f = quote.first_chunk::<40>()?;
            let found = upper_layer(Protocol(f[6]), quote, 40).ok()?;
            if found.protocol != Protocol::TCP {
                return None;
            }
            let address = |at: usize| -> Option<IpAddr> {
                Some(<[u8; 16]>::try_from(f.get(at..at + 16)?).ok()?.into())
            };
            (address(8)?, address(24)?, quote.get(found.offset..)?)
        }
        _ => return None,
    };
    let [from, to] = ports(upper)?;
    Some((
        SocketAddr::new(source, from),
        SocketAddr::new(destination, to),
    ))
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
    let octets = packet.head().iter().copied();
    let octets = octets.chain(
        packet
            .payload
            .slices()
            .iter()
            .flat_map(|s| s.iter().copied()),
    );
    first_line_of(octets.skip(text_at))
}

/// The first line of this text, if it is printable ASCII.
pub(crate) fn first_line_of(text: impl Iterator<Item = u8>) -> Option<Box<str>> {
    let line: Vec<u8> = text
        .take(LINE)
        .take_while(|&b| b != b'\r' && b != b'\n')
        .collect();
    let is_printable = line.iter().all(|b| (b' '..=b'~').contains(b));
    let line = String::from_utf8(line)
        .ok()
        .filter(|l| is_printable && !l.is_empty())?;
    Some(line.into_boxed_str())
}

/// Writes the transport checksum of a TCP or UDP packet whose checksum was left to hardware, so
/// that a capture shows what would have been on a wire.
pub(crate) fn complete_checksum(packet: &mut [u8]) {
    let Ok(packet_len) = u32::try_from(packet.len()) else {
        return;
    };
    let Ok((ip, offset, end)) = IpHeader::parse(packet, packet_len) else {
        return;
    };
    let field = match ip.protocol {
        Protocol::TCP => 16,
        Protocol::UDP => 6,
        _ => return,
    };
    let Some(upper) = packet.get_mut(offset..end as usize) else {
        return;
    };
    let len = upper.len() as u32;
    let Some(check) = upper.get_mut(field..field + 2) else {
        return;
    };
    check.fill(0);
    let mut sum = u64::from(ip.protocol.0) + u64::from(len >> 16) + u64::from(len & 0xffff);
    for address in [ip.source, ip.destination] {
        sum += match address {
            IpAddr::V4(a) => words(&a.octets()),
            IpAddr::V6(a) => words(&a.octets()),
        };
    }
    sum += words(upper);
    while sum >> 16 > 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let check = match !(sum as u16) {
        // RFC 768: zero would mean that there is none.
        0 if ip.protocol == Protocol::UDP => 0xffff,
        check => check,
    };
    upper[field..field + 2].copy_from_slice(&check.to_be_bytes());
}

/// The sum of the 16-bit words; 2^48 octets would be needed to overflow it.
fn words(octets: &[u8]) -> u64 {
    let (pairs, odd) = octets.as_chunks::<2>();
    let sum: u64 = pairs
        .iter()
        .map(|&p| u64::from(u16::from_be_bytes(p)))
        .sum();
    sum + odd.first().map_or(0, |&b| u64::from(b) << 8)
}
