use crate::harness::{FAMILIES, Pair, Side};
use handfast_base::Duration;
use handfast_stack::icmp::Problem;
use handfast_stack::{ConnectOptions, ListenOptions, PendingSyn, Reject, SocketId};
use handfast_tcp::{ConnectionError, NetError, Readiness, State};
use handfast_wire::Discard;
use handfast_wire::tcp::TcpFlags;

/// A client whose SYN waits for B's decision.
fn asked(net: &mut Pair, backlog: usize) -> (SocketId, SocketId, PendingSyn) {
    let options = ListenOptions {
        pending: true,
        backlog,
        ..ListenOptions::on(net.b.at(80))
    };
    let listener = net.b.stack.tcp_listen(options).unwrap();
    let remote = net.b.at(80);
    let client = net
        .a
        .stack
        .tcp_connect(remote, ConnectOptions::default(), net.now)
        .unwrap();
    net.settle();
    assert!(net.b.events[&listener].contains(Readiness::READABLE));
    let pending = net.b.stack.tcp_pending(listener).expect("a request");
    assert_eq!(pending.local, remote);
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
        assert!(net.b.stack.tcp_pending_accept(pending.id));
        assert!(
            !net.b.stack.tcp_pending_accept(pending.id),
            "decided is decided"
        );
        assert!(
            !net.b
                .stack
                .tcp_pending_reject(pending.id, Reject::Reset, net.now)
        );
        net.settle();
        assert_eq!(net.a.state(client), State::Established);
        let server = net.b.stack.tcp_accept(listener).expect("a connection");
        net.transfer(Side::A, client, server, b"after all");
    }
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
        let error = net.a.stack.tcp(client).unwrap().error();
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
            assert_eq!(net.a.stack.tcp(client).unwrap().error(), Some(expected));
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
        assert!(net.b.stack.tcp_pending_accept(again.id));
        net.settle();
        assert_eq!(net.a.state(client), State::Established);
    }
}

#[test]
fn a_full_pending_backlog_is_silent() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (listener, ..) = asked(&mut net, 1);
        let remote = net.b.at(80);
        let late = net
            .a
            .stack
            .tcp_connect(remote, ConnectOptions::default(), net.now)
            .unwrap();
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
        assert!(!net.b.stack.tcp_pending_accept(pending.id));
        assert_eq!(net.b.stack.usage().half_open, 0);
        assert_eq!(net.b.stack.usage().timers, 0);
    }
}
