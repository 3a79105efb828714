use crate::harness::{FAMILIES, Family, Pair};
use bytes::Bytes;
use handfast_base::Duration;
use handfast_stack::{ConnectError, PingError, PingEvent};
use handfast_tcp::Readiness;
use handfast_wire::{Batch, Payload};

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
