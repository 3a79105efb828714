use super::*;
use handfast::wire::{Loss, Packet, tcp::TcpOptions};
use handfast_base::Instant;
use std::net::IpAddr;

/// One end of a conversation: address and port.
fn end(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([10, 77, 0, host], port))
}

/// A TCP segment as it stands on the wire; its own checksum does not matter here.
fn packet(from: SocketAddr, to: SocketAddr, flags: TcpFlags, seq: u32, len: usize) -> Packet {
    let header = TcpHeader {
        source_port: from.port(),
        destination_port: to.port(),
        seq: SeqNumber(seq),
        flags,
        options: TcpOptions::default(),
        ..TcpHeader::default()
    };
    let mut octets = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0];
    for address in [from, to] {
        match address.ip() {
            IpAddr::V4(v4) => octets.extend(v4.octets()),
            IpAddr::V6(_) => unreachable!(),
        }
    }
    octets.extend(header.source_port.to_be_bytes());
    octets.extend(header.destination_port.to_be_bytes());
    octets.extend(seq.to_be_bytes());
    octets.extend([0; 4]);
    octets.extend([0x50, flags.bits() as u8, 0xff, 0xff, 0, 0, 0, 0]);
    octets.extend(vec![b'x'; len]);
    let total = octets.len() as u16;
    octets[2..4].copy_from_slice(&total.to_be_bytes());
    let words = octets[..20]
        .chunks(2)
        .map(|w| u32::from(w[0]) << 8 | u32::from(w[1]));
    let sum = words.sum::<u32>();
    let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
    octets[10..12].copy_from_slice(&checksum.to_be_bytes());
    Packet::from_bytes(octets.into())
}

struct Wire {
    flows: Flows,
    program: SocketAddr,
    ours: SocketAddr,
}

impl Wire {
    fn new() -> Wire {
        Wire {
            flows: Flows::default(),
            program: end(2, 40_000),
            ours: end(9, 80),
        }
    }

    fn up(&mut self, flags: TcpFlags, seq: u32, len: usize, fate: Fate) {
        let packet = packet(self.program, self.ours, flags, seq, len);
        self.show(Direction::Received, packet, fate);
    }

    fn down(&mut self, seq: u32, len: usize, reason: SendReason, fate: Fate) {
        let mut packet = packet(self.ours, self.program, TcpFlags::ACK, seq, len);
        packet.reason = reason;
        self.show(Direction::Sent, packet, fate);
    }

    fn show(&mut self, direction: Direction, packet: Packet, fate: Fate) {
        self.flows.on_packet(Observation {
            at: Instant::ZERO,
            arrival: None,
            direction,
            fate,
            packet: &packet,
        });
    }

    fn counts(&self, nth: usize) -> FlowCounts {
        self.flows.get(self.program, self.ours, nth).unwrap()
    }
}

const PASSED: Fate = Fate::Passed;
const LOST: Fate = Fate::Lost(Loss::Random);

#[test]
fn what_the_other_end_repeats_is_told_by_its_numbers() {
    let mut wire = Wire::new();
    // Across the end of sequence space.
    let isn = u32::MAX - 50;
    wire.up(TcpFlags::SYN, isn, 0, LOST);
    wire.up(TcpFlags::SYN, isn, 0, PASSED);
    let first = isn.wrapping_add(1);
    wire.up(TcpFlags::ACK, first, 100, PASSED);
    wire.up(TcpFlags::ACK, first.wrapping_add(100), 100, LOST);
    wire.up(TcpFlags::ACK, first.wrapping_add(200), 100, PASSED);
    wire.up(TcpFlags::ACK, first.wrapping_add(300), 0, PASSED);
    wire.up(TcpFlags::ACK, first.wrapping_add(100), 100, PASSED);
    // A keep-alive repeats a number and carries nothing.
    wire.up(TcpFlags::ACK, first.wrapping_add(299), 0, PASSED);
    wire.up(
        TcpFlags::ACK | TcpFlags::FIN,
        first.wrapping_add(300),
        0,
        PASSED,
    );
    wire.up(
        TcpFlags::ACK | TcpFlags::FIN,
        first.wrapping_add(300),
        0,
        PASSED,
    );
    let wanted = SegmentCounts {
        segments: 10,
        octets: 300,
        retransmissions: 3,
        lost: 2,
        corrupted: 0,
    };
    assert_eq!(wire.counts(0).received, wanted);
    assert_eq!(wire.flows.total(), wire.counts(0));
}

#[test]
fn what_we_repeat_is_counted_by_its_cause() {
    let mut wire = Wire::new();
    wire.down(1, 100, SendReason::Data, LOST);
    wire.down(101, 100, SendReason::Data, PASSED);
    wire.down(1, 100, SendReason::FastRetransmit, LOST);
    wire.down(1, 100, SendReason::RetransmissionTimeout(1), PASSED);
    wire.down(101, 100, SendReason::PartialAck, PASSED);
    // A window probe may repeat an octet and is no retransmission.
    wire.down(200, 1, SendReason::WindowProbe, PASSED);
    let counts = wire.counts(0);
    assert_eq!((counts.sent.segments, counts.sent.lost), (6, 2));
    assert_eq!(counts.sent.retransmissions, 3);
    let causes = Causes {
        handshake: 0,
        timeout: 1,
        fast: 1,
        recovery: 1,
    };
    assert_eq!(counts.causes, causes);
}

#[test]
fn a_pair_of_endpoints_used_again_is_another_connection() {
    let mut wire = Wire::new();
    for isn in [100, 5_000, 9_000] {
        wire.up(TcpFlags::SYN, isn, 0, PASSED);
        wire.up(TcpFlags::SYN, isn, 0, PASSED);
        wire.up(TcpFlags::ACK | TcpFlags::RST, isn + 1, 0, PASSED);
    }
    for nth in 0..3 {
        let counts = wire.counts(nth).received;
        assert_eq!((counts.segments, counts.retransmissions), (3, 1), "{nth}");
    }
    assert_eq!(wire.flows.get(wire.program, wire.ours, 3), None);
}

#[test]
fn copies_that_the_link_makes_and_headers_that_it_broke_mislead_nobody() {
    let mut wire = Wire::new();
    wire.up(TcpFlags::SYN, 0, 0, PASSED);
    wire.up(TcpFlags::SYN, 0, 0, Fate::Duplicate);
    wire.up(TcpFlags::ACK, 1, 100, PASSED);
    // A number that a flipped bit made: what follows is not behind it.
    wire.up(TcpFlags::ACK, 1 << 30, 100, Fate::Corrupted);
    wire.up(TcpFlags::ACK, 101, 100, PASSED);
    let counts = wire.counts(0).received;
    assert_eq!(
        (counts.segments, counts.retransmissions, counts.corrupted),
        (4, 0, 1)
    );
    // Endpoints that a flipped bit made are no connection.
    let bogus = packet(end(2, 41_000), wire.ours, TcpFlags::ACK, 7, 0);
    wire.show(Direction::Received, bogus, Fate::Corrupted);
    assert_eq!(wire.flows.get(end(2, 41_000), wire.ours, 0), None);
    assert_eq!(wire.flows.packets(), 6);
}

#[test]
fn however_many_there_are_memory_is_bounded_and_sums_are_whole() {
    let mut wire = Wire::new();
    let all = MOST_FLOWS as u32 + 5_000;
    for n in 0..all {
        let program = end((n >> 16) as u8, n as u16);
        let syn = packet(program, wire.ours, TcpFlags::SYN, n, 0);
        wire.show(Direction::Received, syn, PASSED);
    }
    assert_eq!(wire.flows.lock().flows.len(), MOST_FLOWS);
    assert_eq!(wire.flows.total().received.segments, u64::from(all));
}

#[test]
fn what_is_no_whole_tcp_segment_is_only_a_packet() {
    let mut wire = Wire::new();
    for octets in [&b""[..], &[0x45; 3], &[0x60; 40], &[0x45; 20]] {
        let packet = Packet::from_bytes(octets.to_vec().into());
        wire.show(Direction::Received, packet, PASSED);
    }
    assert_eq!(wire.flows.packets(), 4);
    assert_eq!(wire.flows.total(), FlowCounts::default());
}

#[test]
fn a_connection_tells_how_long_it_was_and_how_it_ended() {
    let mut wire = Wire::new();
    wire.up(TcpFlags::SYN, 0, 0, PASSED);
    let account = |wire: &Wire| wire.flows.with_ends(|ip| ip == wire.ours.ip())[0];
    assert_eq!(account(&wire).end, None);
    let at = Instant::from_millis(7);
    let fin = TcpFlags::ACK | TcpFlags::FIN;
    for direction in [Direction::Received, Direction::Sent] {
        let (from, to) = match direction {
            Direction::Received => (wire.program, wire.ours),
            Direction::Sent => (wire.ours, wire.program),
        };
        let packet = packet(from, to, fin, 1, 40);
        wire.flows.on_packet(Observation {
            at,
            arrival: None,
            direction,
            fate: PASSED,
            packet: &packet,
        });
    }
    let closed = account(&wire);
    assert_eq!(
        (closed.lasted, closed.end),
        (Duration::from_millis(7), Some(FlowEnd::Closed))
    );
    assert_eq!(
        (closed.counts.received.octets, closed.counts.sent.octets),
        (40, 40)
    );
    wire.up(TcpFlags::SYN, 99_000, 0, PASSED);
    wire.up(TcpFlags::RST, 99_001, 0, PASSED);
    let all = wire.flows.with_ends(|_| true);
    let reset = FlowEnd::Reset(Direction::Received);
    assert_eq!((all.len(), all[1].end), (2, Some(reset)), "{all:?}");
    assert!(wire.flows.with_ends(|_| false).is_empty());
}
