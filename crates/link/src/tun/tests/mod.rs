mod kernel;
mod queue;

use super::*;
use crate::sample::pattern;
use bytes::Bytes;
use handfast_wire::tcp::TcpHeader;
use handfast_wire::{Checksum, GsoKind, IpHeader, Protocol};
use std::net::IpAddr;

fn tcp_packet(
    source: IpAddr,
    destination: IpAddr,
    header: &TcpHeader,
    payload: &Bytes,
    segment_size: u16,
) -> Packet {
    let mut packet = Packet::new();
    packet.payload.push(payload.clone());
    let ip = IpHeader::new(source, destination, Protocol::TCP);
    assert!(packet.write_tcp(&ip, header, segment_size, Checksum::Partial));
    packet
}
