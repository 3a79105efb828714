use crate::harness::{FAMILIES, Family, Host, Pair};
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use handfast_base::Instant;
use handfast_stack::udp::{Datagram, Outbound, UdpError, UdpFamily, UdpOptions};
use handfast_stack::{InterfaceConfig, SocketId, StackConfig};
use handfast_tcp::{NetError, Readiness};
use handfast_wire::{Batch, Discard, Payload};

fn open(host: &mut Host, family: Family, port: u16) -> SocketId {
    let family = match family {
        Family::V4 => UdpFamily::V4,
        Family::V6 => UdpFamily::V6,
    };
    let id = host.stack.udp_open(family, UdpOptions::default()).unwrap();
    let local = host.at(port);
    host.stack.udp_bind(id, local, None).unwrap();
    id
}

fn outbound(to: SocketAddr, data: impl Into<Bytes>) -> Outbound {
    Outbound {
        to: Some(to),
        payload: Payload::from(data.into()),
        ..Outbound::default()
    }
}

fn send(host: &mut Host, id: SocketId, to: SocketAddr, data: &[u8], now: Instant) {
    let mut datagram = outbound(to, Bytes::copy_from_slice(data));
    host.stack.udp_send(id, &mut datagram, now).unwrap();
}

#[test]
fn datagrams_keep_their_bounds_and_their_senders() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (a, b) = (open(&mut net.a, family, 1000), open(&mut net.b, family, 53));
        let to = net.b.at(53);
        for data in [&b"one"[..], b"", b"three"] {
            send(&mut net.a, a, to, data, net.now);
        }
        net.settle();
        assert!(net.b.events[&b].contains(Readiness::READABLE));
        for expected in [&b"one"[..], b"", b"three"] {
            let got: Datagram = net.b.stack.udp_receive(b).unwrap();
            assert_eq!(&got.payload.to_bytes()[..], expected);
            assert_eq!((got.remote, got.local), (net.a.at(1000), to));
        }
        assert_eq!(net.b.stack.udp_receive(b), Err(UdpError::WouldBlock));
        send(&mut net.b, b, net.a.at(1000), b"reply", net.now);
        net.settle();
        assert_eq!(
            &net.a.stack.udp_receive(a).unwrap().payload.to_bytes()[..],
            b"reply"
        );
        assert!(net.a.stack.udp_close(a) && net.b.stack.udp_close(b));
        assert_eq!(net.a.stack.usage().memory + net.b.stack.usage().memory, 0);
    }
}

#[test]
fn a_port_where_nobody_is_fails_the_next_call_of_a_connected_socket() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let a = open(&mut net.a, family, 1000);
        net.a.stack.udp_connect(a, net.b.at(9), net.now).unwrap();
        let mut datagram = Outbound {
            payload: Payload::from(Bytes::from_static(b"anybody?")),
            ..Outbound::default()
        };
        net.a.stack.udp_send(a, &mut datagram, net.now).unwrap();
        net.settle();
        assert_eq!(net.b.stack.metrics().discards(Discard::UdpPort), 1);
        let refused = UdpError::Unreachable(NetError::PortUnreachable);
        assert!(net.a.events[&a].contains(Readiness::ERROR));
        assert_eq!(net.a.stack.udp_receive(a), Err(refused));
        assert_eq!(
            net.a.stack.udp_receive(a),
            Err(UdpError::WouldBlock),
            "told once"
        );
    }
}

#[test]
fn errors_to_strangers_are_limited() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let a = open(&mut net.a, family, 1000);
        for _ in 0..100 {
            for port in 2000..2030 {
                send(&mut net.a, a, net.b.at(port), b"probe", net.now);
            }
            net.settle();
        }
        let errors = net
            .a
            .stack
            .interface_metrics(net.a.iface)
            .unwrap()
            .packets_in;
        assert!((5..=300).contains(&errors), "{errors} of 3000");
        assert!(net.b.stack.metrics().discards(Discard::IcmpRateLimited) > 2000);
    }
}

#[test]
fn a_datagram_beyond_the_mtu_is_an_error_or_is_cut() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let a = open(&mut net.a, family, 1000);
        let to = net.b.at(53);
        let mut big = outbound(to, vec![7; 4000]);
        let max = if family == Family::V4 { 1472 } else { 1452 };
        let error = net.a.stack.udp_send(a, &mut big, net.now);
        assert_eq!(error, Err(UdpError::TooBig { max }));
        assert_eq!(big.payload.len(), 4000, "left as it was");
        net.a.stack.udp_options_mut(a).unwrap().dont_fragment = false;
        net.a.stack.udp_send(a, &mut big, net.now).unwrap();
        let mut out = Batch::new(16);
        while net.a.stack.has_output(net.a.iface) {
            net.a.stack.poll_transmit(net.a.iface, net.now, &mut out);
        }
        assert_eq!(out.len(), 3);
        assert!(out.packets().iter().all(|p| p.len() <= 1500));
        assert_eq!(net.a.stack.usage().memory, 0);
    }
}

#[test]
fn broadcast_needs_leave_and_reaches_whoever_listens() {
    let mut net = Pair::new(Family::V4);
    let a = open(&mut net.a, Family::V4, 1000);
    let any = net
        .b
        .stack
        .udp_open(UdpFamily::V4, UdpOptions::default())
        .unwrap();
    net.b
        .stack
        .udp_bind(any, "0.0.0.0:67".parse().unwrap(), None)
        .unwrap();
    for to in ["192.0.2.255:67", "255.255.255.255:67"] {
        let mut datagram = outbound(to.parse().unwrap(), &b"to all"[..]);
        net.a.stack.udp_options_mut(a).unwrap().broadcast = false;
        let error = net.a.stack.udp_send(a, &mut datagram, net.now);
        assert_eq!(error, Err(UdpError::Broadcast), "{to}");
        net.a.stack.udp_options_mut(a).unwrap().broadcast = true;
        net.a.stack.udp_send(a, &mut datagram, net.now).unwrap();
        net.settle();
        let got = net.b.stack.udp_receive(any).unwrap();
        assert_eq!(got.local, net.b.at(67), "an address to reply from");
        assert_eq!(got.destination, to.parse::<SocketAddr>().unwrap().ip());
    }
    // Nobody there: no error answers a broadcast.
    let mut nobody = outbound("192.0.2.255:68".parse().unwrap(), &b"x"[..]);
    net.a.stack.udp_send(a, &mut nobody, net.now).unwrap();
    net.settle();
    assert_eq!(
        net.a
            .stack
            .interface_metrics(net.a.iface)
            .unwrap()
            .packets_in,
        0
    );
}

#[test]
fn groups_reach_their_members_near_and_far() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let group: IpAddr = match family {
            Family::V4 => "239.1.2.3".parse().unwrap(),
            Family::V6 => "ff15::123".parse().unwrap(),
        };
        let (kind, wildcard): (UdpFamily, IpAddr) = match family {
            Family::V4 => (UdpFamily::V4, "0.0.0.0".parse().unwrap()),
            Family::V6 => (UdpFamily::V6, "::".parse().unwrap()),
        };
        let member = |host: &mut Host| {
            let id = host.stack.udp_open(kind, UdpOptions::default()).unwrap();
            host.stack
                .udp_bind(id, SocketAddr::new(wildcard, 5000), None)
                .unwrap();
            host.stack.udp_join(id, host.iface, group).unwrap();
            id
        };
        let (near, far) = (member(&mut net.a), member(&mut net.b));
        let sender = open(&mut net.a, family, 1000);
        send(
            &mut net.a,
            sender,
            SocketAddr::new(group, 5000),
            b"to the group",
            net.now,
        );
        net.settle();
        assert_eq!(net.a.stack.udp_receive(near).unwrap().payload.len(), 12);
        assert_eq!(net.b.stack.udp_receive(far).unwrap().payload.len(), 12);
        net.b.stack.udp_leave(far, net.b.iface, group).unwrap();
        send(
            &mut net.a,
            sender,
            SocketAddr::new(group, 5000),
            b"again",
            net.now,
        );
        net.settle();
        assert_eq!(net.b.stack.udp_receive(far), Err(UdpError::WouldBlock));
    }
}

#[test]
fn what_is_sent_to_ourselves_stays_inside() {
    for (family, address) in [
        (UdpFamily::V4, "127.0.0.1:53"),
        (UdpFamily::V6, "[::1]:53"),
        (UdpFamily::Dual, "192.0.2.1:53"),
    ] {
        let mut net = Pair::new(Family::V4);
        let at: SocketAddr = address.parse().unwrap();
        let server = net.a.stack.udp_open(family, UdpOptions::default()).unwrap();
        net.a.stack.udp_bind(server, at, None).unwrap();
        let client = net.a.stack.udp_open(family, UdpOptions::default()).unwrap();
        send(&mut net.a, client, at, b"inside", net.now);
        net.settle();
        let got = net.a.stack.udp_receive(server).unwrap();
        assert_eq!(got.remote.ip(), at.ip(), "from the very address");
        send(&mut net.a, server, got.remote, b"back", net.now);
        net.settle();
        assert_eq!(net.a.stack.udp_receive(client).unwrap().payload.len(), 4);
        assert_eq!(
            net.a
                .stack
                .interface_metrics(net.a.iface)
                .unwrap()
                .packets_out,
            0
        );
    }
}

#[test]
fn memory_bounds_what_waits_to_be_read() {
    for family in FAMILIES {
        let config = StackConfig {
            memory: 100_000,
            ..StackConfig::default()
        };
        let mut net = Pair::with(family, config, InterfaceConfig::default());
        net.a = Pair::new(family).a;
        let (a, b) = (open(&mut net.a, family, 1000), open(&mut net.b, family, 53));
        for _ in 0..200 {
            send(&mut net.a, a, net.b.at(53), &[1; 1000], net.now);
            net.settle();
        }
        assert!(net.b.stack.usage().memory <= 100_000);
        assert!(net.b.stack.metrics().discards(Discard::NoMemory) > 100);
        while net.b.stack.udp_receive(b).is_ok() {}
        assert_eq!(net.b.stack.usage().memory, 0);
    }
}

#[test]
fn addresses_that_go_are_told_to_who_was_bound_to_them() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let bound = open(&mut net.a, family, 1000);
        net.a
            .stack
            .remove_address(net.a.iface, net.a.address, net.now);
        net.a.take_events();
        assert!(net.a.events[&bound].contains(Readiness::ERROR));
    }
}
