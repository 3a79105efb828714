//! Pieces of a super-segment join back to it, and each is a valid packet.

use crate::generated::{ip_header, payload, tcp_header};
use crate::plain_sum;
use crate::transport::with_pseudo_header;
use bytes::Bytes;
use handfast_wire::tcp::{TcpFlags, TcpHeader};
use handfast_wire::udp::UdpHeader;
use handfast_wire::{
    Checksum, Discard, Gso, GsoKind, IpHeader, Packet, Protocol, SendReason, SeqNumber, segment,
};
use proptest::prelude::*;

fn pieces(packet: &Packet, ip: usize, checksum: Checksum) -> Vec<Packet> {
    let mut out = Vec::new();
    let count = segment(packet, ip, checksum, |p| out.push(core::mem::take(p)));
    assert_eq!(count, Ok(out.len() as u32));
    out
}

/// The same packet as a device would deliver it.
fn arrived(packet: &Packet) -> Packet {
    let mut other = Packet::from_bytes(packet.to_bytes());
    other.gso = packet.gso;
    other.checksum = packet.checksum;
    other
}

proptest! {
    #[test]
    fn tcp_pieces_join_to_the_whole(
        ip in ip_header(Protocol::TCP),
        tcp in tcp_header(),
        payload in payload(60),
        size in 1u16..120,
        link_len in prop_oneof![Just(0usize), Just(14), Just(18)],
    ) {
        let mut whole = Packet::new();
        whole.payload = payload.clone();
        whole.reason = SendReason::Data;
        prop_assert!(whole.write_tcp(&ip, &tcp, size, Checksum::None));
        whole.prepend(link_len).unwrap().fill(0xee);
        let expected_pieces = (payload.len().div_ceil(size.into())).max(1);
        let tcp = TcpHeader::parse(&whole.headers()[link_len + ip.header_len()..]).unwrap().0;

        for (whole, reason) in [(&whole, SendReason::Data), (&arrived(&whole), SendReason::Unknown)] {
            let all = pieces(whole, link_len, Checksum::None);
            prop_assert_eq!(all.len() as u32, expected_pieces);
            let mut joined: Vec<u8> = Vec::new();
            for (index, piece) in all.iter().enumerate() {
                prop_assert_eq!((piece.checksum, piece.gso), (Checksum::None, None));
                if expected_pieces > 1 {
                    prop_assert_eq!(piece.reason, reason);
                }
                let octets = piece.to_bytes();
                let (link, octets) = octets.split_at(link_len);
                prop_assert!(link.iter().all(|b| *b == 0xee));
                let len = octets.len() as u32;
                let (ip2, at, end) = IpHeader::parse(octets, len).unwrap();
                prop_assert_eq!(end, len);
                let mut expected_ip = ip;
                if ip.source.is_ipv4() {
                    let id = (ip.identification as u16).wrapping_add(index as u16);
                    expected_ip.identification = id.into();
                }
                prop_assert_eq!(ip2, expected_ip);
                prop_assert_eq!(plain_sum(&with_pseudo_header(&ip2, &octets[at..])), 0xffff);
                let (tcp2, tcp_len) = TcpHeader::parse(&octets[at..]).unwrap();
                let start = joined.len() as u32;
                let body = &octets[at + tcp_len..];
                let is_last = index + 1 == all.len();
                prop_assert!(is_last || body.len() == usize::from(size));

                let mut expected = tcp;
                expected.seq = tcp.seq + start;
                if !is_last {
                    expected.flags -= TcpFlags::FIN | TcpFlags::PSH;
                }
                if index > 0 {
                    expected.flags -= TcpFlags::CWR;
                    expected.urgent_pointer = tcp.urgent_pointer.saturating_sub(start as u16);
                    if expected.urgent_pointer == 0 {
                        expected.flags -= TcpFlags::URG;
                    }
                }
                prop_assert_eq!(tcp2, expected);
                joined.extend(body);
            }
            prop_assert_eq!(&joined[..], &payload.to_bytes()[..]);

            // Partial pieces: completing them gives the complete ones.
            for (partial, complete) in pieces(whole, link_len, Checksum::Partial).iter().zip(&all) {
                if expected_pieces > 1 {
                    prop_assert_eq!(partial.checksum, Checksum::Partial);
                }
                let again = pieces(partial, link_len, Checksum::None);
                prop_assert_eq!(again.len(), 1);
                prop_assert_eq!(again[0].to_bytes(), complete.to_bytes());
            }
        }
    }

    #[test]
    fn udp_pieces_join_to_the_whole(
        ip in ip_header(Protocol::UDP),
        payload in payload(60),
        size in 1u16..120,
    ) {
        let udp = UdpHeader { source_port: 7, destination_port: 9 };
        let mut whole = Packet::new();
        whole.payload = payload.clone();
        prop_assert!(whole.write_udp(&ip, &udp, size, Checksum::Partial));
        for whole in [&whole, &arrived(&whole)] {
            let mut joined: Vec<u8> = Vec::new();
            for piece in pieces(whole, 0, Checksum::None) {
                let octets = piece.to_bytes();
                let len = octets.len() as u32;
                let (ip2, at, end) = IpHeader::parse(&octets, len).unwrap();
                prop_assert_eq!(end, len);
                prop_assert_eq!(plain_sum(&with_pseudo_header(&ip2, &octets[at..])), 0xffff);
                prop_assert_ne!(&octets[at + 6..at + 8], &[0, 0]);
                let parsed = UdpHeader::parse(&octets[at..], len - at as u32);
                prop_assert_eq!(parsed, Ok((udp, len - at as u32)));
                joined.extend(&octets[at + 8..]);
            }
            prop_assert_eq!(&joined[..], &payload.to_bytes()[..]);
        }
    }
}

fn tcp_packet(len: usize, seq: u32, size: u16, checksum: Checksum) -> Packet {
    let ip = IpHeader::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), Protocol::TCP);
    let tcp = TcpHeader {
        seq: SeqNumber(seq),
        flags: TcpFlags::ACK | TcpFlags::PSH | TcpFlags::FIN | TcpFlags::CWR,
        ..TcpHeader::default()
    };
    let mut packet = Packet::new();
    packet.payload.push(Bytes::from(vec![7; len]));
    assert!(packet.write_tcp(&ip, &tcp, size, checksum));
    packet
}

#[test]
fn beyond_64_kib_and_around_the_wrap() {
    let len = 300_000;
    let whole = tcp_packet(len, u32::MAX - 100_000, 1448, Checksum::Partial);
    let mut next = SeqNumber(u32::MAX - 100_000);
    let mut total = 0;
    let all = pieces(&whole, 0, Checksum::None);
    assert_eq!(all.len(), len.div_ceil(1448));
    for (index, piece) in all.iter().enumerate() {
        let (ip, at, end) = IpHeader::parse(piece.headers(), piece.len()).unwrap();
        assert_eq!(end, piece.len());
        assert_eq!(ip.identification, index as u32);
        assert_eq!(piece.verify_transport(&ip, at, end), Ok(()));
        let (tcp, tcp_len) = TcpHeader::parse(&piece.headers()[at..]).unwrap();
        assert_eq!(tcp.seq, next);
        let mut flags = TcpFlags::ACK;
        if index == 0 {
            flags |= TcpFlags::CWR;
        }
        if index + 1 == all.len() {
            flags |= TcpFlags::PSH | TcpFlags::FIN;
        }
        assert_eq!(tcp.flags, flags);
        let data = piece.len() - (at + tcp_len) as u32;
        next += data;
        total += data as usize;
    }
    assert_eq!(total, len);
}

#[test]
fn what_needs_nothing_is_handed_on() {
    let whole = tcp_packet(100, 1, 0, Checksum::None);
    let all = pieces(&whole, 0, Checksum::None);
    assert_eq!((all.len(), all[0].to_bytes()), (1, whole.to_bytes()));
    let rubbish = Packet::from_bytes(Bytes::from_static(b"rubbish"));
    assert_eq!(
        pieces(&rubbish, 0, Checksum::None)[0].to_bytes(),
        rubbish.to_bytes()
    );
    assert_eq!(pieces(&rubbish, 0, Checksum::Partial).len(), 1);
}

#[test]
fn completing_a_checksum_cuts_link_padding_off() {
    for (v6, len) in [(false, 0), (false, 5), (true, 0), (true, 5)] {
        let mut packet = small_packet(v6, len, Checksum::Partial);
        packet.payload.push(Bytes::from_static(&[0; 9]));
        let all = pieces(&packet, 0, Checksum::None);
        let complete = small_packet(v6, len, Checksum::None);
        assert_eq!(all[0].to_bytes(), complete.to_bytes());
    }
}

fn small_packet(v6: bool, len: usize, checksum: Checksum) -> Packet {
    let ip = match v6 {
        false => IpHeader::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), Protocol::TCP),
        true => IpHeader::new([1; 16].into(), [2; 16].into(), Protocol::TCP),
    };
    let mut packet = Packet::new();
    packet.payload.push(Bytes::from(vec![7; len]));
    assert!(packet.write_tcp(&ip, &TcpHeader::default(), 0, checksum));
    packet
}

#[test]
fn udp_without_a_checksum_stays_without() {
    let ip = IpHeader::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), Protocol::UDP);
    let mut packet = Packet::new();
    packet.payload.push(Bytes::from_static(b"abcdefgh"));
    assert!(packet.write_udp(&ip, &UdpHeader::default(), 3, Checksum::None));
    packet.head_mut()[26..28].fill(0);
    packet.checksum = Checksum::None;
    let all = pieces(&packet, 0, Checksum::None);
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|p| p.head()[26..28] == [0, 0]));
}

#[test]
fn what_cannot_be_cut_is_refused() {
    let gso = Some(Gso {
        kind: GsoKind::TcpV4,
        size: 10,
    });
    let refuse = |packet: &Packet, ip| {
        let r = segment(packet, ip, Checksum::None, |_| panic!("nothing is emitted"));
        assert_eq!(r, Err(Discard::Oversized));
    };
    let mut rubbish = Packet::from_bytes(Bytes::from_static(b"rubbish"));
    rubbish.gso = gso;
    refuse(&rubbish, 0);
    refuse(&rubbish, 100);
    let good = tcp_packet(100, 1, 10, Checksum::Partial);
    let mut link_header_too_long =
        Packet::from_bytes([&[0; 19], &good.to_bytes()[..]].concat().into());
    link_header_too_long.gso = gso;
    refuse(&link_header_too_long, 19);
    let change = |at: usize, value: u8| {
        let mut octets = good.to_bytes().to_vec();
        octets[at] = value;
        let mut packet = Packet::from_bytes(octets.into());
        packet.gso = gso;
        packet
    };
    assert_eq!(pieces(&change(8, 1), 0, Checksum::None).len(), 10);
    refuse(&change(0, 0x44), 0);
    refuse(&change(9, 1), 0);
    refuse(&change(9, 132), 0);
    refuse(&change(6, 0x20), 0);
    refuse(&change(32, 0x40), 0);
    refuse(&change(0, 0x75), 0);
}
