//! The socket of who stands in for other hosts.
#![cfg(all(feature = "host", feature = "tokio"))]

use bytes::Bytes;
use handfast::link::{Capabilities, Link, memory};
use handfast::stack::icmp::Problem;
use handfast::stack::{Foreign, ForeignDatagram, ForeignEcho};
use handfast::wire::{Batch, Payload};
use handfast::{ForeignSocket, Host, UdpSocket};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(30);

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

fn config(queue: usize) -> memory::Config {
    memory::Config {
        capabilities: Capabilities {
            checksum: true,
            gso_udp: 65_535,
            ..Capabilities::ip(1500)
        },
        queue,
    }
}

/// A host whose every packet comes to the other.
fn hosts() -> (Host, Host) {
    let (near, far) = memory::pair(&config(1024));
    let program = Host::builder()
        .link(near, ["10.77.0.2/24".parse().unwrap()])
        .gateway(Ipv4Addr::UNSPECIFIED.into());
    let other = Host::builder().link(far, ["10.77.0.1/24".parse().unwrap()]);
    (program.start().unwrap(), other.start().unwrap())
}

fn datagram(data: Vec<u8>, segment_size: u16) -> ForeignDatagram {
    ForeignDatagram {
        source: at("203.0.113.5:53"),
        destination: at("10.77.0.2:9"),
        payload: Payload::from(Bytes::from(data)),
        segment_size,
        hop_limit: 0,
        traffic_class: 0,
    }
}

#[tokio::test]
async fn a_waiting_receiver_wakes_and_answers_in_the_name_of_others() {
    let (program, other) = hosts();
    let foreign = ForeignSocket::bind(&other.net(), 1 << 20).unwrap();
    let again = ForeignSocket::bind(&other.net(), 1 << 20).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AddrInUse);
    let any = at("10.77.0.2:0");
    let socket = UdpSocket::bind(&program.net(), any).await.unwrap();
    // Cancelled, it loses nothing.
    let soon = Duration::from_millis(5);
    assert!(timeout(soon, foreign.recv()).await.is_err());
    let to = at("203.0.113.5:53");
    let (received, sent) = tokio::join!(timeout(LONG, foreign.recv()), async {
        tokio::time::sleep(soon).await;
        socket.send_to(b"question", to).await
    });
    assert_eq!(sent.unwrap(), 8);
    let Foreign::Datagram(question) = received.unwrap().unwrap() else {
        panic!("no datagram");
    };
    assert_eq!(
        (question.source, question.destination),
        (socket.local_addr().unwrap(), to)
    );
    let answer = ForeignDatagram {
        source: question.destination,
        destination: question.source,
        ..datagram(b"answer".to_vec(), 0)
    };
    timeout(LONG, foreign.send(answer)).await.unwrap().unwrap();
    let mut buf = [0; 16];
    let got = timeout(LONG, socket.recv_from(&mut buf)).await.unwrap();
    assert_eq!(got.unwrap(), (6, to));
    // A rejection is an error where the question came from.
    socket.connect(to).await.unwrap();
    assert!(foreign.reject(&question.into(), Problem::Port, None));
    let refused = timeout(LONG, socket.recv(&mut buf)).await.unwrap();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    // When it is gone, another may come.
    drop(foreign);
    let foreign = ForeignSocket::bind(&other.net(), 1 << 20).unwrap();
    for n in 0..100u8 {
        socket.send(&[n]).await.unwrap();
    }
    let mut all = Vec::new();
    while all.len() < 100 {
        let before = all.len();
        let more = timeout(LONG, foreign.recv_many(&mut all))
            .await
            .unwrap()
            .unwrap();
        assert!(more > 0 && more <= 64 && all.len() == before + more);
    }
    let data = all.iter().map(|packet| packet.payload().to_bytes()[0]);
    assert!(data.eq(0..100));
}

#[tokio::test]
async fn a_link_that_takes_nothing_more_holds_the_sender_back() {
    let (near, mut far) = memory::pair(&config(4));
    let address = "10.77.0.1/24".parse().unwrap();
    let host = Host::builder().link(near, [address]).start().unwrap();
    let foreign = ForeignSocket::bind(&host.net(), 64 << 10).unwrap();
    let mut sent = 0;
    while foreign
        .try_send(datagram(vec![sent as u8; 1000], 0))
        .is_ok()
    {
        sent += 1;
        assert!(sent < 10_000, "nobody is held back");
    }
    let full = foreign.try_send(datagram(vec![0; 1000], 0)).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    let mut rest: Vec<Foreign> = (0..200u8)
        .map(|n| datagram(vec![n; 1000], 0).into())
        .collect();
    // Among them what can never be sent.
    rest.insert(50, datagram(vec![0; 70_000], 0).into());
    let soon = Duration::from_millis(5);
    assert!(timeout(soon, foreign.send_many(&mut rest)).await.is_err());
    // Cancelled, it has lost nothing; with room, all of it goes, in order.
    let reader = std::thread::spawn(move || {
        let mut got = Vec::new();
        let mut batch = Batch::new(8);
        while got.len() < sent + 200 {
            far.receive(host.net().now(), &mut batch).unwrap();
            for packet in batch.packets() {
                let octets = packet.to_bytes();
                got.push(octets[octets.len() - 1]);
            }
            batch.clear();
        }
        got
    });
    let lost = timeout(LONG, foreign.send_many(&mut rest)).await.unwrap();
    assert_eq!((lost, rest.len()), (1, 0));
    let got = reader.join().unwrap();
    let expected = (0..sent).map(|n| n as u8).chain(0..200);
    assert!(got.into_iter().eq(expected));
}

#[tokio::test]
async fn an_error_names_who_says_so() {
    let (_program, other) = hosts();
    let foreign = ForeignSocket::bind(&other.net(), 1 << 20).unwrap();
    let request = ForeignEcho {
        source: "10.77.0.2".parse().unwrap(),
        destination: "203.0.113.5".parse().unwrap(),
        echo: handfast::wire::icmp::Echo::default(),
        payload: Payload::new(),
        hop_limit: 1,
    };
    let router = Some("198.51.100.1".parse().unwrap());
    assert!(foreign.reject(&request.clone().into(), Problem::HopLimit, router));
    // Nothing is said of what nobody can be told.
    let nowhere = ForeignEcho {
        source: "192.0.2.1".parse().unwrap(),
        ..request
    };
    assert!(!foreign.reject(&nowhere.clone().into(), Problem::HopLimit, router));
    let nowhere = ForeignEcho {
        source: nowhere.destination,
        destination: nowhere.source,
        ..nowhere
    };
    let error = timeout(LONG, foreign.send(nowhere)).await.unwrap();
    assert_eq!(error.unwrap_err().kind(), ErrorKind::NetworkUnreachable);
}
