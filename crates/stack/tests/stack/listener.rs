use crate::harness::{FAMILIES, Family, Pair, Side, forge, syn};
use core::net::{IpAddr, SocketAddr};
use handfast_base::Duration;
use handfast_stack::{
    AddressPrefix, BindError, ConnectOptions, ListenOptions, Route, SocketId, SynCookies,
};
use handfast_tcp::{Config, ConnectionError, Readiness, State};
use handfast_wire::Discard;
use handfast_wire::tcp::TcpFlags;

#[test]
fn a_full_backlog_is_silent_and_serves_again_when_there_is_room() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let options = ListenOptions {
            backlog: 2,
            syn_cookies: SynCookies::Never,
            ..ListenOptions::on(net.b.at(80))
        };
        let listener = net.b.stack.tcp_listen(options).unwrap();
        let remote = net.b.at(80);
        let clients: Vec<_> = (0..3)
            .map(|_| {
                net.a
                    .stack
                    .tcp_connect(remote, ConnectOptions::default(), net.now)
                    .unwrap()
            })
            .collect();
        net.settle();
        let states: Vec<_> = clients.iter().map(|c| net.a.state(*c)).collect();
        assert_eq!(
            states,
            [State::Established, State::Established, State::SynSent]
        );
        assert_eq!(net.b.stack.metrics().discards(Discard::TcpBacklogFull), 1);
        assert_eq!(net.count(Side::B, TcpFlags::RST), 0, "full means silence");
        assert!(net.b.stack.tcp_accept(listener).is_some());
        assert!(net.b.stack.tcp_accept(listener).is_some());
        assert!(net.b.stack.tcp_accept(listener).is_none());
        net.run_for(Duration::from_secs(4));
        assert_eq!(net.a.state(clients[2]), State::Established);
        assert!(net.b.stack.tcp_accept(listener).is_some());
    }
}

#[test]
fn a_handshake_that_finds_the_accept_queue_full_completes_later() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let options = ListenOptions {
            backlog: 1,
            ..ListenOptions::on(net.b.at(80))
        };
        let listener = net.b.stack.tcp_listen(options).unwrap();
        let remote = net.b.at(80);
        // The third segment of the first handshake is late; meanwhile another one completes.
        let mut held = true;
        let first = net
            .a
            .stack
            .tcp_connect(remote, ConnectOptions::default(), net.now)
            .unwrap();
        let port = net.a.stack.tcp(first).unwrap().local_addr().port();
        net.keep = Box::new(move |s| {
            let is_third = s.from == Side::A
                && s.tcp
                    .is_some_and(|t| t.source_port == port && !t.flags.contains(TcpFlags::SYN));
            let drop = is_third && held;
            held &= !is_third;
            !drop
        });
        net.settle();
        assert_eq!(net.b.stack.usage().half_open, 1);
        net.run_for(Duration::from_secs(2));
        assert_eq!(
            net.b.stack.usage().half_open,
            0,
            "the SYN-ACK came again and drew the ACK"
        );
        assert!(net.b.stack.tcp_accept(listener).is_some());
    }
}

#[test]
fn a_repeated_syn_never_gives_a_second_connection() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let listener = net.b.listen(80);
        let (client, server) = (net.a.at(3333), net.b.at(80));
        for _ in 0..3 {
            net.b
                .stack
                .receive(net.b.iface, &mut forge(client, server, syn(1000)), net.now);
        }
        assert_eq!(net.b.stack.usage().half_open, 1);
        net.exchange();
        // Each copy draws the SYN-ACK again, copies in one batch one.
        assert_eq!(net.count(Side::B, TcpFlags::SYN), 1);
        let options = ConnectOptions {
            local: Some(net.a.at(4444)),
            ..ConnectOptions::default()
        };
        let real = net.a.stack.tcp_connect(server, options, net.now).unwrap();
        net.settle();
        assert_eq!(net.a.state(real), State::Established);
        let first_syn = net
            .seen
            .iter()
            .find(|s| s.from == Side::A && s.text == 0)
            .unwrap();
        let seq = first_syn.tcp.unwrap().seq;
        // Waiting to be accepted, and accepted.
        for accept in [false, true] {
            if accept {
                assert!(net.b.stack.tcp_accept(listener).is_some());
            }
            let copy = &mut forge(net.a.at(4444), server, syn(seq.0));
            net.b.stack.receive(net.b.iface, copy, net.now);
            net.settle();
            assert_eq!(net.b.stack.usage().connections, 1);
            assert_eq!(net.a.state(real), State::Established);
        }
        assert!(net.b.stack.tcp_accept(listener).is_none());
    }
}

#[test]
fn a_half_open_connection_is_given_up_after_a_bounded_time() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        net.b.listen(80);
        // Nobody is at the address that asks.
        let ghost = match family {
            Family::V4 => "192.0.2.99:3333".parse().unwrap(),
            Family::V6 => "[2001:db8::99]:3333".parse().unwrap(),
        };
        net.b.stack.receive(
            net.b.iface,
            &mut forge(ghost, net.b.at(80), syn(7)),
            net.now,
        );
        net.run_for(Duration::from_secs(300));
        let syn_acks = net.count(Side::B, TcpFlags::SYN | TcpFlags::ACK);
        assert!((3..=8).contains(&syn_acks), "{syn_acks}");
        assert_eq!(net.b.stack.usage().half_open, 0);
        assert_eq!(net.b.stack.usage().memory, 0);
        assert_eq!(net.b.stack.usage().timers, 0);
    }
}

#[test]
fn closing_a_listener_resets_what_was_not_accepted() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let listener = net.b.listen(80);
        let remote = net.b.at(80);
        let done = net
            .a
            .stack
            .tcp_connect(remote, ConnectOptions::default(), net.now)
            .unwrap();
        net.settle();
        // A second one stays half-open: our ACKs do not get through any more.
        net.keep = Box::new(|s| {
            s.from == Side::B || s.tcp.is_some_and(|t| t.flags.contains(TcpFlags::SYN))
        });
        let half = net
            .a
            .stack
            .tcp_connect(remote, ConnectOptions::default(), net.now)
            .unwrap();
        net.settle();
        assert_eq!(net.a.state(half), State::Established, "it has the SYN-ACK");
        assert_eq!(net.b.stack.usage().half_open, 1);
        net.keep = Box::new(|_| true);
        assert!(net.b.stack.tcp_close_listener(listener, net.now));
        net.settle();
        for id in [done, half] {
            assert_eq!(
                net.a.stack.tcp(id).unwrap().error(),
                Some(ConnectionError::Reset)
            );
        }
        let usage = net.b.stack.usage();
        assert_eq!(
            (usage.connections, usage.half_open, usage.memory),
            (0, 0, 0)
        );
        assert!(
            !net.b.stack.tcp_close_listener(listener, net.now),
            "the handle has ended"
        );
    }
}

#[test]
fn the_most_specific_binding_wins_whatever_the_order() {
    for family in FAMILIES {
        for reverse in [false, true] {
            let mut net = Pair::new(family);
            let any: SocketAddr = match family {
                Family::V4 => "0.0.0.0:80".parse().unwrap(),
                Family::V6 => "[::]:80".parse().unwrap(),
            };
            let listen = |net: &mut Pair, local: SocketAddr, accept_any| {
                let options = ListenOptions {
                    reuse_address: true,
                    v6_only: true,
                    accept_any,
                    ..ListenOptions::on(local)
                };
                net.b.stack.tcp_listen(options).unwrap()
            };
            let specific = net.b.at(80);
            let mut bindings = [(specific, false), (any, false), (any, true)];
            if reverse {
                bindings.reverse();
            }
            let mut ids: Vec<_> = bindings
                .iter()
                .map(|(l, foreign)| listen(&mut net, *l, *foreign))
                .collect();
            if reverse {
                ids.reverse();
            }
            for expected in ids {
                let remote = net.b.at(80);
                net.a
                    .stack
                    .tcp_connect(remote, ConnectOptions::default(), net.now)
                    .unwrap();
                net.settle();
                assert!(
                    net.b.stack.tcp_accept(expected).is_some(),
                    "{family:?} {reverse}"
                );
                net.b.stack.tcp_close_listener(expected, net.now);
            }
        }
    }
}

#[test]
fn a_wildcard_of_both_families_takes_both() {
    let mut net = Pair::new(Family::V4);
    let six: AddressPrefix = "2001:db8::2/64".parse().unwrap();
    net.b.stack.add_address(net.b.iface, six, net.now).unwrap();
    let six: AddressPrefix = "2001:db8::1/64".parse().unwrap();
    net.a.stack.add_address(net.a.iface, six, net.now).unwrap();
    let both = net
        .b
        .stack
        .tcp_listen(ListenOptions::on("[::]:80".parse().unwrap()))
        .unwrap();
    for remote in ["192.0.2.2:80", "[2001:db8::2]:80"] {
        let remote = remote.parse().unwrap();
        net.a
            .stack
            .tcp_connect(remote, ConnectOptions::default(), net.now)
            .unwrap();
        net.settle();
        assert!(net.b.stack.tcp_accept(both).is_some(), "{remote}");
    }
    let four = ListenOptions::on("0.0.0.0:80".parse().unwrap());
    assert_eq!(net.b.stack.tcp_listen(four), Err(BindError::AddressInUse));
    let mut only = ListenOptions::on("[::]:81".parse().unwrap());
    only.v6_only = true;
    net.b.stack.tcp_listen(only).unwrap();
    net.b
        .stack
        .tcp_listen(ListenOptions::on("0.0.0.0:81".parse().unwrap()))
        .unwrap();
}

#[test]
fn binding_minds_listeners_and_what_still_uses_the_port() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let at = net.b.at(80);
        let with = |reuse_address| ListenOptions {
            reuse_address,
            ..ListenOptions::on(at)
        };
        let foreign: SocketAddr = match family {
            Family::V4 => "192.0.2.200:80".parse().unwrap(),
            Family::V6 => "[2001:db8::200]:80".parse().unwrap(),
        };
        let not_ours = net.b.stack.tcp_listen(ListenOptions::on(foreign));
        assert_eq!(not_ours, Err(BindError::LocalAddress));
        let listener = net.b.stack.tcp_listen(with(true)).unwrap();
        assert_eq!(
            net.b.stack.tcp_listen(with(true)),
            Err(BindError::AddressInUse)
        );
        let (client, server) = net.connect_to(listener, 80);
        net.b.stack.tcp_close_listener(listener, net.now);
        // A connection still has the address.
        assert_eq!(
            net.b.stack.tcp_listen(with(false)),
            Err(BindError::AddressInUse)
        );
        net.b.stack.tcp_close(server, net.now);
        net.settle();
        net.a.stack.tcp_close(client, net.now);
        net.settle();
        assert_eq!(net.b.stack.usage().time_wait, 1, "the server closed first");
        assert_eq!(
            net.b.stack.tcp_listen(with(false)),
            Err(BindError::AddressInUse)
        );
        let again = net.b.stack.tcp_listen(with(true)).unwrap();
        net.b.stack.tcp_close_listener(again, net.now);
        net.run_for(Duration::from_secs(61));
        net.b.stack.tcp_listen(with(false)).unwrap();
    }
}

#[test]
fn an_automatic_port_is_free_and_told() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let local = net.b.at(0);
        let one = net.b.stack.tcp_listen(ListenOptions::on(local)).unwrap();
        let two = net.b.stack.tcp_listen(ListenOptions::on(local)).unwrap();
        let port = |net: &Pair, id| net.b.stack.tcp_listener_addr(id).unwrap().port();
        assert_ne!(port(&net, one), 0);
        assert_ne!(port(&net, one), port(&net, two));
        let at = port(&net, two);
        net.connect_to(two, at);
    }
}

/// Routes everything from A to B, so that B sees packets for hosts that it is not.
fn route_all(net: &mut Pair) -> [SocketAddr; 2] {
    let (all, one, two) = match net.family {
        Family::V4 => ("0.0.0.0/0", "203.0.113.5:8080", "198.51.100.9:443"),
        Family::V6 => ("::/0", "[2001:db8:5::5]:8080", "[2001:db8:9::9]:443"),
    };
    let route = Route::new(all.parse().unwrap(), None, net.a.iface);
    net.a.stack.add_route(route, net.now).unwrap();
    [one.parse().unwrap(), two.parse().unwrap()]
}

#[test]
fn accept_any_takes_every_address_and_port() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let remotes = route_all(&mut net);
        // Without it, packets for others are nobody's business.
        let client = net
            .a
            .stack
            .tcp_connect(remotes[0], ConnectOptions::default(), net.now)
            .unwrap();
        net.settle();
        assert_eq!(net.a.state(client), State::SynSent);
        assert_eq!(net.b.stack.metrics().discards(Discard::IpDestination), 1);
        net.a.stack.tcp_close(client, net.now);

        let options = ListenOptions {
            accept_any: true,
            ..ListenOptions::default()
        };
        let any = net.b.stack.tcp_listen(options).unwrap();
        for remote in remotes {
            let client = net
                .a
                .stack
                .tcp_connect(remote, ConnectOptions::default(), net.now)
                .unwrap();
            net.settle();
            let server = net.b.stack.tcp_accept(any).expect("taken");
            assert_eq!(net.b.stack.tcp(server).unwrap().local_addr(), remote);
            net.transfer(Side::A, client, server, b"to a far host");
            net.transfer(Side::B, server, client, b"from a far host");
        }
        // Its own addresses too, where no other listener is.
        net.connect_to(any, 9);
    }
}

#[test]
fn a_broadcast_or_forged_syn_makes_no_state() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let any: SocketAddr = match family {
            Family::V4 => "0.0.0.0:80".parse().unwrap(),
            Family::V6 => "[::]:80".parse().unwrap(),
        };
        net.b.stack.tcp_listen(ListenOptions::on(any)).unwrap();
        let us = net.b.at(80);
        let peer = net.a.at(5555);
        let of = |text: &str, port| SocketAddr::new(text.parse::<IpAddr>().unwrap(), port);
        let bad = match family {
            Family::V4 => vec![
                (peer, of("255.255.255.255", 80), Discard::TcpSynAddress),
                (peer, of("192.0.2.255", 80), Discard::TcpSynAddress),
                (peer, of("224.0.0.1", 80), Discard::TcpSynAddress),
                (of("192.0.2.255", 5), us, Discard::IpSource),
                (of("224.0.0.1", 5), us, Discard::IpSource),
                (of("127.0.0.1", 5), us, Discard::IpSource),
                (of("0.0.0.0", 5), us, Discard::IpSource),
                (of("240.0.0.1", 5), us, Discard::IpSource),
                (us, us, Discard::IpSource),
                (peer, of("127.0.0.1", 80), Discard::IpDestination),
                (SocketAddr::new(peer.ip(), 0), us, Discard::TcpPort),
            ],
            Family::V6 => vec![
                (peer, of("ff02::1", 80), Discard::TcpSynAddress),
                (of("ff02::1", 5), us, Discard::IpSource),
                (of("::1", 5), us, Discard::IpSource),
                (of("::", 5), us, Discard::IpSource),
                (of("::ffff:192.0.2.1", 5), us, Discard::IpSource),
                (us, us, Discard::IpSource),
                (peer, of("::1", 80), Discard::IpDestination),
                (SocketAddr::new(peer.ip(), 0), us, Discard::TcpPort),
            ],
        };
        for (source, destination, why) in bad {
            let before = net.b.stack.metrics().discards(why);
            let mut packet = forge(source, destination, syn(1));
            net.b.stack.receive(net.b.iface, &mut packet, net.now);
            let after = net.b.stack.metrics().discards(why);
            assert_eq!(after, before + 1, "{source} > {destination}");
            assert!(packet.is_empty(), "the slot is empty again");
        }
        assert_eq!(net.b.stack.usage().half_open, 0);
        assert_eq!(net.exchange(), 0, "and no answer");
    }
}

#[test]
fn resets_to_strangers_are_limited() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        for n in 0..5000u32 {
            let stranger = net.a.at(1024 + (n % 60_000) as u16);
            let mut packet = forge(stranger, net.b.at(1), syn(n));
            net.b.stack.receive(net.b.iface, &mut packet, net.now);
            if n % 64 == 0 {
                net.exchange();
            }
        }
        net.settle();
        let resets = net.count(Side::B, TcpFlags::RST);
        assert!((10..=400).contains(&resets), "{resets}");
        assert!(net.b.stack.metrics().tcp.resets_suppressed >= 4000);
    }
}

#[test]
fn a_listener_reports_once_and_again_when_more_come() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let listener = net.b.listen(80);
        net.connect_to(listener, 80);
        assert_eq!(net.b.events.remove(&listener), Some(Readiness::READABLE));
        net.settle();
        assert_eq!(net.b.events.get(&listener), None);
        net.connect_to(listener, 80);
        assert_eq!(net.b.events.remove(&listener), Some(Readiness::READABLE));
    }
}

/// B's listener has room for one connection. The first client's third segment is held back until
/// the second client, which came when nothing was under way yet, has taken that.
fn overflow(family: Family, abort_on_overflow: bool) -> (Pair, SocketId, SocketId) {
    let mut net = Pair::new(family);
    let options = ListenOptions {
        backlog: 1,
        abort_on_overflow,
        ..ListenOptions::on(net.b.at(80))
    };
    let listener = net.b.stack.tcp_listen(options).unwrap();
    let remote = net.b.at(80);
    let options = ConnectOptions::default();
    let slow = net.a.stack.tcp_connect(remote, options, net.now).unwrap();
    let port = net.a.stack.tcp(slow).unwrap().local_addr().port();
    net.keep = Box::new(move |s| {
        let is_slow = s.tcp.is_some_and(|t| t.source_port == port);
        !is_slow || s.tcp.is_some_and(|t| t.flags.contains(TcpFlags::SYN))
    });
    net.settle();
    // By a cookie: no second handshake may be under way.
    let options = ConnectOptions::default();
    let quick = net.a.stack.tcp_connect(remote, options, net.now).unwrap();
    net.settle();
    assert_eq!(net.a.state(quick), State::Established);
    assert_eq!(net.a.state(slow), State::Established);
    assert_eq!(net.b.stack.usage().half_open, 1);
    net.keep = Box::new(|_| true);
    (net, slow, listener)
}

#[test]
fn with_the_accept_queue_full_the_last_ack_is_overlooked_and_asked_for_again() {
    for family in FAMILIES {
        let (mut net, slow, listener) = overflow(family, false);
        net.run_for(Duration::from_secs(10));
        assert_eq!(net.b.stack.usage().half_open, 1);
        assert!(net.b.stack.metrics().tcp.accept_overflows >= 2);
        assert_eq!(net.count(Side::B, TcpFlags::RST), 0);
        assert!(net.b.stack.tcp_accept(listener).is_some());
        net.run_for(Duration::from_secs(10));
        let server = net
            .b
            .stack
            .tcp_accept(listener)
            .expect("the second connection");
        net.transfer(Side::A, slow, server, b"late, but whole");
    }
}

#[test]
fn or_it_is_reset_if_the_listener_wants_that() {
    for family in FAMILIES {
        let (mut net, slow, listener) = overflow(family, true);
        net.run_for(Duration::from_secs(2));
        let error = net.a.stack.tcp(slow).unwrap().error();
        assert_eq!(error, Some(ConnectionError::Reset));
        assert_eq!(net.b.stack.usage().half_open, 0);
        assert_eq!(net.b.stack.metrics().tcp.accept_overflows, 1);
        assert!(net.b.stack.tcp_accept(listener).is_some());
        assert!(net.b.stack.tcp_accept(listener).is_none());
    }
}

/// When SYN,ACKs leave towards a peer that is not there, in seconds, and when it is forgotten.
fn syn_acks(config: Config) -> (Vec<u64>, u64) {
    let mut net = Pair::new(Family::V4);
    let options = ListenOptions {
        config: Some(config.into()),
        ..ListenOptions::on(net.b.at(80))
    };
    net.b.stack.tcp_listen(options).unwrap();
    let begin = net.now;
    let mut packet = forge("192.0.2.99:3333".parse().unwrap(), net.b.at(80), syn(7));
    net.b.stack.receive(net.b.iface, &mut packet, net.now);
    let mut at = Vec::new();
    loop {
        net.settle();
        let seconds = net.now.since(begin).as_secs();
        at.resize(net.count(Side::B, TcpFlags::SYN), seconds);
        if net.b.stack.usage().half_open == 0 {
            return (at, seconds);
        }
        net.now = net.b.stack.poll_timeout().unwrap();
    }
}

#[test]
fn a_syn_ack_is_repeated_as_long_and_as_often_as_the_options_say() {
    let default = syn_acks(Config::default());
    assert_eq!(default, (vec![0, 1, 3, 7, 15, 31, 63, 127], 180));
    let short = Config {
        syn_limit: Duration::from_secs(10),
        ..Config::default()
    };
    assert_eq!(syn_acks(short), (vec![0, 1, 3, 7], 10));
    for (retries, expected) in [(0, (vec![0], 1)), (5, (vec![0, 1, 3, 7, 15, 31], 63))] {
        let few = Config {
            syn_retries: Some(retries),
            ..Config::default()
        };
        assert_eq!(syn_acks(few), expected);
    }
}

#[test]
fn a_syn_that_comes_again_and_again_keeps_no_handshake_alive() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        net.b.listen(80);
        net.keep = Box::new(|_| false);
        let (stranger, server) = (net.a.at(9), net.b.at(80));
        let mut packet = forge(stranger, server, syn(7));
        net.b.stack.receive(net.b.iface, &mut packet, net.now);
        for _ in 0..179 {
            net.run_for(Duration::from_secs(1));
            assert_eq!(net.b.stack.usage().half_open, 1);
            let mut packet = forge(stranger, server, syn(7));
            net.b.stack.receive(net.b.iface, &mut packet, net.now);
        }
        net.run_for(Duration::from_secs(2));
        assert_eq!(net.b.stack.usage().half_open, 0);
    }
}

#[test]
fn a_syn_is_repeated_as_often_as_the_options_say() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        net.keep = Box::new(|_| false);
        let config = Config {
            syn_retries: Some(2),
            ..Config::default()
        };
        let options = ConnectOptions {
            config: Some(config.into()),
            ..ConnectOptions::default()
        };
        let remote = net.b.at(80);
        let client = net.a.stack.tcp_connect(remote, options, net.now).unwrap();
        net.run_for(Duration::from_millis(6900));
        assert_eq!(net.a.state(client), State::SynSent);
        net.run_for(Duration::from_millis(200));
        assert_eq!(net.count(Side::A, TcpFlags::SYN), 3);
        let error = net.a.stack.tcp(client).unwrap().error();
        assert_eq!(error, Some(ConnectionError::TimedOut));
    }
}
