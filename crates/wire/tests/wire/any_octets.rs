//! Any octets at all give a value or a reason, and nothing panics.

use crate::generated::{icmpv4, icmpv6, ip_header, payload, tcp_header};
use crate::plain_sum;
use bytes::Bytes;
use handfast_wire::icmp::{Icmpv4, Icmpv6, Quote};
use handfast_wire::ip::{Ipv4Header, Ipv6Header, upper_layer};
use handfast_wire::tcp::{TcpHeader, TcpOptions};
use handfast_wire::udp::UdpHeader;
use handfast_wire::{Checksum, Gso, GsoKind, IpHeader, Packet, Protocol, VirtioNetHeader, segment};
use proptest::collection::vec;
use proptest::prelude::*;

/// Walks the way up that a packet takes, and every parser beside it.
fn exercise(octets: &[u8], virtio: &[u8; 10], packet_len: u32) {
    _ = TcpHeader::parse(octets);
    _ = TcpOptions::parse(octets);
    _ = UdpHeader::parse(octets, packet_len);
    _ = Ipv4Header::parse(octets, packet_len);
    _ = Ipv6Header::parse(octets, packet_len);
    _ = Icmpv4::parse(octets);
    _ = Icmpv6::parse(octets);
    _ = Quote::parse_v4(octets);
    _ = Quote::parse_v6(octets);
    for protocol in 0..=255 {
        let offset = usize::from(protocol) % 64;
        if let Ok(upper) = upper_layer(Protocol(protocol), octets, offset) {
            assert!(upper.offset <= octets.len().max(offset));
        }
    }
    if let Ok((header, _)) = TcpHeader::parse(octets) {
        let mut out = [0; TcpHeader::MAX_LEN];
        let len = header.emit(&mut out);
        let (again, _) = TcpHeader::parse(&out[..len]).expect("what we emit parses");
        assert_eq!(again, header, "what arrived fits, so it fits again");
    }
    for split in [0, 1, octets.len() / 2] {
        let mut packet = Packet::new();
        packet.reserve_head(split);
        let split = packet.head().len().min(octets.len());
        packet.reserve_head(split).copy_from_slice(&octets[..split]);
        packet
            .payload
            .push(Bytes::copy_from_slice(&octets[split..]));
        way_up(packet, virtio);
    }
    _ = IpHeader::parse(octets, packet_len);
}

fn way_up(mut packet: Packet, virtio: &[u8; 10]) {
    let len = packet.len();
    for header in [
        VirtioNetHeader::default(),
        VirtioNetHeader::parse(virtio).unwrap(),
    ] {
        packet.checksum = Checksum::None;
        packet.gso = None;
        for ip in [0, 14, 18, 19] {
            _ = header.apply(&mut packet, ip);
            _ = VirtioNetHeader::for_packet(&packet, ip);
            cut(&packet, ip);
        }
        if let Ok((ip, transport, end)) = IpHeader::parse(packet.headers(), len) {
            assert!(transport as u32 <= end && end <= len);
            _ = packet.verify_transport(&ip, transport, end);
            let mut out = [0; IpHeader::MAX_LEN];
            let emitted = ip.emit(&mut out, end - transport as u32);
            assert_eq!(emitted, ip.header_len());
            let (again, _, _) = IpHeader::parse(&out[..emitted], len + 48).unwrap();
            assert_eq!(again, ip);
        }
        packet.checksum = Checksum::Partial;
        for kind in [GsoKind::TcpV4, GsoKind::TcpV6, GsoKind::Udp] {
            packet.gso = Some(Gso { kind, size: 7 });
            _ = VirtioNetHeader::for_packet(&packet, 0);
            cut(&packet, 0);
        }
        packet.gso = None;
        cut(&packet, 0);
    }
}

fn cut(packet: &Packet, ip: usize) {
    for checksum in [Checksum::None, Checksum::Partial] {
        let mut emitted = 0;
        let count = segment(packet, ip, checksum, |_| emitted += 1);
        assert_eq!(count.unwrap_or(0), emitted);
    }
}

/// A well-formed packet of any kind, perhaps quoting another in an ICMP error.
fn valid() -> impl Strategy<Value = Vec<u8>> {
    let ip = |protocol| ip_header(Protocol(protocol));
    let write = |write: &dyn Fn(&mut Packet) -> bool, payload| {
        let mut packet = Packet::new();
        packet.payload = payload;
        assert!(write(&mut packet));
        packet.to_bytes().to_vec()
    };
    let tcp = (ip(6), tcp_header(), payload(30)).prop_map(move |(ip, tcp, payload)| {
        write(&|p| p.write_tcp(&ip, &tcp, 0, Checksum::None), payload)
    });
    let udp = (ip(17), payload(30)).prop_map(move |(ip, payload)| {
        write(
            &|p| p.write_udp(&ip, &UdpHeader::default(), 0, Checksum::None),
            payload,
        )
    });
    let plain = prop_oneof![3 => tcp, 1 => udp].boxed();
    let in_icmp = (ip(1), ip(58), icmpv4(), icmpv6(), plain.clone()).prop_map(
        move |(ip4, ip6, v4, v6, quoted)| {
            let quoted = Bytes::from(quoted);
            match ip4.source.is_ipv4() {
                true => write(&|p| p.write_icmpv4(&ip4, &v4), quoted.into()),
                false => write(&|p| p.write_icmpv6(&ip6, &v6), quoted.into()),
            }
        },
    );
    prop_oneof![3 => plain, 1 => in_icmp]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4 * ProptestConfig::default().cases))]

    #[test]
    fn random(octets in vec(any::<u8>(), 0..200), virtio: [u8; 10], len in 0u32..200_000) {
        exercise(&octets, &virtio, len);
    }

    #[test]
    fn random_behind_a_plausible_start(
        first in prop_oneof![Just(0x45u8), 0x40u8..0x50, 0x60u8..0x70],
        protocol in prop_oneof![any::<u8>(), Just(0), Just(6), Just(17), Just(43), Just(44), Just(60)],
        octets in vec(any::<u8>(), 40..200),
        virtio: [u8; 10],
    ) {
        let mut octets = octets;
        let len = octets.len();
        octets[0] = first;
        if first >> 4 == 4 {
            octets[2..4].copy_from_slice(&(len as u16).to_be_bytes());
            octets[9] = protocol;
        } else {
            octets[4..6].copy_from_slice(&(len as u16 - 40).to_be_bytes());
            octets[6] = protocol;
        }
        fix_header_checksum(&mut octets);
        exercise(&octets, &virtio, len as u32);
    }

    #[test]
    fn mutated(
        octets in valid(),
        changes in vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        cut_to in proptest::option::weighted(0.3, any::<proptest::sample::Index>()),
        fix: bool,
        virtio: [u8; 10],
    ) {
        let mut octets = octets;
        for (index, value) in changes {
            let at = index.index(octets.len().min(120));
            octets[at] = value;
        }
        if let Some(index) = cut_to {
            octets.truncate(index.index(octets.len()));
        }
        if fix {
            fix_header_checksum(&mut octets);
        }
        exercise(&octets, &virtio, octets.len() as u32);
    }
}

/// Lets IPv4 packets through the first gate, so that what lies behind it is tried too.
fn fix_header_checksum(octets: &mut [u8]) {
    let Some(first) = octets.first() else { return };
    let len = usize::from(first & 0xf) * 4;
    if first >> 4 == 4 && len >= 20 && octets.len() >= len {
        octets[10..12].fill(0);
        let sum = !plain_sum(&octets[..len]);
        octets[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}
