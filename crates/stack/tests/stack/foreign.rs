use crate::harness::{FAMILIES, Family, Pair};
use bytes::Bytes;
use core::net::SocketAddr;
use handfast_stack::icmp::Problem;
use handfast_stack::udp::{Outbound, UdpError, UdpFamily, UdpOptions};
use handfast_stack::{
    BindError, Foreign, ForeignDatagram, ForeignEcho, ForeignError, InterfaceConfig, PingEvent,
    Route, SocketId,
};
use handfast_tcp::{IcmpError, NetError, Readiness};
use handfast_wire::{Batch, Discard, Payload};

/// B stands in for the rest of the world.
fn world(family: Family) -> (Pair, SocketAddr) {
    let mut net = Pair::new(family);
    let (all, remote) = match family {
        Family::V4 => ("0.0.0.0/0", "203.0.113.5:53"),
        Family::V6 => ("::/0", "[2001:db8:5::5]:53"),
    };
    let route = Route::new(all.parse().unwrap(), None, net.a.iface);
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
        let foreign = net.b.stack.foreign_open(100_000).unwrap();
        let again = net.b.stack.foreign_open(100_000);
        assert_eq!(again, Err(BindError::AddressInUse));
        assert_eq!(net.b.stack.foreign_receive(foreign), None);
        ask(&mut net);
        let event = net.b.events.remove(&foreign);
        assert_eq!(event, Some(Readiness::READABLE));
        let query = datagram(net.b.stack.foreign_receive(foreign));
        assert_eq!(
            (query.source.ip(), query.destination),
            (net.a.address, remote)
        );
        assert_eq!(&query.payload.to_bytes()[..], b"query");
        assert_eq!((query.segment_size, query.hop_limit), (0, 64));
        let send = |net: &mut Pair, data: Vec<u8>| {
            let mut answer = Foreign::from(answer_to(&query, data, 0));
            net.b.stack.foreign_send(foreign, &mut answer).unwrap();
        };
        send(&mut net, vec![5; 3000]);
        net.settle();
        // Cut into fragments, and put together again.
        let long = net.a.stack.udp_receive(id).unwrap();
        assert_eq!((long.remote, long.payload.len()), (remote, 3000));
        send(&mut net, b"answer".to_vec());
        net.settle();
        let got = net.a.stack.udp_receive(id).unwrap();
        assert_eq!((got.remote, got.payload.len()), (remote, 6));
        // The other way, too.
        net.a.stack.udp_options_mut(id).unwrap().dont_fragment = false;
        let mut long = Outbound {
            to: Some(remote),
            payload: Payload::from(Bytes::from(vec![6; 9000])),
            ..Outbound::default()
        };
        net.a.stack.udp_send(id, &mut long, net.now).unwrap();
        net.settle();
        let long = datagram(net.b.stack.foreign_receive(foreign));
        assert_eq!(long.payload.to_bytes(), vec![6; 9000]);
        assert_eq!(net.b.stack.usage().memory, 0);
    }
}

#[test]
fn they_can_be_rejected_and_are_bounded() {
    for family in FAMILIES {
        let (mut net, remote) = world(family);
        let foreign = net.b.stack.foreign_open(10_000).unwrap();
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
        let first = net.b.stack.foreign_receive(foreign).unwrap();
        assert!(net.b.stack.foreign_reject(&first, Problem::Port, None));
        net.settle();
        let refused = UdpError::Unreachable(NetError::PortUnreachable);
        assert_eq!(net.a.stack.udp_receive(id), Err(refused));
        assert!(net.b.stack.usage().memory > 0);
        assert!(net.b.stack.foreign_close(foreign));
        assert_eq!(net.b.stack.foreign_receive(foreign), None);
        assert_eq!(net.b.stack.usage().memory, 0);
    }
}

#[test]
fn pings_to_others_too() {
    for family in FAMILIES {
        let (mut net, remote) = world(family);
        let foreign = net.b.stack.foreign_open(10_000).unwrap();
        let id = net.a.stack.ping_open(remote.ip(), 0).unwrap();
        let data = || Payload::from(Bytes::from_static(b"data"));
        net.a.stack.ping_send(id, data(), net.now).unwrap();
        net.settle();
        let Some(Foreign::Echo(request)) = net.b.stack.foreign_receive(foreign) else {
            panic!("nothing came");
        };
        let mut reply = Foreign::Echo(ForeignEcho {
            source: request.destination,
            destination: request.source,
            hop_limit: 33,
            ..request
        });
        net.b.stack.foreign_send(foreign, &mut reply).unwrap();
        net.settle();
        assert!(matches!(
            net.a.stack.ping_receive(id),
            Some(PingEvent::Reply {
                sequence: 0,
                hop_limit: 33,
                ..
            })
        ));
        net.a.stack.ping_send(id, data(), net.now).unwrap();
        net.settle();
        let second = net.b.stack.foreign_receive(foreign).unwrap();
        let router = match family {
            Family::V4 => "198.51.100.7".parse().unwrap(),
            Family::V6 => "2001:db8:7::7".parse().unwrap(),
        };
        assert!(
            net.b
                .stack
                .foreign_reject(&second, Problem::Host, Some(router))
        );
        net.settle();
        let Some(PingEvent::Error {
            sequence: 1,
            error,
            reporter,
        }) = net.a.stack.ping_receive(id)
        else {
            panic!("no error");
        };
        assert_eq!(error, IcmpError::Soft(NetError::HostUnreachable));
        assert_eq!(reporter, router);
    }
}

#[test]
fn several_of_one_size_stay_one_packet_both_ways() {
    for family in FAMILIES {
        for gso_max in [0, 65_535] {
            let (mut net, remote) = world(family);
            for end in [&mut net.a, &mut net.b] {
                let config = InterfaceConfig {
                    gso_max_udp: gso_max,
                    addresses: end.stack.addresses(end.iface).collect(),
                    ..InterfaceConfig::default()
                };
                end.stack.remove_interface(end.iface, net.now);
                end.iface = end.stack.add_interface(config).unwrap();
            }
            let route = Route::new(
                match family {
                    Family::V4 => "0.0.0.0/0".parse().unwrap(),
                    Family::V6 => "::/0".parse().unwrap(),
                },
                None,
                net.a.iface,
            );
            net.a.stack.add_route(route, net.now).unwrap();
            let foreign = net.b.stack.foreign_open(1 << 20).unwrap();
            let options = UdpOptions::default();
            let id = net.a.stack.udp_open(UdpFamily::Dual, options).unwrap();
            let data: Vec<u8> = (0..10_500u32).map(|n| (n / 7) as u8).collect();
            let mut train = Outbound {
                to: Some(remote),
                payload: Payload::from(Bytes::from(data.clone())),
                segment_size: 1000,
                ..Outbound::default()
            };
            net.a.stack.udp_send(id, &mut train, net.now).unwrap();
            net.settle();
            let first = datagram(net.b.stack.foreign_receive(foreign));
            let source = first.source;
            if gso_max > 0 {
                assert_eq!(first.segment_size, 1000);
                assert_eq!(&first.payload.to_bytes()[..], &data[..]);
                assert_eq!(net.b.stack.foreign_receive(foreign), None);
            } else {
                assert_eq!((first.segment_size, first.payload.len()), (0, 1000));
                let rest = core::iter::from_fn(|| net.b.stack.foreign_receive(foreign));
                assert_eq!(rest.count(), 10);
            }
            // A hundred pieces are more than one packet takes.
            let long: Vec<u8> = (0..50_000u32).map(|n| (n / 11) as u8).collect();
            let mut back = Foreign::from(answer_to(&first, long.clone(), 500));
            let before = net
                .b
                .stack
                .interface_metrics(net.b.iface)
                .unwrap()
                .packets_out;
            net.b.stack.foreign_send(foreign, &mut back).unwrap();
            net.settle();
            let sent = net
                .b
                .stack
                .interface_metrics(net.b.iface)
                .unwrap()
                .packets_out
                - before;
            assert_eq!(sent, if gso_max > 0 { 2 } else { 100 });
            let mut got = Vec::new();
            for _ in 0..100 {
                let piece = net.a.stack.udp_receive(id).unwrap();
                assert_eq!((piece.remote, piece.payload.len()), (remote, 500));
                got.extend_from_slice(&piece.payload.to_bytes());
            }
            assert_eq!(got, long);
            assert_eq!(source.ip(), net.a.address);
            assert_eq!(net.b.stack.usage().memory, 0);
        }
    }
}

#[test]
fn a_full_way_out_pushes_back_and_says_when_there_is_room() {
    for family in FAMILIES {
        let (mut net, remote) = world(family);
        let foreign = net.b.stack.foreign_open(10_000).unwrap();
        let to = SocketAddr::new(net.a.address, 9);
        let packet = || {
            Foreign::from(ForeignDatagram {
                source: remote,
                destination: to,
                payload: Payload::from(Bytes::from(vec![0; 744])),
                segment_size: 0,
                hop_limit: 0,
                traffic_class: 0,
            })
        };
        let mut sent = 0;
        let mut last = packet();
        while net.b.stack.foreign_send(foreign, &mut last).is_ok() {
            sent += 1;
            last = packet();
        }
        assert_eq!(sent, 10);
        let refused = net.b.stack.foreign_send(foreign, &mut last);
        assert_eq!(refused, Err(ForeignError::WouldBlock));
        assert_eq!(last, packet());
        net.settle();
        let event = net.b.events.remove(&foreign);
        assert_eq!(event, Some(Readiness::WRITABLE));
        assert_eq!(net.b.stack.foreign_send(foreign, &mut last), Ok(()));
        assert_eq!(net.a.stack.metrics().discards(Discard::UdpPort), 10);
        // An interface takes with it what waited for it.
        net.b.stack.remove_interface(net.b.iface, net.now);
        assert_eq!(net.b.stack.usage().memory, 0);
        let nowhere = net.b.stack.foreign_send(foreign, &mut packet());
        assert_eq!(nowhere, Err(ForeignError::NoRoute));
    }
}

#[test]
fn what_is_cut_leaves_at_once() {
    for family in FAMILIES {
        let (mut net, remote) = world(family);
        let foreign = net.b.stack.foreign_open(1 << 20).unwrap();
        let mut packet = Foreign::from(ForeignDatagram {
            source: remote,
            destination: SocketAddr::new(net.a.address, 9),
            payload: Payload::from(Bytes::from(vec![0; 4000])),
            segment_size: 0,
            hop_limit: 0,
            traffic_class: 0,
        });
        net.b.stack.foreign_send(foreign, &mut packet).unwrap();
        let mut out = Batch::new(64);
        let sent = net.b.stack.poll_transmit(net.b.iface, net.now, &mut out);
        assert_eq!((sent, out.len()), (3, 3));
        assert!(!net.b.stack.has_output(net.b.iface));
    }
}

#[test]
fn what_can_never_be_sent_is_refused() {
    let (mut net, remote) = world(Family::V4);
    let foreign = net.b.stack.foreign_open(1 << 20).unwrap();
    let to = SocketAddr::new(net.a.address, 9);
    let mut send = |id: SocketId, source: SocketAddr, len: usize, segment_size: u16| {
        let packet = ForeignDatagram {
            source,
            destination: to,
            payload: Payload::from(Bytes::from(vec![0; len])),
            segment_size,
            hop_limit: 0,
            traffic_class: 0,
        };
        net.b.stack.foreign_send(id, &mut packet.into())
    };
    assert_eq!(send(foreign, remote, 65_508, 0), Err(ForeignError::TooBig));
    assert_eq!(send(foreign, remote, 3000, 1473), Err(ForeignError::TooBig));
    assert_eq!(send(foreign, remote, 3000, 1472), Ok(()));
    assert_eq!(send(foreign, remote, 65_507, 0), Ok(()));
    let v6 = "[2001:db8::1]:1".parse().unwrap();
    assert_eq!(send(foreign, v6, 1, 0), Err(ForeignError::Family));
    net.b.stack.foreign_close(foreign);
    let mut any = Foreign::from(ForeignEcho {
        source: remote.ip(),
        destination: net.a.address,
        echo: Default::default(),
        payload: Payload::new(),
        hop_limit: 0,
    });
    let closed = net.b.stack.foreign_send(foreign, &mut any);
    assert_eq!(closed, Err(ForeignError::Closed));
}

fn datagram(received: Option<Foreign>) -> ForeignDatagram {
    match received {
        Some(Foreign::Datagram(datagram)) => datagram,
        other => panic!("no datagram but {other:?}"),
    }
}

fn answer_to(query: &ForeignDatagram, data: Vec<u8>, segment_size: u16) -> ForeignDatagram {
    ForeignDatagram {
        source: query.destination,
        destination: query.source,
        payload: Payload::from(Bytes::from(data)),
        segment_size,
        hop_limit: 0,
        traffic_class: 0,
    }
}
