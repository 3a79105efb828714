use super::{Protocol, upper_layer, v4, v6};
use crate::icmp;
use crate::tcp::FIXED as TCP_FIXED;
use crate::udp::UdpHeader;

/// Where the headers of a packet that is trusted to be well-formed are, without validating it a
/// second time: what a link needs to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Headers {
    /// Offset of the IP header.
    pub(crate) ip: usize,
    /// Its version.
    pub(crate) version: u8,
    /// What follows IP and extension headers.
    pub(crate) protocol: Protocol,
    /// Offset of that.
    pub(crate) transport: usize,
}

impl Headers {
    /// Finds them in the first octets of a packet whose IP header starts at `ip`; `None` for a
    /// fragment and where there are none.
    #[inline]
    pub(crate) fn find(octets: &[u8], ip: usize) -> Option<Headers> {
        let octets = octets.get(ip..)?;
        let version = *octets.first()? >> 4;
        let (protocol, len) = match version {
            4 => {
                let f = octets.first_chunk::<{ v4::LEN }>()?;
                let len = usize::from(f[0] & 0xf) * 4;
                let fragment = u16::from_be_bytes([f[6], f[7]]) & 0x3fff;
                if len < v4::LEN || fragment != 0 {
                    return None;
                }
                (Protocol(f[9]), len)
            }
            6 => {
                let next_header = Protocol(octets.first_chunk::<{ v6::LEN }>()?[6]);
                let upper = upper_layer(next_header, octets, v6::LEN).ok()?;
                if upper.fragment.is_some() {
                    return None;
                }
                (upper.protocol, upper.offset)
            }
            _ => return None,
        };
        Some(Headers {
            ip,
            version,
            protocol,
            transport: ip + len,
        })
    }

    /// Offset of what follows the TCP, UDP or ICMP header; `None` for another protocol and where the
    /// octets end before.
    #[inline]
    pub(crate) fn payload(&self, octets: &[u8]) -> Option<usize> {
        let header = octets.get(self.transport..)?;
        let len = match self.protocol {
            Protocol::TCP => match usize::from(header.get(12)? >> 4) * 4 {
                len if len >= TCP_FIXED => len,
                _ => return None,
            },
            Protocol::UDP => UdpHeader::LEN,
            Protocol::ICMP | Protocol::ICMPV6 => icmp::HEADER_LEN,
            _ => return None,
        };
        (len <= header.len()).then_some(self.transport + len)
    }
}
