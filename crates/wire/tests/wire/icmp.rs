use crate::generated::{icmpv4, icmpv6};
use crate::hex;
use core::net::{Ipv4Addr, Ipv6Addr};
use handfast_wire::icmp::{
    Echo, Icmpv4, Icmpv6, ParameterProblemV4, Quote, QuotedTransport, TimeExceeded, UnreachableV4,
    UnreachableV6,
};
use handfast_wire::{Discard, Protocol, SeqNumber};
use proptest::prelude::*;

const V4: &str = "4500 05dc 1234 4000 3f06 0000 c0000201 c6336402";
const V6: &str = "60000000 05b4 PP 40 20010db8000000000000000000000001
                  20010db8000000000000000000000002";
const TCP: &str = "9c40 0050 01020304";

fn v4(protocol: u8) -> Vec<u8> {
    let mut octets = hex(V4);
    octets[9] = protocol;
    octets
}

fn v6(next_header: u8) -> Vec<u8> {
    hex(&V6.replace("PP", &format!("{next_header:02x}")))
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn known_messages() {
    let echo = Echo {
        identifier: 0x1234,
        sequence: 7,
    };
    assert_eq!(
        Icmpv4::parse(&hex("0800 abcd 1234 0007 61")),
        Ok(Icmpv4::EchoRequest(echo))
    );
    assert_eq!(
        Icmpv6::parse(&hex("8100 abcd 1234 0007 61")),
        Ok(Icmpv6::EchoReply(echo))
    );
    assert_eq!(
        Icmpv4::parse(&hex("0304 0000 0000 0578")),
        Ok(Icmpv4::FragmentationNeeded { mtu: 1400 })
    );
    assert_eq!(
        Icmpv4::parse(&hex("0303 0000 0000 0000")),
        Ok(Icmpv4::DestinationUnreachable(UnreachableV4::Port))
    );
    assert_eq!(
        Icmpv4::parse(&hex("0400 0000 0000 0000")),
        Ok(Icmpv4::SourceQuench)
    );
    assert_eq!(
        Icmpv6::parse(&hex("02ff 0000 0000 0500")),
        Ok(Icmpv6::PacketTooBig { mtu: 1280 })
    );
}

#[test]
fn unused_octets_are_zero() {
    let pointer = Icmpv4::ParameterProblem {
        code: ParameterProblemV4::Pointer,
        pointer: 0xff,
    };
    assert_eq!(pointer.to_octets(), [12, 0, 0, 0, 0xff, 0, 0, 0]);
    let port = Icmpv4::DestinationUnreachable(UnreachableV4::Port);
    assert_eq!(port.to_octets(), [3, 3, 0, 0, 0, 0, 0, 0]);
    let late = Icmpv4::TimeExceeded(TimeExceeded::Reassembly);
    assert_eq!(late.to_octets(), [11, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(Icmpv4::SourceQuench.to_octets(), [4, 0, 0, 0, 0, 0, 0, 0]);
    let address = Icmpv6::DestinationUnreachable(UnreachableV6::Address);
    assert_eq!(address.to_octets(), [1, 3, 0, 0, 0, 0, 0, 0]);
    let late = Icmpv6::TimeExceeded(TimeExceeded::HopLimit);
    assert_eq!(late.to_octets(), [3, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn unknown_and_truncated() {
    for text in [
        "0310 0000",
        "0801 0000",
        "0d00 0000",
        "ff00 0000",
        "0b02 0000",
        "0c03 0000",
    ] {
        let mut octets = hex(text);
        octets.resize(8, 0);
        assert_eq!(Icmpv4::parse(&octets), Err(Discard::IcmpType), "{text}");
    }
    for text in [
        "0107 0000",
        "8001 0000",
        "0302 0000",
        "0404 0000",
        "8700 0000",
        "0000 0000",
    ] {
        let mut octets = hex(text);
        octets.resize(8, 0);
        assert_eq!(Icmpv6::parse(&octets), Err(Discard::IcmpType), "{text}");
    }
    for len in 0..8 {
        assert_eq!(Icmpv4::parse(&[8; 8][..len]), Err(Discard::IcmpTruncated));
        assert_eq!(Icmpv6::parse(&[128; 8][..len]), Err(Discard::IcmpTruncated));
    }
}

#[test]
fn quoted_tcp() {
    let transport = QuotedTransport::Tcp {
        source_port: 40000,
        destination_port: 80,
        seq: SeqNumber(0x0102_0304),
    };
    let quote = Quote {
        source: Ipv4Addr::new(192, 0, 2, 1).into(),
        destination: Ipv4Addr::new(198, 51, 100, 2).into(),
        packet_len: 1500,
        transport,
    };
    let octets = join(&[&v4(6), &hex(TCP)]);
    assert_eq!(Quote::parse_v4(&octets), Ok(quote));
    let quote = Quote {
        source: "2001:db8::1".parse::<Ipv6Addr>().unwrap().into(),
        destination: "2001:db8::2".parse::<Ipv6Addr>().unwrap().into(),
        packet_len: 1500,
        transport,
    };
    let octets = join(&[&v6(6), &hex(TCP)]);
    assert_eq!(Quote::parse_v6(&octets), Ok(quote));
    let with_options = join(&[&v6(60), &hex("0600 010400000000"), &hex(TCP)]);
    assert_eq!(Quote::parse_v6(&with_options), Ok(quote));
    let first_fragment = join(&[
        &v6(44),
        &hex("3c00 0001 01020304 0600 010400000000"),
        &hex(TCP),
    ]);
    assert_eq!(Quote::parse_v6(&first_fragment), Ok(quote));
    for len in 0..octets.len() {
        assert_eq!(
            Quote::parse_v6(&octets[..len]),
            Err(Discard::IcmpQuote),
            "{len}"
        );
    }
}

#[test]
fn quotes_of_other_protocols() {
    let body = hex("0035 c001 0008 0000");
    let udp = QuotedTransport::Udp {
        source_port: 53,
        destination_port: 0xc001,
    };
    let parse_v4 = |p| Quote::parse_v4(&join(&[&v4(p), &body])).map(|q| q.transport);
    let parse_v6 = |p| Quote::parse_v6(&join(&[&v6(p), &body])).map(|q| q.transport);
    assert_eq!((parse_v4(17), parse_v6(17)), (Ok(udp), Ok(udp)));
    let other = Ok(QuotedTransport::Other(Protocol(132)));
    assert_eq!((parse_v4(132), parse_v6(132)), (other, other));
    let echo = Ok(QuotedTransport::Echo(Echo {
        identifier: 1,
        sequence: 2,
    }));
    for kind in [0, 8] {
        let mut body = hex("0000 0000 0001 0002");
        body[0] = kind;
        let quote = Quote::parse_v4(&join(&[&v4(1), &body]));
        assert_eq!(quote.map(|q| q.transport), echo);
    }
    for kind in [128, 129] {
        let mut body = hex("0000 0000 0001 0002");
        body[0] = kind;
        let quote = Quote::parse_v6(&join(&[&v6(58), &body]));
        assert_eq!(quote.map(|q| q.transport), echo);
    }
}

#[test]
fn quotes_that_are_refused() {
    let tcp = hex(TCP);
    let mut later_fragment = v4(6);
    later_fragment[7] = 1;
    let mut header_too_short = v4(6);
    header_too_short[0] = 0x44;
    let mut header_too_long = v4(6);
    header_too_long[0] = 0x4f;
    let v4_table: &[(&str, Vec<u8>)] = &[
        ("empty", vec![]),
        ("header only", v4(6)),
        ("seven octets of TCP", join(&[&v4(6), &tcp[..7]])),
        ("another family", join(&[&v6(6), &tcp])),
        ("later fragment", join(&[&later_fragment, &tcp])),
        ("header too short", join(&[&header_too_short, &tcp])),
        ("header too long", join(&[&header_too_long, &tcp])),
        (
            "an error in an error",
            join(&[&v4(1), &hex("0303 0000 0000 0000")]),
        ),
        (
            "an unknown message",
            join(&[&v4(1), &hex("0d00 0000 0000 0000")]),
        ),
        (
            "ICMPv6 over IPv4",
            join(&[&v4(58), &hex("8000 0000 0000 0000")]),
        ),
    ];
    for (name, octets) in v4_table {
        assert_eq!(Quote::parse_v4(octets), Err(Discard::IcmpQuote), "{name}");
    }
    let v6_table: &[(&str, Vec<u8>)] = &[
        ("another family", join(&[&v4(6), &tcp, &[0; 40]])),
        (
            "later fragment",
            join(&[&v6(44), &hex("0600 0009 01020304"), &tcp]),
        ),
        (
            "cut off in the chain",
            join(&[&v6(60), &hex("0601 010400000000")]),
        ),
        (
            "an error in an error",
            join(&[&v6(58), &hex("0104 0000 0000 0000")]),
        ),
        (
            "neighbour discovery",
            join(&[&v6(58), &hex("8700 0000 0000 0000")]),
        ),
        (
            "ICMP over IPv6",
            join(&[&v6(1), &hex("0800 0000 0000 0000")]),
        ),
    ];
    for (name, octets) in v6_table {
        assert_eq!(Quote::parse_v6(octets), Err(Discard::IcmpQuote), "{name}");
    }
}

proptest! {
    #[test]
    fn v4_parse_of_emit_is_the_same(message in icmpv4()) {
        let octets = message.to_octets();
        prop_assert_eq!(&octets[2..4], &[0, 0]);
        prop_assert_eq!(Icmpv4::parse(&octets), Ok(message));
        let is_query = matches!(message, Icmpv4::EchoRequest(_) | Icmpv4::EchoReply(_));
        prop_assert_eq!(message.is_error(), !is_query);
    }

    #[test]
    fn v6_parse_of_emit_is_the_same(message in icmpv6()) {
        let octets = message.to_octets();
        prop_assert_eq!(&octets[2..4], &[0, 0]);
        prop_assert_eq!(Icmpv6::parse(&octets), Ok(message));
        let is_query = matches!(message, Icmpv6::EchoRequest(_) | Icmpv6::EchoReply(_));
        prop_assert_eq!(message.is_error(), !is_query);
    }
}
