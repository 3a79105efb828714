use crate::generated::{fragment, ip_header};
use crate::{hex, plain_sum};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use handfast_wire::ip::{Fragment, Ipv4Header, Ipv6Header, UpperLayer, upper_layer};
use handfast_wire::{Discard, Ecn, IpHeader, Protocol};
use proptest::prelude::*;

/// The header of a packet with `payload_len` octets after it.
fn emitted(header: &IpHeader, payload_len: u32) -> Vec<u8> {
    let mut out = [0xa5; IpHeader::MAX_LEN];
    let len = header.emit(&mut out, payload_len);
    assert_eq!(len, header.header_len());
    assert!(out[len..].iter().all(|b| *b == 0xa5));
    out[..len].to_vec()
}

fn v4() -> IpHeader {
    let (s, d) = (
        Ipv4Addr::new(192, 168, 0, 1),
        Ipv4Addr::new(192, 168, 0, 199),
    );
    IpHeader::new(s.into(), d.into(), Protocol::UDP)
}

fn v6(protocol: Protocol) -> IpHeader {
    let d = "2001:db8::2".parse::<Ipv6Addr>().unwrap();
    IpHeader::new(Ipv6Addr::LOCALHOST.into(), d.into(), protocol)
}

/// An IPv4 header with these options, padded, and its checksum right.
fn v4_with_options(options: &[u8], payload: usize) -> Vec<u8> {
    let mut packet = emitted(&v4(), 0);
    packet.extend(options);
    packet.resize(packet.len().next_multiple_of(4), 0);
    packet[0] = 0x40 | (packet.len() / 4) as u8;
    let total = (packet.len() + payload) as u16;
    packet[2..4].copy_from_slice(&total.to_be_bytes());
    set_checksum(&mut packet);
    packet.resize(packet.len() + payload, 0);
    packet
}

fn set_checksum(header: &mut [u8]) {
    header[10..12].fill(0);
    let sum = !plain_sum(header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

#[test]
fn known_v4_header() {
    let octets = hex("4500 0073 0000 4000 4011 b861 c0a80001 c0a800c7");
    assert_eq!(IpHeader::parse(&octets, 0x73), Ok((v4(), 20, 0x73)));
    assert_eq!(emitted(&v4(), 0x73 - 20), octets);
    let (h, header_len, total_len) = Ipv4Header::parse(&octets, 0x80).unwrap();
    assert_eq!((header_len, total_len, h.total_len), (20, 0x73, 0x73));
    assert_eq!((h.ttl, h.identification, h.dont_fragment), (64, 0, true));
}

#[test]
fn known_v6_header() {
    let octets = hex("6 b3 12345 0014 06 40
         00000000000000000000000000000001 20010db8000000000000000000000002");
    let mut header = v6(Protocol::TCP);
    header.traffic_class = 0xb3;
    header.flow_label = 0x12345;
    assert_eq!(IpHeader::parse(&octets, 60), Ok((header, 40, 60)));
    assert_eq!(emitted(&header, 20), octets);
    assert_eq!(header.ecn(), Ecn::Ce);
    let (h, end) = Ipv6Header::parse(&octets, 60).unwrap();
    assert_eq!((h.payload_len, end), (20, 60));
}

#[test]
fn what_is_wrong_with_v4() {
    let good = v4_with_options(&[], 8);
    let table: &[(&str, usize, u8, Discard)] = &[
        ("version", 0, 0x55, Discard::IpVersion),
        ("header length 4", 0, 0x44, Discard::IpHeaderLength),
        ("header length beyond", 0, 0x4f, Discard::IpHeaderLength),
        (
            "total length below the header",
            3,
            19,
            Discard::IpTotalLength,
        ),
        ("total length zero", 3, 0, Discard::IpTotalLength),
        ("total length beyond", 3, 29, Discard::IpTotalLength),
    ];
    assert!(IpHeader::parse(&good, 28).is_ok());
    for (name, at, value, reason) in table {
        let mut packet = good.clone();
        packet[*at] = *value;
        set_checksum(&mut packet[..20]);
        assert_eq!(IpHeader::parse(&packet, 28), Err(*reason), "{name}");
    }
    for bit in 0..20 * 8 {
        let mut packet = good.clone();
        packet[bit / 8] ^= 1 << (bit % 8);
        assert!(IpHeader::parse(&packet, 28).is_err(), "bit {bit}");
    }
    for len in 0..20 {
        let r = IpHeader::parse(&good[..len], len as u32);
        assert_eq!(r, Err(Discard::IpTruncated));
    }
}

#[test]
fn v4_options_are_checked_and_skipped() {
    let table: &[(&str, &str, bool)] = &[
        ("router alert", "9404 0000", true),
        ("nop, end, rubbish", "01 00 ff00", true),
        ("record route", "0707 04 00000000", true),
        ("source route used up", "8307 08 01020304", true),
        (
            "loose source route with a hop left",
            "8307 04 01020304",
            false,
        ),
        (
            "strict source route with a hop left",
            "8907 04 01020304",
            false,
        ),
        ("source route without a pointer", "8302", false),
        ("length 0", "9400 0000", false),
        ("length 1", "9401 0000", false),
        ("past the end", "9405 0000", false),
        ("length missing", "01 01 01 94", false),
    ];
    for (name, options, is_good) in table {
        let packet = v4_with_options(&hex(options), 4);
        let header_len = packet.len() - 4;
        let expected = match is_good {
            true => Ok((v4(), header_len, packet.len() as u32)),
            false => Err(Discard::IpOption),
        };
        assert_eq!(
            IpHeader::parse(&packet, packet.len() as u32),
            expected,
            "{name}"
        );
    }
}

#[test]
fn link_padding_is_told_by_the_end() {
    for header in [v4(), v6(Protocol::UDP)] {
        let mut packet = emitted(&header, 3);
        let end = packet.len() as u32 + 3;
        packet.resize(60, 0);
        let at = header.header_len();
        assert_eq!(IpHeader::parse(&packet, 60), Ok((header, at, end)));
    }
}

#[test]
fn super_segments_have_a_length_of_zero() {
    for header in [v4(), v6(Protocol::TCP)] {
        let head = emitted(&header, 200_000);
        let at = header.header_len();
        let len = 200_000 + at as u32;
        assert_eq!(IpHeader::parse(&head, len), Ok((header, at, len)));
        let small = IpHeader::parse(&head, 1500);
        match header.source {
            IpAddr::V4(_) => assert_eq!(small, Err(Discard::IpTotalLength)),
            IpAddr::V6(_) => assert_eq!(small, Ok((header, at, at as u32))),
        }
    }
}

#[test]
fn mixed_families_write_nothing() {
    let mixed = IpHeader {
        destination: Ipv6Addr::LOCALHOST.into(),
        ..v4()
    };
    let mut out = [0xa5; 60];
    assert_eq!(mixed.emit(&mut out, 0), 0);
    assert_eq!(out, [0xa5; 60]);
    assert_eq!(v4().emit(&mut out[..19], 0), 0);
    assert_eq!(v6(Protocol::TCP).emit(&mut out[..39], 0), 0);
    let (header, _, _) = Ipv4Header::parse(&v4_with_options(&[], 0), 20).unwrap();
    assert_eq!(header.emit(&mut out[..19]), 0);
    let (header, _) = Ipv6Header::parse(&emitted(&v6(Protocol::TCP), 0), 40).unwrap();
    assert_eq!(header.emit(&mut out[..39]), 0);
    assert_eq!(out, [0xa5; 60]);
}

/// Each: the first next-header number, the extension headers, and what they lead to.
#[test]
fn extension_headers() {
    let to = |protocol, offset| {
        Ok(UpperLayer {
            protocol,
            offset,
            fragment: None,
            identification: 0,
            jumbo_len: None,
        })
    };
    let bad = Err(Discard::IpExtensionHeader);
    let fragment = |protocol, offset, place, more| {
        Ok(UpperLayer {
            protocol,
            offset,
            fragment: Some(Fragment {
                offset: place,
                more,
            }),
            identification: 0x0102_0304,
            jumbo_len: None,
        })
    };
    let chain = |n: usize| {
        let mut text = "3c00 010400000000 ".repeat(n - 1);
        text += "0600 010400000000";
        text
    };
    let (four, nine) = (chain(4), chain(9));
    let table: &[(&str, u8, &str, Result<UpperLayer, Discard>)] = &[
        ("none", 6, "", to(Protocol::TCP, 40)),
        ("unknown protocol", 200, "", to(Protocol(200), 40)),
        ("no next header", 59, "", to(Protocol::NO_NEXT_HEADER, 40)),
        (
            "hop by hop, padding",
            0,
            "0600 010400000000",
            to(Protocol::TCP, 48),
        ),
        (
            "hop by hop, pad 1",
            0,
            "0600 000000000000",
            to(Protocol::TCP, 48),
        ),
        (
            "two units",
            60,
            "1101 010c 000000000000000000000000",
            to(Protocol::UDP, 56),
        ),
        (
            "unknown option to be skipped",
            60,
            "0600 1e0400000000",
            to(Protocol::TCP, 48),
        ),
        (
            "unknown option not to be skipped",
            60,
            "0600 5e0400000000",
            bad,
        ),
        (
            "unknown option to be answered",
            60,
            "0600 9e0400000000",
            bad,
        ),
        ("option past the end", 60, "0600 010500000000", bad),
        ("option without a length", 60, "0600 0000000000 01", bad),
        ("cut off", 60, "0600 0104000000", bad),
        ("longer than the packet", 60, "0601 010400000000", bad),
        (
            "routing, no segments left",
            43,
            "0600 00 00 00000000",
            to(Protocol::TCP, 48),
        ),
        (
            "routing, unknown, none left",
            43,
            "0600 fe 00 00000000",
            to(Protocol::TCP, 48),
        ),
        ("routing, a segment left", 43, "0600 00 01 00000000", bad),
        (
            "hop by hop twice",
            0,
            "0000 010400000000 0600 010400000000",
            bad,
        ),
        (
            "hop by hop behind another",
            60,
            "0000 010400000000 0600 010400000000",
            bad,
        ),
        ("four", 60, &four, to(Protocol::TCP, 72)),
        ("too many", 60, &nine, bad),
        (
            "atomic fragment",
            44,
            "0600 0000 01020304",
            to(Protocol::TCP, 48),
        ),
        (
            "first fragment",
            44,
            "0600 0001 01020304",
            fragment(Protocol::TCP, 48, 0, true),
        ),
        (
            "middle fragment",
            44,
            "0600 0009 01020304",
            fragment(Protocol::TCP, 48, 8, true),
        ),
        (
            "last fragment",
            44,
            "06ff fff8 01020304",
            fragment(Protocol::TCP, 48, 0xfff8, false),
        ),
        (
            "first fragment with more headers",
            44,
            "3c00 0001 01020304 0600 010400000000",
            fragment(Protocol::DESTINATION_OPTIONS, 48, 0, true),
        ),
        (
            "first fragment without all headers",
            44,
            "3c00 0001 01020304",
            bad,
        ),
        (
            "later fragment of the same",
            44,
            "3c00 0009 01020304",
            fragment(Protocol::DESTINATION_OPTIONS, 48, 8, true),
        ),
        (
            "fragment in a fragment",
            44,
            "2c00 0001 01020304 0600 0001 01020304",
            bad,
        ),
        (
            "atomic fragment behind hop by hop",
            0,
            "2c00 010400000000 0600 0000 01020304",
            to(Protocol::TCP, 56),
        ),
        ("jumbo outside hop by hop", 60, "0600 c20400020000", bad),
        (
            "jumbo",
            0,
            "0600 c20400020000",
            Ok(UpperLayer {
                jumbo_len: Some(0x2_0000),
                ..to(Protocol::TCP, 48).unwrap()
            }),
        ),
    ];
    for (name, first, octets, expected) in table {
        let mut packet = vec![0; 40];
        packet.extend(hex(octets));
        assert_eq!(
            &upper_layer(Protocol(*first), &packet, 40),
            expected,
            "{name}"
        );
        let header = v6(Protocol(*first));
        let len = packet.len() as u32;
        let mut whole = emitted(&header, len - 40);
        whole.extend(&packet[40..]);
        match IpHeader::parse(&whole, len) {
            Ok((header, offset, end)) => {
                let upper = expected.unwrap();
                assert_eq!(
                    (header.protocol, offset, end),
                    (upper.protocol, upper.offset, len)
                );
                assert_eq!(header.fragment, upper.fragment, "{name}");
                assert_eq!(header.identification, upper.identification, "{name}");
            }
            Err(reason) if *name == "jumbo" => assert_eq!(reason, Discard::IpTotalLength),
            Err(reason) => assert_eq!(Err(reason), *expected, "{name}"),
        }
    }
}

#[test]
fn jumbo_payload_option_of_a_super_segment() {
    let mut packet = emitted(&v6(Protocol::HOP_BY_HOP), 100_008);
    packet.extend(hex("0600 c204 000186a8"));
    let parse = |packet: &[u8], len| IpHeader::parse(packet, len).map(|(_, at, end)| (at, end));
    assert_eq!(parse(&packet, 100_048), Ok((48, 100_048)));
    assert_eq!(parse(&packet, 100_060), Ok((48, 100_048)));
    assert_eq!(parse(&packet, 100_047), Err(Discard::IpTotalLength));
    packet[5] = 1;
    assert!(parse(&packet, 100_048).is_err());
}

#[test]
fn a_long_chain_of_first_fragments_ends() {
    let packet = hex("2c00 0001 01020304").repeat(8000);
    let r = upper_layer(Protocol::FRAGMENT, &packet, 0);
    assert_eq!(r, Err(Discard::IpExtensionHeader));
}

proptest! {
    #[test]
    fn parse_of_emit_is_the_same(
        header in ip_header(Protocol::TCP),
        part in proptest::option::of(fragment()),
        id: u32,
        payload in 0u32..3000,
        padding in 0u32..50,
    ) {
        let mut header = header;
        header.fragment = part;
        if part.is_some() && header.source.is_ipv6() {
            header.identification = id;
        }
        let octets = emitted(&header, payload);
        let at = octets.len();
        let end = at as u32 + payload;
        prop_assert_eq!(IpHeader::parse(&octets, end + padding), Ok((header, at, end)));
        if header.source.is_ipv4() {
            prop_assert_eq!(plain_sum(&octets), 0xffff);
            let (value, _, _) = Ipv4Header::parse(&octets, end).unwrap();
            let mut again = [0; 20];
            prop_assert_eq!(value.emit(&mut again), 20);
            prop_assert_eq!(&again[..], &octets[..]);
        } else {
            let (value, _) = Ipv6Header::parse(&octets, end).unwrap();
            let mut again = [0; 40];
            prop_assert_eq!(value.emit(&mut again), 40);
            prop_assert_eq!(&again[..], &octets[..40]);
        }
    }

    #[test]
    fn ecn_is_the_low_two_bits(traffic_class: u8, bits in 0u8..4) {
        let mut header = v4();
        header.traffic_class = traffic_class;
        prop_assert_eq!(header.ecn() as u8, traffic_class & 3);
        header.set_ecn(Ecn::from_traffic_class(bits));
        prop_assert_eq!(header.traffic_class, traffic_class & !3 | bits);
    }
}
