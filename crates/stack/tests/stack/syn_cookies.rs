use crate::harness::{FAMILIES, Family, Pair, Side, forge, forge_with_text, read, syn, write};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use handfast_base::{Duration, Rng};
use handfast_stack::{ConnectOptions, ListenOptions, SocketId, StackConfig, SynCookies};
use handfast_tcp::{Config, State};
use handfast_wire::tcp::{TcpFlags, TcpHeader, TcpOptions, Timestamps};
use handfast_wire::{Discard, SeqNumber};

fn listen(net: &mut Pair, backlog: usize, syn_cookies: SynCookies) -> SocketId {
    let options = ListenOptions {
        backlog,
        syn_cookies,
        ..ListenOptions::on(net.b.at(80))
    };
    net.b.stack.tcp_listen(options).unwrap()
}

fn connect(net: &mut Pair) -> SocketId {
    let remote = net.b.at(80);
    let options = ConnectOptions::default();
    net.a.stack.tcp_connect(remote, options, net.now).unwrap()
}

/// A host of A's network that never answers.
fn ghost(family: Family, n: u32) -> SocketAddr {
    let [_, a, b, c] = n.to_be_bytes();
    let address: IpAddr = match family {
        Family::V4 => Ipv4Addr::new(10, a, b, c).into(),
        Family::V6 => {
            Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, u16::from(a), (n & 0xffff) as u16).into()
        }
    };
    SocketAddr::new(address, 1024 + (n % 50_000) as u16)
}

fn default_routes(net: &mut Pair) {
    let prefix = match net.family {
        Family::V4 => "0.0.0.0/0",
        Family::V6 => "::/0",
    };
    let route = handfast_stack::Route::new(prefix.parse().unwrap(), None, net.b.iface);
    net.b.stack.add_route(route, net.now).unwrap();
}

#[test]
fn in_a_flood_the_honest_connect_and_memory_stays() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        default_routes(&mut net);
        let listener = listen(&mut net, 16, SynCookies::WhenFull);
        let server = net.b.at(80);
        let mut most = 0;
        for n in 0..20_000 {
            let mut packet = forge(ghost(family, n), server, syn(n));
            net.b.stack.receive(net.b.iface, &mut packet, net.now);
            if n % 16 == 15 {
                net.exchange();
            }
            most = most.max(net.b.stack.usage().memory);
        }
        let usage = net.b.stack.usage();
        assert_eq!((usage.half_open, usage.connections), (16, 0));
        assert!(most < 16 * 512, "{most} octets for 16 handshakes");
        let metrics = net.b.stack.metrics().tcp;
        assert_eq!(
            (metrics.passive_opens, metrics.syn_cookies_sent),
            (16, 20_000 - 16)
        );
        for _ in 0..10 {
            let (client, server) = net.connect_to(listener, 80);
            net.transfer(Side::A, client, server, b"in spite of it");
        }
        assert_eq!(net.b.stack.metrics().tcp.syn_cookies_accepted, 10);
        assert_eq!(net.b.stack.metrics().tcp.syn_cookies_failed, 0);
    }
}

#[test]
fn the_options_live_on_in_the_timestamp() {
    for family in FAMILIES {
        for timestamps in [true, false] {
            let tcp = Config {
                timestamps,
                ..Config::default()
            };
            let config = StackConfig {
                tcp: tcp.into(),
                ..StackConfig::default()
            };
            let [kept, baked] = [SynCookies::Never, SynCookies::Always].map(|cookies| {
                let mut net = Pair::with(family, config.clone(), Default::default());
                let listener = listen(&mut net, 8, cookies);
                let (client, server) = net.connect_to(listener, 80);
                let accepted = net.b.stack.metrics().tcp.syn_cookies_accepted;
                assert_eq!(accepted, u64::from(cookies == SynCookies::Always));
                net.transfer(Side::A, client, server, &vec![1; 300_000]);
                net.transfer(Side::B, server, client, &vec![2; 300_000]);
                let info = net.b.stack.tcp(server).unwrap().info(net.now);
                (info.snd_mss, info.timestamps, info.window_scale)
            });
            if timestamps {
                assert_eq!(baked, kept);
                assert!(kept.1 && kept.2.is_some());
            } else {
                assert_eq!(baked, (kept.0, false, None));
            }
        }
    }
}

#[test]
fn the_first_text_completes_the_handshake_when_the_ack_is_lost() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let listener = listen(&mut net, 8, SynCookies::Always);
        let client = connect(&mut net);
        net.keep = Box::new(|s| {
            s.from == Side::B
                || s.text > 0
                || s.tcp.is_some_and(|t| t.flags.contains(TcpFlags::SYN))
        });
        net.settle();
        assert_eq!(net.a.state(client), State::Established);
        assert!(net.b.stack.tcp_accept(listener).is_none());
        write(&mut net.a, client, b"hello", net.now);
        net.settle();
        let server = net.b.stack.tcp_accept(listener).expect("a connection");
        assert_eq!(read(&mut net.b, server, net.now), b"hello");
    }
}

#[test]
fn a_repeated_syn_draws_the_same_sequence_number() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        listen(&mut net, 8, SynCookies::Always);
        let (stranger, server) = (net.a.at(9), net.b.at(80));
        for _ in 0..2 {
            let mut packet = forge(stranger, server, syn(77));
            net.b.stack.receive(net.b.iface, &mut packet, net.now);
            net.now += Duration::from_secs(3);
        }
        net.exchange();
        let answers: Vec<_> = net.seen.iter().filter(|s| s.from == Side::B).collect();
        assert_eq!(answers.len(), 2);
        assert_eq!(answers[0].tcp.unwrap().seq, answers[1].tcp.unwrap().seq);
        assert_eq!(net.b.stack.usage().memory, 0);
    }
}

#[test]
fn forged_acknowledgments_make_nothing() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let listener = listen(&mut net, 8, SynCookies::Always);
        let (stranger, server) = (net.a.at(9), net.b.at(80));
        net.b
            .stack
            .receive(net.b.iface, &mut forge(stranger, server, syn(77)), net.now);
        net.exchange();
        let mut rng = Rng::new(5);
        for n in 0..10_000 {
            let timestamps = Timestamps {
                value: rng.next_u32(),
                echo: rng.next_u32(),
            };
            let guess = TcpHeader {
                seq: SeqNumber(78),
                ack: SeqNumber(rng.next_u32()),
                flags: TcpFlags::ACK,
                window: 1000,
                options: TcpOptions {
                    timestamps: (n % 2 == 0).then_some(timestamps),
                    ..TcpOptions::default()
                },
                ..TcpHeader::default()
            };
            let text = if n % 3 == 0 { 100 } else { 0 };
            let mut packet = forge_with_text(stranger, server, guess, text);
            net.b.stack.receive(net.b.iface, &mut packet, net.now);
        }
        assert!(net.b.stack.tcp_accept(listener).is_none());
        let usage = net.b.stack.usage();
        assert_eq!(
            (usage.memory, usage.half_open, usage.connections),
            (0, 0, 0)
        );
        let metrics = net.b.stack.metrics();
        assert_eq!(metrics.tcp.syn_cookies_failed, 10_000);
        assert_eq!(
            metrics.discards(Discard::TcpSynCookie),
            3334,
            "with text: in silence"
        );
        assert_eq!(metrics.discards(Discard::TcpListenAck), 6666);
    }
}

#[test]
fn an_old_cookie_is_worth_nothing() {
    for family in FAMILIES {
        for (age, is_good) in [(0, true), (63, true), (129, false), (1000, false)] {
            let mut net = Pair::new(family);
            let listener = listen(&mut net, 8, SynCookies::Always);
            let (stranger, server) = (net.a.at(9), net.b.at(80));
            net.b
                .stack
                .receive(net.b.iface, &mut forge(stranger, server, syn(77)), net.now);
            net.exchange();
            let cookie = net.seen.last().unwrap().tcp.unwrap();
            net.now += Duration::from_secs(age);
            let ack = TcpHeader {
                seq: SeqNumber(78),
                ack: cookie.seq + 1,
                flags: TcpFlags::ACK,
                window: 1000,
                ..TcpHeader::default()
            };
            net.b
                .stack
                .receive(net.b.iface, &mut forge(stranger, server, ack), net.now);
            assert_eq!(
                net.b.stack.tcp_accept(listener).is_some(),
                is_good,
                "{age} s"
            );
        }
    }
}

#[test]
fn never_means_silence_and_who_decides_himself_bakes_none() {
    for family in FAMILIES {
        for pending in [false, true] {
            let mut net = Pair::new(family);
            default_routes(&mut net);
            let options = ListenOptions {
                backlog: 4,
                pending,
                syn_cookies: if pending {
                    SynCookies::Always
                } else {
                    SynCookies::Never
                },
                ..ListenOptions::on(net.b.at(80))
            };
            net.b.stack.tcp_listen(options).unwrap();
            for n in 0..100 {
                let mut packet = forge(ghost(family, n), net.b.at(80), syn(n));
                net.b.stack.receive(net.b.iface, &mut packet, net.now);
            }
            net.exchange();
            assert_eq!(net.b.stack.metrics().tcp.syn_cookies_sent, 0);
            assert_eq!(net.b.stack.metrics().discards(Discard::TcpBacklogFull), 96);
            let answered = if pending { 0 } else { 4 };
            assert_eq!(net.count(Side::B, TcpFlags::SYN), answered);
        }
    }
}

#[test]
fn a_cookie_that_finds_the_accept_queue_full_is_good_later() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let listener = listen(&mut net, 1, SynCookies::Always);
        let clients = [connect(&mut net), connect(&mut net)];
        net.settle();
        // Both believe to be connected; one of them had no place.
        assert!(
            clients
                .iter()
                .all(|c| net.a.state(*c) == State::Established)
        );
        assert!(net.b.stack.tcp_accept(listener).is_some());
        assert!(net.b.stack.tcp_accept(listener).is_none());
        for client in clients {
            write(&mut net.a, client, b"now", net.now);
        }
        net.settle();
        let second = net.b.stack.tcp_accept(listener).expect("there is room now");
        assert_eq!(read(&mut net.b, second, net.now), b"now");
    }
}
