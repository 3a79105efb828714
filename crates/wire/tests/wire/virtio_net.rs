use bytes::Bytes;
use handfast_wire::tcp::{TcpFlags, TcpHeader};
use handfast_wire::udp::UdpHeader;
use handfast_wire::{Checksum, Discard, Gso, GsoKind, IpHeader, Packet, Protocol, VirtioNetHeader};
use proptest::prelude::*;

fn ip(v6: bool, protocol: Protocol) -> IpHeader {
    match v6 {
        false => IpHeader::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), protocol),
        true => IpHeader::new([1; 16].into(), [2; 16].into(), protocol),
    }
}

fn tcp_packet(v6: bool, flags: TcpFlags, size: u16, checksum: Checksum) -> Packet {
    let tcp = TcpHeader {
        flags,
        ..TcpHeader::default()
    };
    let mut packet = Packet::new();
    packet.payload.push(Bytes::from(vec![7; 5000]));
    assert!(packet.write_tcp(&ip(v6, Protocol::TCP), &tcp, size, checksum));
    packet
}

fn arrived(packet: &Packet) -> Packet {
    Packet::from_bytes(packet.to_bytes())
}

#[test]
fn written_header_read_back_gives_the_packet_its_state() {
    let udp = {
        let mut packet = Packet::new();
        packet.payload.push(Bytes::from(vec![7; 5000]));
        let ip = ip(false, Protocol::UDP);
        assert!(packet.write_udp(&ip, &UdpHeader::default(), 1200, Checksum::Partial));
        packet
    };
    let (ack, cwr) = (TcpFlags::all() - TcpFlags::CWR, TcpFlags::CWR);
    let (none, partial) = (Checksum::None, Checksum::Partial);
    let header = |flags, gso_type, hdr_len, gso_size, csum_start, csum_offset| VirtioNetHeader {
        flags,
        gso_type,
        hdr_len,
        gso_size,
        csum_start,
        csum_offset,
    };
    let table = [
        (tcp_packet(false, ack, 0, none), header(0, 0, 0, 0, 0, 0)),
        (
            tcp_packet(false, ack, 0, partial),
            header(1, 0, 0, 0, 20, 16),
        ),
        (
            tcp_packet(true, ack, 0, partial),
            header(1, 0, 0, 0, 40, 16),
        ),
        (
            tcp_packet(false, ack, 1448, none),
            header(1, 1, 40, 1448, 20, 16),
        ),
        (
            tcp_packet(false, cwr, 1448, none),
            header(1, 0x81, 40, 1448, 20, 16),
        ),
        (
            tcp_packet(true, ack, 1428, none),
            header(1, 4, 60, 1428, 40, 16),
        ),
        (
            tcp_packet(true, cwr, 1428, none),
            header(1, 0x84, 60, 1428, 40, 16),
        ),
        (udp, header(1, 5, 28, 1200, 20, 6)),
    ];
    for (packet, expected) in table {
        let header = VirtioNetHeader::for_packet(&packet, 0);
        assert_eq!(header, expected);
        let parsed = VirtioNetHeader::parse(&header.to_octets());
        assert_eq!(parsed, Ok(header));
        let mut read = arrived(&packet);
        assert_eq!(header.apply(&mut read, 0), Ok(()));
        assert_eq!((read.checksum, read.gso), (packet.checksum, packet.gso));

        let mut framed = packet.clone();
        framed.prepend(14).unwrap().fill(0);
        let header = VirtioNetHeader::for_packet(&framed, 14);
        if packet.checksum == partial {
            assert_eq!(header.csum_start, expected.csum_start + 14);
        }
        let mut read = arrived(&framed);
        assert_eq!(header.apply(&mut read, 14), Ok(()));
        assert_eq!((read.checksum, read.gso), (packet.checksum, packet.gso));
    }
}

#[test]
fn a_payload_of_one_piece_is_no_super_segment() {
    let mut packet = tcp_packet(false, TcpFlags::ACK, 0, Checksum::Partial);
    packet.gso = Some(Gso {
        kind: GsoKind::TcpV4,
        size: 5000,
    });
    assert_eq!(VirtioNetHeader::for_packet(&packet, 0).gso_type, 0);
    packet.payload.push(Bytes::from_static(b"x"));
    assert_eq!(VirtioNetHeader::for_packet(&packet, 0).gso_type, 1);
}

#[test]
fn a_header_from_outside_is_judged() {
    let good = tcp_packet(false, TcpFlags::ACK, 1448, Checksum::Partial);
    let len = good.len() as u16;
    let written = VirtioNetHeader::for_packet(&good, 0);
    let partial = Ok((Checksum::Partial, good.gso));
    let bad = Err(Discard::VirtioHeader);
    type Change = fn(&mut VirtioNetHeader, u16);
    type Outcome = Result<(Checksum, Option<Gso>), Discard>;
    let table: &[(&str, Change, Outcome)] = &[
        ("as it is", |_, _| {}, partial),
        (
            "hdr_len is not looked at",
            |h, _| h.hdr_len = 0xffff,
            partial,
        ),
        ("unknown flag", |h, _| h.flags |= 4, partial),
        (
            "checked",
            |h, _| h.flags = 2,
            Ok((Checksum::Verified, good.gso)),
        ),
        (
            "unchecked",
            |h, _| h.flags = 0,
            Ok((Checksum::None, good.gso)),
        ),
        (
            "checksum beyond the end",
            |h, len| h.csum_start = len - 16 - 1,
            bad,
        ),
        ("checksum far beyond", |h, _| h.csum_start = 0xffff, bad),
        (
            "both wrap",
            |h, _| (h.csum_start, h.csum_offset) = (0xffff, 0xffff),
            bad,
        ),
        (
            "checksum of something within",
            |h, len| h.csum_start = len - 16 - 2,
            Ok((Checksum::None, good.gso)),
        ),
        (
            "checksum elsewhere",
            |h, _| h.csum_offset = 6,
            Ok((Checksum::None, good.gso)),
        ),
        ("pieces of nothing", |h, _| h.gso_size = 0, bad),
        ("the other family", |h, _| h.gso_type = 4, bad),
        ("UDP", |h, _| h.gso_type = 5, bad),
        ("UDP fragmentation", |h, _| h.gso_type = 3, bad),
        ("unknown kind", |h, _| h.gso_type = 2, bad),
        ("ECN alone", |h, _| h.gso_type = 0x80, bad),
        ("TCP with ECN", |h, _| h.gso_type = 0x81, partial),
        (
            "no segmentation",
            |h, _| h.gso_type = 0,
            Ok((Checksum::Partial, None)),
        ),
    ];
    for (name, change, expected) in table {
        let mut header = written;
        change(&mut header, len);
        let mut packet = arrived(&good);
        let result = header.apply(&mut packet, 0);
        let result = result.map(|()| (packet.checksum, packet.gso));
        assert_eq!(&result, expected, "{name}");
        if result.is_err() {
            assert_eq!(
                (packet.checksum, packet.gso),
                (Checksum::None, None),
                "{name}"
            );
        }
    }
    for len in 0..VirtioNetHeader::LEN {
        let r = VirtioNetHeader::parse(&[0; 10][..len]);
        assert_eq!(r, Err(Discard::VirtioHeader));
    }
}

proptest! {
    #[test]
    fn parse_of_emit_is_the_same(octets: [u8; 10]) {
        let header = VirtioNetHeader::parse(&octets).unwrap();
        prop_assert_eq!(header.to_octets(), octets);
    }
}
