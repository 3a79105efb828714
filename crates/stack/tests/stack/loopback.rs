use crate::harness::{FAMILIES, Family, read};
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use handfast_base::Instant;
use handfast_stack::{
    ConnectOptions, IfaceId, InterfaceConfig, ListenOptions, SocketId, Stack, StackConfig,
};
use handfast_tcp::State;
use handfast_wire::Batch;

fn drive(stack: &mut Stack, iface: IfaceId, now: Instant) {
    let mut out = Batch::new(64);
    for _ in 0..1000 {
        if stack.poll_timeout().is_none_or(|at| at > now) {
            return;
        }
        stack.timeout(now);
        stack.poll_transmit(iface, now, &mut out);
        assert!(out.is_empty(), "nothing local reaches a link");
    }
    panic!("never quiet");
}

fn read_all(stack: &mut Stack, id: SocketId, now: Instant) -> usize {
    let mut octets = 0;
    let mut tcp = stack.tcp_mut(id, now).unwrap();
    while let Some(data) = tcp.receive(usize::MAX) {
        tcp.release(data.len() as u32);
        octets += data.len();
    }
    octets
}

#[test]
fn what_is_ours_stays_inside() {
    let now = Instant::from_secs(5);
    for family in FAMILIES {
        let (own, inside): (IpAddr, [IpAddr; 2]) = match family {
            Family::V4 => (
                "192.0.2.1".parse().unwrap(),
                ["127.0.0.1".parse().unwrap(), "127.9.9.9".parse().unwrap()],
            ),
            Family::V6 => (
                "2001:db8::1".parse().unwrap(),
                ["::1".parse().unwrap(), "::1".parse().unwrap()],
            ),
        };
        for address in [own, inside[0], inside[1]] {
            let mut stack = Stack::new(StackConfig::default(), [3; 32]);
            let iface = stack
                .add_interface(InterfaceConfig {
                    addresses: vec![
                        "192.0.2.1/24".parse().unwrap(),
                        "2001:db8::1/64".parse().unwrap(),
                    ],
                    ..InterfaceConfig::default()
                })
                .unwrap();
            let at = SocketAddr::new(address, 80);
            let listener = stack.tcp_listen(ListenOptions::on(at)).unwrap();
            let client = stack
                .tcp_connect(at, ConnectOptions::default(), now)
                .unwrap();
            drive(&mut stack, iface, now);
            assert_eq!(
                stack.tcp(client).unwrap().state(),
                State::Established,
                "{address}"
            );
            let server = stack.tcp_accept(listener).unwrap();
            let mut data = Bytes::from(vec![9u8; 1_000_000]);
            let mut got = 0;
            for _ in 0..1000 {
                stack.tcp_mut(client, now).unwrap().send(&mut data).unwrap();
                drive(&mut stack, iface, now);
                got += read_all(&mut stack, server, now);
            }
            assert_eq!(got, 1_000_000);
            // Both directions at once, then both ends of the close.
            stack.tcp_close(client, now);
            drive(&mut stack, iface, now);
            stack.tcp_close(server, now);
            drive(&mut stack, iface, now);
            assert_eq!(stack.usage().time_wait, 1);
            assert_eq!(stack.usage().connections, 0);
            assert_eq!(stack.interface_metrics(iface).unwrap().packets_out, 0);
        }
    }
    let _ = read;
}

#[test]
fn a_closed_port_of_our_own_refuses() {
    let now = Instant::from_secs(5);
    for address in ["127.0.0.1:9", "[::1]:9"] {
        let mut stack = Stack::new(StackConfig::default(), [3; 32]);
        let iface = stack.add_interface(InterfaceConfig::default()).unwrap();
        let at = address.parse().unwrap();
        let client = stack
            .tcp_connect(at, ConnectOptions::default(), now)
            .unwrap();
        drive(&mut stack, iface, now);
        assert_eq!(stack.tcp(client).unwrap().state(), State::Closed);
    }
}
