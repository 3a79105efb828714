use crate::harness::{FAMILIES, Family, Pair, Side, forge_with_text, read, syn, write};
use handfast_base::Duration;
use handfast_stack::{ConnectOptions, ListenOptions, SocketId};
use handfast_tcp::{ConnectionError, Readiness, State};
use handfast_wire::tcp::{FastOpenCookie, TcpFlags, TcpHeader, TcpOptions};

fn listen(net: &mut Pair, fast_open: usize) -> SocketId {
    let options = ListenOptions {
        fast_open,
        ..ListenOptions::on(net.b.at(80))
    };
    net.b.stack.tcp_listen(options).unwrap()
}

fn connect(net: &mut Pair) -> SocketId {
    let options = ConnectOptions {
        fast_open: true,
        ..ConnectOptions::default()
    };
    let remote = net.b.at(80);
    net.a.stack.tcp_connect(remote, options, net.now).unwrap()
}

/// Two hosts that have met: A has B's cookie.
fn met(family: Family, fast_open: usize) -> (Pair, SocketId) {
    let mut net = Pair::new(family);
    let listener = listen(&mut net, fast_open);
    let client = connect(&mut net);
    assert!(!net.a.stack.tcp(client).unwrap().may_send_with_syn());
    net.settle();
    assert_eq!(net.a.state(client), State::Established);
    let server = net.b.stack.tcp_accept(listener).unwrap();
    net.transfer(Side::A, client, server, b"as ever");
    net.a.stack.tcp_close(client, net.now);
    net.settle();
    net.b.stack.tcp_close(server, net.now);
    net.settle();
    net.seen.clear();
    (net, listener)
}

#[test]
fn text_on_the_syn_is_answered_within_one_round_trip() {
    for family in FAMILIES {
        let (mut net, listener) = met(family, 16);
        let client = connect(&mut net);
        assert!(net.a.stack.tcp(client).unwrap().may_send_with_syn());
        let ready = net.a.stack.tcp(client).unwrap().readiness();
        assert_eq!(ready, Readiness::WRITABLE, "and not connected");
        write(&mut net.a, client, b"GET /", net.now);
        // The SYN crosses, and the application answers before the handshake is complete.
        net.keep = Box::new(|s| s.tcp.is_some_and(|t| t.flags.contains(TcpFlags::SYN)));
        net.exchange();
        let server = net.b.stack.tcp_accept(listener).expect("at once");
        assert_eq!(net.b.state(server), State::SynReceived);
        assert_eq!(read(&mut net.b, server, net.now), b"GET /");
        write(&mut net.b, server, b"200 OK", net.now);
        net.keep = Box::new(|_| true);
        net.exchange();
        net.exchange();
        assert_eq!(read(&mut net.a, client, net.now), b"200 OK");
        net.settle();
        assert_eq!(net.a.state(client), State::Established);
        assert_eq!(net.b.state(server), State::Established);
        let (first, second) = (&net.seen[0], &net.seen[1]);
        assert_eq!((first.from, first.text), (Side::A, 5));
        assert_eq!(second.tcp.unwrap().ack, first.tcp.unwrap().seq + 6);
        assert_eq!(net.b.stack.metrics().tcp.fast_opens, 1);
        assert_eq!(net.a.stack.metrics().tcp.fast_opens_taken, 1);
        let all: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
        net.transfer(Side::A, client, server, &all);
        net.transfer(Side::B, server, client, &all);
        for (host, id) in [(&net.a, client), (&net.b, server)] {
            let info = host.stack.tcp(id).unwrap().info(net.now);
            assert_eq!(info.retransmissions, 0);
        }
    }
}

#[test]
fn more_text_than_the_syn_takes_follows_the_handshake() {
    for family in FAMILIES {
        let (mut net, listener) = met(family, 16);
        let client = connect(&mut net);
        let all: Vec<u8> = (0..60_000u32).map(|n| (n * 7) as u8).collect();
        let mut left = bytes::Bytes::from(all.clone());
        net.a
            .stack
            .tcp_mut(client, net.now)
            .unwrap()
            .send(&mut left)
            .unwrap();
        assert!(left.is_empty());
        net.settle();
        let server = net.b.stack.tcp_accept(listener).unwrap();
        assert_eq!(read(&mut net.b, server, net.now), all);
        assert!(
            (1000..=1460).contains(&net.seen[0].text),
            "{}",
            net.seen[0].text
        );
    }
}

#[test]
fn the_syn_waits_for_the_first_text_for_a_moment_only() {
    for family in FAMILIES {
        let (mut net, listener) = met(family, 16);
        let client = connect(&mut net);
        net.settle();
        assert!(net.seen.is_empty());
        net.run_for(Duration::from_millis(5));
        write(&mut net.a, client, b"in time", net.now);
        net.settle();
        assert_eq!(net.seen[0].text, 7);
        net.b.stack.tcp_accept(listener).unwrap();
        let client = connect(&mut net);
        net.run_for(Duration::from_millis(20));
        assert_eq!(net.a.state(client), State::Established);
        assert!(net.b.stack.tcp_accept(listener).is_some());
    }
}

#[test]
fn text_that_is_closed_behind_arrives_whole() {
    for family in FAMILIES {
        let (mut net, listener) = met(family, 16);
        let client = connect(&mut net);
        write(&mut net.a, client, b"all there is", net.now);
        assert!(net.a.stack.tcp_close(client, net.now));
        net.settle();
        let server = net.b.stack.tcp_accept(listener).unwrap();
        assert_eq!(read(&mut net.b, server, net.now), b"all there is");
        assert_eq!(net.b.state(server), State::CloseWait);
    }
}

#[test]
fn a_lost_syn_is_sent_again_plain_and_the_option_is_left_out_for_a_while() {
    for family in FAMILIES {
        let (mut net, listener) = met(family, 16);
        net.keep =
            Box::new(|s| s.text == 0 || !s.tcp.is_some_and(|t| t.flags.contains(TcpFlags::SYN)));
        let client = connect(&mut net);
        write(&mut net.a, client, b"in spite of it", net.now);
        net.run_for(Duration::from_secs(3));
        assert_eq!(net.a.state(client), State::Established);
        let server = net.b.stack.tcp_accept(listener).unwrap();
        assert_eq!(read(&mut net.b, server, net.now), b"in spite of it");
        let again = net.seen[1].tcp.unwrap();
        assert_eq!((net.seen[1].text, again.options.fast_open), (0, None));
        net.keep = Box::new(|_| true);
        for (wait, is_fast) in [(60, false), (70, true)] {
            net.run_for(Duration::from_secs(wait));
            let client = connect(&mut net);
            let fast = net.a.stack.tcp(client).unwrap().may_send_with_syn();
            assert_eq!(fast, is_fast, "after {wait} s more");
            net.a.stack.tcp_close(client, net.now);
        }
    }
}

#[test]
fn a_cookie_refused_costs_a_round_trip_and_brings_a_new_one() {
    for family in FAMILIES {
        let (mut net, listener) = met(family, 16);
        for (turns, taken) in [(1, 1), (2, 1), (0, 2)] {
            for turn in 0..turns {
                net.b.stack.set_fast_open_key([100 + turns + turn; 16]);
            }
            let client = connect(&mut net);
            write(&mut net.a, client, b"whatever", net.now);
            net.settle();
            let server = net.b.stack.tcp_accept(listener).unwrap();
            assert_eq!(read(&mut net.b, server, net.now), b"whatever");
            assert_eq!(net.a.stack.metrics().tcp.fast_opens_taken, taken);
            net.transfer(Side::A, client, server, b"and more");
        }
        assert_eq!(net.a.stack.metrics().tcp.fast_opens_not_taken, 1);
        assert_eq!(net.b.stack.metrics().tcp.fast_opens_refused, 1);
    }
}

#[test]
fn a_listener_that_does_not_want_it_takes_no_text_and_gives_no_cookie() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let listener = listen(&mut net, 0);
        for _ in 0..2 {
            let client = connect(&mut net);
            assert!(!net.a.stack.tcp(client).unwrap().may_send_with_syn());
            write(&mut net.a, client, b"later", net.now);
            net.settle();
            let server = net.b.stack.tcp_accept(listener).unwrap();
            assert_eq!(read(&mut net.b, server, net.now), b"later");
        }
        let options = ListenOptions {
            fast_open: 16,
            pending: true,
            ..ListenOptions::on(net.b.at(81))
        };
        net.b.stack.tcp_listen(options).unwrap();
        let header = TcpHeader {
            options: TcpOptions {
                fast_open: Some(FastOpenCookie::default()),
                ..TcpOptions::default()
            },
            ..syn(5)
        };
        let mut packet = forge_with_text(net.a.at(9), net.b.at(81), header, 10);
        net.b.stack.receive(net.b.iface, &mut packet, net.now);
        assert_eq!(net.b.stack.usage().half_open, 1);
    }
}

/// A SYN with text and A's cookie, from another port each time: only who has the address can
/// have the cookie, but nobody needs to answer.
fn flood(net: &mut Pair, cookie: Option<FastOpenCookie>, count: u16) {
    for n in 0..count {
        let header = TcpHeader {
            options: TcpOptions {
                fast_open: cookie,
                ..TcpOptions::default()
            },
            ..syn(u32::from(n))
        };
        let mut packet = forge_with_text(net.a.at(10_000 + n), net.b.at(80), header, 100);
        net.b.stack.receive(net.b.iface, &mut packet, net.now);
    }
}

#[test]
fn handshakes_with_text_are_bounded_and_the_rest_is_plain() {
    for family in FAMILIES {
        let (mut net, listener) = met(family, 8);
        let client = connect(&mut net);
        write(&mut net.a, client, b"x", net.now);
        net.settle();
        let cookie = net.seen[0].tcp.unwrap().options.fast_open;
        assert!(cookie.is_some_and(|c| c.as_slice().len() == 8));
        net.b.stack.tcp_accept(listener).unwrap();
        net.keep = Box::new(|_| false);
        let before = net.b.stack.usage();
        flood(&mut net, cookie, 500);
        let usage = net.b.stack.usage();
        assert_eq!(usage.connections - before.connections, 8);
        assert_eq!(usage.half_open, 492);
        assert!(usage.memory - before.memory < 500 * 512, "{usage:?}");
        // Guessed cookies make none.
        flood(&mut net, FastOpenCookie::new(&[1; 8]), 500);
        assert_eq!(net.b.stack.usage().connections, usage.connections);
        // Nobody answers: all of it goes.
        while let Some(id) = net.b.stack.tcp_accept(listener) {
            net.b.stack.tcp_close(id, net.now);
        }
        net.run_for(Duration::from_secs(400));
        let usage = net.b.stack.usage();
        assert_eq!(
            (usage.half_open, usage.connections),
            (0, before.connections)
        );
    }
}

#[test]
fn a_reset_ends_what_text_on_a_syn_began() {
    for family in FAMILIES {
        let (mut net, listener) = met(family, 8);
        let client = connect(&mut net);
        write(&mut net.a, client, b"never mind", net.now);
        net.keep = Box::new(|s| s.from == Side::A);
        net.exchange();
        let server = net.b.stack.tcp_accept(listener).unwrap();
        let sent = net.seen[0].tcp.unwrap();
        let reset = TcpHeader {
            seq: sent.seq + 11,
            flags: TcpFlags::RST,
            ..TcpHeader::default()
        };
        let source = net.a.at(sent.source_port);
        let mut packet = crate::harness::forge(source, net.b.at(80), reset);
        net.b.stack.receive(net.b.iface, &mut packet, net.now);
        let error = net.b.error(server);
        assert_eq!(error, Some(ConnectionError::Reset));
    }
}

#[test]
fn the_last_ack_lost_the_syn_ack_and_the_answer_come_again() {
    for family in FAMILIES {
        let (mut net, listener) = met(family, 8);
        let client = connect(&mut net);
        write(&mut net.a, client, b"question", net.now);
        // All that B says is lost for a while.
        net.keep = Box::new(|s| s.from == Side::A);
        net.settle();
        let server = net.b.stack.tcp_accept(listener).unwrap();
        assert_eq!(read(&mut net.b, server, net.now), b"question");
        write(&mut net.b, server, b"answer", net.now);
        net.run_for(Duration::from_millis(2500));
        assert_eq!(net.b.state(server), State::SynReceived);
        net.keep = Box::new(|_| true);
        net.run_for(Duration::from_secs(10));
        assert_eq!(net.b.state(server), State::Established);
        assert_eq!(read(&mut net.a, client, net.now), b"answer");
        net.transfer(Side::A, client, server, b"another one");
        assert_eq!(net.b.stack.tcp_accept(listener), None, "once is enough");
    }
}

#[test]
fn closed_with_nothing_said_it_still_hears_all_that_the_peer_says() {
    for family in FAMILIES {
        let (mut net, listener) = met(family, 16);
        let client = connect(&mut net);
        let mut c = net.a.stack.tcp_mut(client, net.now).unwrap();
        assert_eq!(c.shutdown_write(), Ok(()));
        assert_eq!(net.a.state(client), State::SynSent);
        net.settle();
        assert_eq!(net.a.state(client), State::FinWait2);
        let server = net.b.stack.tcp_accept(listener).unwrap();
        write(&mut net.b, server, b"all the same", net.now);
        net.settle();
        assert_eq!(read(&mut net.a, client, net.now), b"all the same");
    }
}

#[test]
fn let_go_with_nothing_said_nobody_hears_of_it() {
    for family in FAMILIES {
        let (mut net, listener) = met(family, 16);
        let client = connect(&mut net);
        net.a.stack.tcp_close(client, net.now);
        net.settle();
        assert!(net.seen.is_empty());
        assert_eq!(net.b.stack.tcp_accept(listener), None);
        assert_eq!(net.a.stack.usage().connections, 0);
    }
}
