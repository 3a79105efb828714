//! Packets that tests send.

use bytes::Bytes;
use handfast_wire::tcp::{TcpFlags, TcpHeader};
use handfast_wire::{Checksum, Discard, IpHeader, Packet, Protocol};
use std::net::IpAddr;

/// Source and destination, of either family.
pub(crate) const ADDRESSES: [[&str; 2]; 2] =
    [["192.0.2.1", "192.0.2.2"], ["2001:db8::1", "2001:db8::2"]];

/// Octets that tell where they are.
pub(crate) fn pattern(len: usize) -> Bytes {
    (0..len).map(|n| (n % 251) as u8).collect()
}

/// A TCP packet whose checksum is left to the link; a super-segment beyond `segment_size`.
pub(crate) fn tcp(addresses: [&str; 2], payload: &Bytes, segment_size: u16) -> Packet {
    let [source, destination] = addresses.map(|a| a.parse::<IpAddr>().unwrap());
    let mut packet = Packet::new();
    packet.payload.push(payload.clone());
    let ip = IpHeader::new(source, destination, Protocol::TCP);
    let header = TcpHeader {
        source_port: 1,
        destination_port: 2,
        flags: TcpFlags::ACK | TcpFlags::PSH,
        ..TcpHeader::default()
    };
    assert!(packet.write_tcp(&ip, &header, segment_size, Checksum::Partial));
    packet
}

/// What a stack says of a packet: lengths and checksums are right.
pub(crate) fn verify(packet: &Packet) -> Result<(), Discard> {
    let (ip, transport, end) = IpHeader::parse(packet.headers(), packet.len())?;
    packet.verify_transport(&ip, transport, end)
}

/// The TCP payload of a packet and its offset in the stream that [`tcp`] begins at 0.
pub(crate) fn payload(packet: &Packet) -> (u32, Bytes) {
    let (_, transport, end) = IpHeader::parse(packet.headers(), packet.len()).unwrap();
    let (header, len) = TcpHeader::parse(&packet.headers()[transport..]).unwrap();
    let payload = packet.clone().take_payload((transport + len) as u32, end);
    (header.seq.0, payload.to_bytes())
}
