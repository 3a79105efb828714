//! The header in front of every packet of a TUN, TAP or packet socket opened with vnet headers
//! (virtio 1.2, section 5.1.6.1; `linux/virtio_net.h`).

use crate::ip::Headers;
use crate::{Checksum, Discard, Gso, GsoKind, Packet, Protocol};

const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;

const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5;
/// Ored to a TCP type: the first piece carries CWR.
const GSO_ECN: u8 = 0x80;

/// `struct virtio_net_hdr`, fields in the byte order of the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VirtioNetHeader {
    /// 1: the checksum is to be completed; 2: it has been checked.
    pub flags: u8,
    /// How to cut the packet: 0 not, 1 TCP/IPv4, 4 TCP/IPv6, 5 UDP; 0x80 with CWR.
    pub gso_type: u8,
    /// Octets of headers, a hint to the kernel. What the kernel writes here is how much of the
    /// packet was in one piece, and is not used.
    pub hdr_len: u16,
    /// Payload octets of each piece.
    pub gso_size: u16,
    /// Where summing starts, from the start of the packet.
    pub csum_start: u16,
    /// Where the checksum goes, from `csum_start`.
    pub csum_offset: u16,
}

impl VirtioNetHeader {
    /// Length of the header.
    pub const LEN: usize = 10;

    /// The header at the start of `octets`, as it is; [`apply`](VirtioNetHeader::apply) judges it.
    ///
    /// # Errors
    /// [`Discard::VirtioHeader`]: fewer than ten octets.
    #[inline]
    pub fn parse(octets: &[u8]) -> Result<VirtioNetHeader, Discard> {
        let Some(&[flags, gso_type, a, b, c, d, e, f, g, h]) = octets.first_chunk() else {
            return Err(Discard::VirtioHeader);
        };
        Ok(VirtioNetHeader {
            flags,
            gso_type,
            hdr_len: u16::from_ne_bytes([a, b]),
            gso_size: u16::from_ne_bytes([c, d]),
            csum_start: u16::from_ne_bytes([e, f]),
            csum_offset: u16::from_ne_bytes([g, h]),
        })
    }

    /// The header as the kernel reads it.
    #[inline]
    pub fn to_octets(&self) -> [u8; Self::LEN] {
        let [a, b] = self.hdr_len.to_ne_bytes();
        let [c, d] = self.gso_size.to_ne_bytes();
        let [e, f] = self.csum_start.to_ne_bytes();
        let [g, h] = self.csum_offset.to_ne_bytes();
        [self.flags, self.gso_type, a, b, c, d, e, f, g, h]
    }

    /// What to write in front of `packet`, whose IP header starts at `ip`: 0, or the length of a
    /// link header. Asks for a checksum if the packet's is [partial](Checksum::Partial), and for
    /// segmentation if it has [`gso`](Packet::gso) and more payload than fits one piece.
    #[inline]
    pub fn for_packet(packet: &Packet, ip: usize) -> VirtioNetHeader {
        let mut header = VirtioNetHeader::default();
        if packet.checksum != Checksum::Partial {
            return header;
        }
        let octets = packet.headers();
        let Some(at) = Headers::find(octets, ip) else {
            return header;
        };
        let (Some(csum_offset), Ok(csum_start)) =
            (at.protocol.checksum_offset(), u16::try_from(at.transport))
        else {
            return header;
        };
        header.flags = NEEDS_CSUM;
        header.csum_start = csum_start;
        header.csum_offset = csum_offset as u16;
        let (Some(gso), Some(hdr_len)) = (packet.gso, at.payload(octets)) else {
            return header;
        };
        if packet.len() > hdr_len as u32 + u32::from(gso.size) {
            header.hdr_len = hdr_len as u16;
            header.gso_size = gso.size;
            header.gso_type = match gso.kind {
                GsoKind::Udp => GSO_UDP_L4,
                GsoKind::TcpV4 | GsoKind::TcpV6 => {
                    let flags = octets.get(at.transport + 13);
                    let has_cwr = flags.is_some_and(|flags| flags & 0x80 != 0);
                    let kind = match gso.kind {
                        GsoKind::TcpV4 => GSO_TCPV4,
                        _ => GSO_TCPV6,
                    };
                    if has_cwr { kind | GSO_ECN } else { kind }
                }
            };
        }
        header
    }

    /// Sets [`checksum`](Packet::checksum) and [`gso`](Packet::gso) of a packet that was read
    /// behind this header and whose IP header starts at `ip`. The header comes from outside:
    /// nothing in it is believed that the packet contradicts. A checksum it speaks of that is not
    /// that of the packet's own transport header, but of something carried within, is left to be
    /// verified.
    ///
    /// # Errors
    /// [`Discard::VirtioHeader`]: a checksum outside the packet; segmentation of another protocol
    /// than the packet's, of an unknown kind, or into pieces of no octets.
    #[inline]
    pub fn apply(&self, packet: &mut Packet, ip: usize) -> Result<(), Discard> {
        if self.flags & (NEEDS_CSUM | DATA_VALID) == 0 && self.gso_type == GSO_NONE {
            return Ok(());
        }
        let at = Headers::find(packet.headers(), ip);
        let gso = self.gso(at)?;
        if self.flags & NEEDS_CSUM != 0 {
            let field = u32::from(self.csum_start) + u32::from(self.csum_offset);
            if field + 2 > packet.len() {
                return Err(Discard::VirtioHeader);
            }
            let is_own = at.is_some_and(|at| {
                at.transport == usize::from(self.csum_start)
                    && at.protocol.checksum_offset() == Some(usize::from(self.csum_offset))
            });
            if is_own {
                packet.checksum = Checksum::Partial;
            }
        } else if self.flags & DATA_VALID != 0 {
            packet.checksum = Checksum::Verified;
        }
        packet.gso = gso;
        Ok(())
    }

    fn gso(&self, at: Option<Headers>) -> Result<Option<Gso>, Discard> {
        let packet = at.map(|at| (at.version, at.protocol));
        let kind = match (self.gso_type, packet) {
            (GSO_NONE, _) => return Ok(None),
            (GSO_UDP_L4, Some((_, Protocol::UDP))) => GsoKind::Udp,
            (kind, Some((version, Protocol::TCP))) => match (kind & !GSO_ECN, version) {
                (GSO_TCPV4, 4) => GsoKind::TcpV4,
                (GSO_TCPV6, 6) => GsoKind::TcpV6,
                _ => return Err(Discard::VirtioHeader),
            },
            _ => return Err(Discard::VirtioHeader),
        };
        match self.gso_size {
            0 => Err(Discard::VirtioHeader),
            size => Ok(Some(Gso { kind, size })),
        }
    }
}
