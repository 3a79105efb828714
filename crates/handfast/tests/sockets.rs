//! The sockets over one host's own addresses, in real time, under tokio.
#![cfg(all(feature = "host", feature = "tokio"))]

use handfast::{Host, KeepAlive, Net, Readiness, State, TcpConnector, TcpListener, TcpStream};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ADDRESSES: [&str; 2] = ["127.0.0.1:0", "[::1]:0"];

fn host() -> Host {
    Host::builder()
        .start()
        .expect("a host without links needs nothing")
}

async fn pair(net: &Net, address: &str) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(net, address.parse().unwrap())
        .await
        .unwrap();
    let at = listener.local_addr().unwrap();
    let (client, server) = tokio::join!(TcpStream::connect(net, at), listener.accept());
    let (server, peer) = server.unwrap();
    let client = client.unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    assert_eq!(server.local_addr().unwrap(), client.peer_addr().unwrap());
    (client, server)
}

#[tokio::test]
async fn what_is_written_is_read_and_eof_follows_shutdown() {
    let host = host();
    for address in ADDRESSES {
        let (mut client, mut server) = pair(&host.net(), address).await;
        client.write_all(b"hello").await.unwrap();
        client.shutdown().await.unwrap();
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"hello");
        // The other direction is still open.
        server.write_all(&[7; 100_000]).await.unwrap();
        drop(server);
        all.clear();
        client.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, [7; 100_000]);
        assert_eq!(client.info().unwrap().state, State::TimeWait);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_megabytes_both_ways_at_once() {
    let host = host();
    let (client, server) = pair(&host.net(), ADDRESSES[0]).await;
    const LEN: usize = 50 << 20;
    let send = |stream: handfast::OwnedWriteHalf| async move {
        let chunk: Vec<u8> = (0..1 << 16).map(|i| (i % 251) as u8).collect();
        let mut stream = stream;
        for _ in 0..LEN / chunk.len() {
            stream.write_all(&chunk).await.unwrap();
        }
    };
    let receive = |stream: handfast::OwnedReadHalf| async move {
        let mut stream = stream;
        let (mut buf, mut at) = (vec![0; 1 << 16], 0usize);
        loop {
            let n = stream.read(&mut buf).await.unwrap();
            if n == 0 {
                return at;
            }
            for (i, &b) in buf[..n].iter().enumerate() {
                assert_eq!(b, ((at + i) % (1 << 16) % 251) as u8, "at {}", at + i);
            }
            at += n;
        }
    };
    let (cr, cw) = client.into_split();
    let (sr, sw) = server.into_split();
    let tasks = tokio::join!(
        tokio::spawn(send(cw)),
        tokio::spawn(send(sw)),
        tokio::spawn(receive(cr)),
        tokio::spawn(receive(sr))
    );
    assert_eq!((tasks.2.unwrap(), tasks.3.unwrap()), (LEN, LEN));
}

#[tokio::test]
async fn a_closed_port_refuses_at_once() {
    let host = host();
    for address in ["127.0.0.1:9", "[::1]:9"] {
        let refused = TcpStream::connect(&host.net(), address.parse().unwrap()).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
    let nowhere = TcpStream::connect(&host.net(), "192.0.2.1:80".parse().unwrap()).await;
    assert_eq!(nowhere.unwrap_err().kind(), ErrorKind::NetworkUnreachable);
    let multicast = TcpStream::connect(&host.net(), "224.0.0.1:80".parse().unwrap()).await;
    assert_eq!(multicast.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_port_in_use_is_said_so() {
    let host = host();
    let first = TcpListener::bind(&host.net(), "127.0.0.1:8080".parse().unwrap())
        .await
        .unwrap();
    let second = TcpListener::bind(&host.net(), "127.0.0.1:8080".parse().unwrap()).await;
    assert_eq!(second.unwrap_err().kind(), ErrorKind::AddrInUse);
    drop(first);
    TcpListener::bind(&host.net(), "127.0.0.1:8080".parse().unwrap())
        .await
        .unwrap();
    let foreign = TcpListener::bind(&host.net(), "192.0.2.1:80".parse().unwrap()).await;
    assert_eq!(foreign.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
}

#[tokio::test]
async fn peek_try_and_ready_agree() {
    let host = host();
    let (client, server) = pair(&host.net(), ADDRESSES[0]).await;
    let mut buf = [0; 16];
    assert_eq!(
        server.try_read(&mut buf).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert_eq!(client.try_write(b"abc").unwrap(), 3);
    let ready = server.ready(Readiness::READABLE).await.unwrap();
    assert!(ready.contains(Readiness::READABLE | Readiness::WRITABLE));
    assert_eq!(server.peek(&mut buf).await.unwrap(), 3);
    assert_eq!(server.peek(&mut buf[..2]).await.unwrap(), 2);
    assert_eq!(server.try_read(&mut buf).unwrap(), 3);
    assert_eq!(&buf[..3], b"abc");
    drop(client);
    server.readable().await.unwrap();
    assert_eq!(server.peek(&mut buf).await.unwrap(), 0);
    assert_eq!(server.try_read(&mut buf).unwrap(), 0);
}

#[tokio::test]
async fn dropping_with_data_unread_resets_the_peer() {
    let host = host();
    let (client, mut server) = pair(&host.net(), ADDRESSES[0]).await;
    server.write_all(b"never read").await.unwrap();
    client.readable().await.unwrap();
    drop(client);
    let mut buf = [0; 16];
    let reset = server.read(&mut buf).await.unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    assert!(server.write_all(b"x").await.is_err());
}

#[tokio::test]
async fn linger_zero_resets_and_nodelay_is_kept() {
    let host = host();
    let (client, mut server) = pair(&host.net(), ADDRESSES[0]).await;
    client.set_nodelay(true).unwrap();
    assert!(client.nodelay().unwrap());
    client.set_linger(Some(Duration::ZERO)).unwrap();
    assert_eq!(client.linger().unwrap(), Some(Duration::ZERO));
    drop(client);
    let mut buf = [0; 16];
    assert_eq!(
        server.read(&mut buf).await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
}

#[tokio::test]
async fn cancelled_reads_and_accepts_lose_nothing() {
    let host = host();
    let net = host.net();
    let listener = TcpListener::bind(&net, ADDRESSES[0].parse().unwrap())
        .await
        .unwrap();
    let soon = Duration::from_millis(5);
    assert!(tokio::time::timeout(soon, listener.accept()).await.is_err());
    let client = TcpStream::connect(&net, listener.local_addr().unwrap())
        .await
        .unwrap();
    let (server, _) = listener.accept().await.unwrap();
    assert!(
        tokio::time::timeout(soon, server.read_bytes(100))
            .await
            .is_err()
    );
    client
        .write_bytes(&mut bytes::Bytes::from_static(b"all there"))
        .await
        .unwrap();
    assert_eq!(&server.read_bytes(100).await.unwrap()[..], b"all there");
}

#[tokio::test]
async fn two_readers_both_wake() {
    let host = host();
    let (client, server) = pair(&host.net(), ADDRESSES[0]).await;
    let (a, b) = tokio::join!(
        async { tokio::join!(server.readable(), server.readable()) },
        async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            client.try_write(b"x").unwrap()
        }
    );
    assert!(a.0.is_ok() && a.1.is_ok() && b == 1);
}

#[tokio::test]
async fn halves_reunite_only_with_their_own() {
    let host = host();
    let (client, server) = pair(&host.net(), ADDRESSES[0]).await;
    let (cr, cw) = client.into_split();
    let (sr, sw) = server.into_split();
    let wrong = cr.reunite(sw).unwrap_err();
    let mut client = wrong.0.reunite(cw).unwrap();
    let mut server = sr.reunite(wrong.1).unwrap();
    client.write_all(b"still open").await.unwrap();
    let mut buf = [0; 10];
    server.read_exact(&mut buf).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wake_is_lost_in_ten_thousand_ping_pongs() {
    let host = host();
    let (mut client, mut server) = pair(&host.net(), ADDRESSES[0]).await;
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let echo = tokio::spawn(async move {
        let mut buf = [0; 64];
        while server.read_exact(&mut buf).await.is_ok() {
            server.write_all(&buf).await.unwrap();
        }
    });
    let mut buf = [0; 64];
    for i in 0..10_000u32 {
        buf[..4].copy_from_slice(&i.to_be_bytes());
        client.write_all(&buf).await.unwrap();
        let back = tokio::time::timeout(Duration::from_secs(10), client.read_exact(&mut buf)).await;
        back.expect("a wake was lost").unwrap();
        assert_eq!(buf[..4], i.to_be_bytes());
    }
    drop(client);
    echo.await.unwrap();
}

#[tokio::test]
async fn a_pending_syn_is_accepted_rejected_or_left_in_silence() {
    let host = host();
    let net = host.net();
    let at: SocketAddr = "127.0.0.1:7000".parse().unwrap();
    let listener = TcpListener::builder().pending().bind(&net, at).unwrap();
    let (client, _) = tokio::join!(TcpStream::connect(&net, at), async {
        let syn = listener.pending().await.unwrap();
        assert_eq!(syn.local_addr(), at);
        syn.accept().await.unwrap()
    });
    client.unwrap();
    let (client, ()) = tokio::join!(TcpStream::connect(&net, at), async {
        listener
            .pending()
            .await
            .unwrap()
            .reject(handfast::stack::Reject::Reset);
    });
    assert_eq!(client.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let (client, ()) = tokio::join!(
        tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(&net, at)),
        async { listener.pending().await.unwrap().ignore() }
    );
    assert!(client.is_err(), "silence, not an answer");
}

#[tokio::test]
async fn a_pending_syn_moves_into_a_task_and_yields_the_very_connection() {
    let host = host();
    let net = host.net();
    let at: SocketAddr = "127.0.0.1:7001".parse().unwrap();
    let listener = TcpListener::builder().pending().bind(&net, at).unwrap();
    let (first, second) = tokio::join!(TcpStream::connect(&net, at), async {
        // Two requests, accepted in the other order.
        let (client, server) = tokio::join!(TcpStream::connect(&net, at), async {
            let (one, two) = (listener.pending().await, listener.pending().await);
            let (one, two) = (one.unwrap(), two.unwrap());
            let peers = [one.peer_addr(), two.peer_addr()];
            let two = tokio::spawn(two.accept()).await.unwrap().unwrap();
            drop(listener);
            assert_eq!(two.peer_addr().unwrap(), peers[1]);
            (one, two, peers)
        });
        let (one, two, peers) = server;
        // Its listener is gone, and with it the request.
        assert_eq!(
            one.accept().await.unwrap_err().kind(),
            ErrorKind::NotConnected
        );
        (client, two, peers)
    });
    let (client, server, peers) = second;
    let (lucky, refused) = match first {
        Ok(stream) => (stream, client),
        Err(why) => (client.unwrap(), Err(why)),
    };
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(lucky.local_addr().unwrap(), peers[1]);
    lucky.try_write(b"x").unwrap();
    assert_eq!(server.read_bytes(1).await.unwrap(), "x");
}

#[tokio::test]
async fn an_acceptance_that_is_cancelled_resets_the_peer() {
    use handfast::link::memory;
    let (left, right) = memory::pair(&memory::Config::default());
    let client = Host::builder()
        .link(left, ["10.0.0.1/24".parse().unwrap()])
        .start()
        .unwrap();
    let (server, drive) = Host::builder()
        .link(right, ["10.0.0.2/24".parse().unwrap()])
        .drive()
        .unwrap();
    let at: SocketAddr = "10.0.0.2:7".parse().unwrap();
    let listener = TcpListener::builder().pending().bind(&server, at).unwrap();
    let net = client.net();
    let client =
        tokio::spawn(async move { TcpStream::connect(&net, at).await?.read_bytes(1).await });
    let mut drive = Box::pin(drive);
    let syn = tokio::select! {
        syn = listener.pending() => syn.unwrap(),
        ended = &mut drive => panic!("{ended:?}"),
    };
    // The server hears nothing any more, so that the handshake cannot become complete.
    let mut accept = Box::pin(syn.accept());
    std::future::poll_fn(|cx| {
        assert!(accept.as_mut().poll(cx).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    drop(accept);
    let kind = client.await.unwrap().unwrap_err().kind();
    let told = [ErrorKind::ConnectionReset, ErrorKind::ConnectionRefused];
    assert!(told.contains(&kind), "{kind:?}");
    assert_eq!(server.with_stack(|stack, _| stack.usage().half_open), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_in_the_reactor_serves_as_one_with_a_thread_does() {
    use handfast::link::memory;
    let (left, right) = memory::pair(&memory::Config::default());
    let (server, drive_server) = Host::builder()
        .link(left, ["10.0.0.1/24".parse().unwrap()])
        .drive()
        .unwrap();
    let (client, drive_client) = Host::builder()
        .link(right, ["10.0.0.2/24".parse().unwrap()])
        .drive()
        .unwrap();
    let drivers = [tokio::spawn(drive_server), tokio::spawn(drive_client)];
    let at: SocketAddr = "10.0.0.1:7".parse().unwrap();
    let listener = TcpListener::bind(&server, at).await.unwrap();
    let echo = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut buf = [0; 1000];
        while stream.read_exact(&mut buf).await.is_ok() {
            stream.write_all(&buf).await.unwrap();
        }
    });
    let mut stream = TcpStream::connect(&client, at).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buf = [0; 1000];
    for i in 0..5_000u32 {
        buf[..4].copy_from_slice(&i.to_be_bytes());
        stream.write_all(&buf).await.unwrap();
        let back = tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut buf)).await;
        back.expect("a wake was lost").unwrap();
        assert_eq!(buf[..4], i.to_be_bytes());
    }
    drop(stream);
    echo.await.unwrap();
    drivers.iter().for_each(|d| d.abort());
}

#[tokio::test]
async fn two_hosts_with_threads_talk_over_a_lossy_link_in_memory() {
    use handfast::link::impaired::{self, Impairment, PairConfig};
    let way = Impairment {
        loss: 0.03,
        delay: Duration::from_millis(1),
        ..Impairment::default()
    };
    let config = PairConfig {
        up: way,
        down: way,
        seed: 7,
        ..PairConfig::default()
    };
    let (left, right) = impaired::pair(&config);
    let server = Host::builder()
        .link(left, ["10.0.0.1/24".parse().unwrap()])
        .start()
        .unwrap();
    let client = Host::builder()
        .link(right, ["10.0.0.2/24".parse().unwrap()])
        .start()
        .unwrap();
    let listener = TcpListener::bind(&server.net(), "10.0.0.1:7".parse().unwrap())
        .await
        .unwrap();
    let at = listener.local_addr().unwrap();
    let client = client.net();
    let (stream, accepted) = tokio::join!(TcpStream::connect(&client, at), listener.accept());
    let (mut sender, mut receiver) = (stream.unwrap(), accepted.unwrap().0);
    let data: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
    let (sent, got) = tokio::join!(
        async {
            sender.write_all(&data).await.unwrap();
            sender.shutdown().await.unwrap();
            sender.info().unwrap().retransmissions
        },
        async {
            let mut got = Vec::new();
            receiver.read_to_end(&mut got).await.unwrap();
            got
        }
    );
    assert!(
        got == data,
        "{} of {} octets, {sent} sent again",
        got.len(),
        data.len()
    );
}

#[tokio::test]
async fn options_are_set_before_and_after_connecting_and_act() {
    let host = host();
    let net = host.net();
    let keepalive = KeepAlive {
        idle: Duration::from_secs(30),
        interval: Duration::from_secs(5),
        count: 4,
        ..KeepAlive::default()
    };
    let listener = TcpListener::builder()
        .mss(1_200)
        .tcp_keepalive(&keepalive)
        .bind(&net, ADDRESSES[0].parse().unwrap())
        .unwrap();
    let at = listener.local_addr().unwrap();
    let connector = TcpConnector::new()
        .nodelay(true)
        .tcp_user_timeout(Some(Duration::from_secs(9)));
    let (client, server) = tokio::join!(connector.connect(&net, at), listener.accept());
    let (mut client, (mut server, _)) = (client.unwrap(), server.unwrap());
    assert!(client.nodelay().unwrap() && !server.nodelay().unwrap());
    assert_eq!(
        client.tcp_user_timeout().unwrap(),
        Some(Duration::from_secs(9))
    );
    assert_eq!(server.tcp_keepalive().unwrap(), Some(keepalive));
    server.set_keepalive(false).unwrap();
    assert!(!server.keepalive().unwrap());
    // The listener's MSS binds both, less what timestamps take.
    assert_eq!(
        (client.mss().unwrap(), server.mss().unwrap()),
        (1_188, 1_188)
    );
    client.set_mss(Some(600)).unwrap();
    assert_eq!(client.mss().unwrap(), 588);
    server.set_quickack(true).unwrap();
    assert!(server.quickack().unwrap() && !client.quickack().unwrap());

    // A cork holds what fills no segment until it is pulled, or for 200 ms.
    client.set_cork(true).unwrap();
    client.write_all(b"held").await.unwrap();
    let mut buf = [0; 4];
    let early = tokio::time::timeout(Duration::from_millis(100), server.read(&mut buf)).await;
    assert!(early.is_err(), "{early:?}");
    client.set_cork(false).unwrap();
    server.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"held");
    client.set_cork(true).unwrap();
    let start = net.now();
    client.write_all(b"late").await.unwrap();
    server.read_exact(&mut buf).await.unwrap();
    assert!(net.now().since(start) >= Duration::from_millis(199));
}
