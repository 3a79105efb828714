use crate::harness::{FAMILIES, Pair, Side, forge, syn};
use core::net::SocketAddr;
use handfast_base::Duration;
use handfast_stack::icmp::Problem;
use handfast_stack::{Handshake, ListenOptions, PendingSyn, Reject, SocketId};
use handfast_tcp::{ConnectionError, NetError, Readiness, State};
use handfast_wire::Discard;
use handfast_wire::tcp::{TcpFlags, TcpHeader};

/// A client whose SYN waits for B's decision.
fn asked(net: &mut Pair, backlog: usize) -> (SocketId, SocketId, PendingSyn) {
    let options = ListenOptions {
        pending: true,
        backlog,
        ..ListenOptions::on(net.b.at(80))
    };
    let listener = net.b.stack.tcp_listen(options).unwrap();
    let client = net.attempt(80);
    net.settle();
    assert!(net.b.events[&listener].contains(Readiness::READABLE));
    let pending = net.b.stack.tcp_pending(listener).expect("a request");
    assert_eq!(pending.local, net.b.at(80));
    assert_eq!(
        pending.remote,
        net.a.stack.tcp(client).unwrap().local_addr()
    );
    assert!(net.b.stack.tcp_pending(listener).is_none());
    assert_eq!(
        net.count(Side::B, TcpFlags::empty()),
        0,
        "nothing is said before the decision"
    );
    (listener, client, pending)
}

#[test]
fn accepted_the_handshake_goes_on() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (listener, client, pending) = asked(&mut net, 16);
        // The client repeats its SYN while the application thinks; that asks no second time.
        net.run_for(Duration::from_millis(3500));
        assert!(net.count(Side::A, TcpFlags::SYN) > 1);
        assert!(net.b.stack.tcp_pending(listener).is_none());
        assert_eq!(net.b.stack.usage().half_open, 1);
        let handshake = net.b.stack.tcp_pending_accept(pending.id).expect("there");
        assert!(
            net.b.stack.tcp_pending_accept(pending.id).is_none(),
            "decided is decided"
        );
        assert!(
            !net.b
                .stack
                .tcp_pending_reject(pending.id, Reject::Reset, net.now)
        );
        assert_eq!(net.b.stack.tcp_handshake(handshake), Handshake::UnderWay);
        net.settle();
        assert_eq!(net.a.state(client), State::Established);
        assert!(
            net.b.stack.tcp_accept(listener).is_none(),
            "it is for whoever said yes, not for the accept queue"
        );
        assert!(net.b.events[&handshake].contains(Readiness::READABLE));
        let server = complete(&mut net, handshake);
        assert_eq!(net.b.stack.tcp_handshake(handshake), Handshake::Over);
        net.transfer(Side::A, client, server, b"after all");
        net.b.stack.tcp_close_listener(listener, net.now);
        net.transfer(Side::A, client, server, b"and after the listener");
    }
}

/// The connection that a handshake has made.
fn complete(net: &mut Pair, handshake: SocketId) -> SocketId {
    match net.b.stack.tcp_handshake(handshake) {
        Handshake::Complete(connection) => connection,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_handshake_survives_its_listener() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (listener, client, pending) = asked(&mut net, 16);
        let handshake = net.b.stack.tcp_pending_accept(pending.id).expect("there");
        assert!(net.b.stack.tcp_close_listener(listener, net.now));
        // Another listener in its place has nothing to do with it.
        let other = ListenOptions::on(net.b.at(81));
        let other = net.b.stack.tcp_listen(other).unwrap();
        net.settle();
        assert_eq!(net.a.state(client), State::Established);
        let server = complete(&mut net, handshake);
        net.transfer(Side::A, client, server, b"without a listener");
        assert!(net.b.stack.tcp_accept(other).is_none());
        net.b.stack.tcp_close_listener(other, net.now);
    }
}

#[test]
fn abandoned_before_or_after_it_is_complete_the_peer_is_reset_and_nothing_stays() {
    for family in FAMILIES {
        for settle in [false, true] {
            let mut net = Pair::new(family);
            let (listener, client, pending) = asked(&mut net, 16);
            let handshake = net.b.stack.tcp_pending_accept(pending.id).expect("there");
            if settle {
                net.settle();
                assert_eq!(net.a.state(client), State::Established);
            }
            assert!(net.b.stack.tcp_handshake_abandon(handshake, net.now));
            assert!(!net.b.stack.tcp_handshake_abandon(handshake, net.now));
            net.settle();
            let error = net.a.error(client);
            let expected = match settle {
                true => ConnectionError::Reset,
                false => ConnectionError::Refused,
            };
            assert_eq!(error, Some(expected));
            let usage = net.b.stack.usage();
            assert_eq!((usage.memory, usage.connections), (0, 0), "{usage:?}");
            assert!(net.b.stack.tcp_pending(listener).is_none());
        }
    }
}

#[test]
fn who_waits_for_a_handshake_hears_that_the_peer_gave_up() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (_, client, pending) = asked(&mut net, 16);
        // It has gone without a word, and its answer to the SYN-ACK is a reset.
        net.a.stack.tcp_close(client, net.now);
        let handshake = net.b.stack.tcp_pending_accept(pending.id).expect("there");
        net.settle();
        assert!(net.b.events[&handshake].contains(Readiness::READABLE));
        assert_eq!(net.b.stack.tcp_handshake(handshake), Handshake::Over);
        assert_eq!(net.b.stack.usage().memory, 0);
    }
}

#[test]
fn requests_given_up_before_anybody_asks_do_not_pile_up() {
    let mut net = Pair::new(FAMILIES[0]);
    let options = ListenOptions {
        pending: true,
        backlog: 8,
        ..ListenOptions::on(net.b.at(80))
    };
    let listener = net.b.stack.tcp_listen(options).unwrap();
    let (peer, us) = (net.a.at(5000), net.b.at(80));
    let mut memory = 0;
    for round in 0..1000u32 {
        let reset = TcpHeader {
            flags: TcpFlags::RST,
            ..syn(round * 7 + 1)
        };
        for (segment, half_open) in [(syn(round * 7), 1), (reset, 0)] {
            let mut packet = forge(peer, us, segment);
            net.b.stack.receive(net.b.iface, &mut packet, net.now);
            assert_eq!(net.b.stack.usage().half_open, half_open);
        }
        memory += net.b.stack.usage().memory;
    }
    assert_eq!(memory, 0);
    // The queue itself is bounded by twice the backlog, and the last requests find room in it.
    let mut packet = forge(peer, us, syn(1));
    net.b.stack.receive(net.b.iface, &mut packet, net.now);
    assert!(net.b.stack.tcp_pending(listener).is_some());
    assert!(net.b.stack.tcp_pending(listener).is_none());
}

#[test]
fn rejected_with_a_reset_the_client_is_refused_at_once() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (_, client, pending) = asked(&mut net, 16);
        assert!(
            net.b
                .stack
                .tcp_pending_reject(pending.id, Reject::Reset, net.now)
        );
        net.settle();
        let error = net.a.error(client);
        assert_eq!(error, Some(ConnectionError::Refused));
        assert_eq!(net.b.stack.usage().memory, 0);
    }
}

#[test]
fn rejected_as_unreachable_the_client_hears_why() {
    for family in FAMILIES {
        for (problem, expected) in [
            (Problem::Port, ConnectionError::Refused),
            (
                Problem::Prohibited,
                ConnectionError::Unreachable(NetError::Prohibited),
            ),
        ] {
            let mut net = Pair::new(family);
            let (_, client, pending) = asked(&mut net, 16);
            let reject = Reject::Unreachable(problem);
            assert!(net.b.stack.tcp_pending_reject(pending.id, reject, net.now));
            net.settle();
            assert_eq!(net.a.error(client), Some(expected));
        }
        // A soft error is told and does not end the attempt (RFC 1122, section 4.2.3.9).
        let mut net = Pair::new(family);
        let (_, client, pending) = asked(&mut net, 16);
        let reject = Reject::Unreachable(Problem::Host);
        assert!(net.b.stack.tcp_pending_reject(pending.id, reject, net.now));
        net.settle();
        assert_eq!(net.a.state(client), State::SynSent);
        assert!(net.a.events[&client].contains(Readiness::ERROR));
    }
}

#[test]
fn ignored_the_client_asks_again() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (listener, client, pending) = asked(&mut net, 16);
        assert!(net.b.stack.tcp_pending_ignore(pending.id, net.now));
        assert!(!net.b.stack.tcp_pending_ignore(pending.id, net.now));
        net.run_for(Duration::from_millis(1500));
        assert_eq!(net.a.state(client), State::SynSent);
        assert_eq!(net.count(Side::B, TcpFlags::empty()), 0);
        let again = net.b.stack.tcp_pending(listener).expect("asked again");
        assert_ne!(again.id, pending.id);
        assert!(net.b.stack.tcp_pending_accept(again.id).is_some());
        net.settle();
        assert_eq!(net.a.state(client), State::Established);
    }
}

#[test]
fn a_full_pending_backlog_is_silent() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (listener, ..) = asked(&mut net, 1);
        let late = net.attempt(80);
        net.settle();
        assert!(net.b.stack.tcp_pending(listener).is_none());
        assert_eq!(net.a.state(late), State::SynSent);
        assert_eq!(net.b.stack.metrics().discards(Discard::TcpBacklogFull), 1);
    }
}

#[test]
fn a_request_never_decided_is_forgotten() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (_, client, pending) = asked(&mut net, 16);
        net.a.stack.tcp_close(client, net.now);
        net.run_for(Duration::from_secs(200));
        assert!(net.b.stack.tcp_pending_accept(pending.id).is_none());
        assert_eq!(net.b.stack.usage().half_open, 0);
        assert_eq!(net.b.stack.usage().timers, 0);
    }
}

#[test]
fn very_many_wait_for_a_decision_at_a_bounded_cost() {
    const MANY: usize = 65_536;
    let mut net = Pair::new(FAMILIES[0]);
    let options = ListenOptions {
        pending: true,
        accept_any: true,
        backlog: MANY,
        ..ListenOptions::default()
    };
    let listener = net.b.stack.tcp_listen(options).unwrap();
    let peer = |port| net.a.at(port);
    let to = |i: usize| {
        let [_, top, high, low] = (i as u32).to_be_bytes();
        SocketAddr::from(([198, 18 + top, high, low], 80))
    };
    for i in 0..=MANY {
        let mut packet = forge(peer(5000), to(i), syn(1));
        net.b.stack.receive(net.b.iface, &mut packet, net.now);
    }
    let usage = net.b.stack.usage();
    assert_eq!(usage.half_open, MANY);
    assert_eq!(net.b.stack.metrics().discards(Discard::TcpBacklogFull), 1);
    let each = usage.memory / MANY;
    assert!(each <= 256, "{each} octets each");
    // The last one is as good as the first, and abandoning all leaves nothing.
    let mut requests = Vec::new();
    while let Some(request) = net.b.stack.tcp_pending(listener) {
        assert_eq!(request.local, to(requests.len()));
        requests.push(request);
    }
    assert_eq!(requests.len(), MANY);
    for request in requests.into_iter().rev() {
        assert!(net.b.stack.tcp_pending_ignore(request.id, net.now));
    }
    assert_eq!(net.b.stack.usage().memory, 0);
}
