//! Cutting our own datagrams that do not fit (RFC 791, section 3.2; RFC 8200, section 4.5).

use bytes::Bytes;
use handfast_wire::ip::Fragment;
use handfast_wire::udp::UdpHeader;
use handfast_wire::{Batch, Checksum, IpHeader, Packet, Payload};

/// Cuts the UDP datagram in `packet`, which is longer than `mtu`, into fragments at the end of
/// `out`. All of them, or none: false when there is no room for all.
///
/// The checksum is made before the cut: nobody could complete it afterwards.
pub(crate) fn fragment(
    packet: &mut Packet,
    mtu: u32,
    identification: u32,
    out: &mut Batch,
) -> bool {
    let Ok((mut ip, transport, _)) = IpHeader::parse(packet.headers(), packet.len()) else {
        return false;
    };
    if packet.checksum == Checksum::Partial {
        let available = packet.len() - transport as u32;
        let udp = packet.headers().get(transport..).unwrap_or(&[]);
        let Ok((udp, _)) = UdpHeader::parse(udp, available) else {
            return false;
        };
        packet.write_udp(&ip, &udp, 0, Checksum::None);
    }
    let mut whole = Payload::from(Bytes::copy_from_slice(&packet.head()[transport..]));
    packet
        .payload
        .slices()
        .iter()
        .for_each(|s| whole.push(s.clone()));
    ip.dont_fragment = false;
    ip.identification = identification;
    ip.fragment = Some(Fragment {
        offset: 0,
        more: true,
    });
    let room = mtu.saturating_sub(ip.header_len() as u32) & !7;
    if room == 0 || whole.len() > 0xffff {
        return false;
    }
    let before = out.len();
    let mut offset = 0;
    while offset < whole.len() {
        let Some(piece) = out.push_slot() else {
            (before..out.len()).for_each(|_| out.unpush());
            return false;
        };
        piece.payload = whole.slice(offset, room);
        piece.reason = packet.reason;
        let len = piece.payload.len();
        ip.fragment = Some(Fragment {
            offset: offset as u16,
            more: offset + len < whole.len(),
        });
        let head = piece.reserve_head(ip.header_len());
        ip.emit(head, len);
        offset += len;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use core::net::IpAddr;
    use handfast_wire::Protocol;

    #[test]
    fn pieces_put_together_are_the_datagram() {
        let pairs: [(&str, &str); 2] = [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")];
        for (source, destination) in pairs {
            for checksum in [Checksum::None, Checksum::Partial] {
                let [source, destination] =
                    [source, destination].map(|a| a.parse::<IpAddr>().unwrap());
                let mut ip = IpHeader::new(source, destination, Protocol::UDP);
                ip.dont_fragment = source.is_ipv6();
                let data: Vec<u8> = (0..5000u32).map(|n| n as u8).collect();
                let mut packet = Packet::new();
                packet.payload.push(Bytes::from(data));
                let udp = UdpHeader {
                    source_port: 1,
                    destination_port: 2,
                };
                assert!(packet.write_udp(&ip, &udp, 0, checksum));
                let mut out = Batch::new(8);
                assert!(fragment(&mut packet, 1500, 77, &mut out));
                let mut whole = Vec::new();
                for (n, piece) in out.packets().iter().enumerate() {
                    assert!(piece.len() <= 1500);
                    let octets = piece.to_bytes();
                    let (h, offset, end) = IpHeader::parse(&octets, piece.len()).unwrap();
                    let place = h.fragment.unwrap();
                    assert_eq!(usize::from(place.offset), whole.len());
                    assert_eq!(place.more, n + 1 < out.len());
                    assert_eq!(h.identification, 77);
                    assert_eq!(end, piece.len());
                    whole.extend_from_slice(&octets[offset..]);
                }
                assert_eq!(whole.len(), 5008);
                let mut again = Packet::from_bytes(whole.into());
                again.checksum = Checksum::None;
                ip.fragment = None;
                again.verify_transport(&ip, 0, 5008).unwrap();
                // None of it where not all of it fits.
                let mut small = Batch::new(2);
                assert!(!fragment(&mut packet, 1500, 77, &mut small));
                assert!(small.is_empty());
            }
        }
    }
}
