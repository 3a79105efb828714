//! The walk over IPv6 extension headers (RFC 8200, section 4).

use super::{Fragment, Protocol};
use crate::Discard;

/// Length of the fragment header.
pub(super) const FRAGMENT_LEN: usize = 8;
/// Extension headers followed before giving up. RFC 8200, section 4.1, has six at most.
const MOST: usize = 8;

/// Where the extension headers of an IPv6 packet lead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UpperLayer {
    /// What the last extension header says follows; on a fragment, what its fragment header says.
    pub protocol: Protocol,
    /// Offset of that from the start of the packet.
    pub offset: usize,
    /// There is a fragment header, and not one of an atomic fragment, which is processed as a
    /// whole datagram (RFC 6946, section 4).
    pub fragment: Option<Fragment>,
    /// Identification of the fragment; 0 if it is none.
    pub identification: u32,
    /// Length in a jumbo payload option (RFC 2675).
    pub jumbo_len: Option<u32>,
}

/// Follows the extension headers of `octets`, the start of a packet, from `next_header` at
/// `offset` to the upper-layer protocol or a fragment header. Also continues behind the fragment
/// header of a datagram that has been reassembled.
///
/// # Errors
/// [`Discard::IpExtensionHeader`]: cut off or malformed, too many, a routing header with segments
/// left, or an option that must not be skipped. So is a first fragment that does not hold all
/// extension headers (RFC 7112, section 5).
#[inline]
pub fn upper_layer(
    next_header: Protocol,
    octets: &[u8],
    offset: usize,
) -> Result<UpperLayer, Discard> {
    let at_once = UpperLayer {
        protocol: next_header,
        offset,
        fragment: None,
        identification: 0,
        jumbo_len: None,
    };
    match is_extension(next_header) {
        false => Ok(at_once),
        true => walk(at_once, octets),
    }
}

pub(super) fn emit_fragment(out: &mut [u8], next: Protocol, fragment: Fragment, id: u32) {
    let [a, b] = (fragment.offset & !7 | u16::from(fragment.more)).to_be_bytes();
    let [c, d, e, f] = id.to_be_bytes();
    out.copy_from_slice(&[next.0, 0, a, b, c, d, e, f]);
}

#[inline]
fn is_extension(protocol: Protocol) -> bool {
    matches!(
        protocol,
        Protocol::HOP_BY_HOP
            | Protocol::ROUTING
            | Protocol::FRAGMENT
            | Protocol::DESTINATION_OPTIONS
    )
}

fn walk(mut at: UpperLayer, octets: &[u8]) -> Result<UpperLayer, Discard> {
    let first = at.protocol;
    let mut first_fragment = None;
    for count in 0..MOST {
        if !is_extension(at.protocol) {
            return Ok(first_fragment.unwrap_or(at));
        }
        let rest = octets.get(at.offset..).unwrap_or(&[]);
        let Some((fixed, _)) = rest.split_first_chunk::<8>() else {
            break;
        };
        let len = match at.protocol {
            Protocol::FRAGMENT => FRAGMENT_LEN,
            _ => 8 + 8 * usize::from(fixed[1]),
        };
        let Some(header) = rest.get(..len) else {
            break;
        };
        let this = at.protocol;
        at.protocol = Protocol(fixed[0]);
        at.offset += len;
        match this {
            Protocol::HOP_BY_HOP if count > 0 || first != Protocol::HOP_BY_HOP => break,
            Protocol::HOP_BY_HOP => at.jumbo_len = check_options(&header[2..], true)?,
            Protocol::DESTINATION_OPTIONS => _ = check_options(&header[2..], false)?,
            Protocol::ROUTING if fixed[3] != 0 => break,
            Protocol::FRAGMENT if first_fragment.is_some() => break,
            Protocol::FRAGMENT => {
                let [_, _, a, b, c, d, e, f] = *fixed;
                let place = u16::from_be_bytes([a, b]);
                let fragment = Fragment {
                    offset: place & !7,
                    more: place & 1 != 0,
                };
                let found = UpperLayer {
                    fragment: Some(fragment),
                    identification: u32::from_be_bytes([c, d, e, f]),
                    ..at
                };
                match fragment {
                    _ if at.jumbo_len.is_some() => break,
                    Fragment { offset: 0, more } => first_fragment = more.then_some(found),
                    _ => return Ok(found),
                }
            }
            _ => {}
        }
    }
    Err(Discard::IpExtensionHeader)
}

/// Checks type-length-value options; unknown ones are skipped if their type says that they may
/// be (RFC 8200, section 4.2). Returns the length of a jumbo payload option.
fn check_options(mut options: &[u8], hop_by_hop: bool) -> Result<Option<u32>, Discard> {
    const PAD_1: u8 = 0;
    const JUMBO_PAYLOAD: u8 = 0xc2;
    let mut jumbo_len = None;
    loop {
        match *options {
            [] => return Ok(jumbo_len),
            [PAD_1, ref rest @ ..] => options = rest,
            [kind, len, ref rest @ ..] => {
                let Some((value, rest)) = rest.split_at_checked(usize::from(len)) else {
                    return Err(Discard::IpExtensionHeader);
                };
                match (kind, value) {
                    (JUMBO_PAYLOAD, &[a, b, c, d]) if hop_by_hop => {
                        jumbo_len = Some(u32::from_be_bytes([a, b, c, d]));
                    }
                    (kind, _) if kind >> 6 != 0 => return Err(Discard::IpExtensionHeader),
                    _ => {}
                }
                options = rest;
            }
            _ => return Err(Discard::IpExtensionHeader),
        }
    }
}
