use super::world::{FAMILIES, World, receive, send, soon};
use super::{hears, peer};
use nix::sys::socket::sockopt::RcvBufForce;
use std::net::SocketAddr;

#[tokio::test]
async fn an_answer_finds_back_whatever_its_size() {
    let world = World::new();
    let nat = world.relay(|_| ());
    for (inside, outside) in FAMILIES {
        let (server, port) = peer(outside).await;
        let socket = world.socket(inside).await;
        let to = SocketAddr::new(inside, port);
        for len in [0, 1, 512, 1472, 1473, 9000, 65_000] {
            let data: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            send(&socket, &data, to).await;
            let (heard, from) = hears(&server).await;
            assert!(heard == data, "{len} octets were changed");
            server.send_to(&heard, from).await.unwrap();
            let (back, from) = receive(&socket).await;
            assert!(back == data, "{len} octets were changed on the way back");
            assert_eq!(from, to);
        }
    }
    let counts = nat.counts();
    assert_eq!((counts.mappings, counts.filtered), (2, 0));
}

#[tokio::test]
async fn one_endpoint_is_one_port_outside_whatever_it_sends_to() {
    let world = World::new();
    let nat = world.relay(|_| ());
    for (inside, outside) in FAMILIES {
        let [(one, first), (other, second)] = [peer(outside).await, peer(outside).await];
        let socket = world.socket(inside).await;
        let own = socket.local_addr().unwrap().port();
        send(&socket, b"1", SocketAddr::new(inside, first)).await;
        send(&socket, b"2", SocketAddr::new(inside, second)).await;
        let (_, seen_by_one) = hears(&one).await;
        let (_, seen_by_other) = hears(&other).await;
        assert_eq!(seen_by_one, seen_by_other);
        // Its own port, unless somebody on this machine had that already.
        if seen_by_one.port() != own {
            let taken = tokio::net::UdpSocket::bind((outside, own)).await.is_err();
            assert!(taken, "port {own} was free, and not taken");
        }
    }
    assert_eq!(nat.counts().mappings, 2);
}

#[tokio::test]
async fn a_port_that_is_taken_becomes_another() {
    let world = World::new();
    let _nat = world.relay(|_| ());
    for (inside, outside) in FAMILIES {
        let socket = world.socket(inside).await;
        let own = socket.local_addr().unwrap().port();
        let Ok(_squatter) = tokio::net::UdpSocket::bind((outside, own)).await else {
            eprintln!("SKIPPED: somebody else has port {own}");
            continue;
        };
        let (server, port) = peer(outside).await;
        send(&socket, b"hello", SocketAddr::new(inside, port)).await;
        let (_, from) = hears(&server).await;
        assert_ne!(from.port(), own);
        server.send_to(b"back", from).await.unwrap();
        assert_eq!(receive(&socket).await.0, b"back");
    }
}

#[tokio::test]
async fn a_host_that_was_asked_may_answer_from_any_port_and_a_stranger_may_not() {
    let world = World::new();
    let nat = world.relay(|_| ());
    let (inside, outside) = FAMILIES[0];
    let (server, port) = peer(outside).await;
    let socket = world.socket(inside).await;
    send(&socket, b"ask", SocketAddr::new(inside, port)).await;
    let (_, at) = hears(&server).await;
    let stranger = tokio::net::UdpSocket::bind("127.0.0.2:0").await.unwrap();
    stranger.send_to(b"let me in", at).await.unwrap();
    let (other, other_port) = peer(outside).await;
    other.send_to(b"from next door", at).await.unwrap();
    let (data, from) = receive(&socket).await;
    assert_eq!(data, b"from next door");
    assert_eq!(from, SocketAddr::new(inside, other_port));
    assert_eq!(nat.counts().filtered, 1);
}

#[tokio::test]
async fn the_table_is_bounded_and_who_was_idle_for_longest_gives_way() {
    let world = World::new();
    let (nat, mut reports) = world.reported(|config| {
        config.mappings = 2;
        config.flows = 3;
    });
    let (inside, outside) = FAMILIES[0];
    let (server, port) = peer(outside).await;
    let mut sockets = Vec::new();
    for n in 0..3u8 {
        let socket = world.socket(inside).await;
        send(&socket, &[n], SocketAddr::new(inside, port)).await;
        assert_eq!(hears(&server).await.0, [n]);
        sockets.push(socket);
    }
    let counts = nat.counts();
    assert_eq!((counts.mappings, counts.evicted), (2, 1));
    let report = reports.try_recv().unwrap();
    assert_eq!(report.program, sockets[0].local_addr().unwrap());
    assert_eq!(report.end, crate::udp::FlowEnd::Evicted);
    // It comes back when it sends again.
    send(&sockets[0], b"again", SocketAddr::new(inside, port)).await;
    let (_, from) = hears(&server).await;
    server.send_to(b"yes", from).await.unwrap();
    assert_eq!(receive(&sockets[0]).await.0, b"yes");
    assert_eq!(nat.counts().evicted, 2);
    // One endpoint has but so many flows.
    while reports.try_recv().is_ok() {}
    for n in 0..3 {
        let (other, port) = peer(outside).await;
        send(&sockets[0], &[n], SocketAddr::new(inside, port)).await;
        hears(&other).await;
    }
    let report = reports.try_recv().unwrap();
    assert_eq!(report.destination, SocketAddr::new(inside, port));
    assert_eq!((report.octets_up, report.octets_down), (5, 3));
    drop(nat);
    let rest = std::iter::from_fn(|| reports.try_recv().ok());
    let stopped = rest.filter(|r| r.end == crate::udp::FlowEnd::Stopped);
    assert_eq!(stopped.count(), 4);
}

#[test]
fn what_the_machine_takes_no_more_of_waits_and_is_bounded() {
    // What crosses the loopback slowly fills the socket that sends it.
    super::place::in_place("1 0", || async {
        let slow = "tc qdisc add dev lo root tbf rate 20mbit burst 100kb limit 200mb";
        if let Err(why) = super::place::shell(slow) {
            eprintln!("SKIPPED: {why}");
            return;
        }
        let world = World::new();
        let nat = world.relay(|config| config.memory = 64 << 20);
        let (inside, outside) = FAMILIES[0];
        let (server, port) = peer(outside).await;
        let room = &(64usize << 20);
        nix::sys::socket::setsockopt(&server, RcvBufForce, room).unwrap();
        let to = SocketAddr::new(inside, port);
        let socket = world.socket(inside).await;
        socket
            .configure(|options| options.send_limit = 64 << 20)
            .unwrap();
        // Less than what may wait.
        for n in 0..600u32 {
            let mut data = vec![0; 1400];
            data[..4].copy_from_slice(&n.to_be_bytes());
            send(&socket, &data, to).await;
        }
        for n in 0..600u32 {
            assert_eq!(hears(&server).await.0[..4], n.to_be_bytes());
        }
        assert_eq!(nat.counts().lost_up, 0);
        // Until more than may wait does.
        let mut sent = 0;
        soon(async {
            while nat.counts().lost_up == 0 {
                send(&socket, &[0; 1400], to).await;
                tokio::task::yield_now().await;
                sent += 1;
            }
        })
        .await;
        send(&socket, b"last", to).await;
        let mut heard = 0;
        while heard + nat.counts().lost_up < sent + 1 {
            hears(&server).await;
            heard += 1;
        }
        assert!(heard > 100, "{heard}");
    });
}
