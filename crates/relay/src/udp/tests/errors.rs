use super::world::{FAMILIES, World, receive, send, soon};
use super::{hears, peer};
use handfast::Readiness;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

#[tokio::test]
async fn a_port_where_nobody_is_says_so_at_once() {
    let world = World::new();
    let _nat = world.relay(|_| ());
    for (inside, outside) in FAMILIES {
        let (gone, port) = peer(outside).await;
        drop(gone);
        let socket = world.socket(inside).await;
        soon(socket.connect(SocketAddr::new(inside, port)))
            .await
            .unwrap();
        soon(socket.send(b"anybody?")).await.unwrap();
        let refused = soon(socket.recv(&mut [0; 10])).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        // One destination's error concerns no other.
        let (server, port) = peer(outside).await;
        let other = world.socket(inside).await;
        for _ in 0..3 {
            soon(socket.send(b"anybody?")).await.unwrap();
            let refused = soon(socket.recv(&mut [0; 10])).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            send(&other, b"hello", SocketAddr::new(inside, port)).await;
            let (_, from) = hears(&server).await;
            server.send_to(b"yes", from).await.unwrap();
            assert_eq!(receive(&other).await.0, b"yes");
        }
    }
}

#[tokio::test]
async fn the_same_endpoint_is_served_on_after_an_error() {
    let world = World::new();
    let nat = world.relay(|_| ());
    for (inside, outside) in FAMILIES {
        let (gone, dead) = peer(outside).await;
        drop(gone);
        let (server, port) = peer(outside).await;
        let socket = world.socket(inside).await;
        for n in 0..20u8 {
            send(&socket, b"anybody?", SocketAddr::new(inside, dead)).await;
            send(&socket, &[n], SocketAddr::new(inside, port)).await;
            let (data, from) = hears(&server).await;
            assert_eq!(data, [n]);
            server.send_to(&[n], from).await.unwrap();
            assert_eq!(receive(&socket).await.0, [n]);
        }
    }
    assert_eq!(nat.counts().unsendable, 0);
}

#[tokio::test]
async fn what_the_policy_forbids_is_prohibited() {
    let world = World::new();
    let nat = world.relay(|config| config.admit = Arc::new(|_| None));
    for (inside, _) in FAMILIES {
        let socket = world.socket(inside).await;
        soon(socket.connect(SocketAddr::new(inside, 9)))
            .await
            .unwrap();
        soon(socket.send(b"?")).await.unwrap();
        let prohibited = soon(socket.recv(&mut [0; 10])).await.unwrap_err();
        assert_eq!(prohibited.kind(), ErrorKind::HostUnreachable);
        assert!(
            prohibited.to_string().contains("prohibited"),
            "{prohibited}"
        );
    }
    assert_eq!((nat.counts().refused, nat.counts().mappings), (2, 0));
}

#[tokio::test]
async fn the_loopback_of_the_machine_is_closed_unless_it_is_opened() {
    for address in [
        "127.0.0.1:53",
        "127.8.9.1:53",
        "[::1]:53",
        "0.0.0.0:53",
        "[::]:53",
    ] {
        let admit = crate::udp::Config::default().admit;
        assert_eq!(admit(address.parse().unwrap()), None, "{address}");
    }
    let admit = crate::udp::Config::default().admit;
    let elsewhere = "192.0.2.1:53".parse().unwrap();
    assert_eq!(admit(elsewhere), Some(elsewhere));
}

#[tokio::test]
async fn a_hop_limit_that_runs_out_runs_out_at_us() {
    let world = World::new();
    let nat = world.relay(|_| ());
    for (inside, outside) in FAMILIES {
        let (server, port) = peer(outside).await;
        let to = SocketAddr::new(inside, port);
        let socket = world.socket(inside).await;
        soon(socket.connect(to)).await.unwrap();
        socket.configure(|options| options.hop_limit = 1).unwrap();
        soon(socket.send(b"near")).await.unwrap();
        fails(&socket).await;
        let error = socket.take_error().unwrap().unwrap();
        assert_eq!(error.kind(), ErrorKind::HostUnreachable);
        // The machine itself is the next hop, and the last.
        socket.configure(|options| options.hop_limit = 2).unwrap();
        soon(socket.send(b"far")).await.unwrap();
        assert_eq!(hears(&server).await.0, b"far");
    }
    assert_eq!(nat.counts().mappings, 2);
}

#[tokio::test]
async fn what_the_machine_cannot_reach_is_said_at_once() {
    let world = World::new();
    // No socket of IPv6 alone has a route to IPv4, and none without leave one to everybody.
    let nat = world.relay(|config| {
        config.admit = Arc::new(|to| match to.is_ipv6() {
            true => Some("[::ffff:127.0.0.1]:1".parse().unwrap()),
            false => Some("255.255.255.255:2".parse().unwrap()),
        });
    });
    let socket = world.socket(FAMILIES[0].0).await;
    send(&socket, b"to all", SocketAddr::new(FAMILIES[0].0, 2)).await;
    let socket = world.socket(FAMILIES[1].0).await;
    let nobody = SocketAddr::new(FAMILIES[1].0, 1);
    soon(socket.connect(nobody)).await.unwrap();
    soon(socket.send(b"to nobody")).await.unwrap();
    fails(&socket).await;
    let error = socket.take_error().unwrap().unwrap();
    assert_eq!(error.kind(), ErrorKind::NetworkUnreachable);
    assert_eq!(nat.counts().unsendable, 2);
}

#[test]
fn what_routers_say_is_told() {
    super::place::in_place("1 0", || async {
        let world = World::new();
        let nat = world.relay(|config| config.admit = Arc::new(Some));
        for routed in super::place::routed() {
            for (to, hop_limit, expected) in [
                (routed.far, 2, "hop limit"),
                (routed.unreachable, 64, "unreachable"),
                (routed.prohibited, 64, "prohibited"),
                // The router itself has nobody at that port.
                (routed.router, 64, "port"),
            ] {
                let socket = world.socket(to).await;
                soon(socket.connect(SocketAddr::new(to, 9))).await.unwrap();
                socket
                    .configure(|options| options.hop_limit = hop_limit)
                    .unwrap();
                soon(socket.send(b"?")).await.unwrap();
                let any = Readiness::ERROR | Readiness::READABLE;
                soon(socket.ready(any)).await.unwrap();
                let error = socket.take_error().unwrap().unwrap().to_string();
                assert!(error.contains(expected), "{to}: {error}");
            }
        }
        assert_eq!(nat.counts().unsendable, 0);
    });
}

/// Waits until a socket has an error to tell that fails no call.
async fn fails(socket: &handfast::UdpSocket) {
    let any = Readiness::ERROR | Readiness::READABLE;
    let ready = soon(socket.ready(any)).await.unwrap();
    assert!(ready.contains(Readiness::ERROR));
}
