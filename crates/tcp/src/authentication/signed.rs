use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use handfast_wire::tcp::TcpHeader;

/// A segment as its signature sees it: between which ends, its header as on the wire, its text.
#[derive(Clone, Copy, Debug)]
pub struct SignedSegment<'a> {
    source: SocketAddr,
    destination: SocketAddr,
    header: &'a [u8],
    text: &'a [Bytes],
}

/// Octets of a header without options.
const FIXED: usize = 20;
const CHECKSUM: core::ops::Range<usize> = 16..18;
const AUTHENTICATION: u8 = 29;

impl<'a> SignedSegment<'a> {
    /// A segment whose header is `header`, at least 20 octets and no more than it is long.
    pub fn new(
        source: SocketAddr,
        destination: SocketAddr,
        header: &'a [u8],
        text: &'a [Bytes],
    ) -> SignedSegment<'a> {
        SignedSegment {
            source,
            destination,
            header,
            text,
        }
    }

    pub(crate) fn source(&self) -> SocketAddr {
        self.source
    }

    pub(crate) fn destination(&self) -> SocketAddr {
        self.destination
    }

    /// The pseudo-header (RFC 9293, 3.1; RFC 8200, 8.1), in pieces.
    pub(crate) fn pseudo_header(&self, mut each: impl FnMut(&[u8])) {
        let text: usize = self.text.iter().map(|s| s.len()).sum();
        let len = (self.header.len() + text) as u32;
        for end in [self.source, self.destination] {
            match end.ip() {
                IpAddr::V4(a) => each(&a.octets()),
                IpAddr::V6(a) => each(&a.octets()),
            }
        }
        let [a, b, c, d] = len.to_be_bytes();
        match self.source {
            SocketAddr::V4(_) => each(&[0, 6, c, d]),
            SocketAddr::V6(_) => each(&[a, b, c, d, 0, 0, 0, 6]),
        }
    }

    /// The header without options, its checksum zero.
    pub(crate) fn fixed_header(&self) -> [u8; FIXED] {
        let mut fixed = [0; FIXED];
        let len = self.header.len().min(FIXED);
        fixed[..len].copy_from_slice(&self.header[..len]);
        fixed[CHECKSUM].fill(0);
        fixed
    }

    /// The options with the MAC zero: all of them, or only the authentication option (RFC 5925,
    /// 5.1), and how many octets that is.
    pub(crate) fn options(&self, all: bool) -> ([u8; 40], usize) {
        let mut out = [0; 40];
        let options = self.header.get(FIXED..).unwrap_or(&[]);
        let options = &options[..options.len().min(out.len())];
        let (start, end) = authentication_option(options).unwrap_or((0, 0));
        if all {
            out[..options.len()].copy_from_slice(options);
            out[(start + 4).min(end)..end].fill(0);
            (out, options.len())
        } else {
            let ids = (start + 4).min(end) - start;
            out[..ids].copy_from_slice(&options[start..start + ids]);
            (out, end - start)
        }
    }

    /// The text, slice by slice.
    pub(crate) fn text(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.text.iter().map(|s| &s[..])
    }
}

/// Where the authentication option begins and ends.
fn authentication_option(options: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    loop {
        match *options.get(at..)? {
            [] | [0, ..] => return None,
            [1, ..] => at += 1,
            [kind, len, ..] if len >= 2 => {
                let end = at + usize::from(len);
                if kind == AUTHENTICATION {
                    return (end <= options.len()).then_some((at, end));
                }
                at = end;
            }
            _ => return None,
        }
    }
}

/// A header as octets, its checksum zero.
pub(crate) fn octets_of(header: &TcpHeader) -> ([u8; TcpHeader::MAX_LEN], usize) {
    let mut out = [0; TcpHeader::MAX_LEN];
    let len = header.emit(&mut out);
    (out, len)
}
