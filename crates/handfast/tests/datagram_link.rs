//! Two stacks joined by nothing but a Unix socket.
#![cfg(all(feature = "host", feature = "tokio", target_os = "linux"))]

use handfast::link::datagram::{self, DatagramSocket};
use handfast::{Host, Net, TcpListener, TcpStream, UdpSocket};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use sha2::{Digest, Sha256};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn pair(kind: SocketType) -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap()
}

fn at() -> SocketAddr {
    "10.0.0.1:7".parse().unwrap()
}

/// Sends 8 MiB there and back, and compares hashes.
async fn exchange(server: &Net, client: &Net) {
    const SIZE: usize = 8 << 20;
    let listener = TcpListener::bind(server, at()).await.unwrap();
    let echo = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (mut from, mut to) = stream.into_split();
        tokio::io::copy(&mut from, &mut to).await.unwrap();
    });
    let (mut from, mut to) = TcpStream::connect(client, at()).await.unwrap().into_split();
    let sent = tokio::spawn(async move {
        let mut hash = Sha256::new();
        for number in 0..SIZE >> 16 {
            let block = (0..1u32 << 14).map(|at| (number as u32 ^ at).wrapping_mul(0x9e37_79b9));
            let block: Vec<u8> = block.flat_map(u32::to_be_bytes).collect();
            hash.update(&block);
            to.write_all(&block).await.unwrap();
        }
        hash.finalize()
    });
    let (mut hash, mut octets, mut block) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        match from.read(&mut block).await.unwrap() {
            0 => break,
            len => {
                hash.update(&block[..len]);
                octets += len;
            }
        }
    }
    assert_eq!(octets, SIZE);
    assert_eq!(hash.finalize(), sent.await.unwrap());
    echo.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_mebibytes_there_and_back_over_every_kind_of_socket() {
    type Open = fn(OwnedFd, u32) -> std::io::Result<DatagramSocket>;
    let opens: [Open; 2] = [datagram::from_fd, datagram::from_fd_with_vnet_header];
    for kind in [SocketType::DGRAM, SocketType::SEQPACKET] {
        for open in opens {
            let (left, right) = pair(kind);
            let left = open(left, 1500).unwrap();
            let right = open(right, 1500).unwrap();
            let server = Host::builder().link(left, ["10.0.0.1/24".parse().unwrap()]);
            let server = server.start().unwrap();
            let client = Host::builder().link(right, ["10.0.0.2/24".parse().unwrap()]);
            let (client, drive) = client.drive().unwrap();
            let drive = tokio::spawn(drive);
            exchange(&server.net(), &client).await;
            drive.abort();
        }
    }
}

/// The one who finds the descriptor full is not the one who waits for room on it, and must tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_full_descriptor_refused_leaves_when_there_is_room() {
    const SENT: usize = 120;
    for in_reactor in [false, true] {
        let (left, right) = pair(SocketType::DGRAM);
        let link = datagram::from_fd(left, 1500).unwrap();
        let host = Host::builder().link(link, ["10.0.0.1/24".parse().unwrap()]);
        let (net, _host) = match in_reactor {
            false => {
                let host = host.start().unwrap();
                (host.net(), Ok(host))
            }
            true => {
                let (net, drive) = host.drive().unwrap();
                (net, Err(tokio::spawn(drive)))
            }
        };
        let socket = UdpSocket::bind(&net, "10.0.0.1:0".parse().unwrap());
        let socket = socket.await.unwrap();
        // Whoever drives it is asleep by now.
        tokio::time::sleep(Duration::from_millis(50)).await;
        for _ in 0..SENT {
            socket
                .try_send_to(&[0; 1000], "10.0.0.2:9".parse().unwrap())
                .unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let right = std::os::unix::net::UnixDatagram::from(right);
        right
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let mut arrived = 0;
        let mut packet = [0; 2000];
        while arrived < SENT && right.recv(&mut packet).is_ok() {
            arrived += 1;
        }
        assert_eq!(arrived, SENT, "in the reactor: {in_reactor}");
    }
}

/// A descriptor whose other end is closed is readable for ever.
#[tokio::test]
async fn a_link_that_is_gone_is_told_and_not_looked_at_over_and_over() {
    let (left, right) = pair(SocketType::SEQPACKET);
    let left = datagram::from_fd(left, 1500).unwrap();
    let host = Host::builder().link(left, ["10.0.0.1/24".parse().unwrap()]);
    let (net, drive) = host.drive().unwrap();
    let polls = Arc::new(AtomicU32::new(0));
    let count = polls.clone();
    let drive = tokio::spawn(async move {
        let mut drive = pin!(drive);
        poll_fn(|cx| {
            count.fetch_add(1, Ordering::Relaxed);
            drive.as_mut().poll(cx)
        })
        .await
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(net.engine().take_link_failure().is_none());
    drop(right);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let polls = polls.load(Ordering::Relaxed);
    assert!(polls > 0 && polls < 100, "{polls}");
    let gone = net.engine().take_link_failure().unwrap();
    assert_eq!(gone.kind(), std::io::ErrorKind::BrokenPipe);
    assert!(!drive.is_finished());
    // What needs no link goes on.
    let listener = TcpListener::bind(&net, "127.0.0.1:7".parse().unwrap());
    let listener = listener.await.unwrap();
    let (client, server) = tokio::join!(
        TcpStream::connect(&net, listener.local_addr().unwrap()),
        listener.accept()
    );
    client.unwrap();
    server.unwrap();
    drive.abort();
}
