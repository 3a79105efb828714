use crate::harness::{FAMILIES, Family, Pair};
use bytes::Bytes;
use handfast_base::Duration;
use handfast_stack::{ConnectError, PingError, PingEvent};
use handfast_tcp::Readiness;
use handfast_wire::icmp::Echo;
use handfast_wire::ip::Fragment;
use handfast_wire::{Batch, IpHeader, Packet, Payload, Protocol};

#[test]
fn a_reply_is_timed_and_brings_the_data_back() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let id = net.a.stack.ping_open(net.b.address, 0).unwrap();
        let other = net.a.stack.ping_open(net.b.address, 0).unwrap();
        let data = || Payload::from(Bytes::from_static(b"ping"));
        assert_eq!(net.a.stack.ping_send(id, data(), net.now), Ok(0));
        let mut out = Batch::new(4);
        net.a.stack.poll_transmit(net.a.iface, net.now, &mut out);
        net.now += Duration::from_millis(30);
        net.b
            .stack
            .receive(net.b.iface, &mut out.packets_mut()[0], net.now);
        net.settle();
        assert_eq!(net.a.events[&id], Readiness::READABLE);
        let Some(PingEvent::Reply {
            sequence,
            round_trip,
            payload,
            hop_limit,
        }) = net.a.stack.ping_receive(id)
        else {
            panic!("no reply");
        };
        assert_eq!(
            (sequence, round_trip, hop_limit),
            (0, Duration::from_millis(30), 64)
        );
        assert_eq!(&payload.to_bytes()[..], b"ping");
        assert_eq!(net.a.stack.ping_receive(other), None, "not its own");
        let max = if family == Family::V4 { 1472 } else { 1452 };
        let big = Payload::from(Bytes::from(vec![0; 2000]));
        assert_eq!(
            net.a.stack.ping_send(id, big, net.now),
            Err(PingError::TooBig { max })
        );
        assert!(net.a.stack.ping_close(id) && net.a.stack.ping_close(other));
        assert!(!net.a.stack.ping_close(id));
        assert_eq!(
            net.a.stack.ping_send(id, data(), net.now),
            Err(PingError::Closed)
        );
        assert_eq!(net.a.stack.usage().memory, 0);
    }
}

#[test]
fn ourselves_can_be_pinged_and_nowhere_cannot() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (inside, nowhere) = match family {
            Family::V4 => ("127.0.0.1", "203.0.113.1"),
            Family::V6 => ("::1", "2001:db8:9::1"),
        };
        for address in [inside.parse().unwrap(), net.a.address] {
            let id = net.a.stack.ping_open(address, 0).unwrap();
            net.a.stack.ping_send(id, Payload::new(), net.now).unwrap();
            net.settle();
            assert!(matches!(
                net.a.stack.ping_receive(id),
                Some(PingEvent::Reply { .. })
            ));
        }
        let nowhere = net.a.stack.ping_open(nowhere.parse().unwrap(), 0);
        assert_eq!(nowhere, Err(ConnectError::NoRoute));
    }
}

#[test]
fn a_ping_longer_than_the_link_comes_and_goes_in_fragments() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let id = net.a.stack.ping_open(net.b.address, 0).unwrap();
        // These sockets send what fits; so it is cut here.
        let mut ip = IpHeader::new(
            net.a.address,
            net.b.address,
            match family {
                Family::V4 => Protocol::ICMP,
                Family::V6 => Protocol::ICMPV6,
            },
        );
        ip.identification = 77;
        let sequence = net.a.stack.ping_send(id, Payload::new(), net.now).unwrap();
        let mut batch = Batch::new(4);
        net.a.stack.poll_transmit(net.a.iface, net.now, &mut batch);
        let first = batch.packets()[0].to_bytes();
        let identifier =
            u16::from_be_bytes([first[ip.header_len() + 4], first[ip.header_len() + 5]]);
        let mut request = Packet::new();
        let data: Vec<u8> = (0..5000u32).map(|n| (n / 7) as u8).collect();
        request.payload.push(data.clone().into());
        let echo = Echo {
            identifier,
            sequence,
        };
        handfast_stack::icmp::write_echo_request(&ip, echo, &mut request);
        let whole = request.to_bytes().slice(ip.header_len()..);
        for (offset, end) in [(0, 1400), (1400, 2800), (2800, 4200), (4200, whole.len())] {
            ip.fragment = Some(Fragment {
                offset: offset as u16,
                more: end < whole.len(),
            });
            let mut octets = vec![0; ip.header_len()];
            ip.emit(&mut octets, (end - offset) as u32);
            octets.extend_from_slice(&whole[offset..end]);
            let mut piece = Packet::from_bytes(octets.into());
            net.b.stack.receive(net.b.iface, &mut piece, net.now);
        }
        net.settle();
        let Some(PingEvent::Reply { payload, .. }) = net.a.stack.ping_receive(id) else {
            panic!("no reply");
        };
        assert_eq!(&payload.to_bytes()[..], &data[..]);
        assert_eq!(net.b.stack.usage().memory, 0);
    }
}
