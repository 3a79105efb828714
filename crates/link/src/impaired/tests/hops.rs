use super::*;
use crate::{Link, memory};
use handfast_wire::icmp::{Icmpv4, Icmpv6, Quote, QuotedTransport};
use handfast_wire::tcp::TcpHeader;
use handfast_wire::{Checksum, IpHeader, Payload, Protocol, SeqNumber};

const ADDRESSES: [[&str; 2]; 2] = [["10.0.0.1", "10.0.0.2"], ["fd00::1", "fd00::2"]];

fn packet(addresses: [&str; 2], len: usize, may_be_cut: bool) -> Packet {
    let [source, destination] = addresses.map(|a| a.parse().unwrap());
    let mut ip = IpHeader::new(source, destination, Protocol::TCP);
    ip.dont_fragment = !may_be_cut;
    let header = TcpHeader {
        source_port: 1,
        destination_port: 2,
        seq: SeqNumber(77),
        ..TcpHeader::default()
    };
    let mut packet = Packet::new();
    let text = len - ip.header_len() - 20;
    packet.payload = Payload::from(bytes::Bytes::from(vec![7; text]));
    packet.write_tcp(&ip, &header, 0, Checksum::None);
    packet
}

fn hop(mtu: u32, tells: bool) -> Impairment {
    Impairment {
        hop: Some(Hop { mtu, tells }),
        ..Impairment::default()
    }
}

#[test]
fn a_hop_loses_what_is_larger_and_tells_the_sender_what_would_fit() {
    for addresses in ADDRESSES {
        for tells in [true, false] {
            let config = PairConfig {
                up: hop(1_300, tells),
                down: Impairment {
                    delay: Duration::from_millis(5),
                    ..Impairment::default()
                },
                ..PairConfig::default()
            };
            let (mut left, mut right) = pair(&config);
            let mut batch = Batch::new(8);
            for len in [1_300, 1_301, 1_280] {
                batch.push(packet(addresses, len, false)).unwrap();
            }
            left.transmit(Instant::ZERO, &mut batch).unwrap();
            assert_eq!(right.receive(Instant::ZERO, &mut batch).unwrap(), 2);
            batch.clear();
            let counters = left.counters(Direction::Sent);
            assert_eq!((counters.lost, counters.too_big), (1, 1));

            let at = Instant::from_millis(5);
            assert_eq!(left.poll_timeout(), tells.then_some(at));
            let count = left.receive(at, &mut batch).unwrap();
            assert_eq!(count, usize::from(tells));
            if !tells {
                continue;
            }
            let told = batch.packets()[0].to_bytes();
            let (ip, start, end) = IpHeader::parse(&told, told.len() as u32).unwrap();
            let [source, destination] = addresses.map(|a| a.parse().unwrap());
            assert_eq!((ip.source, ip.destination), (destination, source));
            assert_eq!(
                Packet::from_bytes(told.clone()).verify_transport(&ip, start, end),
                Ok(())
            );
            let message = &told[start..];
            let quote = if ip.source.is_ipv4() {
                let is = Icmpv4::parse(message).unwrap();
                assert_eq!(is, Icmpv4::FragmentationNeeded { mtu: 1_300 });
                assert!(told.len() <= 576);
                Quote::parse_v4(&message[8..]).unwrap()
            } else {
                let is = Icmpv6::parse(message).unwrap();
                assert_eq!(is, Icmpv6::PacketTooBig { mtu: 1_300 });
                assert!(told.len() <= 1_280);
                Quote::parse_v6(&message[8..]).unwrap()
            };
            assert_eq!((quote.source, quote.packet_len), (source, 1_301));
            assert_eq!(
                quote.transport,
                QuotedTransport::Tcp {
                    source_port: 1,
                    destination_port: 2,
                    seq: SeqNumber(77)
                }
            );
        }
    }
}

#[test]
fn what_may_be_cut_passes_and_nobody_is_told_about_a_message() {
    let (mut left, mut right) = pair(&PairConfig {
        up: hop(1_000, true),
        ..PairConfig::default()
    });
    let mut batch = Batch::new(8);
    batch.push(packet(ADDRESSES[0], 1_400, true)).unwrap();
    let [source, destination] = ADDRESSES[0].map(|a| a.parse().unwrap());
    let mut echo = Packet::new();
    echo.payload = Payload::from(bytes::Bytes::from(vec![0; 1_200]));
    let ip = IpHeader::new(source, destination, Protocol::ICMP);
    assert!(echo.write_icmpv4(&ip, &Icmpv4::FragmentationNeeded { mtu: 9 }));
    batch.push(echo).unwrap();
    left.transmit(Instant::ZERO, &mut batch).unwrap();
    assert_eq!(right.receive(Instant::ZERO, &mut batch).unwrap(), 1);
    assert_eq!(batch.packets()[0].len(), 1_400);
    batch.clear();
    assert_eq!(left.receive(Instant::ZERO, &mut batch).unwrap(), 0);
}

/// Behind a path the link's own packets are told of at the link's end, and ours here.
#[test]
fn a_hop_before_a_real_link_tells_both_sides() {
    let (inner, mut far) = memory::pair(&memory::Config::default());
    let mut near = Impaired::new(inner, hop(1_000, true), hop(1_100, true), 0);
    let mut batch = Batch::new(8);
    batch.push(packet(ADDRESSES[0], 1_400, false)).unwrap();
    near.transmit(Instant::ZERO, &mut batch).unwrap();
    assert_eq!(near.receive(Instant::ZERO, &mut batch).unwrap(), 1);
    batch.clear();
    assert_eq!(far.receive(Instant::ZERO, &mut batch).unwrap(), 0);
    let [a, b] = ADDRESSES[0];
    batch.push(packet([b, a], 1_400, false)).unwrap();
    far.transmit(Instant::ZERO, &mut batch).unwrap();
    assert_eq!(near.receive(Instant::ZERO, &mut batch).unwrap(), 0);
    near.transmit(Instant::ZERO, &mut batch).unwrap();
    assert_eq!(far.receive(Instant::ZERO, &mut batch).unwrap(), 1);
}
