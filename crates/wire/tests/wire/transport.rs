//! Whole packets: headers in front of a payload, and the checksums over both.

use crate::generated::{icmpv4, icmpv6, ip_header, payload, tcp_header};
use crate::{hex, plain_sum};
use bytes::Bytes;
use core::net::IpAddr;
use handfast_wire::icmp::{Icmpv4, Icmpv6};
use handfast_wire::tcp::{TcpFlags, TcpHeader};
use handfast_wire::udp::UdpHeader;
use handfast_wire::{
    Checksum, Discard, Gso, GsoKind, IpHeader, Packet, Payload, Protocol, SeqNumber,
};
use proptest::prelude::*;

/// The pseudo-header as it is drawn in the standards, followed by `transport`.
pub(crate) fn with_pseudo_header(ip: &IpHeader, transport: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    match (ip.source, ip.destination) {
        (IpAddr::V4(s), IpAddr::V4(d)) => {
            all.extend(s.octets());
            all.extend(d.octets());
            all.extend([0, ip.protocol.0]);
            all.extend((transport.len() as u16).to_be_bytes());
        }
        (IpAddr::V6(s), IpAddr::V6(d)) => {
            all.extend(s.octets());
            all.extend(d.octets());
            all.extend((transport.len() as u32).to_be_bytes());
            all.extend([0, 0, 0, ip.protocol.0]);
        }
        _ => panic!("mixed families"),
    }
    all.extend(transport);
    all
}

/// Both shapes a packet has: as it was written, and as a device delivers it.
fn both_shapes(packet: &Packet) -> [Packet; 2] {
    let mut arrived = Packet::from_bytes(packet.to_bytes());
    arrived.checksum = packet.checksum;
    [packet.clone(), arrived]
}

fn packet_with(payload: &Payload) -> Packet {
    let mut packet = Packet::new();
    packet.payload = payload.clone();
    packet
}

/// Every single bit of the transport part matters.
fn assert_each_bit_counts(packet: &Packet, ip: &IpHeader, at: usize, reason: Discard) {
    let good = packet.to_bytes();
    for bit in at * 8..good.len() * 8 {
        let mut octets = good.to_vec();
        octets[bit / 8] ^= 1 << (bit % 8);
        let len = octets.len() as u32;
        let bad = Packet::from_bytes(octets.into());
        assert_eq!(bad.verify_transport(ip, at, len), Err(reason), "bit {bit}");
    }
}

#[test]
fn a_known_udp_datagram() {
    // From 192.0.2.1:53 to 192.0.2.2:49153: "hi".
    let octets = hex("4500 001e 0000 4000 4011 b6cb c0000201 c0000202
         0035 c001 000a 5336 6869");
    let udp = UdpHeader {
        source_port: 53,
        destination_port: 0xc001,
    };
    let packet = Packet::from_bytes(octets.clone().into());
    let (ip, at, end) = IpHeader::parse(packet.headers(), packet.len()).unwrap();
    assert_eq!(packet.verify_transport(&ip, at, end), Ok(()));
    assert_eq!(UdpHeader::parse(&octets[at..], end - 20), Ok((udp, 10)));
    let mut again = Packet::new();
    again.payload.push(Bytes::from_static(b"hi"));
    assert!(again.write_udp(&ip, &udp, 0, Checksum::None));
    assert_eq!(again.to_bytes()[..], octets);
    assert_each_bit_counts_for_udp(&packet, &ip, at);
}

/// As [`assert_each_bit_counts`]; a wrong length field may be told before the sum.
fn assert_each_bit_counts_for_udp(packet: &Packet, ip: &IpHeader, at: usize) {
    let good = packet.to_bytes();
    for bit in at * 8..good.len() * 8 {
        let mut octets = good.to_vec();
        octets[bit / 8] ^= 1 << (bit % 8);
        let len = octets.len() as u32;
        let bad = Packet::from_bytes(octets.into());
        let reason = bad.verify_transport(ip, at, len).unwrap_err();
        let expected = [Discard::UdpChecksum, Discard::UdpTruncated];
        assert!(expected.contains(&reason), "bit {bit}: {reason}");
    }
}

#[test]
fn a_known_echo_request() {
    let octets = hex("4500 001e 0000 4000 4001 b6db c0000201 c0000202 0800 7d61 1234 0001 6869");
    let packet = Packet::from_bytes(octets.clone().into());
    let (ip, at, end) = IpHeader::parse(packet.headers(), packet.len()).unwrap();
    assert_eq!(packet.verify_transport(&ip, at, end), Ok(()));
    assert_each_bit_counts(&packet, &ip, at, Discard::IcmpChecksum);
    let message = Icmpv4::parse(&octets[at..]).unwrap();
    let mut again = Packet::new();
    again.payload.push(Bytes::from_static(b"hi"));
    assert!(again.write_icmpv4(&ip, &message));
    assert_eq!(again.to_bytes()[..], octets);
}

#[test]
fn each_bit_of_a_tcp_segment_counts() {
    for (s, d) in [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")] {
        let ip = IpHeader::new(s.parse().unwrap(), d.parse().unwrap(), Protocol::TCP);
        let mut packet = Packet::new();
        packet.payload.push(Bytes::from_static(b"odd"));
        packet.payload.push(Bytes::from_static(b"even"));
        let tcp = TcpHeader {
            seq: SeqNumber(0xffff_fff0),
            flags: TcpFlags::ACK,
            ..TcpHeader::default()
        };
        assert!(packet.write_tcp(&ip, &tcp, 0, Checksum::None));
        assert_each_bit_counts(&packet, &ip, ip.header_len(), Discard::TcpChecksum);
    }
}

#[test]
fn udp_checksum_of_zero() {
    let udp = UdpHeader {
        source_port: 1,
        destination_port: 2,
    };
    for (s, d) in [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")] {
        let ip = IpHeader::new(s.parse().unwrap(), d.parse().unwrap(), Protocol::UDP);
        let at = ip.header_len();
        let field = |packet: &Packet| packet.head()[at + 6..][..2].to_vec();
        let write = |payload: [u8; 2]| {
            let mut packet = Packet::new();
            packet.payload.push(Bytes::copy_from_slice(&payload));
            assert!(packet.write_udp(&ip, &udp, 0, Checksum::None));
            packet
        };
        // The sum without payload is the complement of the field of a payload of zeros.
        let zeros = field(&write([0, 0]));
        let packet = write([zeros[0], zeros[1]]);
        assert_eq!(
            field(&packet),
            [0xff, 0xff],
            "a sum of zero is sent as ones"
        );
        let end = packet.len();
        for mut packet in both_shapes(&packet) {
            assert_eq!(packet.verify_transport(&ip, at, end), Ok(()));
            let mut octets = packet.to_bytes().to_vec();
            octets[at + 6..at + 8].fill(0);
            packet = Packet::from_bytes(octets.into());
            for checksum in [Checksum::None, Checksum::Verified] {
                packet.checksum = checksum;
                let expected = match ip.source {
                    IpAddr::V4(_) => Ok(()),
                    IpAddr::V6(_) => Err(Discard::UdpZeroChecksumV6),
                };
                assert_eq!(packet.verify_transport(&ip, at, end), expected);
            }
        }
    }
}

#[test]
fn udp_shorter_than_ip_says() {
    let ip = IpHeader::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), Protocol::UDP);
    let udp = UdpHeader::default();
    let mut packet = Packet::new();
    packet.payload.push(Bytes::from_static(b"data"));
    assert!(packet.write_udp(&ip, &udp, 0, Checksum::None));
    packet
        .payload
        .push(Bytes::from_static(b"beyond the datagram"));
    assert_eq!(packet.verify_transport(&ip, 20, packet.len()), Ok(()));
    assert_eq!(
        packet.verify_transport(&ip, 20, 20 + 11),
        Err(Discard::UdpTruncated)
    );
}

#[test]
fn trusted_packets_are_not_summed() {
    let ip = IpHeader::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), Protocol::TCP);
    let mut packet = Packet::new();
    packet.payload.push(Bytes::from_static(b"data"));
    let tcp = TcpHeader::default();
    assert!(packet.write_tcp(&ip, &tcp, 0, Checksum::Partial));
    assert_eq!(packet.checksum, Checksum::Partial);
    assert_eq!(packet.verify_transport(&ip, 20, packet.len()), Ok(()));
    packet.checksum = Checksum::None;
    let r = packet.verify_transport(&ip, 20, packet.len());
    assert_eq!(r, Err(Discard::TcpChecksum));
    packet.checksum = Checksum::Verified;
    assert_eq!(packet.verify_transport(&ip, 20, packet.len()), Ok(()));
}

#[test]
fn more_than_one_segment_makes_a_super_segment() {
    let ip = IpHeader::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), Protocol::TCP);
    let tcp = TcpHeader::default();
    for (len, size, gso) in [
        (0, 100, None),
        (100, 100, None),
        (101, 100, Some(100)),
        (101, 0, None),
    ] {
        let mut packet = Packet::new();
        packet.payload.push(Bytes::from(vec![0; len]));
        assert!(packet.write_tcp(&ip, &tcp, size, Checksum::None));
        let kind = GsoKind::TcpV4;
        assert_eq!(
            packet.gso,
            gso.map(|size| Gso { kind, size }),
            "{len} in {size}"
        );
        let expected = if gso.is_some() {
            Checksum::Partial
        } else {
            Checksum::None
        };
        assert_eq!(packet.checksum, expected);
    }
}

#[test]
fn mixed_families_write_nothing() {
    let ip = IpHeader::new([192, 0, 2, 1].into(), [0; 16].into(), Protocol::TCP);
    let mut packet = Packet::new();
    packet.payload.push(Bytes::from_static(b"data"));
    assert!(!packet.write_tcp(&ip, &TcpHeader::default(), 1, Checksum::None));
    assert!(!packet.write_udp(&ip, &UdpHeader::default(), 1, Checksum::None));
    assert!(!packet.write_icmpv4(&ip, &Icmpv4::SourceQuench));
    assert!(!packet.write_icmpv6(&ip, &Icmpv6::PacketTooBig { mtu: 0 }));
    assert_eq!((packet.head().len(), packet.gso), (0, None));
}

#[test]
fn the_wrong_protocol_number_does_no_harm() {
    for protocol in 0..=255 {
        let ip = IpHeader::new([0; 16].into(), [1; 16].into(), Protocol(protocol));
        let mut packet = Packet::new();
        packet.write_udp(&ip, &UdpHeader::default(), 0, Checksum::None);
        packet.write_tcp(&ip, &TcpHeader::default(), 0, Checksum::Partial);
        packet.write_icmpv6(&ip, &Icmpv6::PacketTooBig { mtu: 0 });
        assert_eq!(packet.len(), 48);
    }
}

#[test]
fn the_biggest_headers_fit() {
    let mut ip = IpHeader::new([0; 16].into(), [1; 16].into(), Protocol::TCP);
    ip.fragment = Some(handfast_wire::ip::Fragment {
        offset: 0,
        more: true,
    });
    let mut tcp = TcpHeader::default();
    tcp.options.md5 = Some([0; 16]);
    tcp.options.authentication = handfast_wire::tcp::Authentication::new(1, 2, &[3; 16]);
    let mut packet = Packet::new();
    assert!(packet.write_tcp(&ip, &tcp, 0, Checksum::None));
    assert_eq!(packet.len(), 48 + 60);
    assert_eq!(packet.prepend(18).map(|link| link.len()), Some(18));
    assert_eq!(packet.prepend(1), None);
    assert_eq!(packet.head().len(), 18 + 48 + 60);
}

proptest! {
    #[test]
    fn tcp(ip in ip_header(Protocol::TCP), tcp in tcp_header(), payload in payload(40)) {
        let mut packet = packet_with(&payload);
        prop_assert!(packet.write_tcp(&ip, &tcp, 0, Checksum::None));
        let octets = packet.to_bytes();
        let at = ip.header_len();
        prop_assert_eq!(plain_sum(&with_pseudo_header(&ip, &octets[at..])), 0xffff);
        for mut packet in both_shapes(&packet) {
            let parsed = IpHeader::parse(packet.headers(), packet.len());
            prop_assert_eq!(parsed, Ok((ip, at, packet.len())));
            prop_assert_eq!(packet.verify_transport(&ip, at, packet.len()), Ok(()));
            let (_, len) = TcpHeader::parse(&packet.headers()[at..]).unwrap();
            prop_assert_eq!(len, tcp.header_len());
            let end = packet.len();
            prop_assert_eq!(packet.take_payload((at + len) as u32, end), payload.clone());
        }

        // Partial: the field holds the pseudo-header's sum; completing it gives the same packet.
        let mut partial = packet_with(&payload);
        prop_assert!(partial.write_tcp(&ip, &tcp, 0, Checksum::Partial));
        let mut completed = partial.to_bytes().to_vec();
        let field = !plain_sum(&completed[at..]);
        completed[at + 16..at + 18].copy_from_slice(&field.to_be_bytes());
        prop_assert_eq!(&completed[..], &octets[..]);
    }

    #[test]
    fn udp(ip in ip_header(Protocol::UDP), ports: (u16, u16), payload in payload(40)) {
        let udp = UdpHeader { source_port: ports.0, destination_port: ports.1 };
        let mut packet = packet_with(&payload);
        prop_assert!(packet.write_udp(&ip, &udp, 0, Checksum::None));
        let octets = packet.to_bytes();
        let at = ip.header_len();
        prop_assert_eq!(plain_sum(&with_pseudo_header(&ip, &octets[at..])), 0xffff);
        for packet in both_shapes(&packet) {
            prop_assert_eq!(packet.verify_transport(&ip, at, packet.len()), Ok(()));
            let available = packet.len() - at as u32;
            let parsed = UdpHeader::parse(&packet.headers()[at..], available);
            prop_assert_eq!(parsed, Ok((udp, available)));
        }
    }

    #[test]
    fn icmp(
        v4 in ip_header(Protocol::ICMP).prop_filter("IPv4", |ip| ip.source.is_ipv4()),
        v6 in ip_header(Protocol::ICMPV6).prop_filter("IPv6", |ip| ip.source.is_ipv6()),
        message_v4 in icmpv4(),
        message_v6 in icmpv6(),
        payload in payload(40),
    ) {
        let mut packet = packet_with(&payload);
        prop_assert!(packet.write_icmpv4(&v4, &message_v4));
        prop_assert_eq!(plain_sum(&packet.to_bytes()[20..]), 0xffff);
        for packet in both_shapes(&packet) {
            prop_assert_eq!(packet.verify_transport(&v4, 20, packet.len()), Ok(()));
            prop_assert_eq!(Icmpv4::parse(&packet.headers()[20..]), Ok(message_v4));
        }
        let mut packet = packet_with(&payload);
        prop_assert!(packet.write_icmpv6(&v6, &message_v6));
        prop_assert_eq!(plain_sum(&with_pseudo_header(&v6, &packet.to_bytes()[40..])), 0xffff);
        for packet in both_shapes(&packet) {
            prop_assert_eq!(packet.verify_transport(&v6, 40, packet.len()), Ok(()));
            prop_assert_eq!(Icmpv6::parse(&packet.headers()[40..]), Ok(message_v6));
        }
    }
}
