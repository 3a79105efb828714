//! What a packet costs on its way down and up, in formats alone.

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use handfast_wire::tcp::{SackBlock, TcpFlags, TcpHeader, TcpOptions, Timestamps};
use handfast_wire::{Checksum, IpHeader, Packet, Protocol, SeqNumber, VirtioNetHeader, segment};
use std::hint::black_box;

const WIRE: usize = 1448;
const SUPER: usize = 44 * WIRE;

fn data_header() -> TcpHeader {
    TcpHeader {
        source_port: 40000,
        destination_port: 80,
        seq: SeqNumber(1),
        ack: SeqNumber(2),
        flags: TcpFlags::ACK,
        window: 501,
        urgent_pointer: 0,
        options: TcpOptions {
            timestamps: Some(Timestamps { value: 3, echo: 4 }),
            ..TcpOptions::default()
        },
    }
}

fn ip(v6: bool) -> IpHeader {
    match v6 {
        false => IpHeader::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), Protocol::TCP),
        true => IpHeader::new([1; 16].into(), [2; 16].into(), Protocol::TCP),
    }
}

fn packet_of(len: usize) -> Packet {
    let mut packet = Packet::new();
    packet.payload.push(Bytes::from(vec![7; len]));
    packet
}

fn tcp_header(c: &mut Criterion) {
    let plain = data_header();
    let mut sack = plain;
    sack.options.sack.push(SackBlock {
        left: SeqNumber(5),
        right: SeqNumber(6),
    });
    for (name, header) in [("timestamps", plain), ("timestamps and sack", sack)] {
        let mut out = [0; TcpHeader::MAX_LEN];
        let len = header.emit(&mut out);
        c.bench_function(&format!("tcp header, {name}: emit"), |b| {
            b.iter(|| black_box(&header).emit(black_box(&mut out)));
        });
        c.bench_function(&format!("tcp header, {name}: parse"), |b| {
            b.iter(|| TcpHeader::parse(black_box(&out[..len])).map(|p| black_box(&p).1));
        });
        c.bench_function(&format!("tcp header, {name}: emit and parse"), |b| {
            b.iter(|| {
                let len = black_box(&header).emit(&mut out);
                TcpHeader::parse(black_box(&out[..len]))
            });
        });
    }
}

fn packet(c: &mut Criterion) {
    let tcp = data_header();
    for (family, ip) in [("v4", ip(false)), ("v6", ip(true))] {
        for (name, checksum) in [("partial", Checksum::Partial), ("full", Checksum::None)] {
            let mut packet = packet_of(WIRE);
            c.bench_function(&format!("{family} 1448: write_tcp {name}"), |b| {
                b.iter(|| black_box(&mut packet).write_tcp(black_box(&ip), &tcp, 1448, checksum));
            });
        }
        let mut packet = packet_of(WIRE);
        packet.write_tcp(&ip, &tcp, 0, Checksum::None);
        let mut packet = Packet::from_bytes(packet.to_bytes());
        c.bench_function(&format!("{family} 1448: parse ip and tcp"), |b| {
            b.iter(|| {
                let octets = black_box(packet.headers());
                let (ip, at, end) = IpHeader::parse(octets, packet.len())?;
                let (tcp, len) = TcpHeader::parse(&octets[at..end as usize])?;
                Ok::<_, handfast_wire::Discard>(black_box((ip, tcp, at + len)).2)
            });
        });
        let (ip, at, end) = IpHeader::parse(packet.headers(), packet.len()).unwrap();
        c.bench_function(&format!("{family} 1448: verify_transport"), |b| {
            b.iter(|| black_box(&packet).verify_transport(&ip, at, end));
        });
        packet.checksum = Checksum::Partial;
        c.bench_function(&format!("{family} 1448: virtio header for_packet"), |b| {
            b.iter(|| VirtioNetHeader::for_packet(black_box(&packet), 0));
        });
    }
}

fn segmentation(c: &mut Criterion) {
    let mut whole = packet_of(SUPER);
    whole.write_tcp(&ip(false), &data_header(), WIRE as u16, Checksum::Partial);
    for (name, checksum) in [("partial", Checksum::Partial), ("full", Checksum::None)] {
        c.bench_function(&format!("segment 44 x 1448, {name}"), |b| {
            b.iter(|| segment(black_box(&whole), 0, checksum, |p| _ = black_box(p)));
        });
    }
}

criterion_group!(benches, tcp_header, packet, segmentation);
criterion_main!(benches);
