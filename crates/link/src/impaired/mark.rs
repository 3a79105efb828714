//! What a router does in place of dropping (RFC 3168, section 5).

use crate::Medium;
use crate::wire_packets::ip_offset;
use bytes::Bytes;
use handfast_wire::Packet;

/// Sets Congestion Experienced on an IP packet whose sender allows it; says whether it did.
pub(super) fn mark(packet: &mut Packet, medium: Medium) -> bool {
    let ip = ip_offset(packet, medium);
    let Some(&[first, second]) = packet.headers().get(ip..).and_then(|h| h.first_chunk()) else {
        return false;
    };
    // The field is the end of IPv4's second octet, and the middle of IPv6's.
    let shift = match first >> 4 {
        4 => 0,
        6 => 4,
        _ => return false,
    };
    let codepoint = second >> shift & 3;
    let capable = matches!(codepoint, 1 | 2);
    if capable && !packet.head().is_empty() {
        write(packet.head_mut(), ip, second | 3 << shift);
    } else if capable {
        // Others may hold the octets of the payload: mark a copy.
        let mut octets = packet.payload.to_bytes().to_vec();
        write(&mut octets, ip, second | 3 << shift);
        packet.payload.clear();
        packet.payload.push(Bytes::from(octets));
    }
    capable
}

/// Writes the second octet of the IP header at `ip`, and IPv4's checksum anew.
fn write(octets: &mut [u8], ip: usize, second: u8) {
    let Some(header) = octets.get_mut(ip..).and_then(|o| o.first_chunk_mut::<12>()) else {
        return;
    };
    let was = core::mem::replace(&mut header[1], second);
    if header[0] >> 4 == 4 {
        // RFC 1624, equation 3: HC' = ~(~HC + ~m + m').
        let sum = u32::from(!u16::from_be_bytes([header[10], header[11]]));
        let sum = sum + u32::from(second) - u32::from(was);
        let sum = (sum & 0xffff) + (sum >> 16);
        header[10..].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    }
}
