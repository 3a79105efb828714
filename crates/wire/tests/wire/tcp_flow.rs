//! A flow knows its packets again, and only those that parsing would accept.

use bytes::Bytes;
use core::net::IpAddr;
use handfast_wire::tcp::{TcpFlags, TcpFlow, TcpHeader, TcpPlace, Timestamps};
use handfast_wire::{
    Checksum, Ecn, IpHeader, Packet, Payload, Protocol, SeqNumber, TcpEncapsulation,
};

const ENDS: [[&str; 2]; 2] = [["10.1.2.3", "192.0.2.77"], ["fe80::1", "2001:db8::2:3"]];

fn ip(ends: [&str; 2]) -> IpHeader {
    let [source, destination]: [IpAddr; 2] = ends.map(|a| a.parse().unwrap());
    let mut ip = IpHeader::new(source, destination, Protocol::TCP);
    ip.set_ecn(Ecn::Ect0);
    ip
}

fn packet(ip: &IpHeader, seq: u32, text: &'static [u8]) -> Packet {
    let mut tcp = TcpHeader {
        source_port: 4321,
        destination_port: 80,
        seq: SeqNumber(seq),
        ack: SeqNumber(99),
        flags: TcpFlags::ACK,
        window: 1000,
        ..TcpHeader::default()
    };
    tcp.options.timestamps = Some(Timestamps { value: 1, echo: 2 });
    let mut built = Packet::new();
    built.payload = Payload::from(Bytes::from_static(text));
    assert!(built.write_tcp(ip, &tcp, 0, Checksum::None));
    built
}

/// What parsing says, if it accepts the packet as one of this flow.
fn parsed(packet: &Packet, flow_of: &IpHeader) -> Option<TcpPlace> {
    let headers = packet.headers();
    let (ip, transport, end) = IpHeader::parse(headers, packet.len()).ok()?;
    packet.verify_transport(&ip, transport, end).ok()?;
    let ports = headers.get(transport..transport + 4)?;
    let is_it = ip.source == flow_of.source
        && ip.destination == flow_of.destination
        && ip.protocol == Protocol::TCP
        && ip.fragment.is_none()
        && ports == [4321u16.to_be_bytes(), 80u16.to_be_bytes()].concat();
    is_it.then_some(TcpPlace {
        transport,
        end,
        ecn: ip.ecn(),
    })
}

#[test]
fn the_next_packets_are_known_again() {
    for ends in ENDS {
        let ip = ip(ends);
        let flow = TcpFlow::of(&packet(&ip, 1, b""), &ip).unwrap();
        for (seq, text) in [(7, &b""[..]), (u32::MAX, b"odd"), (8, &[7; 1448])] {
            let built = packet(&ip, seq, text);
            let from_a_device = Packet::from_bytes(built.to_bytes());
            for p in [built, from_a_device] {
                let place = flow.place_in(&p).expect("a packet of the flow");
                assert_eq!(Some(place), parsed(&p, &ip));
                assert_eq!(place.end, p.len());
            }
        }
    }
}

#[test]
fn whatever_bit_is_wrong_a_flow_takes_no_more_than_parsing_does() {
    for ends in ENDS {
        let ip = ip(ends);
        let whole = packet(&ip, 5, b"some text").to_bytes();
        let flow = TcpFlow::of(&Packet::from_bytes(whole.clone()), &ip).unwrap();
        let mut taken = 0;
        for bit in 0..whole.len() * 8 {
            for checksum in [Checksum::None, Checksum::Verified] {
                let mut octets = whole.to_vec();
                octets[bit / 8] ^= 1 << (bit % 8);
                let mut p = Packet::from_bytes(octets.into());
                p.checksum = checksum;
                let place = flow.place_in(&p);
                assert!(place.is_none() || place == parsed(&p, &ip), "bit {bit}");
                taken += usize::from(place.is_some() && checksum == Checksum::None);
            }
        }
        // Neither checksum covers the first 4 octets of IPv6 and its hop limit; the version counts.
        let uncovered = if ip.source.is_ipv4() { 0 } else { 28 + 8 };
        assert_eq!(taken, uncovered);
        for len in 0..whole.len() {
            let cut = Packet::from_bytes(whole.slice(..len));
            assert_eq!(flow.place_in(&cut), None, "{len} octets");
        }
        let padded = Packet::from_bytes([&whole[..], &[0; 6]].concat().into());
        let place = flow.place_in(&padded).expect("link padding is no harm");
        assert_eq!(place.end as usize, whole.len());
    }
}

#[test]
fn a_shared_encapsulation_writes_what_a_header_of_its_own_does() {
    for ends in ENDS {
        let mut ip = ip(ends);
        ip.set_ecn(Ecn::NotEct);
        let shared = TcpEncapsulation::new(&ip).unwrap();
        for (text, segment_size, checksum) in [
            (&b""[..], 0, Checksum::None),
            (&[9; 1001], 0, Checksum::None),
            (&[9; 1001], 0, Checksum::Partial),
            (&[9; 4000], 1000, Checksum::None),
            (&[9; 70_000], 1000, Checksum::Partial),
        ] {
            let ecn = if segment_size > 0 { Ecn::Ce } else { Ecn::Ect0 };
            let tcp = TcpHeader::default();
            let mut p = Packet::new();
            p.payload = Payload::from(Bytes::from_static(text));
            p.write_tcp_segment(&shared, &tcp, segment_size, checksum, ecn);
            // The header written on its own, length and checksum and all.
            ip.set_ecn(ecn);
            let mut alone = [0; IpHeader::MAX_LEN];
            let len = ip.emit(&mut alone, text.len() as u32 + 20);
            assert_eq!(p.head()[..len], alone[..len]);
            assert_eq!(p.gso.map(|g| g.size), (segment_size > 0).then_some(1000));
            let is_whole = segment_size == 0 && checksum == Checksum::None;
            assert_eq!(p.checksum.is_trusted(), !is_whole);
            let (parsed, transport, end) = IpHeader::parse(p.headers(), p.len()).unwrap();
            assert_eq!(p.verify_transport(&parsed, transport, end), Ok(()));
        }
    }
}
