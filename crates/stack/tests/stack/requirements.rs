//! Requirements of RFC 9293 that IP has a part in, and that no other test had for its subject.

use crate::harness::{FAMILIES, Family, Pair, Side};
use bytes::Bytes;
use handfast_stack::{AddressPrefix, ConnectOptions, ListenOptions, StackConfig};
use handfast_tcp::State;

/// MUST-49; MUST-48, SHLD-21, SHLD-22.
#[test]
fn hop_limit_and_diffserv_are_the_applications() {
    for family in FAMILIES {
        let config = StackConfig {
            hop_limit: 77,
            traffic_class: 0x20,
            ..StackConfig::default()
        };
        let mut net = Pair::with(family, config, Default::default());
        let (client, _) = net.connected(80);
        // Of the stack, from the first SYN on, both ways.
        assert!(net.seen.len() >= 3);
        for seen in &net.seen {
            assert_eq!((seen.ip.hop_limit, seen.ip.traffic_class), (77, 0x20));
        }
        // Of one connection, while it lives.
        for (hop_limit, class) in [(9, 0xb8), (255, 0x04)] {
            net.seen.clear();
            let mut socket = net.a.stack.tcp_mut(client, net.now).unwrap();
            socket.set_hop_limit(hop_limit);
            socket.set_traffic_class(class);
            socket.send(&mut Bytes::from_static(b"text")).unwrap();
            net.run_for(handfast_base::Duration::from_secs(1));
            let ours: Vec<_> = net.seen.iter().filter(|s| s.from == Side::A).collect();
            assert!(!ours.is_empty());
            for seen in ours {
                assert_eq!(
                    (seen.ip.hop_limit, seen.ip.traffic_class & 0xfc),
                    (hop_limit, class)
                );
            }
        }
    }
}

/// MUST-45: what else the interface comes to have changes nothing for what is under way.
#[test]
fn a_connection_keeps_its_local_address() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        let (own, other) = (
            net.a.address,
            match family {
                Family::V4 => "192.0.2.9/24",
                Family::V6 => "2001:db8::9/64",
            },
        );
        let other: AddressPrefix = other.parse().unwrap();
        net.a
            .stack
            .add_address(net.a.iface, other, net.now)
            .unwrap();
        net.seen.clear();
        net.transfer(Side::A, client, server, &[7; 5_000]);
        net.transfer(Side::B, server, client, &[8; 5_000]);
        let ours = net.seen.iter().filter(|s| s.from == Side::A);
        assert!(ours.clone().count() > 4);
        assert!(ours.clone().all(|s| s.ip.source == own));
    }
}

/// MUST-42: on the port of an attempt that is under way, in SYN-SENT and in SYN-RECEIVED; MUST-41:
/// that goes on as it was.
#[test]
fn one_may_listen_beside_attempts_of_the_same_port() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let options = |port: u16, net: &Pair| ConnectOptions {
            local: Some(net.a.at(port)),
            reuse_address: true,
            ..ConnectOptions::default()
        };
        let beside = |port: u16, net: &Pair| ListenOptions {
            reuse_address: true,
            ..ListenOptions::on(net.a.at(port))
        };
        net.keep = Box::new(|_| false);
        let from = options(80, &net);
        let remote = net.b.at(9);
        let client = net.a.stack.tcp_connect(remote, from, net.now).unwrap();
        net.settle();
        assert_eq!(net.a.state(client), State::SynSent);
        let listen = beside(80, &net);
        net.a.stack.tcp_listen(listen).unwrap();
        assert_eq!(net.a.state(client), State::SynSent);

        // SYN-RECEIVED, of a simultaneous open: the peer's SYN gets through, and nothing else.
        let mut net = Pair::new(family);
        let (from_a, from_b) = (
            options(80, &net),
            ConnectOptions {
                local: Some(net.b.at(81)),
                ..ConnectOptions::default()
            },
        );
        let (a, b) = (net.a.at(80), net.b.at(81));
        let client = net.a.stack.tcp_connect(b, from_a, net.now).unwrap();
        net.b.stack.tcp_connect(a, from_b, net.now).unwrap();
        let mut heard = false;
        net.keep =
            Box::new(move |seen| seen.from == Side::B && !core::mem::replace(&mut heard, true));
        net.settle();
        assert_eq!(net.a.state(client), State::SynReceived);
        let listen = beside(80, &net);
        net.a.stack.tcp_listen(listen).unwrap();
        net.keep = Box::new(|_| true);
        net.run_for(handfast_base::Duration::from_secs(5));
        assert_eq!(net.a.state(client), State::Established);
    }
}
