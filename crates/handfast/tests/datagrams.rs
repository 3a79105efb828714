//! UDP sockets over one host's own addresses.
#![cfg(all(feature = "host", feature = "tokio"))]

use handfast::link::impaired::{Impaired, Impairment};
use handfast::link::memory;
use handfast::{Host, Readiness, UdpSocket};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

#[tokio::test]
async fn datagrams_keep_their_boundaries_and_name_their_sender() {
    let host = Host::builder().start().unwrap();
    let net = host.net();
    for any in ["127.0.0.1:0", "[::1]:0"] {
        let a = UdpSocket::bind(&net, at(any)).await.unwrap();
        let b = UdpSocket::bind(&net, at(any)).await.unwrap();
        let to = b.local_addr().unwrap();
        for text in [&b"one"[..], b"", b"three and more"] {
            assert_eq!(a.send_to(text, to).await.unwrap(), text.len());
        }
        let mut buf = [0; 8];
        assert_eq!(b.peek_from(&mut buf).await.unwrap().0, 3);
        assert_eq!(
            b.recv_from(&mut buf).await.unwrap(),
            (3, a.local_addr().unwrap())
        );
        assert_eq!(b.recv_from(&mut buf).await.unwrap().0, 0);
        // What does not fit is cut off, and gone.
        assert_eq!(b.recv_from(&mut buf).await.unwrap().0, 8);
        assert_eq!(
            b.try_recv_from(&mut buf).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
    }
}

#[tokio::test]
async fn a_connected_socket_hears_that_nobody_is_there() {
    let host = Host::builder().start().unwrap();
    let net = host.net();
    for (any, nobody) in [("127.0.0.1:0", "127.0.0.1:9"), ("[::1]:0", "[::1]:9")] {
        let socket = UdpSocket::bind(&net, at(any)).await.unwrap();
        socket.connect(at(nobody)).await.unwrap();
        assert_eq!(socket.peer_addr().unwrap(), at(nobody));
        socket.send(b"hello?").await.unwrap();
        let mut buf = [0; 8];
        let refused = tokio::time::timeout(Duration::from_secs(5), socket.recv(&mut buf)).await;
        assert_eq!(
            refused.unwrap().unwrap_err().kind(),
            ErrorKind::ConnectionRefused
        );
    }
}

#[tokio::test]
async fn what_can_never_be_sent_is_an_error() {
    let host = Host::builder().start().unwrap();
    let net = host.net();
    let socket = UdpSocket::bind(&net, at("0.0.0.0:0")).await.unwrap();
    let nowhere = socket.send_to(b"x", at("192.0.2.1:9")).await.unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::NetworkUnreachable);
    let too_long = socket
        .send_to(&[0; 70_000], at("127.0.0.1:9"))
        .await
        .unwrap_err();
    assert_eq!(too_long.kind(), ErrorKind::InvalidInput);
    let to_nobody = socket.send(b"x").await.unwrap_err();
    assert_eq!(to_nobody.kind(), ErrorKind::NotConnected);
    let family = socket.send_to(b"x", at("[::1]:9")).await.unwrap_err();
    assert_eq!(family.kind(), ErrorKind::InvalidInput);
    let port = socket.local_addr().unwrap().port();
    let taken = UdpSocket::bind(&net, SocketAddr::new(at("0.0.0.0:0").ip(), port)).await;
    assert_eq!(taken.unwrap_err().kind(), ErrorKind::AddrInUse);
}

#[tokio::test]
async fn a_waiting_reader_wakes_and_cancelling_loses_nothing() {
    let host = Host::builder().start().unwrap();
    let net = host.net();
    let a = UdpSocket::bind(&net, at("127.0.0.1:0")).await.unwrap();
    let b = UdpSocket::bind(&net, at("127.0.0.1:0")).await.unwrap();
    let soon = Duration::from_millis(5);
    assert!(tokio::time::timeout(soon, b.recv_datagram()).await.is_err());
    let to = b.local_addr().unwrap();
    let (ready, sent) = tokio::join!(b.ready(Readiness::READABLE), async {
        tokio::time::sleep(soon).await;
        a.send_to(b"late", to).await
    });
    assert!(ready.unwrap().contains(Readiness::READABLE));
    assert_eq!(sent.unwrap(), 4);
    let datagram = b.recv_datagram().await.unwrap();
    assert_eq!(&datagram.payload.to_bytes()[..], b"late");
    assert_eq!(datagram.local, to);
}

/// What an application sends into a link that holds it back goes on when it is due, though nothing
/// else happens: no timer runs, and no packet arrives.
#[tokio::test]
async fn a_datagram_that_is_under_way_needs_no_other_event_to_arrive() {
    let impairment = Impairment {
        delay: Duration::from_millis(2),
        ..Impairment::default()
    };
    let (one, other) = memory::pair(&memory::Config::default());
    let one = Impaired::new(one, impairment, impairment, 1);
    let [near, far] = ["10.0.0.1/24", "10.0.0.2/24"].map(|a| a.parse().unwrap());
    let near = Host::builder().link(one, [near]).start().unwrap();
    let far = Host::builder().link(other, [far]).start().unwrap();
    let echo = UdpSocket::bind(&near.net(), at("10.0.0.1:7"))
        .await
        .unwrap();
    let echo = tokio::spawn(async move {
        let mut buf = [0; 8];
        while let Ok((len, from)) = echo.recv_from(&mut buf).await {
            // The thread that drives the host has gone to sleep by now.
            tokio::time::sleep(Duration::from_millis(5)).await;
            let _ = echo.send_to(&buf[..len], from).await;
        }
    });
    let socket = UdpSocket::bind(&far.net(), at("10.0.0.2:0")).await.unwrap();
    for n in 0..20u8 {
        socket.send_to(&[n], at("10.0.0.1:7")).await.unwrap();
        let mut buf = [0; 8];
        let answer = tokio::time::timeout(Duration::from_secs(20), socket.recv_from(&mut buf));
        answer.await.expect("it is not left lying").unwrap();
        assert_eq!(buf[0], n);
    }
    echo.abort();
}
