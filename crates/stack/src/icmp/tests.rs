use super::*;
use bytes::Bytes;
use core::net::IpAddr;
use handfast_base::{Duration, Instant};
use handfast_tcp::{IcmpError, NetError};
use handfast_wire::icmp::{Echo, Icmpv4, Icmpv6, QuotedTransport};
use handfast_wire::ip::Fragment;
use handfast_wire::tcp::TcpHeader;
use handfast_wire::udp::UdpHeader;
use handfast_wire::{Checksum, Discard, IpHeader, Packet, Payload, Protocol, SeqNumber};
use proptest::prelude::*;

const US: [&str; 2] = ["192.0.2.1", "2001:db8::1"];
const PEER: [&str; 2] = ["198.51.100.2", "2001:db8:2::2"];
const ROUTER: [&str; 2] = ["203.0.113.3", "2001:db8:3::3"];
const ICMP: [Protocol; 2] = [Protocol::ICMP, Protocol::ICMPV6];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn is_broadcast(address: IpAddr) -> bool {
    [ip("192.0.2.255"), ip("255.255.255.255")].contains(&address)
}

fn udp(source: &str, destination: &str, len: usize) -> (Packet, IpHeader) {
    let mut packet = Packet::from_bytes(Bytes::from(alloc::vec![0x5a; len]));
    let header = IpHeader::new(ip(source), ip(destination), Protocol::UDP);
    let ports = UdpHeader {
        source_port: 5000,
        destination_port: 53,
    };
    assert!(packet.write_udp(&header, &ports, 0, Checksum::None));
    (packet, header)
}

/// As it would come out of a device.
fn received(packet: &Packet) -> (Packet, IpHeader, usize, u32) {
    let packet = Packet::from_bytes(packet.to_bytes());
    let (ip, transport, end) = IpHeader::parse(packet.headers(), packet.len()).unwrap();
    packet.verify_transport(&ip, transport, end).unwrap();
    (packet, ip, transport, end)
}

fn error_about(offending: &Packet, problem: Problem, source: &str, mtu: u32) -> Option<Packet> {
    let (ip, transport, end) = IpHeader::parse(offending.headers(), offending.len()).unwrap();
    let mut out = Packet::new();
    let from = self::ip(source);
    write_error(
        offending,
        &ip,
        transport,
        end,
        problem,
        from,
        mtu,
        is_broadcast,
        &mut out,
    )
    .then_some(out)
}

fn input(packet: &Packet) -> Result<IcmpInput, Discard> {
    let (packet, ip, transport, end) = received(packet);
    parse(&packet, &ip, transport, end)
}

#[test]
fn an_echo_request_is_answered_with_its_own_data() {
    for family in [0, 1] {
        let mut request = Packet::from_bytes(Bytes::from_static(b"how are you"));
        let mut header = IpHeader::new(ip(PEER[family]), ip(US[family]), ICMP[family]);
        header.traffic_class = 0xb9;
        header.hop_limit = 3;
        let echo = Echo {
            identifier: 7,
            sequence: 9,
        };
        assert!(write_echo_request(&header, echo, &mut request));

        let (mut request, ip_in, transport, end) = received(&request);
        assert!(is_answerable(&ip_in, is_broadcast));
        let asked = parse(&request, &ip_in, transport, end);
        assert_eq!(asked, Ok(IcmpInput::EchoRequest(echo)));
        let mut reply = Packet::new();
        let done = write_echo_reply(&mut request, &ip_in, transport, end, echo, 64, &mut reply);
        assert!(done && request.is_empty());

        let (mut reply, ip_out, transport, end) = received(&reply);
        assert_eq!(
            parse(&reply, &ip_out, transport, end),
            Ok(IcmpInput::EchoReply(echo))
        );
        assert_eq!(
            (ip_out.source, ip_out.destination),
            (ip(US[family]), ip(PEER[family]))
        );
        assert_eq!((ip_out.hop_limit, ip_out.traffic_class), (64, 0xb8));
        let data = reply.take_payload(transport as u32 + 8, end);
        assert_eq!(data.to_bytes(), "how are you");
    }
}

#[test]
fn nobody_but_one_host_is_answered() {
    for (source, destination, expected) in [
        (PEER[0], US[0], true),
        (PEER[1], US[1], true),
        ("127.0.0.1", "127.0.0.1", true),
        (PEER[0], "192.0.2.255", false),
        (PEER[0], "255.255.255.255", false),
        (PEER[0], "224.0.0.1", false),
        (PEER[1], "ff02::1", false),
        ("192.0.2.255", US[0], false),
        ("255.255.255.255", US[0], false),
        ("0.0.0.0", US[0], false),
        ("224.0.0.9", US[0], false),
        ("240.0.0.9", US[0], false),
        ("::", US[1], false),
        ("ff02::2", US[1], false),
        ("::ffff:198.51.100.2", US[1], false),
    ] {
        let mut header = IpHeader::new(ip(source), ip(destination), Protocol::UDP);
        assert_eq!(
            is_answerable(&header, is_broadcast),
            expected,
            "{source} {destination}"
        );
        header.fragment = Some(Fragment {
            offset: 0,
            more: true,
        });
        assert_eq!(is_answerable(&header, is_broadcast), expected);
        header.fragment = Some(Fragment {
            offset: 8,
            more: false,
        });
        assert!(!is_answerable(&header, is_broadcast));
        let (packet, _) = udp(source, destination, 10);
        let source = if packet.head()[0] >> 4 == 4 {
            US[0]
        } else {
            US[1]
        };
        assert_eq!(
            error_about(&packet, Problem::Port, source, 1500).is_some(),
            expected
        );
    }
}

#[test]
fn an_error_is_understood_by_the_one_who_caused_it() {
    use IcmpError::*;
    use NetError::*;
    for (problem, v4, v6) in [
        (
            Problem::NoRoute,
            Soft(NetworkUnreachable),
            Soft(NetworkUnreachable),
        ),
        (Problem::Host, Soft(HostUnreachable), Soft(HostUnreachable)),
        (
            Problem::Protocol { pointer: 6 },
            Hard(ProtocolUnreachable),
            Hard(ProtocolUnreachable),
        ),
        (Problem::Port, Hard(PortUnreachable), Hard(PortUnreachable)),
        (Problem::Prohibited, Hard(Prohibited), Hard(Prohibited)),
        (Problem::HopLimit, Soft(TimeExceeded), Soft(TimeExceeded)),
        (Problem::Reassembly, Soft(TimeExceeded), Soft(TimeExceeded)),
        (
            Problem::TooBig { mtu: 1400 },
            TooBig { mtu: 1400 },
            TooBig { mtu: 1400 },
        ),
        (
            Problem::Field { pointer: 1 },
            Soft(ParameterProblem),
            Soft(ParameterProblem),
        ),
        (
            Problem::Option { pointer: 41 },
            Soft(ParameterProblem),
            Soft(ParameterProblem),
        ),
    ] {
        for (family, expected) in [v4, v6].into_iter().enumerate() {
            let (sent, _) = udp(US[family], PEER[family], 100);
            // The offender as a router has it off the wire, and as our own loopback has it.
            for offending in [received(&sent).0, sent] {
                let error = error_about(&offending, problem, ROUTER[family], 1500).unwrap();
                for error in [Packet::from_bytes(error.to_bytes()), error] {
                    let (ip_in, transport, end) =
                        IpHeader::parse(error.headers(), error.len()).unwrap();
                    let Ok(IcmpInput::Error(event)) = parse(&error, &ip_in, transport, end) else {
                        panic!("{problem:?}");
                    };
                    assert_eq!(event.reporter, ip(ROUTER[family]));
                    assert_eq!(event.error, expected, "{problem:?}");
                    assert_eq!(event.quote.source, ip(US[family]));
                    assert_eq!(event.quote.destination, ip(PEER[family]));
                    let ports = QuotedTransport::Udp {
                        source_port: 5000,
                        destination_port: 53,
                    };
                    assert_eq!(event.quote.transport, ports);
                }
            }
        }
    }
}

#[test]
fn quotes_take_what_fits_and_no_more() {
    for (family, link, expected) in [
        (0, 1500, 576),
        (0, 296, 296),
        (1, 1500, 1280),
        (1, 1280, 1280),
    ] {
        let (offending, _) = udp(PEER[family], US[family], 4000);
        let error = error_about(&received(&offending).0, Problem::Port, US[family], link).unwrap();
        assert_eq!(error.len(), expected);
        let (error, ip_in, transport, end) = received(&error);
        let quoted = error.to_bytes().slice(transport + 8..end as usize);
        assert_eq!(quoted, offending.to_bytes().slice(..quoted.len()));
        assert_eq!(ip_in.destination, ip(PEER[family]));
        let small = udp(PEER[family], US[family], 1).0;
        let error = error_about(&small, Problem::Port, US[family], link).unwrap();
        let headers = if family == 0 { 28 } else { 48 };
        assert_eq!(error.len(), small.len() + headers);
    }
}

#[test]
fn link_padding_is_not_quoted() {
    let (offending, _) = udp(PEER[0], US[0], 1);
    let mut padded = offending.to_bytes().to_vec();
    let len = padded.len();
    padded.resize(60, 0xee);
    let error = error_about(
        &Packet::from_bytes(padded.into()),
        Problem::Port,
        US[0],
        1500,
    );
    assert_eq!(error.unwrap().len() as usize, len + 28);
}

#[test]
fn no_error_answers_an_error_or_a_redirect_or_what_may_be_one() {
    for (family, kinds) in [
        (0, [3, 4, 5, 11, 12, 42].as_slice()),
        (1, [0, 1, 2, 3, 4, 100, 127, 137].as_slice()),
    ] {
        for kind in kinds {
            let header = IpHeader::new(ip(PEER[family]), ip(US[family]), ICMP[family]);
            let mut packet = Packet::new();
            write_echo_request(&header, Echo::default(), &mut packet);
            assert!(error_about(&packet, Problem::HopLimit, US[family], 1500).is_some());
            packet.head_mut()[header.header_len()] = *kind;
            assert!(
                error_about(&packet, Problem::HopLimit, US[family], 1500).is_none(),
                "type {kind}"
            );
        }
    }
    // Cut off before the type.
    for family in [0, 1] {
        let header = IpHeader::new(ip(PEER[family]), ip(US[family]), ICMP[family]);
        let mut packet = Packet::new();
        let len = header.emit(packet.reserve_head(header.header_len()), 0);
        assert_eq!(packet.len() as usize, len);
        assert!(error_about(&packet, Problem::HopLimit, US[family], 1500).is_none());
    }
}

#[test]
fn to_a_multicast_sender_only_what_the_rfc_excepts() {
    let (packet, _) = udp(PEER[1], "ff0e::1", 10);
    let told = |problem| error_about(&packet, problem, ROUTER[1], 1500).is_some();
    assert!(told(Problem::TooBig { mtu: 1280 }) && told(Problem::Option { pointer: 48 }));
    assert!(
        !told(Problem::Port) && !told(Problem::HopLimit) && !told(Problem::Field { pointer: 0 })
    );
    let (packet, _) = udp(PEER[0], "224.0.1.1", 10);
    assert!(error_about(&packet, Problem::TooBig { mtu: 1280 }, ROUTER[0], 1500).is_none());
}

/// An ICMP error in which everything can be chosen.
fn raw_error(family: usize, destination: &str, head: [u8; 8], quote: &[u8]) -> Packet {
    let header = IpHeader::new(ip(ROUTER[family]), ip(destination), ICMP[family]);
    let mut packet = Packet::new();
    packet.payload = Payload::from(Bytes::copy_from_slice(quote));
    match family {
        0 => packet.write_icmpv4(&header, &Icmpv4::parse(&head).unwrap()),
        _ => packet.write_icmpv6(&header, &Icmpv6::parse(&head).unwrap()),
    };
    packet
}

#[test]
fn quotes_that_cannot_be_matched_are_discarded() {
    let port = [[3, 3, 0, 0, 0, 0, 0, 0], [1, 4, 0, 0, 0, 0, 0, 0]];
    for family in [0, 1] {
        let sent = udp(US[family], PEER[family], 10).0.to_bytes();
        let get =
            |destination, quote: &[u8]| input(&raw_error(family, destination, port[family], quote));
        assert!(get(US[family], &sent).is_ok());
        // Cut off before the end of the ports and what follows them.
        let whole = if family == 0 { 28 } else { 48 };
        for cut in 0..whole {
            assert_eq!(
                get(US[family], &sent[..cut]),
                Err(Discard::IcmpQuote),
                "{cut}"
            );
        }
        assert!(get(US[family], &sent[..whole]).is_ok());
        // Sent by somebody else.
        let foreign = udp(ROUTER[family], PEER[family], 10).0.to_bytes();
        assert_eq!(get(US[family], &foreign), Err(Discard::IcmpQuote));
        // Of the other family.
        let other = udp(US[1 - family], PEER[1 - family], 10).0.to_bytes();
        assert_eq!(get(US[family], &other), Err(Discard::IcmpQuote));
        // An error in an error.
        let nested = raw_error(family, PEER[family], port[family], &sent).to_bytes();
        assert_eq!(get(ROUTER[family], &nested), Err(Discard::IcmpQuote));
    }
    // Not a first fragment.
    let mut fragment = udp(US[0], PEER[0], 10).0.to_bytes().to_vec();
    fragment[7] = 1;
    let got = input(&raw_error(0, US[0], port[0], &fragment));
    assert_eq!(got, Err(Discard::IcmpQuote));
}

#[test]
fn path_mtu_claims() {
    let v4 = |mtu: u16, packet_len: u16| {
        let mut sent = udp(US[0], PEER[0], 10).0.to_bytes().to_vec();
        sent[2..4].copy_from_slice(&packet_len.to_be_bytes());
        let [a, b] = mtu.to_be_bytes();
        input(&raw_error(0, US[0], [3, 4, 0, 0, 0, 0, a, b], &sent))
    };
    let v6 = |mtu: u32| {
        let sent = udp(US[1], PEER[1], 10).0.to_bytes();
        let [a, b, c, d] = mtu.to_be_bytes();
        input(&raw_error(1, US[1], [2, 0, 0, 0, a, b, c, d], &sent))
    };
    let mtu = |got: Result<IcmpInput, Discard>| match got {
        Ok(IcmpInput::Error(IcmpEvent {
            error: IcmpError::TooBig { mtu },
            ..
        })) => Ok(mtu),
        Err(reason) => Err(reason),
        other => panic!("{other:?}"),
    };
    assert_eq!(mtu(v4(1400, 1500)), Ok(1400));
    assert_eq!(mtu(v4(40, 1500)), Ok(68));
    // RFC 1191, section 5: no MTU said.
    for (packet_len, expected) in [
        (1500, 1492),
        (1492, 1006),
        (65535, 32000),
        (69, 68),
        (68, 68),
        (0, 68),
    ] {
        assert_eq!(mtu(v4(0, packet_len)), Ok(expected), "{packet_len}");
    }
    assert_eq!(mtu(v6(1280)), Ok(1280));
    assert_eq!(mtu(v6(1279)), Err(Discard::IcmpMtu));
    assert_eq!(mtu(v6(0)), Err(Discard::IcmpMtu));
}

#[test]
fn a_quoted_segment_gives_its_sequence_number() {
    for family in [0, 1] {
        let mut segment = Packet::new();
        let header = IpHeader::new(ip(US[family]), ip(PEER[family]), Protocol::TCP);
        let tcp = TcpHeader {
            source_port: 4000,
            destination_port: 80,
            seq: SeqNumber(0xdead_beef),
            ..TcpHeader::default()
        };
        assert!(segment.write_tcp(&header, &tcp, 0, Checksum::None));
        let error = error_about(&segment, Problem::Host, ROUTER[family], 1500).unwrap();
        let Ok(IcmpInput::Error(event)) = input(&error) else {
            panic!("an error");
        };
        let expected = QuotedTransport::Tcp {
            source_port: 4000,
            destination_port: 80,
            seq: SeqNumber(0xdead_beef),
        };
        assert_eq!(event.quote.transport, expected);
    }
}

#[test]
fn quench_and_redirect_do_nothing() {
    let sent = udp(US[0], PEER[0], 10).0.to_bytes();
    let quench = raw_error(0, US[0], [4, 0, 0, 0, 0, 0, 0, 0], &sent);
    assert_eq!(input(&quench), Err(Discard::IcmpSourceQuench));
    // It is the quench that is refused, and nothing else about the message.
    let unreachable = raw_error(0, US[0], [3, 1, 0, 0, 0, 0, 0, 0], &sent);
    assert!(matches!(input(&unreachable), Ok(IcmpInput::Error(_))));
    let redirect = raw_error(0, US[0], [5, 1, 0, 0, 10, 0, 0, 1], &sent);
    assert_eq!(input(&redirect), Err(Discard::IcmpRedirect));
}

#[test]
fn pings_match_their_replies_once() {
    let mut ping = Ping::new(ip(PEER[0]), 77);
    let at = Instant::from_millis;
    let first = ping.request(at(10));
    let second = ping.request(at(20));
    assert_eq!(
        (first.identifier, first.sequence, second.sequence),
        (77, 0, 1)
    );
    assert_eq!(ping.on_reply(ip(ROUTER[0]), first, at(30)), None);
    let other = Echo {
        identifier: 78,
        ..first
    };
    assert_eq!(ping.on_reply(ip(PEER[0]), other, at(30)), None);
    let reply = |p: &mut Ping, e, t| p.on_reply(ip(PEER[0]), e, at(t));
    assert_eq!(
        reply(&mut ping, second, 35),
        Some(Duration::from_millis(15))
    );
    assert_eq!(reply(&mut ping, second, 36), None);
    assert_eq!(reply(&mut ping, first, 50), Some(Duration::from_millis(40)));

    // What is never answered is forgotten, and numbers come round.
    for _ in 0..70_000 {
        ping.request(at(60));
    }
    let sequence = ping.request(at(60)).sequence;
    assert_eq!(sequence, (2 + 70_000u32) as u16);
    let echo = |sequence| Echo {
        identifier: 77,
        sequence,
    };
    assert_eq!(reply(&mut ping, echo(sequence.wrapping_sub(256)), 70), None);
    assert!(reply(&mut ping, echo(sequence.wrapping_sub(255)), 70).is_some());
}

#[test]
fn a_ping_hears_of_errors_about_its_requests_only() {
    let mut ping = Ping::new(ip(PEER[1]), 5);
    let echo = ping.request(Instant::ZERO);
    let mut request = Packet::new();
    let header = IpHeader::new(ip(US[1]), ip(PEER[1]), Protocol::ICMPV6);
    assert!(write_echo_request(&header, echo, &mut request));
    let error = error_about(&request, Problem::HopLimit, ROUTER[1], 1500).unwrap();
    let Ok(IcmpInput::Error(event)) = input(&error) else {
        panic!("an error");
    };
    assert_eq!(event.error, IcmpError::Soft(NetError::TimeExceeded));
    assert_eq!(Ping::new(ip(PEER[1]), 6).on_error(&event), None);
    assert_eq!(Ping::new(ip(ROUTER[1]), 5).on_error(&event), None);
    assert_eq!(ping.on_error(&event), Some(0));
    assert_eq!(ping.on_error(&event), None);
}

#[test]
fn identifiers_are_unique_until_all_are_taken() {
    let mut all = Identifiers::new();
    assert_eq!(all.allocate(1, 500), Some(500));
    assert_eq!(all.allocate(2, 500), Some(501));
    assert_eq!((all.owner(501), all.owner(502)), (Some(2), None));
    all.release(500);
    assert_eq!(all.allocate(3, 65535), Some(65535));
    assert_eq!(all.allocate(4, 65535), Some(0));
    let taken = (0..=u16::MAX).filter(|n| all.allocate(9, *n).is_some());
    assert_eq!(taken.count(), 65_536 - 3);
    assert_eq!(all.allocate(9, 1), None);
}

proptest! {
    /// Whatever is received, nothing panics, and an error quotes within its limits.
    #[test]
    fn any_octets_are_read_or_discarded(
        octets in proptest::collection::vec(any::<u8>(), 0..400),
        family in 0usize..2,
    ) {
        let header = IpHeader::new(ip(PEER[family]), ip(US[family]), ICMP[family]);
        let mut packet = Packet::new();
        let len = header.emit(packet.reserve_head(header.header_len()), octets.len() as u32);
        packet.payload = Payload::from(Bytes::from(octets));
        for packet in [Packet::from_bytes(packet.to_bytes()), packet] {
            let _ = parse(&packet, &header, len, packet.len());
            if let Some(error) = error_about(&packet, Problem::HopLimit, US[family], 1500) {
                prop_assert!(error.len() <= 1280);
            }
        }
    }

    /// Flipping any bit of a good error gives another event or a discard, never a panic.
    #[test]
    fn damaged_errors(bit in 0usize..(28 + 100) * 8, family in 0usize..2) {
        let sent = udp(US[family], PEER[family], 100).0;
        let error = error_about(&sent, Problem::TooBig { mtu: 1300 }, ROUTER[family], 1500).unwrap();
        let mut octets = error.to_bytes().to_vec();
        octets[bit / 8] ^= 1 << (bit % 8);
        let packet = Packet::from_bytes(octets.into());
        if let Ok((ip_in, transport, end)) = IpHeader::parse(packet.headers(), packet.len()) {
            let _ = parse(&packet, &ip_in, transport, end);
        }
    }
}
