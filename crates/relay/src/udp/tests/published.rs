use super::world::{FAMILIES, World, receive, send};
use super::{hears, peer};
use crate::udp::Published;
use handfast::UdpSocket;
use std::io::ErrorKind;
use std::net::SocketAddr;

#[tokio::test]
async fn peers_at_a_published_port_get_their_own_answers() {
    for (inside, outside) in FAMILIES {
        let world = World::new();
        let program: SocketAddr = match inside.is_ipv4() {
            true => "10.77.0.2:53".parse().unwrap(),
            false => "[fd68:616e:6466:1::2]:53".parse().unwrap(),
        };
        // Two ports of the machine's lead to it.
        let free = [peer(outside).await, peer(outside).await].map(|(_, port)| port);
        let at = free.map(|port| SocketAddr::new(outside, port));
        let (nat, mut reports) = world.reported(|config| {
            config.published = at
                .map(|outside| Published {
                    outside,
                    inside: program,
                })
                .to_vec();
            config.loopback_alias = vec![inside];
        });
        let server = UdpSocket::bind(&world.program.net(), program)
            .await
            .unwrap();
        let peers = [peer(outside).await, peer(outside).await];
        for n in 0..4 {
            let ((socket, port), to) = (&peers[n / 2], at[n % 2]);
            socket.send_to(&[n as u8], to).await.unwrap();
            let (data, from) = receive(&server).await;
            assert_eq!(
                (data, from),
                (vec![n as u8], SocketAddr::new(inside, *port))
            );
            send(&server, &[n as u8, 1], from).await;
            // From where it was asked, or the peer would not know it.
            assert_eq!(hears(socket).await, (vec![n as u8, 1], to));
        }
        // What the server itself begins leaves by the same port.
        let (other, port) = peer(outside).await;
        send(&server, b"notify", SocketAddr::new(inside, port)).await;
        let (data, from) = hears(&other).await;
        assert_eq!((&data[..], from), (&b"notify"[..], at[0]));
        assert_eq!(nat.counts().mappings, 0);
        drop(nat);
        let reports: Vec<_> = std::iter::from_fn(|| reports.try_recv().ok()).collect();
        assert_eq!(reports.iter().filter(|r| r.is_published).count(), 4);
        assert_eq!(reports.len(), 5);
    }
}

#[tokio::test]
async fn a_published_port_that_is_taken_is_named() {
    let world = World::new();
    let (_squatter, port) = peer(FAMILIES[0].1).await;
    let config = crate::udp::Config {
        published: vec![Published {
            outside: SocketAddr::new(FAMILIES[0].1, port),
            inside: "10.77.0.2:53".parse().unwrap(),
        }],
        ..crate::udp::Config::default()
    };
    let taken = crate::udp::Nat::start(&world.relay.net(), config).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    assert!(taken.to_string().contains(&port.to_string()), "{taken}");
}

#[tokio::test]
async fn a_peer_without_an_address_inside_is_not_heard() {
    let world = World::new();
    let (_, port) = peer(FAMILIES[0].1).await;
    let at = SocketAddr::new(FAMILIES[0].1, port);
    let nat = world.relay(|config| {
        config.published = vec![Published {
            outside: at,
            inside: "10.77.0.2:53".parse().unwrap(),
        }];
    });
    let (socket, _) = peer(FAMILIES[0].1).await;
    socket.send_to(b"hello", at).await.unwrap();
    super::world::soon(async {
        while nat.counts().filtered == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    })
    .await;
}
