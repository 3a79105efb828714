use crate::harness::{FAMILIES, Family, Pair, Side, read, write};
use bytes::Bytes;
use core::net::SocketAddr;
use handfast_base::Duration;
use handfast_stack::{ConnectError, ConnectOptions, StackConfig, TakenError};
use handfast_tcp::{ConnectionError, Readiness, State};
use handfast_wire::tcp::TcpFlags;

#[test]
fn three_segments_make_a_connection_and_both_ends_hear_of_it() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let listener = net.b.listen(80);
        let (client, server) = net.connect_to(listener, 80);
        assert_eq!(net.a.state(client), State::Established);
        assert_eq!(net.b.state(server), State::Established);
        assert_eq!(net.seen.len(), 3, "SYN, SYN-ACK, ACK: {:?}", net.seen);
        let connected = Readiness::CONNECTED | Readiness::WRITABLE;
        assert!(net.a.events[&client].contains(connected));
        assert!(net.b.events[&server].contains(connected));
        assert!(net.b.events[&listener].contains(Readiness::READABLE));
        let (a, b) = (
            net.a.stack.tcp(client).unwrap(),
            net.b.stack.tcp(server).unwrap(),
        );
        assert_eq!(a.local_addr(), b.peer_addr());
        assert_eq!(a.peer_addr(), b.local_addr());
        assert_eq!(b.local_addr(), net.b.at(80));
        assert_eq!(
            net.b.stack.usage().half_open,
            0,
            "the SYN's slot is free again"
        );
        assert_eq!(net.a.stack.metrics().tcp.opens, 1);
        assert_eq!(net.b.stack.metrics().tcp.accepts, 1);
        assert_eq!(net.b.stack.metrics().all_discards(), 0);
    }
}

#[test]
fn bytes_arrive_in_both_directions() {
    let data: Vec<u8> = (0..300_000u32).map(|n| ((n * 7) >> 3) as u8).collect();
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(7);
        net.transfer(Side::A, client, server, &data);
        net.transfer(Side::B, server, client, &data);
        let header = if family == Family::V4 { 20 } else { 40 };
        let largest = net.seen.iter().map(|s| s.text).max().unwrap();
        assert!(
            largest <= 1500 - header - 20,
            "no packet beyond the MTU: {largest}"
        );
        assert!(largest > 1400, "full segments are used: {largest}");
        let metrics = net.b.stack.interface_metrics(net.b.iface).unwrap();
        assert!(metrics.octets_in > 300_000 && metrics.octets_out > 300_000);
    }
}

#[test]
fn text_and_fin_on_the_third_segment_are_delivered() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let listener = net.b.listen(80);
        let client = net.attempt(80);
        // Queued before the handshake is complete, so that it may ride on its end.
        write(&mut net.a, client, b"early", net.now);
        net.keep = Box::new(|s| {
            // The bare ACK is lost: the first segment with text completes the handshake.
            s.from == Side::B || s.text > 0 || s.tcp.unwrap().flags.contains(TcpFlags::SYN)
        });
        net.settle();
        net.run_for(Duration::from_secs(3));
        let server = net
            .b
            .stack
            .tcp_accept(listener)
            .expect("established by text");
        assert_eq!(read(&mut net.b, server, net.now), b"early");
        assert_eq!(net.a.state(client), State::Established);
    }
}

#[test]
fn a_closed_port_refuses_at_once() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let client = net.attempt(81);
        net.settle();
        assert_eq!(net.count(Side::B, TcpFlags::RST), 1);
        assert_eq!(net.a.state(client), State::Closed);
        let events = net.a.events[&client];
        assert!(
            events.contains(Readiness::ERROR | Readiness::CLOSED),
            "{events:?}"
        );
        let mut tcp = net.a.stack.tcp_mut(client, net.now).unwrap();
        assert_eq!(
            tcp.take_error(),
            Some(TakenError::Fatal(ConnectionError::Refused))
        );
        assert!(tcp.send(&mut Bytes::from_static(b"x")).is_err());
        assert!(net.a.stack.tcp_close(client, net.now));
        assert_eq!(net.a.stack.usage().connections, 0);
        assert_eq!(net.a.stack.usage().memory, 0);
    }
}

#[test]
fn what_cannot_succeed_fails_at_once() {
    let refused: [(&str, ConnectError); 12] = [
        ("0.0.0.0:80", ConnectError::RemoteAddress),
        ("255.255.255.255:80", ConnectError::RemoteAddress),
        ("192.0.2.255:80", ConnectError::RemoteAddress),
        ("224.0.0.1:80", ConnectError::RemoteAddress),
        ("240.0.0.1:80", ConnectError::RemoteAddress),
        ("192.0.2.2:0", ConnectError::RemoteAddress),
        ("198.51.100.1:80", ConnectError::NoRoute),
        ("[::]:80", ConnectError::RemoteAddress),
        ("[ff02::1]:80", ConnectError::RemoteAddress),
        ("[::ffff:192.0.2.2]:80", ConnectError::RemoteAddress),
        ("[2001:db8::2]:0", ConnectError::RemoteAddress),
        ("[2001:db8:1::2]:80", ConnectError::NoRoute),
    ];
    for family in FAMILIES {
        let mut net = Pair::new(family);
        for (remote, why) in refused {
            let remote: SocketAddr = remote.parse().unwrap();
            let is_broadcast_of_other =
                family == Family::V6 && remote.ip().to_string() == "192.0.2.255";
            let why = if is_broadcast_of_other {
                ConnectError::NoRoute
            } else {
                why
            };
            let got = net
                .a
                .stack
                .tcp_connect(remote, ConnectOptions::default(), net.now);
            assert_eq!(got, Err(why), "{remote} from {family:?}");
        }
        let other: SocketAddr = match family {
            Family::V4 => "[2001:db8::1]:0".parse().unwrap(),
            Family::V6 => "192.0.2.1:0".parse().unwrap(),
        };
        let foreign: SocketAddr = match family {
            Family::V4 => "192.0.2.77:0".parse().unwrap(),
            Family::V6 => "[2001:db8::77]:0".parse().unwrap(),
        };
        for (local, why) in [
            (other, ConnectError::Family),
            (foreign, ConnectError::LocalAddress),
        ] {
            let options = ConnectOptions {
                local: Some(local),
                ..ConnectOptions::default()
            };
            let got = net.a.stack.tcp_connect(net.b.at(80), options, net.now);
            assert_eq!(got, Err(why));
        }
        assert_eq!(net.a.stack.usage().connections, 0);
        assert_eq!(net.a.stack.poll_timeout(), None, "nothing was begun");
    }
}

#[test]
fn a_chosen_local_port_is_used_and_cannot_be_used_twice() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        net.b.listen(80);
        let options = ConnectOptions {
            local: Some(net.a.at(4000)),
            ..ConnectOptions::default()
        };
        let remote = net.b.at(80);
        let first = net
            .a
            .stack
            .tcp_connect(remote, options.clone(), net.now)
            .unwrap();
        net.settle();
        assert_eq!(net.a.stack.tcp(first).unwrap().local_addr(), net.a.at(4000));
        let again = net.a.stack.tcp_connect(remote, options.clone(), net.now);
        assert_eq!(again, Err(ConnectError::AddressInUse));
        // Another destination is another tuple.
        let elsewhere = net.b.at(81);
        net.a
            .stack
            .tcp_connect(elsewhere, options, net.now)
            .unwrap();
        // A port on which we listen is not for connecting.
        net.a.listen(5000);
        let options = ConnectOptions {
            local: Some(net.a.at(5000)),
            ..ConnectOptions::default()
        };
        let taken = net.a.stack.tcp_connect(remote, options, net.now);
        assert_eq!(taken, Err(ConnectError::AddressInUse));
    }
}

#[test]
fn automatic_ports_run_out_per_destination_and_not_before() {
    for family in FAMILIES {
        let config = StackConfig {
            ports: 50_000..=50_009,
            ..StackConfig::default()
        };
        let mut net = Pair::with(family, config, Default::default());
        let connect = |net: &mut Pair, port| {
            let remote = net.b.at(port);
            net.a
                .stack
                .tcp_connect(remote, ConnectOptions::default(), net.now)
        };
        let mut ports: Vec<u16> = (0..10)
            .map(|_| {
                let id = connect(&mut net, 80).unwrap();
                net.a.stack.tcp(id).unwrap().local_addr().port()
            })
            .collect();
        ports.sort_unstable();
        assert_eq!(ports, (50_000..=50_009).collect::<Vec<_>>());
        assert_eq!(connect(&mut net, 80), Err(ConnectError::NoPorts));
        for _ in 0..10 {
            connect(&mut net, 81).unwrap();
        }
        assert_eq!(connect(&mut net, 81), Err(ConnectError::NoPorts));
    }
}

#[test]
fn both_ends_may_open_at_once() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (a, b) = (net.a.at(1111), net.b.at(2222));
        let from = |local| ConnectOptions {
            local: Some(local),
            ..ConnectOptions::default()
        };
        let one = net.a.stack.tcp_connect(b, from(a), net.now).unwrap();
        let two = net.b.stack.tcp_connect(a, from(b), net.now).unwrap();
        // Both SYNs are on the way before either arrives.
        let mut out = (handfast_wire::Batch::new(8), handfast_wire::Batch::new(8));
        net.a.stack.poll_transmit(net.a.iface, net.now, &mut out.0);
        net.b.stack.poll_transmit(net.b.iface, net.now, &mut out.1);
        assert_eq!((out.0.len(), out.1.len()), (1, 1));
        net.a
            .stack
            .receive(net.a.iface, &mut out.1.packets_mut()[0], net.now);
        net.b
            .stack
            .receive(net.b.iface, &mut out.0.packets_mut()[0], net.now);
        net.settle();
        assert_eq!(net.a.state(one), State::Established, "{:#?}", net.seen);
        assert_eq!(net.b.state(two), State::Established);
        net.transfer(Side::A, one, two, b"hello");
        net.transfer(Side::B, two, one, b"hello yourself");
    }
}

#[test]
fn a_dead_host_costs_a_bounded_number_of_syns_and_then_an_error() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        net.keep = Box::new(|_| false);
        let client = net.attempt(80);
        net.run_for(Duration::from_secs(600));
        let syns = net.count(Side::A, TcpFlags::SYN);
        assert!((4..=12).contains(&syns), "{syns}");
        let error = net.a.error(client);
        assert_eq!(error, Some(ConnectionError::TimedOut));
        assert_eq!(net.a.stack.metrics().tcp.connections_timed_out, 1);
        assert_eq!(net.a.stack.poll_timeout(), None);
    }
}

#[test]
fn a_handle_that_outlives_its_connection_is_refused() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let listener = net.b.listen(80);
        let (client, server) = net.connect_to(listener, 80);
        net.a.stack.tcp_mut(client, net.now).unwrap().abort();
        net.settle();
        assert!(net.a.stack.tcp_close(client, net.now));
        assert!(net.b.stack.tcp_close(server, net.now));
        let (other, _) = net.connect_to(listener, 80);
        assert_ne!(other, client, "the place is the same, the handle is not");
        assert!(net.a.stack.tcp(client).is_none());
        assert!(net.a.stack.tcp_mut(client, net.now).is_none());
        assert!(!net.a.stack.tcp_close(client, net.now));
        assert!(
            net.a.stack.tcp_accept(client).is_none(),
            "nor is it a listener"
        );
        assert!(
            net.b.stack.tcp(listener).is_none(),
            "nor a listener a connection"
        );
        assert_eq!(net.a.state(other), State::Established);
    }
}
