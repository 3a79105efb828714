use crate::harness::{FAMILIES, Pair, Side, read, shut, write};
use handfast_base::Duration;
use handfast_stack::{InterfaceConfig, SocketId, StackConfig};
use handfast_tcp::{ConnectionError, State};
use handfast_wire::tcp::TcpFlags;

fn few_orphans(family: crate::harness::Family) -> Pair {
    let config = StackConfig {
        max_orphans: 3,
        ..StackConfig::default()
    };
    Pair::with(family, config, InterfaceConfig::default())
}

#[test]
fn orphans_are_bounded_and_the_oldest_is_reset() {
    for family in FAMILIES {
        let mut net = few_orphans(family);
        let listener = net.b.listen(80);
        let pairs: Vec<(SocketId, SocketId)> =
            (0..10).map(|_| net.connect_to(listener, 80)).collect();
        for (client, _) in &pairs {
            net.a.stack.tcp_close(*client, net.now);
            net.settle();
            assert!(net.a.stack.usage().orphans <= 3);
        }
        assert_eq!(net.a.stack.metrics().tcp.orphans_reset, 7);
        let reset = |server| net.b.error(server) == Some(ConnectionError::Reset);
        let were: Vec<bool> = pairs.iter().map(|(_, server)| reset(*server)).collect();
        assert_eq!(were, [[true; 7].as_slice(), &[false; 3]].concat());
        // Those that end are no orphans any more, and make room without a reset.
        for (_, server) in &pairs {
            net.b.stack.tcp_close(*server, net.now);
        }
        net.settle();
        assert_eq!(net.a.stack.usage().orphans, 0);
        assert_eq!(net.a.stack.usage().connections, 0);
        let (client, _) = net.connect_to(listener, 80);
        net.a.stack.tcp_close(client, net.now);
        net.settle();
        assert_eq!(net.a.stack.metrics().tcp.orphans_reset, 7);
    }
}

#[test]
fn what_ends_at_once_is_no_orphan() {
    for family in FAMILIES {
        let mut net = few_orphans(family);
        let listener = net.b.listen(80);
        for _ in 0..10 {
            let (client, server) = net.connect_to(listener, 80);
            net.b.stack.tcp_close(server, net.now);
            net.settle();
            net.a.stack.tcp_close(client, net.now);
            net.settle();
        }
        for host in [&net.a, &net.b] {
            assert_eq!(host.stack.usage().orphans, 0);
            assert_eq!(host.stack.metrics().tcp.orphans_reset, 0);
        }
    }
}

#[test]
fn an_orphan_in_front_of_a_shut_window_does_not_live_for_ever() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        let data = vec![1; 9 << 20];
        let mut left = bytes::Bytes::from(data);
        for _ in 0..100 {
            net.a
                .stack
                .tcp_mut(client, net.now)
                .unwrap()
                .send(&mut left)
                .unwrap();
            net.run_for(Duration::from_millis(100));
        }
        let info = net.a.stack.tcp(client).unwrap().info(net.now);
        assert_eq!(info.snd_wnd, 0, "nobody reads");
        // Held, it lives for as long as the peer answers (RFC 9293, 3.8.6.1).
        net.run_for(Duration::from_secs(1000));
        assert_eq!(net.a.state(client), State::Established);
        net.a.stack.tcp_close(client, net.now);
        net.run_for(Duration::from_secs(1000));
        assert_eq!(net.a.stack.usage().connections, 0);
        assert_eq!(net.a.stack.usage().memory, 0);
        assert_eq!(net.b.error(server), Some(ConnectionError::Reset));
    }
}

#[test]
fn data_for_nobody_in_fin_wait_2_draws_a_reset() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        net.a.stack.tcp_close(client, net.now);
        net.settle();
        write(&mut net.b, server, b"for nobody", net.now);
        net.settle();
        assert_eq!(net.count(Side::A, TcpFlags::RST), 1);
        assert_eq!(net.a.stack.usage().connections, 0);
        assert_eq!(net.b.error(server), Some(ConnectionError::Reset));
    }
}

#[test]
fn fin_wait_2_lasts_for_its_time_only_when_nobody_holds_the_connection() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        shut(&mut net.a, client, net.now);
        net.run_for(Duration::from_secs(500));
        assert_eq!(
            net.a.state(client),
            State::FinWait2,
            "half-closed is a state to be in"
        );
        write(&mut net.b, server, b"still", net.now);
        net.settle();
        assert_eq!(read(&mut net.a, client, net.now), b"still");
        net.a.stack.tcp_close(client, net.now);
        net.run_for(Duration::from_secs(59));
        assert_eq!(net.a.stack.usage().orphans, 1);
        net.run_for(Duration::from_secs(2));
        assert_eq!(net.a.stack.usage().connections, 0);
        assert_eq!(
            net.a.stack.usage().time_wait,
            0,
            "without a word and without a wait"
        );
        assert_eq!(net.count(Side::A, TcpFlags::RST), 0);
    }
}
