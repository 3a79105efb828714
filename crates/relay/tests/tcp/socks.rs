//! Connections that leave through a SOCKS5 proxy (RFC 1928, RFC 1929).

use crate::world::{World, listen, soon};
use handfast::TcpStream;
use handfast::stack::icmp::Problem;
use handfast_relay::{Credentials, Direct, Outbound, Refusal};
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Serves one connection: asks for a password, and answers with `reply`; 0 connects.
async fn proxy(listener: tokio::net::TcpListener, reply: u8) -> SocketAddr {
    let (mut stream, _) = listener.accept().await.unwrap();
    let [version, methods] = read(&mut stream).await;
    assert_eq!(version, 5);
    let mut offered = vec![0; methods.into()];
    stream.read_exact(&mut offered).await.unwrap();
    assert!(offered.contains(&2), "user name and password are offered");
    stream.write_all(&[5, 2]).await.unwrap();
    let [version, len] = read(&mut stream).await;
    assert_eq!((version, len), (1, 2));
    assert_eq!(&read::<2>(&mut stream).await, b"me");
    let [len] = read(&mut stream).await;
    assert_eq!(len, 6);
    assert_eq!(&read::<6>(&mut stream).await, b"secret");
    stream.write_all(&[1, 0]).await.unwrap();
    let [version, command, _, kind] = read(&mut stream).await;
    assert_eq!((version, command), (5, 1));
    let address: IpAddr = match kind {
        1 => read::<4>(&mut stream).await.into(),
        4 => read::<16>(&mut stream).await.into(),
        other => panic!("address type {other}"),
    };
    let at = SocketAddr::new(address, u16::from_be_bytes(read(&mut stream).await));
    let answer = [5, reply, 0, 1, 0, 0, 0, 0, 0, 0];
    if reply == 0 {
        let mut far = tokio::net::TcpStream::connect(at).await.unwrap();
        stream.write_all(&answer).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut far).await;
    } else {
        stream.write_all(&answer).await.unwrap();
    }
    at
}

async fn read<const N: usize>(stream: &mut tokio::net::TcpStream) -> [u8; N] {
    let mut octets = [0; N];
    stream.read_exact(&mut octets).await.unwrap();
    octets
}

async fn world() -> (World, tokio::net::TcpListener) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let outbound = Outbound::Socks5 {
        proxy: listener.local_addr().unwrap(),
        auth: Some(Credentials {
            user: "me".into(),
            password: "secret".into(),
        }),
        direct: Direct::default(),
    };
    (
        World::with(|builder| builder.outbound(outbound)).await,
        listener,
    )
}

#[tokio::test]
async fn the_proxy_connects_in_both_families() {
    for family in 0..2 {
        let (world, listener) = world().await;
        let proxy = tokio::spawn(proxy(listener, 0));
        let (server, at) = listen(family).await;
        let mut stream = soon(TcpStream::connect(&world.net(), at)).await.unwrap();
        let (mut accepted, _) = server.accept().await.unwrap();
        stream.write_all(b"through").await.unwrap();
        assert_eq!(&read::<7>(&mut accepted).await, b"through");
        accepted.write_all(b"and back").await.unwrap();
        drop(accepted);
        let mut all = Vec::new();
        soon(stream.read_to_end(&mut all)).await.unwrap();
        assert_eq!(all, b"and back");
        drop(stream);
        assert_eq!(soon(proxy).await.unwrap(), server.local_addr().unwrap());
    }
}

#[tokio::test]
async fn what_the_proxy_says_is_what_the_program_hears() {
    for (reply, expected) in [
        (1, Refusal::Unreachable(Problem::Host)),
        (2, Refusal::Unreachable(Problem::Prohibited)),
        (3, Refusal::Unreachable(Problem::NoRoute)),
        (4, Refusal::Unreachable(Problem::Host)),
        (5, Refusal::Refused),
        (6, Refusal::TimedOut),
    ] {
        let (world, listener) = world().await;
        let proxy = tokio::spawn(proxy(listener, reply));
        let (_server, at) = listen(0).await;
        let net = world.net();
        let connect = tokio::spawn(async move { TcpStream::connect(&net, at).await });
        assert_eq!(world.events.refusal().await, expected, "reply {reply}");
        soon(proxy).await.unwrap();
        connect.abort();
    }
}
