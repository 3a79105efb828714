use crate::harness::{FAMILIES, Pair, Side, forge, read, syn};
use handfast_base::Duration;
use handfast_stack::{ConnectError, ConnectOptions, ListenOptions, SocketId, StackConfig};
use handfast_tcp::{Config, State};
use handfast_wire::Discard;
use handfast_wire::tcp::{TcpFlags, TcpHeader};

/// A connection from A's port 4000 to B's port 80 that B has closed first: B holds TIME-WAIT.
fn waiting(net: &mut Pair) -> SocketId {
    let options = ListenOptions {
        reuse_address: true,
        ..ListenOptions::on(net.b.at(80))
    };
    let listener = net.b.stack.tcp_listen(options).unwrap();
    let client = connect(net).unwrap();
    net.settle();
    let server = net.b.stack.tcp_accept(listener).unwrap();
    net.b.stack.tcp_close(server, net.now);
    net.settle();
    net.a.stack.tcp_close(client, net.now);
    net.settle();
    assert_eq!(net.b.stack.usage().time_wait, 1);
    assert_eq!(
        net.a.stack.usage().connections + net.b.stack.usage().connections,
        0
    );
    listener
}

fn connect(net: &mut Pair) -> Result<SocketId, ConnectError> {
    let options = ConnectOptions {
        local: Some(net.a.at(4000)),
        ..ConnectOptions::default()
    };
    let remote = net.b.at(80);
    net.a.stack.tcp_connect(remote, options, net.now)
}

#[test]
fn a_new_syn_takes_the_tuple_over() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let listener = waiting(&mut net);
        let last = net
            .seen
            .iter()
            .rev()
            .find(|s| s.from == Side::B)
            .unwrap()
            .tcp
            .unwrap();
        net.run_for(Duration::from_secs(1));
        net.seen.clear();
        let client = connect(&mut net).unwrap();
        net.settle();
        assert_eq!(net.a.state(client), State::Established);
        assert_eq!(net.b.stack.usage().time_wait, 0);
        assert_eq!(net.b.stack.metrics().tcp.time_waits_reused, 1);
        let syn_ack = net
            .seen
            .iter()
            .find(|s| s.from == Side::B)
            .unwrap()
            .tcp
            .unwrap();
        assert!(
            syn_ack.seq.after(last.seq),
            "beyond what the old connection sent"
        );
        let server = net.b.stack.tcp_accept(listener).unwrap();
        net.transfer(Side::A, client, server, b"anew");
    }
}

#[test]
fn an_old_syn_does_not() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        waiting(&mut net);
        let old = net.seen[0].tcp.unwrap();
        // The very first SYN of the old connection, late.
        let late = TcpHeader {
            seq: old.seq,
            options: old.options,
            ..syn(0)
        };
        let mut packet = forge(net.a.at(4000), net.b.at(80), late);
        net.b.stack.receive(net.b.iface, &mut packet, net.now);
        assert_eq!(net.b.stack.usage().time_wait, 1);
        assert_eq!(net.b.stack.usage().half_open, 0);
        assert_eq!(net.b.stack.metrics().discards(Discard::TcpTimeWait), 1);
    }
}

#[test]
fn a_lost_last_ack_is_sent_again_and_the_wait_starts_over() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        net.a.stack.tcp_close(client, net.now);
        net.settle();
        let mut lose = 1;
        net.keep = Box::new(move |s| {
            let drop = s.from == Side::A && lose > 0;
            lose -= i32::from(drop);
            !drop
        });
        net.b.stack.tcp_close(server, net.now);
        net.settle();
        assert_eq!(net.a.stack.usage().time_wait, 1);
        assert_eq!(
            net.b.stack.usage().connections,
            1,
            "LAST-ACK: the ACK was lost"
        );
        net.run_for(Duration::from_secs(5));
        assert_eq!(
            net.b.stack.usage().connections,
            0,
            "its FIN came again and was acknowledged"
        );
        let fins = net.count(Side::B, TcpFlags::FIN);
        assert!(fins >= 2, "{fins}");
        net.run_for(Duration::from_secs(55));
        assert_eq!(
            net.a.stack.usage().time_wait,
            1,
            "2 MSL count from the last FIN"
        );
        net.run_for(Duration::from_secs(6));
        assert_eq!(net.a.stack.usage().time_wait, 0);
    }
}

#[test]
fn a_reset_does_not_assassinate_the_wait() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        waiting(&mut net);
        let last = net
            .seen
            .iter()
            .rev()
            .find(|s| s.from == Side::A)
            .unwrap()
            .tcp
            .unwrap();
        let reset = TcpHeader {
            flags: TcpFlags::RST,
            seq: last.seq,
            ..TcpHeader::default()
        };
        let mut packet = forge(net.a.at(4000), net.b.at(80), reset);
        net.b.stack.receive(net.b.iface, &mut packet, net.now);
        assert_eq!(net.b.stack.usage().time_wait, 1);
    }
}

#[test]
fn our_own_tuple_in_time_wait_is_in_use() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        net.b.listen(80);
        let client = connect(&mut net).unwrap();
        net.settle();
        let listener = net.b.stack.poll_event();
        assert!(listener.is_none(), "taken by the harness");
        net.a.stack.tcp_close(client, net.now);
        net.settle();
        // B's end goes with its listener's queue; accept and close it.
        let id = *net.b.events.keys().next().unwrap();
        let server = net.b.stack.tcp_accept(id).unwrap();
        assert!(read(&mut net.b, server, net.now).is_empty());
        net.b.stack.tcp_close(server, net.now);
        net.settle();
        assert_eq!(net.a.stack.usage().time_wait, 1);
        assert_eq!(connect(&mut net), Err(ConnectError::AddressInUse));
        net.run_for(Duration::from_secs(61));
        connect(&mut net).unwrap();
    }
}

#[test]
fn records_are_bounded_and_the_oldest_gives_way() {
    for family in FAMILIES {
        let config = StackConfig {
            max_time_wait: 5,
            ..StackConfig::default()
        };
        let mut net = Pair::with(family, config, Default::default());
        let listener = net.b.listen(80);
        let mut first = None;
        for _ in 0..20 {
            let (client, server) = net.connect_to(listener, 80);
            first.get_or_insert(net.a.stack.tcp(client).unwrap().local_addr());
            net.a.stack.tcp_close(client, net.now);
            net.settle();
            net.b.stack.tcp_close(server, net.now);
            net.settle();
        }
        assert_eq!(net.a.stack.usage().time_wait, 5);
        assert_eq!(net.a.stack.metrics().tcp.time_waits, 20);
        assert_eq!(net.a.stack.metrics().tcp.time_waits_evicted, 15);
        assert_eq!(net.a.stack.usage().timers, 5);
        // The first one's tuple is free again.
        let options = ConnectOptions {
            local: first,
            ..ConnectOptions::default()
        };
        let remote = net.b.at(80);
        net.a.stack.tcp_connect(remote, options, net.now).unwrap();
        net.run_for(Duration::from_secs(120));
        assert_eq!(net.a.stack.usage().time_wait, 0);
    }
}

/// As [`waiting`], but A, which opened the connection, has closed first and holds TIME-WAIT.
fn waiting_at_home(net: &mut Pair, config: Config) -> SocketId {
    let listener = net.b.listen(80);
    let client = connect_with(net, config).unwrap();
    net.settle();
    net.a.stack.tcp_close(client, net.now);
    net.settle();
    let server = net.b.stack.tcp_accept(listener).unwrap();
    net.b.stack.tcp_close(server, net.now);
    net.settle();
    assert_eq!(net.a.stack.usage().time_wait, 1);
    listener
}

fn connect_with(net: &mut Pair, config: Config) -> Result<SocketId, ConnectError> {
    let options = ConnectOptions {
        local: Some(net.a.at(4000)),
        config: Some(config.into()),
        ..ConnectOptions::default()
    };
    let remote = net.b.at(80);
    net.a.stack.tcp_connect(remote, options, net.now)
}

#[test]
fn our_own_tuple_is_free_again_when_timestamps_have_ticked() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let listener = waiting_at_home(&mut net, Config::default());
        let mut first = net.seen.iter().filter(|s| s.from == Side::A);
        let last = first.next_back().unwrap().tcp.unwrap();
        net.run_for(Duration::from_millis(990));
        assert_eq!(connect(&mut net), Err(ConnectError::AddressInUse));
        net.run_for(Duration::from_millis(20));
        net.seen.clear();
        let client = connect(&mut net).unwrap();
        assert_eq!(net.a.stack.usage().time_wait, 0);
        assert_eq!(net.a.stack.metrics().tcp.time_waits_reused, 1);
        net.settle();
        assert_eq!(net.a.state(client), State::Established);
        let syn = net.seen[0].tcp.unwrap();
        assert!(syn.seq.after(last.seq));
        let value = |h: TcpHeader| h.options.timestamps.unwrap().value;
        assert!(value(syn).wrapping_sub(value(last)) as i32 > 0);
        let server = net.b.stack.tcp_accept(listener).unwrap();
        net.transfer(Side::A, client, server, b"anew");
    }
}

#[test]
fn without_timestamps_it_is_not() {
    let plain = Config {
        timestamps: false,
        ..Config::default()
    };
    for family in FAMILIES {
        for (old, new) in [(&plain, &Config::default()), (&Config::default(), &plain)] {
            let mut net = Pair::new(family);
            waiting_at_home(&mut net, old.clone());
            net.run_for(Duration::from_secs(30));
            let refused = connect_with(&mut net, new.clone());
            assert_eq!(refused, Err(ConnectError::AddressInUse));
            assert_eq!(net.a.stack.usage().time_wait, 1);
        }
    }
}

#[test]
fn ports_in_time_wait_are_taken_when_there_are_no_others() {
    for family in FAMILIES {
        let config = StackConfig {
            ports: 5000..=5003,
            ..StackConfig::default()
        };
        let mut net = Pair::with(family, config, Default::default());
        let listener = net.b.listen(80);
        for round in 0..20 {
            let (client, server) = net.connect_to(listener, 80);
            net.a.stack.tcp_close(client, net.now);
            net.settle();
            net.b.stack.tcp_close(server, net.now);
            net.run_for(Duration::from_millis(300));
            assert_eq!(net.a.stack.usage().time_wait, 4.min(round + 1));
        }
        assert_eq!(net.a.stack.metrics().tcp.time_waits_reused, 16);
    }
}

#[test]
fn a_peer_that_still_waits_for_our_last_ack_is_woken_and_connected_to() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let listener = net.b.listen(80);
        let client = connect(&mut net).unwrap();
        net.settle();
        let server = net.b.stack.tcp_accept(listener).unwrap();
        net.a.stack.tcp_close(client, net.now);
        net.settle();
        // The ACK of B's FIN is lost, and B's FINs after the first.
        let mut fins = 0;
        net.keep = Box::new(move |s| {
            fins += i32::from(s.from == Side::B);
            s.from == Side::B && fins == 1
        });
        net.b.stack.tcp_close(server, net.now);
        net.run_for(Duration::from_secs(2));
        assert_eq!(net.b.stack.usage().connections, 1, "LAST-ACK");
        net.keep = Box::new(|_| true);
        let client = connect(&mut net).unwrap();
        net.run_for(Duration::from_secs(4));
        assert_eq!(net.a.state(client), State::Established);
        let server = net.b.stack.tcp_accept(listener).unwrap();
        net.transfer(Side::A, client, server, b"anew");
    }
}
