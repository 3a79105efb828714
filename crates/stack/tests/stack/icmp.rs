use crate::harness::{FAMILIES, Family, Pair, Side};
use bytes::Bytes;
use handfast_stack::icmp::{Problem, write_echo_request, write_error};
use handfast_tcp::{ConnectionError, State};
use handfast_wire::icmp::Echo;
use handfast_wire::{Checksum, Discard, IpHeader, Packet, Protocol, SendReason};

/// The ICMP error that a router at A's side would send about the packet B sent as `seen[at]`.
pub(crate) fn error_about(net: &Pair, at: usize, problem: Problem) -> Packet {
    let seen = &net.seen[at];
    let mut offending = Packet::new();
    let text = Bytes::from(vec![0; seen.text as usize]);
    offending.payload.push(text);
    offending.write_tcp(&seen.ip, &seen.tcp.unwrap(), 0, Checksum::None);
    let mut out = Packet::new();
    let offset = seen.ip.header_len();
    let written = write_error(
        &offending,
        &seen.ip,
        offset,
        offending.len(),
        problem,
        seen.ip.destination,
        1500,
        |_| false,
        &mut out,
    );
    assert!(written);
    Packet::from_bytes(out.to_bytes())
}

#[test]
fn an_echo_is_answered() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let protocol = match family {
            Family::V4 => Protocol::ICMP,
            Family::V6 => Protocol::ICMPV6,
        };
        let ip = IpHeader::new(net.a.address, net.b.address, protocol);
        let mut built = Packet::new();
        built.payload.push(Bytes::from_static(b"are you there?"));
        let echo = Echo {
            identifier: 7,
            sequence: 9,
        };
        assert!(write_echo_request(&ip, echo, &mut built));
        let mut request = Packet::from_bytes(built.to_bytes());
        net.b.stack.receive(net.b.iface, &mut request, net.now);
        assert!(net.b.stack.poll_timeout().is_some(), "output is due");
        let mut out = handfast_wire::Batch::new(4);
        assert_eq!(net.b.stack.poll_transmit(net.b.iface, net.now, &mut out), 1);
        let reply = &out.packets()[0];
        assert_eq!(reply.reason, SendReason::EchoReply);
        assert_eq!(&reply.payload.to_bytes()[..], b"are you there?");
        let (ip, ..) = IpHeader::parse(reply.headers(), reply.len()).unwrap();
        assert_eq!((ip.source, ip.destination), (net.b.address, net.a.address));
    }
}

#[test]
fn a_hard_error_ends_a_handshake_and_only_a_handshake() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        net.keep = Box::new(|_| false);
        let client = net.attempt(80);
        net.settle();
        let mut error = error_about(&net, 0, Problem::Port);
        net.a.stack.receive(net.a.iface, &mut error, net.now);
        assert_eq!(net.a.state(client), State::Closed);
        assert_eq!(net.a.error(client), Some(ConnectionError::Refused));

        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        net.keep = Box::new(|_| false);
        let mut data = Bytes::from_static(b"in flight");
        net.a
            .stack
            .tcp_mut(client, net.now)
            .unwrap()
            .send(&mut data)
            .unwrap();
        net.settle();
        let mut error = error_about(&net, net.seen.len() - 1, Problem::Port);
        net.a.stack.receive(net.a.iface, &mut error, net.now);
        assert_eq!(net.a.state(client), State::Established, "noted, not fatal");
        let _ = server;
    }
}

#[test]
fn an_error_about_what_is_not_in_flight_is_ignored() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, _) = net.connected(80);
        let mut error = error_about(&net, 0, Problem::Port);
        net.a.stack.receive(net.a.iface, &mut error, net.now);
        assert_eq!(net.a.stack.metrics().discards(Discard::IcmpQuote), 1);
        assert_eq!(net.a.state(client), State::Established);
        // Nor does one about a tuple that we never had.
        net.seen[0].tcp.as_mut().unwrap().source_port ^= 1;
        let mut error = error_about(&net, 0, Problem::Port);
        net.a.stack.receive(net.a.iface, &mut error, net.now);
        assert_eq!(net.a.stack.metrics().discards(Discard::IcmpQuote), 2);
    }
}

#[test]
fn too_big_shrinks_the_very_next_segments_and_those_of_new_connections() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let listener = net.b.listen(80);
        let (client, server) = net.connect_to(listener, 80);
        net.keep = Box::new(|s| s.from == Side::B || s.ip.header_len() as u32 + s.text < 1300);
        let mut data = Bytes::from(vec![3u8; 10_000]);
        net.a
            .stack
            .tcp_mut(client, net.now)
            .unwrap()
            .send(&mut data)
            .unwrap();
        net.settle();
        let big = net
            .seen
            .iter()
            .rposition(|s| s.text > 1300)
            .expect("a full segment");
        let mut error = error_about(&net, big, Problem::TooBig { mtu: 1300 });
        // Only the first unacknowledged octet is sure to be in flight; quote that one.
        let first = net.seen.iter().position(|s| s.text > 1300).unwrap();
        let mut also = error_about(&net, first, Problem::TooBig { mtu: 1300 });
        net.seen.clear();
        net.a.stack.receive(net.a.iface, &mut error, net.now);
        net.a.stack.receive(net.a.iface, &mut also, net.now);
        net.run_for(handfast_base::Duration::from_secs(2));
        let got = crate::harness::read(&mut net.b, server, net.now).len();
        assert_eq!(got, 10_000, "{family:?}");
        let header = if family == Family::V4 { 20 } else { 40 };
        let most = net.seen.iter().map(|s| s.text + header + 32).max().unwrap();
        assert!(most <= 1300, "{most}");
        net.seen.clear();
        let (next, next_server) = net.connect_to(listener, 80);
        net.transfer(Side::A, next, next_server, &[0; 5000]);
        let most = net.seen.iter().map(|s| s.text + header + 32).max().unwrap();
        assert!(most <= 1300, "remembered: {most}");
        // For ten minutes.
        net.keep = Box::new(|_| true);
        net.run_for(handfast_base::Duration::from_secs(601));
        net.seen.clear();
        let (next, next_server) = net.connect_to(listener, 80);
        net.transfer(Side::A, next, next_server, &[0; 5000]);
        let most = net.seen.iter().map(|s| s.text + header + 32).max().unwrap();
        assert!(most > 1400, "and forgotten: {most}");
    }
}

/// MUST-55: the very message that ends a handshake, and shrinks a connection's segments, does
/// nothing as a source quench.
#[test]
fn a_source_quench_ends_nothing_and_shrinks_nothing() {
    let mut net = Pair::new(Family::V4);
    net.keep = Box::new(|_| false);
    let client = net.attempt(80);
    net.settle();
    let error = error_about(&net, 0, Problem::Port);
    net.a
        .stack
        .receive(net.a.iface, &mut quench(&error), net.now);
    assert_eq!(net.a.state(client), State::SynSent);
    let mut error = error;
    net.a.stack.receive(net.a.iface, &mut error, net.now);
    assert_eq!(net.a.state(client), State::Closed);

    let mut net = Pair::new(Family::V4);
    let (client, _) = net.connected(80);
    net.keep = Box::new(|_| false);
    net.seen.clear();
    crate::harness::write(&mut net.a, client, &[0; 5_000], net.now);
    net.settle();
    let before = net.a.stack.tcp(client).unwrap().info(net.now);
    assert!(before.in_flight > 0);
    let first = net.seen.iter().position(|s| s.text > 0).unwrap();
    let error = error_about(&net, first, Problem::Port);
    net.a
        .stack
        .receive(net.a.iface, &mut quench(&error), net.now);
    assert_eq!(net.a.stack.metrics().discards(Discard::IcmpSourceQuench), 1);
    let after = net.a.stack.tcp(client).unwrap().info(net.now);
    assert_eq!((after.cwnd, after.ssthresh), (before.cwnd, before.ssthresh));
    assert_eq!(net.a.state(client), State::Established);
}

/// The same ICMP message, of type 4 and code 0 (RFC 792).
fn quench(error: &Packet) -> Packet {
    let mut octets = error.to_bytes().to_vec();
    let icmp = &mut octets[20..];
    icmp[..4].copy_from_slice(&[4, 0, 0, 0]);
    let words = icmp.chunks(2);
    let words = words.map(|w| u32::from(w[0]) << 8 | u32::from(*w.get(1).unwrap_or(&0)));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    Packet::from_bytes(Bytes::from(octets))
}
