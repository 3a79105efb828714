use super::world::{FAMILIES, OUTSIDE_V4, World, receive, send};
use super::{hears, peer};
use crate::dns::Names;
use crate::udp::flow::{Direction, Flow, FlowEnd};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, advance, pause, resume, timeout};

#[tokio::test(start_paused = true)]
async fn a_flow_lasts_as_long_as_it_is_likely_to_be_answered() {
    let seconds = Duration::from_secs;
    let start = Instant::now();
    for (port, is_published, answered, expected) in [
        (443, false, false, 120),
        (443, false, true, 300),
        (53, false, false, 120),
        (53, false, true, 10),
        (53, true, true, 300),
    ] {
        let outside = SocketAddr::new(OUTSIDE_V4, port);
        let mut flow = Flow::new(outside, is_published, start);
        flow.count(Direction::Up, 1, 100, start);
        if answered {
            flow.count(Direction::Down, 1, 100, start + seconds(5));
        }
        let last = start + seconds(if answered { 5 } else { 0 });
        assert_eq!(flow.expires(), last + seconds(expected), "port {port}");
        // Each datagram makes it live on.
        flow.count(Direction::Up, 1, 100, start + seconds(9));
        assert_eq!(flow.expires(), start + seconds(9 + expected));
    }
}

#[tokio::test]
async fn what_is_idle_ends_and_is_told() {
    let world = World::new();
    let names = Arc::new(Names::default());
    let (nat, mut reports) = world.reported(|config| config.names = Some(names.clone()));
    for (inside, outside) in FAMILIES {
        names.note(inside, "Example.COM.", Duration::from_secs(3600));
        let (server, port) = peer(outside).await;
        let to = SocketAddr::new(inside, port);
        let socket = world.socket(inside).await;
        send(&socket, b"question", to).await;
        let (_, from) = hears(&server).await;
        server.send_to(b"answer!", from).await.unwrap();
        receive(&socket).await;
        pause();
        // Nothing is over before its time, and then all of it.
        advance(Duration::from_secs(290)).await;
        assert!(
            timeout(Duration::from_secs(5), reports.recv())
                .await
                .is_err()
        );
        assert_eq!(nat.counts().mappings, 1);
        let report = timeout(Duration::from_secs(20), reports.recv()).await;
        let report = report.unwrap().unwrap();
        assert_eq!(report.program, socket.local_addr().unwrap());
        assert_eq!((report.destination, report.end), (to, FlowEnd::Idle));
        assert_eq!((report.octets_up, report.octets_down), (8, 7));
        assert_eq!((report.datagrams_up, report.datagrams_down), (1, 1));
        assert_eq!(report.name.as_deref(), Some("example.com"));
        tokio::task::yield_now().await;
        assert_eq!(nat.counts().mappings, 0);
        resume();
        // Nobody answers at its port outside any more; but it can ask again.
        send(&socket, b"again", to).await;
        let (_, from) = hears(&server).await;
        server.send_to(b"yes", from).await.unwrap();
        assert_eq!(receive(&socket).await.0, b"yes");
        drop(socket);
        pause();
        advance(Duration::from_secs(301)).await;
        let report = timeout(Duration::from_secs(20), reports.recv()).await;
        assert_eq!(report.unwrap().unwrap().end, FlowEnd::Idle);
        resume();
    }
}
