use crate::harness::{FAMILIES, Pair, Side, linger, read, shut, wide_buffers, write};
use bytes::Bytes;
use handfast_base::Duration;
use handfast_stack::StackConfig;
use handfast_tcp::{ConnectionError, Readiness, State};
use handfast_wire::tcp::TcpFlags;

#[test]
fn both_close_in_turn_and_the_first_waits() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        shut(&mut net.a, client, net.now);
        net.settle();
        assert_eq!(net.a.state(client), State::FinWait2);
        assert_eq!(net.b.state(server), State::CloseWait);
        assert!(net.b.events[&server].contains(Readiness::READ_CLOSED));
        assert!(net.b.stack.tcp(server).unwrap().is_read_closed());
        shut(&mut net.b, server, net.now);
        net.settle();
        assert_eq!(net.a.state(client), State::TimeWait);
        assert_eq!(net.b.state(server), State::Closed);
        assert_eq!(net.b.error(server), None, "a clean end");
        assert_eq!(net.a.stack.usage().time_wait, 1);
        assert_eq!(net.b.stack.usage().time_wait, 0);
        net.a.stack.tcp_close(client, net.now);
        net.b.stack.tcp_close(server, net.now);
        assert_eq!(
            net.a.stack.usage().connections,
            0,
            "only the record is left"
        );
        assert_eq!(net.b.stack.usage().memory, 0);
        net.run_for(Duration::from_secs(61));
        let usage = net.a.stack.usage();
        assert_eq!((usage.time_wait, usage.memory, usage.timers), (0, 0, 0));
        assert_eq!(
            net.count(Side::A, TcpFlags::RST) + net.count(Side::B, TcpFlags::RST),
            0
        );
    }
}

#[test]
fn half_closed_the_other_direction_goes_on() {
    let reply: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        write(&mut net.a, client, b"request", net.now);
        shut(&mut net.a, client, net.now);
        net.settle();
        assert_eq!(read(&mut net.b, server, net.now), b"request");
        assert!(net.b.stack.tcp(server).unwrap().is_read_closed());
        net.transfer(Side::B, server, client, &reply);
        let error = net
            .a
            .stack
            .tcp_mut(client, net.now)
            .unwrap()
            .send(&mut Bytes::from("x"));
        assert!(error.is_err(), "our direction is closed");
        net.run_for(Duration::from_secs(200));
        assert_eq!(
            net.a.state(client),
            State::FinWait2,
            "held, it waits for ever"
        );
        net.b.stack.tcp_close(server, net.now);
        net.settle();
        assert_eq!(net.a.state(client), State::TimeWait);
    }
}

#[test]
fn data_still_queued_at_close_is_delivered_before_the_fin() {
    let data: Vec<u8> = (0..500_000u32).map(|n| (n >> 2) as u8).collect();
    for family in FAMILIES {
        let config = StackConfig {
            tcp: wide_buffers(),
            ..StackConfig::default()
        };
        let mut net = Pair::with(family, config, Default::default());
        let (client, server) = net.connected(80);
        let mut left = Bytes::from(data.clone());
        net.a
            .stack
            .tcp_mut(client, net.now)
            .unwrap()
            .send(&mut left)
            .unwrap();
        assert!(left.is_empty(), "the buffer takes it");
        assert!(net.a.stack.tcp_close(client, net.now));
        let mut got = Vec::new();
        for _ in 0..1000 {
            net.run_for(Duration::from_millis(10));
            got.extend(read(&mut net.b, server, net.now));
            if net.b.stack.tcp(server).unwrap().is_read_closed() {
                break;
            }
        }
        got.extend(read(&mut net.b, server, net.now));
        assert_eq!(got.len(), data.len());
        assert!(got == data);
        net.b.stack.tcp_close(server, net.now);
        net.settle();
        assert_eq!(net.a.stack.usage().connections, 0);
        assert_eq!(net.b.stack.usage().connections, 0);
    }
}

#[test]
fn closing_with_unread_data_resets() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        write(&mut net.a, client, b"never read", net.now);
        net.settle();
        net.b.stack.tcp_close(server, net.now);
        net.settle();
        assert_eq!(net.a.error(client), Some(ConnectionError::Reset));
        assert_eq!(net.b.stack.usage().connections, 0);
        assert_eq!(net.b.stack.usage().time_wait, 0);
    }
}

#[test]
fn linger_zero_resets_and_linger_waits_no_longer_than_it_says() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        linger(&mut net.a, client, Some(Duration::ZERO), net.now);
        net.a.stack.tcp_close(client, net.now);
        net.settle();
        assert_eq!(net.b.error(server), Some(ConnectionError::Reset));
        assert_eq!(net.a.stack.usage().connections, 0);

        let mut net = Pair::new(family);
        let (client, _) = net.connected(80);
        net.keep = Box::new(|_| false);
        write(&mut net.a, client, b"lost", net.now);
        let time = Some(Duration::from_secs(5));
        linger(&mut net.a, client, time, net.now);
        net.a.stack.tcp_close(client, net.now);
        net.run_for(Duration::from_millis(4900));
        assert_eq!(net.a.stack.usage().connections, 1);
        net.run_for(Duration::from_millis(200));
        assert_eq!(net.a.stack.usage().connections, 0);
        assert_eq!(net.count(Side::A, TcpFlags::RST), 1);

        let mut net = Pair::new(family);
        let (client, _) = net.connected(80);
        linger(&mut net.a, client, Some(Duration::MAX), net.now);
        net.a.stack.tcp_close(client, net.now);
        net.settle();
    }
}

#[test]
fn an_abandoned_half_open_close_ends_by_itself() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, _server) = net.connected(80);
        net.a.stack.tcp_close(client, net.now);
        net.settle();
        assert_eq!(net.a.stack.usage().connections, 1, "FIN-WAIT-2");
        net.run_for(Duration::from_secs(61));
        assert_eq!(net.a.stack.usage().connections, 0);
    }
}

#[test]
fn unread_data_survives_the_end_of_time_wait() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        shut(&mut net.a, client, net.now);
        write(&mut net.b, server, b"last words", net.now);
        net.b.stack.tcp_close(server, net.now);
        net.settle();
        assert_eq!(net.a.state(client), State::TimeWait);
        net.run_for(Duration::from_secs(100));
        assert_eq!(net.a.stack.usage().time_wait, 0);
        assert_eq!(read(&mut net.a, client, net.now), b"last words");
        assert!(net.a.stack.tcp_close(client, net.now));
        assert_eq!(net.a.stack.usage().connections, 0);
    }
}

#[test]
fn both_may_close_at_once() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        shut(&mut net.a, client, net.now);
        shut(&mut net.b, server, net.now);
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
        assert_eq!(net.a.state(client), State::Closing);
        net.settle();
        assert_eq!(net.a.state(client), State::TimeWait);
        assert_eq!(net.b.state(server), State::TimeWait);
        assert_eq!(
            net.a.stack.usage().time_wait + net.b.stack.usage().time_wait,
            2
        );
    }
}

#[test]
fn a_reset_is_told_apart_from_an_end() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        net.a.stack.tcp_mut(client, net.now).unwrap().abort();
        net.settle();
        let server_ref = net.b.stack.tcp(server).unwrap();
        assert_eq!(server_ref.error(), Some(ConnectionError::Reset));
        assert!(net.b.events[&server].contains(Readiness::ERROR | Readiness::CLOSED));
        assert_eq!(net.b.stack.metrics().tcp.connections_reset, 1);
        assert_eq!(net.a.stack.metrics().tcp.resets_out, 1);
    }
}
