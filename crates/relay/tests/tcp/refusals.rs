//! What becomes of connections that do not come about.

use crate::world::{OUTSIDE, World, blackhole, listen, soon};
use handfast::TcpStream;
use handfast::stack::icmp::Problem;
use handfast_relay::{Denial, Direct, Limits, Outbound, Policy, Refusal, RelayEvent, Rule};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), port)
}

#[tokio::test]
async fn refused_by_the_destination_the_program_is_refused_at_once() {
    for (family, (inside, _)) in OUTSIDE.iter().enumerate() {
        let world = World::new().await;
        let (server, destination) = listen(family).await;
        drop(server);
        let error = soon(TcpStream::connect(&world.net(), destination))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{inside}");
        assert_eq!(world.events.refusal().await, Refusal::Refused);
    }
}

#[tokio::test]
async fn forbidden_by_the_policy_the_program_hears_so_and_the_host_does_nothing() {
    for family in 0..2 {
        let (server, destination) = listen(family).await;
        let rule: Rule = format!("*:{}", destination.port()).parse().unwrap();
        let mut policy = Policy::default();
        policy.allow_host_loopback();
        policy.deny(rule.clone());
        let world = World::with(|builder| builder.policy(policy)).await;
        let error = soon(TcpStream::connect(&world.net(), destination))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HostUnreachable);
        let why = Refusal::Policy(Denial::Rule(rule));
        assert_eq!(world.events.refusal().await, why);
        // The loopback of the host is closed unless it is opened.
        let world = World::with(|builder| builder.policy(Policy::default())).await;
        let error = soon(TcpStream::connect(&world.net(), destination))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HostUnreachable);
        let why = Refusal::Policy(Denial::HostLoopback);
        assert_eq!(world.events.refusal().await, why);
        server.set_ttl(64).unwrap();
        let nobody = tokio::time::timeout(Duration::from_millis(50), server.accept()).await;
        assert!(nobody.is_err());
    }
}

#[tokio::test]
async fn what_the_host_cannot_reach_is_unreachable_to_the_program() {
    for (address, mapped) in [
        ("192.0.2.77", "255.255.255.255"),
        ("2001:db8::77", "ff02::1"),
    ] {
        // No route leads to these, wherever this runs.
        let world = World::with(|builder| {
            builder.substitute(address.parse().unwrap(), mapped.parse().unwrap())
        })
        .await;
        // Unreachable is no verdict to a TCP that keeps to RFC 1122 (4.2.3.9): it asks on.
        let net = world.net();
        let connect = tokio::spawn(async move { TcpStream::connect(&net, at(address, 9)).await });
        let why = world.events.refusal().await;
        let unreachable = [Problem::NoRoute, Problem::Host, Problem::Prohibited];
        let unreachable = unreachable.map(Refusal::Unreachable);
        assert!(unreachable.contains(&why), "{why:?}");
        connect.abort();
    }
}

#[tokio::test]
async fn an_address_of_our_own_without_a_service_refuses() {
    let world = World::new().await;
    for own in ["10.77.0.1", "fd68:616e:6466:1::1"] {
        let error = soon(TcpStream::connect(&world.net(), at(own, 9)))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
}

#[tokio::test]
async fn silence_is_silence_until_the_destination_answers() {
    for family in 0..2 {
        let world = World::new().await;
        let (hole, destination) = blackhole(family).await;
        let net = world.net();
        let connect = tokio::spawn(async move { TcpStream::connect(&net, destination).await });
        world
            .events
            .find(|event| matches!(event, RelayEvent::TcpAsked { .. }).then_some(()))
            .await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(
            !connect.is_finished(),
            "nobody has answered, and so have we not"
        );
        // The host's kernel repeats its SYN, and finds room now.
        hole.open().await;
        soon(connect).await.unwrap().unwrap();
        assert_eq!(world.events.all().len(), 2, "asked once, answered once");
    }
}

#[tokio::test]
async fn the_oldest_attempt_gives_way_and_is_asked_for_again() {
    let mut limits = Limits::default();
    limits.connects = 2;
    let world = World::with(|builder| builder.limits(limits)).await;
    let (hole, destination) = blackhole(0).await;
    let mut attempts = Vec::new();
    for _ in 0..3 {
        let net = world.net();
        attempts.push(tokio::spawn(async move {
            TcpStream::connect(&net, destination).await
        }));
    }
    assert_eq!(world.events.refusal().await, Refusal::GaveWay);
    // A living one is not kept waiting by them.
    let (server, living) = listen(0).await;
    soon(TcpStream::connect(&world.net(), living))
        .await
        .unwrap();
    server.accept().await.unwrap();
    hole.open().await;
    for attempt in attempts {
        soon(attempt).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn without_a_place_left_a_syn_waits_for_one() {
    let mut limits = Limits::default();
    limits.connections = 1;
    let world = World::with(|builder| builder.limits(limits)).await;
    let (server, destination) = listen(0).await;
    let first = soon(TcpStream::connect(&world.net(), destination))
        .await
        .unwrap();
    let net = world.net();
    let second = tokio::spawn(async move { TcpStream::connect(&net, destination).await });
    server.accept().await.unwrap();
    assert!(!second.is_finished());
    drop(first);
    soon(second).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_interface_that_is_not_there_is_no_way_out() {
    let mut direct = Direct::default();
    direct.bind_interface = Some("no-such-if0".into());
    let world = World::with(|builder| builder.outbound(Outbound::Direct(direct))).await;
    let (_server, destination) = listen(0).await;
    let net = world.net();
    let connect = tokio::spawn(async move { TcpStream::connect(&net, destination).await });
    let why = world.events.refusal().await;
    assert_eq!(why, Refusal::Unreachable(Problem::Host));
    connect.abort();
}
