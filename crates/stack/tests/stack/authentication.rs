//! Connections whose segments are signed (RFC 2385, RFC 5925).

use crate::harness::{FAMILIES, Family, Pair, Side, forge, forge_with_text, read, syn, write};
use crate::icmp::error_about;
use handfast_base::Duration;
use handfast_stack::icmp::Problem;
use handfast_stack::{
    ConnectError, ConnectOptions, ListenOptions, SocketId, SynCookies, TcpImportError,
};
use handfast_tcp::authentication::{Algorithm, KeyRing, MasterKey, Md5Key};
use handfast_tcp::{ConnectionError, ExportError, State};
use handfast_wire::Discard;
use handfast_wire::tcp::{TcpFlags, TcpHeader};
use std::net::IpAddr;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scheme {
    Md5,
    Ao(Algorithm, bool),
}

const SCHEMES: [Scheme; 5] = [
    Scheme::Md5,
    Scheme::Ao(Algorithm::HmacSha1, true),
    Scheme::Ao(Algorithm::HmacSha1, false),
    Scheme::Ao(Algorithm::Aes128Cmac, true),
    Scheme::Ao(Algorithm::Aes128Cmac, false),
];

impl Scheme {
    fn ring(self, peer: IpAddr, ids: [u8; 2], secret: &[u8]) -> KeyRing {
        let mut ring = KeyRing::new();
        match self {
            Scheme::Md5 => ring.add_md5(Md5Key::new(peer, secret).unwrap()).unwrap(),
            Scheme::Ao(algorithm, covers_options) => {
                let key = MasterKey::new(peer, ids[0], ids[1], algorithm, secret).unwrap();
                let bare = key.clone().without_options();
                ring.add(if covers_options { key } else { bare }).unwrap();
            }
        }
        ring
    }

    fn option_len(self) -> u32 {
        if self == Scheme::Md5 { 20 } else { 16 }
    }
}

fn listen(net: &mut Pair, keys: KeyRing) -> SocketId {
    let options = ListenOptions {
        keys,
        ..ListenOptions::on(net.b.at(179))
    };
    net.b.stack.tcp_listen(options).unwrap()
}

fn connect(net: &mut Pair, keys: KeyRing) -> SocketId {
    let options = ConnectOptions {
        keys,
        fast_open: true,
        ..ConnectOptions::default()
    };
    let remote = net.b.at(179);
    net.a.stack.tcp_connect(remote, options, net.now).unwrap()
}

fn rings(net: &Pair, scheme: Scheme) -> [KeyRing; 2] {
    [
        scheme.ring(net.b.address, [1, 2], b"secret"),
        scheme.ring(net.a.address, [2, 1], b"secret"),
    ]
}

/// A connection from A to B that is signed.
fn connected(net: &mut Pair, scheme: Scheme) -> (SocketId, SocketId) {
    let [ours, theirs] = rings(net, scheme);
    let listener = listen(net, theirs);
    let client = connect(net, ours);
    net.settle();
    let server = net.b.stack.tcp_accept(listener).expect("a connection");
    (client, server)
}

fn is_signed(tcp: &TcpHeader) -> bool {
    tcp.options.md5.is_some() || tcp.options.authentication.is_some()
}

#[test]
fn every_segment_is_signed_from_the_first_to_the_last() {
    let data: Vec<u8> = (0..300_000u32).map(|n| ((n * 7) >> 3) as u8).collect();
    for family in FAMILIES {
        for scheme in SCHEMES {
            let mut net = Pair::new(family);
            let (client, server) = connected(&mut net, scheme);
            net.transfer(Side::A, client, server, &data);
            net.transfer(Side::B, server, client, &data);
            net.a.stack.tcp_close(client, net.now);
            net.settle();
            net.b.stack.tcp_close(server, net.now);
            net.settle();
            assert!(net.seen.iter().all(|s| is_signed(&s.tcp.unwrap())));
            let header = if family == Family::V4 { 20 } else { 40 };
            let largest = net.seen.iter().map(|s| s.text).max().unwrap();
            let stamps = if scheme == Scheme::Md5 { 0 } else { 12 };
            let full = 1500 - header - 20 - stamps - scheme.option_len();
            assert_eq!(largest, full, "{scheme:?}: the option has its room");
            let discards = [&net.a, &net.b].map(|h| h.stack.metrics().all_discards());
            assert_eq!(discards, [0, 0], "{scheme:?}");
            assert_eq!(net.a.stack.usage().time_wait, 1);
        }
    }
}

#[test]
fn lost_segments_are_reported_and_sent_again_signed() {
    let data: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    for scheme in SCHEMES {
        let mut net = Pair::new(Family::V4);
        let (client, server) = connected(&mut net, scheme);
        let mut n = 0;
        net.keep = Box::new(move |s| {
            n += u32::from(s.text > 0);
            s.text == 0 || n % 17 != 0
        });
        net.transfer(Side::A, client, server, &data);
        let reports = net
            .seen
            .iter()
            .filter(|s| !s.tcp.unwrap().options.sack.is_empty());
        assert!(reports.count() > 0, "{scheme:?}: blocks have room");
        assert!(net.seen.iter().all(|s| is_signed(&s.tcp.unwrap())));
    }
}

#[test]
fn with_a_wrong_key_or_none_on_either_side_nothing_is_ever_answered() {
    for family in FAMILIES {
        for scheme in SCHEMES {
            let wrong = Discard::TcpSignature;
            let none = Discard::TcpUnsigned;
            for (what, why) in [
                ("another secret", wrong),
                ("no key at the client", none),
                ("a key for another peer at the client", none),
            ] {
                let mut net = Pair::new(family);
                let [_, theirs] = rings(&net, scheme);
                let ours = match what {
                    "another secret" => scheme.ring(net.b.address, [1, 2], b"another"),
                    "no key at the client" => KeyRing::new(),
                    _ => scheme.ring([10, 0, 0, 1].into(), [1, 2], b"secret"),
                };
                let listener = listen(&mut net, theirs);
                let client = connect(&mut net, ours);
                net.run_for(Duration::from_secs(300));
                assert_eq!(net.count(Side::B, TcpFlags::empty()), 0, "{what}: silence");
                assert_eq!(net.b.stack.usage().half_open, 0, "{what}: no state");
                assert!(net.b.stack.tcp_accept(listener).is_none());
                assert!(net.b.stack.metrics().discards(why) > 1, "{what}: counted");
                let error = net.a.error(client);
                assert_eq!(error, Some(ConnectionError::TimedOut));
            }
        }
    }
}

#[test]
fn a_client_with_a_key_does_not_hear_a_server_without() {
    for scheme in SCHEMES {
        let mut net = Pair::new(Family::V4);
        let [ours, _] = rings(&net, scheme);
        listen(&mut net, KeyRing::new());
        let client = connect(&mut net, ours);
        net.run_for(Duration::from_secs(5));
        assert_eq!(net.a.state(client), State::SynSent);
        let (a, b) = (net.a.stack.metrics(), net.b.stack.metrics());
        if scheme == Scheme::Md5 {
            // A digest that nobody can verify has failed.
            assert!(b.discards(Discard::TcpSignatureUnexpected) > 1);
        } else {
            // RFC 5925, 7.3: it is overlooked, and the answer has none.
            assert!(a.discards(Discard::TcpUnsigned) > 1);
        }
    }
}

#[test]
fn peers_without_a_key_go_unsigned_unless_that_is_forbidden() {
    let elsewhere = |net: &Pair| {
        let _ = net;
        Scheme::Md5.ring([10, 0, 0, 1].into(), [1, 2], b"secret")
    };
    let mut net = Pair::new(Family::V4);
    let keys = elsewhere(&net);
    let listener = listen(&mut net, keys);
    let client = connect(&mut net, KeyRing::new());
    net.settle();
    assert_eq!(net.a.state(client), State::Established);
    let server = net.b.stack.tcp_accept(listener).expect("a connection");
    net.transfer(Side::A, client, server, b"unsigned");

    let mut net = Pair::new(Family::V4);
    let mut keys = elsewhere(&net);
    keys.require(true);
    listen(&mut net, keys);
    let client = connect(&mut net, KeyRing::new());
    net.run_for(Duration::from_secs(3));
    assert_eq!(net.a.state(client), State::SynSent);
    assert!(net.b.stack.metrics().discards(Discard::TcpUnsigned) > 1);
    let mut keys = elsewhere(&net);
    keys.require(true);
    let options = ConnectOptions {
        keys,
        ..ConnectOptions::default()
    };
    let refused = net.a.stack.tcp_connect(net.b.at(179), options, net.now);
    assert_eq!(refused, Err(ConnectError::NoKey));
}

#[test]
fn forged_segments_end_and_change_nothing() {
    for scheme in SCHEMES {
        let mut net = Pair::new(Family::V4);
        let (client, server) = connected(&mut net, scheme);
        net.transfer(Side::A, client, server, b"before");
        let last = net.seen.last().unwrap().tcp.unwrap();
        let info = net.b.stack.tcp(server).unwrap();
        let (from, to) = (info.peer_addr(), info.local_addr());
        let from_client = net
            .seen
            .iter()
            .rev()
            .find(|s| s.from == Side::A && s.text == 0);
        let genuine = from_client.map_or(last, |s| s.tcp.unwrap());
        let text = net.seen.iter().filter(|s| s.from == Side::A);
        let seq = text
            .map(|s| s.tcp.unwrap().seq + s.text)
            .next_back()
            .unwrap();
        for flags in [
            TcpFlags::RST,
            TcpFlags::SYN,
            TcpFlags::ACK,
            TcpFlags::FIN | TcpFlags::ACK,
        ] {
            for options in [Default::default(), genuine.options] {
                // Without a signature, and with one of another segment.
                let header = TcpHeader {
                    seq,
                    ack: genuine.ack,
                    flags,
                    window: 1000,
                    options,
                    ..TcpHeader::default()
                };
                let mut packet = forge_with_text(from, to, header, 3);
                net.b.stack.receive(net.b.iface, &mut packet, net.now);
            }
        }
        let (unsigned, wrong) = (Discard::TcpUnsigned, Discard::TcpSignature);
        let metrics = net.b.stack.metrics();
        assert_eq!(
            [metrics.discards(unsigned), metrics.discards(wrong)],
            [4, 4],
            "{scheme:?}"
        );
        let seen = net.seen.len();
        net.settle();
        assert_eq!(net.seen.len(), seen, "nothing is answered");
        net.transfer(Side::A, client, server, b"after");
        net.transfer(Side::B, server, client, b"and back");
    }
}

#[test]
fn an_abort_is_believed_when_it_is_signed() {
    for scheme in SCHEMES {
        let mut net = Pair::new(Family::V4);
        let (client, server) = connected(&mut net, scheme);
        net.a.stack.tcp_mut(client, net.now).unwrap().abort();
        net.settle();
        let error = net.b.error(server);
        assert_eq!(error, Some(ConnectionError::Reset), "{scheme:?}");
    }
}

#[test]
fn full_queues_give_no_cookies_to_those_who_sign() {
    let mut net = Pair::new(Family::V4);
    let [ours, theirs] = rings(&net, Scheme::Md5);
    let options = ListenOptions {
        keys: theirs,
        syn_cookies: SynCookies::Always,
        fast_open: 16,
        ..ListenOptions::on(net.b.at(179))
    };
    let listener = net.b.stack.tcp_listen(options).unwrap();
    let client = connect(&mut net, ours);
    net.settle();
    assert_eq!(net.b.stack.metrics().tcp.syn_cookies_sent, 0);
    let server = net.b.stack.tcp_accept(listener).expect("a connection");
    net.transfer(Side::A, client, server, b"as ever");
    assert!(
        net.seen
            .iter()
            .all(|s| s.tcp.unwrap().options.fast_open.is_none())
    );
    // And a SYN that is not signed makes nothing, whatever it brings.
    let mut packet = forge(net.a.at(9), net.b.at(179), syn(1));
    net.b.stack.receive(net.b.iface, &mut packet, net.now);
    assert_eq!(net.b.stack.metrics().discards(Discard::TcpUnsigned), 1);
    assert_eq!(net.b.stack.metrics().tcp.syn_cookies_sent, 0);
}

#[test]
fn a_request_that_is_turned_down_is_told_so_signed() {
    for scheme in SCHEMES {
        let mut net = Pair::new(Family::V4);
        let [ours, theirs] = rings(&net, scheme);
        let options = ListenOptions {
            keys: theirs,
            pending: true,
            ..ListenOptions::on(net.b.at(179))
        };
        let listener = net.b.stack.tcp_listen(options).unwrap();
        let client = connect(&mut net, ours);
        net.settle();
        let asked = net.b.stack.tcp_pending(listener).expect("a request");
        let reset = handfast_stack::Reject::Reset;
        assert!(net.b.stack.tcp_pending_reject(asked.id, reset, net.now));
        net.settle();
        let error = net.a.error(client);
        // TCP-AO's key for what is no SYN needs our ISN, which the client has never heard.
        let told = if scheme == Scheme::Md5 {
            Some(ConnectionError::Refused)
        } else {
            None
        };
        assert_eq!(error, told, "{scheme:?}");
    }
}

#[test]
fn time_wait_acknowledges_only_what_is_signed_and_a_new_connection_takes_it_over() {
    for scheme in SCHEMES {
        let mut net = Pair::new(Family::V4);
        let [ours, theirs] = rings(&net, scheme);
        let listener = listen(&mut net, theirs);
        let from = Some(net.a.at(4000));
        let open = |net: &mut Pair, keys| {
            let options = ConnectOptions {
                local: from,
                keys,
                ..ConnectOptions::default()
            };
            let remote = net.b.at(179);
            let client = net.a.stack.tcp_connect(remote, options, net.now).unwrap();
            net.settle();
            client
        };
        let client = open(&mut net, ours.clone());
        let server = net.b.stack.tcp_accept(listener).expect("a connection");
        net.b.stack.tcp_close(server, net.now);
        net.settle();
        net.a.stack.tcp_close(client, net.now);
        net.settle();
        assert_eq!(net.b.stack.usage().time_wait, 1);
        let mut packet = forge(net.a.at(4000), net.b.at(179), syn(0x7000_0000));
        net.b.stack.receive(net.b.iface, &mut packet, net.now);
        assert_eq!(
            net.b.stack.usage().time_wait,
            1,
            "an unsigned SYN ends no TIME-WAIT"
        );
        net.run_for(Duration::from_secs(1));
        let client = open(&mut net, ours);
        assert_eq!(net.a.state(client), State::Established, "{scheme:?}");
        let server = net.b.stack.tcp_accept(listener).expect("a connection");
        net.transfer(Side::A, client, server, b"again");
        assert_eq!(net.b.stack.usage().time_wait, 0);
    }
}

#[test]
fn hard_errors_of_icmp_are_ignored_unless_wanted() {
    for family in FAMILIES {
        for accept in [false, true] {
            let mut net = Pair::new(family);
            let [mut ours, theirs] = rings(&net, SCHEMES[1]);
            ours.accept_icmp(accept);
            let listener = listen(&mut net, theirs);
            let client = connect(&mut net, ours);
            net.settle();
            net.b.stack.tcp_accept(listener).expect("a connection");
            net.keep = Box::new(|_| false);
            write(&mut net.a, client, b"in flight", net.now);
            net.settle();
            let last = net.seen.len() - 1;
            let mut error = error_about(&net, last, Problem::Port);
            net.a.stack.receive(net.a.iface, &mut error, net.now);
            let ignored = net.a.stack.metrics().discards(Discard::IcmpUnsigned);
            assert_eq!(ignored, u64::from(!accept));
            let error = net.a.stack.tcp_mut(client, net.now).unwrap().take_error();
            assert_eq!(error.is_some(), accept, "noted");
        }
    }
}

#[test]
fn keys_are_changed_while_the_connection_goes_on() {
    let mut net = Pair::new(Family::V6);
    let (client, server) = connected(&mut net, SCHEMES[1]);
    let now = net.now;
    let new = |peer, send, receive| {
        MasterKey::new(peer, send, receive, Algorithm::Aes128Cmac, b"new").unwrap()
    };
    let (a, b) = (net.a.address, net.b.address);
    let mut ours = net.a.stack.tcp_mut(client, now).unwrap();
    ours.session().unwrap().add(new(b, 11, 12)).unwrap();
    let mut theirs = net.b.stack.tcp_mut(server, now).unwrap();
    theirs.session().unwrap().add(new(a, 12, 11)).unwrap();
    theirs.session().unwrap().ask_for(11).unwrap();
    net.transfer(Side::B, server, client, b"asks for the new key");
    net.transfer(Side::A, client, server, b"has it");
    let ids = net
        .b
        .stack
        .tcp(server)
        .unwrap()
        .session()
        .unwrap()
        .key_ids()
        .unwrap();
    assert_eq!(
        (ids.send, ids.heard),
        (2, Some(11)),
        "one direction at a time"
    );
    let mut ours = net.a.stack.tcp_mut(client, now).unwrap();
    ours.session().unwrap().ask_for(12).unwrap();
    net.transfer(Side::A, client, server, b"asks back");
    net.transfer(Side::B, server, client, b"and has it");
    let ids = net
        .a
        .stack
        .tcp(client)
        .unwrap()
        .session()
        .unwrap()
        .key_ids()
        .unwrap();
    assert_eq!((ids.send, ids.receive, ids.heard), (11, 12, Some(12)));
    let discards = [&net.a, &net.b].map(|h| h.stack.metrics().all_discards());
    assert_eq!(discards, [0, 0]);
    let _ = read(&mut net.a, client, now);
}

#[test]
fn a_listeners_keys_change_for_those_who_come_later() {
    let mut net = Pair::new(Family::V4);
    let listener = listen(&mut net, KeyRing::new());
    let [ours, theirs] = rings(&net, Scheme::Md5);
    *net.b
        .stack
        .tcp_listener_keys(listener)
        .expect("it is there") = theirs;
    let client = connect(&mut net, KeyRing::new());
    net.run_for(Duration::from_secs(3));
    assert_eq!(net.a.state(client), State::SynSent);
    let client = connect(&mut net, ours);
    net.settle();
    assert_eq!(net.a.state(client), State::Established);
}

#[test]
fn signed_connections_do_not_move_to_another_stack() {
    let mut net = Pair::new(Family::V4);
    let (client, server) = connected(&mut net, SCHEMES[1]);
    let refused = net
        .a
        .stack
        .tcp_export(client, net.now)
        .expect("it is there");
    assert_eq!(refused, Err(ExportError::Signed));
    net.transfer(Side::A, client, server, b"it goes on");

    let mut net = Pair::new(Family::V4);
    let (client, _) = net.connected(80);
    let snapshot = net.a.stack.tcp_export(client, net.now);
    let snapshot = snapshot.expect("it is there").expect("it may go");
    let [keys, _] = rings(&net, Scheme::Md5);
    let options = ConnectOptions {
        keys,
        ..ConnectOptions::default()
    };
    let refused = net.a.stack.tcp_import(snapshot, options, net.now);
    let why = TcpImportError::Place(ConnectError::NoKey);
    assert_eq!(refused, Err(why), "never silently unsigned");
}
