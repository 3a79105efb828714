//! A linger time of zero, as deployed systems have it: the connection is reset, whatever there
//! was left to say, if the peer takes it for open.

use crate::harness::{FAMILIES, Pair, Side, linger, read, shut, write};
use handfast_base::Duration;
use handfast_stack::SocketId;
use handfast_tcp::{ConnectionError, State};
use handfast_wire::tcp::TcpFlags;

fn close_hard(net: &mut Pair, id: SocketId) {
    let zero = Some(Duration::ZERO);
    linger(&mut net.a, id, zero, net.now);
    net.a.stack.tcp_close(id, net.now);
    net.settle();
    assert_eq!(net.a.stack.usage().connections, 0);
    assert_eq!(net.a.stack.usage().memory, 0);
    assert_eq!(net.a.stack.usage().time_wait, 0);
}

#[test]
fn what_is_queued_is_thrown_away_with_a_reset() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        write(&mut net.a, client, b"never sent", net.now);
        close_hard(&mut net, client);
        assert_eq!(net.count(Side::A, TcpFlags::RST), 1);
        assert_eq!(net.count(Side::A, TcpFlags::FIN), 0);
        let error = net.b.error(server);
        assert_eq!(error, Some(ConnectionError::Reset));
        assert!(read(&mut net.b, server, net.now).is_empty());
    }
}

#[test]
fn a_half_closed_connection_is_reset_too() {
    for family in FAMILIES {
        for by_peer in [false, true] {
            let mut net = Pair::new(family);
            let (client, server) = net.connected(80);
            let (host, id) = match by_peer {
                true => (&mut net.b, server),
                false => (&mut net.a, client),
            };
            shut(host, id, net.now);
            net.settle();
            let state = if by_peer {
                State::CloseWait
            } else {
                State::FinWait2
            };
            assert_eq!(net.a.state(client), state);
            close_hard(&mut net, client);
            assert_eq!(net.count(Side::A, TcpFlags::RST), 1);
            let error = net.b.error(server);
            assert_eq!(error, Some(ConnectionError::Reset));
        }
    }
}

#[test]
fn what_has_ended_in_order_is_not_reset() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        shut(&mut net.a, client, net.now);
        net.b.stack.tcp_close(server, net.now);
        net.settle();
        assert_eq!(net.a.state(client), State::TimeWait);
        let zero = Some(Duration::ZERO);
        linger(&mut net.a, client, zero, net.now);
        net.a.stack.tcp_close(client, net.now);
        net.settle();
        assert_eq!(net.count(Side::A, TcpFlags::RST), 0);
        assert_eq!(
            net.a.stack.usage().time_wait,
            1,
            "the wait is not for the application"
        );
    }
}

#[test]
fn an_attempt_to_connect_ends_without_a_word() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        net.keep = Box::new(|_| false);
        let client = net.attempt(80);
        net.settle();
        close_hard(&mut net, client);
        assert_eq!(net.count(Side::A, TcpFlags::RST), 0);
    }
}
