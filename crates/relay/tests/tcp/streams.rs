//! What is written on one side is read on the other, and ends as it ended there.

use crate::world::{OUTSIDE, World, listen, soon};
use handfast::TcpStream;
use handfast_relay::{End, Opened, RelayEvent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Octets that differ from place to place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + (i >> 8) * 7) as u8).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_echo_comes_back_whole_in_both_families() {
    for (family, (inside, _)) in OUTSIDE.iter().enumerate() {
        let world = World::new().await;
        let (server, at) = listen(family).await;
        let echo = tokio::spawn(async move {
            let (mut stream, _) = server.accept().await.unwrap();
            let (mut r, mut w) = stream.split();
            tokio::io::copy(&mut r, &mut w).await.unwrap();
            w.shutdown().await.unwrap();
        });
        let data = pattern(3 << 20);
        let stream = soon(TcpStream::connect(&world.net(), at)).await.unwrap();
        let (mut r, mut w) = stream.into_split();
        let send = async {
            w.write_all(&data).await.unwrap();
            w.shutdown().await.unwrap();
        };
        let mut back = Vec::new();
        let (_, read) = soon(async { tokio::join!(send, r.read_to_end(&mut back)) }).await;
        read.unwrap();
        assert!(back == data, "{} of {}", back.len(), data.len());
        echo.await.unwrap();
        let report = world.events.report().await;
        assert_eq!(report.destination, at);
        assert_eq!(report.destination.ip().to_string(), *inside);
        assert_eq!(report.opened, Opened::ByProgram);
        assert_eq!(report.end, End::Closed);
        let len = data.len() as u64;
        assert_eq!((report.octets_up, report.octets_down), (len, len));
        let info = report.info.expect("a snapshot");
        assert_eq!(info.octets_received, len);
        assert_eq!(info.unsent, 0, "taken when all was acknowledged");
        let told = world.events.all();
        assert!(matches!(told[0], RelayEvent::TcpAsked { destination, .. } if destination == at));
        assert!(matches!(told[1], RelayEvent::TcpAnswered { .. }));
        assert_eq!(told.len(), 3);
    }
}
