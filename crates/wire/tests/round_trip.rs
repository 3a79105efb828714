//! What is written parses back to the same value, and its checksums hold.

use bytes::Bytes;
use handfast_wire::tcp::{TcpFlags, TcpHeader, TcpOptions, Timestamps};
use handfast_wire::{Checksum, IpHeader, Packet, Protocol, SeqNumber};

#[test]
fn tcp_over_both_families() {
    for (source, destination) in [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")] {
        let ip = IpHeader::new(
            source.parse().unwrap(),
            destination.parse().unwrap(),
            Protocol::TCP,
        );
        let tcp = TcpHeader {
            source_port: 1,
            destination_port: 0xffff,
            seq: SeqNumber(0xffff_fff0),
            ack: SeqNumber(7),
            flags: TcpFlags::ACK | TcpFlags::PSH,
            window: 512,
            urgent_pointer: 0,
            options: TcpOptions {
                timestamps: Some(Timestamps { value: 3, echo: 4 }),
                ..TcpOptions::default()
            },
        };
        let mut packet = Packet::new();
        packet.payload.push(Bytes::from_static(b"odd"));
        packet.payload.push(Bytes::from_static(b"even"));
        assert!(packet.write_tcp(&ip, &tcp, 0, Checksum::None));
        for packet in [packet.clone(), Packet::from_bytes(packet.to_bytes())] {
            let (ip2, at, end) = IpHeader::parse(packet.headers(), packet.len()).unwrap();
            assert_eq!((ip2, end), (ip, packet.len()));
            assert_eq!(packet.verify_transport(&ip2, at, end), Ok(()));
            let (tcp2, len) = TcpHeader::parse(&packet.headers()[at..]).unwrap();
            assert_eq!((tcp2, len), (tcp, 32));
            let mut packet = packet;
            let payload = packet.take_payload((at + len) as u32, end);
            assert_eq!(&payload.to_bytes()[..], b"oddeven");
        }
    }
}
