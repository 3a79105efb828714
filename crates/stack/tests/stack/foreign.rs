use crate::harness::{FAMILIES, Family, Pair};
use bytes::Bytes;
use core::net::SocketAddr;
use handfast_stack::icmp::Problem;
use handfast_stack::udp::{Outbound, UdpError, UdpFamily, UdpOptions};
use handfast_stack::{Foreign, PingEvent, Route};
use handfast_tcp::{IcmpError, NetError};
use handfast_wire::{Discard, Payload};

/// B stands in for the rest of the world.
fn world(family: Family) -> (Pair, SocketAddr) {
    let mut net = Pair::new(family);
    let (all, remote) = match family {
        Family::V4 => ("0.0.0.0/0", "203.0.113.5:53"),
        Family::V6 => ("::/0", "[2001:db8:5::5]:53"),
    };
    let route = Route {
        prefix: all.parse().unwrap(),
        gateway: None,
        iface: net.a.iface,
        metric: 0,
    };
    net.a.stack.add_route(route, net.now).unwrap();
    (net, remote.parse().unwrap())
}

#[test]
fn datagrams_to_others_are_taken_in_and_answered_in_their_name() {
    for family in FAMILIES {
        let (mut net, remote) = world(family);
        let id = net
            .a
            .stack
            .udp_open(UdpFamily::Dual, UdpOptions::default())
            .unwrap();
        let ask = |net: &mut Pair| {
            let mut query = Outbound {
                to: Some(remote),
                payload: Payload::from(Bytes::from_static(b"query")),
                ..Outbound::default()
            };
            net.a.stack.udp_send(id, &mut query, net.now).unwrap();
            net.settle();
        };
        ask(&mut net);
        assert_eq!(net.b.stack.metrics().discards(Discard::IpDestination), 1);
        assert_eq!(net.b.stack.poll_foreign(), None);
        net.b.stack.accept_foreign(100_000);
        ask(&mut net);
        let Some(Foreign::Datagram {
            source,
            destination,
            payload,
        }) = net.b.stack.poll_foreign()
        else {
            panic!("nothing came");
        };
        assert_eq!((source.ip(), destination), (net.a.address, remote));
        assert_eq!(&payload.to_bytes()[..], b"query");
        assert!(net.b.stack.send_foreign(Foreign::Datagram {
            source: remote,
            destination: source,
            payload: Payload::from(Bytes::from(vec![5; 3000])),
        }));
        net.exchange();
        // Cut into fragments, which nobody puts together here.
        assert!(net.a.stack.metrics().discards(Discard::IpFragment) >= 2);
        assert!(net.b.stack.send_foreign(Foreign::Datagram {
            source: remote,
            destination: source,
            payload: Payload::from(Bytes::from_static(b"answer")),
        }));
        net.settle();
        let got = net.a.stack.udp_receive(id).unwrap();
        assert_eq!((got.remote, got.payload.len()), (remote, 6));
        assert_eq!(net.b.stack.usage().memory, 0);
    }
}

#[test]
fn they_can_be_rejected_and_are_bounded() {
    for family in FAMILIES {
        let (mut net, remote) = world(family);
        net.b.stack.accept_foreign(10_000);
        let id = net
            .a
            .stack
            .udp_open(UdpFamily::Dual, UdpOptions::default())
            .unwrap();
        net.a.stack.udp_connect(id, remote, net.now).unwrap();
        for _ in 0..100 {
            let mut datagram = Outbound {
                payload: Payload::from(Bytes::from(vec![0; 744])),
                ..Outbound::default()
            };
            net.a.stack.udp_send(id, &mut datagram, net.now).unwrap();
            net.settle();
        }
        assert!(net.b.stack.metrics().discards(Discard::UdpQueueFull) >= 85);
        let first = net.b.stack.poll_foreign().unwrap();
        assert!(net.b.stack.reject_foreign(&first, Problem::Port));
        net.settle();
        let refused = UdpError::Unreachable(NetError::PortUnreachable);
        assert_eq!(net.a.stack.udp_receive(id), Err(refused));
        while net.b.stack.poll_foreign().is_some() {}
        assert_eq!(net.b.stack.usage().memory, 0);
    }
}

#[test]
fn pings_to_others_too() {
    for family in FAMILIES {
        let (mut net, remote) = world(family);
        net.b.stack.accept_foreign(10_000);
        let id = net.a.stack.ping_open(remote.ip(), 0).unwrap();
        let data = || Payload::from(Bytes::from_static(b"data"));
        net.a.stack.ping_send(id, data(), net.now).unwrap();
        net.settle();
        let Some(Foreign::Echo {
            source,
            destination,
            echo,
            payload,
        }) = net.b.stack.poll_foreign()
        else {
            panic!("nothing came");
        };
        assert!(net.b.stack.send_foreign(Foreign::Echo {
            source: destination,
            destination: source,
            echo,
            payload,
        }));
        net.settle();
        assert!(matches!(
            net.a.stack.ping_receive(id),
            Some(PingEvent::Reply { sequence: 0, .. })
        ));
        net.a.stack.ping_send(id, data(), net.now).unwrap();
        net.settle();
        let second = net.b.stack.poll_foreign().unwrap();
        assert!(net.b.stack.reject_foreign(&second, Problem::Host));
        net.settle();
        let Some(PingEvent::Error {
            sequence: 1, error, ..
        }) = net.a.stack.ping_receive(id)
        else {
            panic!("no error");
        };
        assert_eq!(error, IcmpError::Soft(NetError::HostUnreachable));
    }
}
