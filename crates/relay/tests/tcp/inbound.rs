//! Connections from outside that lead to the program.

use crate::world::{OUTSIDE, PROGRAM, World, listen, soon};
use handfast::{TcpListener, TcpStream};
use handfast_relay::{End, Opened, Publish, RelayEvent};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

/// How a connection fails that is taken and then not wanted; it may be so at once.
async fn reset_on_connect(socket: tokio::net::TcpSocket, at: SocketAddr) -> ErrorKind {
    let read = async { socket.connect(at).await?.read_u8().await };
    soon(read).await.unwrap_err().kind()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_published_port_leads_to_the_program_in_both_families() {
    let publish: Publish = "0:8000".parse().unwrap();
    let world = World::with(|builder| builder.publish(publish)).await;
    let published = world.published();
    assert_eq!(published.len(), 2, "the loopback of both families");
    assert_eq!(published[0].port(), published[1].port());
    for (family, &outside) in published.iter().enumerate() {
        // Nobody listens: refused, once the program has said so.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        let socket = match family {
            0 => socket,
            _ => tokio::net::TcpSocket::new_v6().unwrap(),
        };
        assert_eq!(
            reset_on_connect(socket, outside).await,
            ErrorKind::ConnectionReset
        );

        let at = SocketAddr::new(PROGRAM[family].parse().unwrap(), 8000);
        let listener = TcpListener::bind(&world.net(), at).await.unwrap();
        let mut client = tokio::net::TcpStream::connect(outside).await.unwrap();
        let (mut stream, peer) = soon(listener.accept()).await.unwrap();
        assert_eq!(
            peer.ip().to_string(),
            OUTSIDE[family].0,
            "the host, by its name inside"
        );
        assert_eq!(peer.port(), client.local_addr().unwrap().port());
        client.write_all(b"GET").await.unwrap();
        let mut asked = [0; 3];
        soon(stream.read_exact(&mut asked)).await.unwrap();
        stream.write_all(b"here").await.unwrap();
        drop(stream);
        let mut all = Vec::new();
        soon(client.read_to_end(&mut all)).await.unwrap();
        assert_eq!(all, b"here");
        drop(client);
        let report = world.events.find(|event| match event {
            RelayEvent::TcpClosed(report) if report.program == at => Some(report.clone()),
            _ => None,
        });
        let report = report.await;
        assert_eq!(report.opened, Opened::Published);
        assert_eq!((report.octets_up, report.octets_down), (4, 3));
        assert_eq!(report.end, End::Closed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_of_the_other_family_finds_the_program_where_it_listens() {
    let publish: Publish = "[::1]:0:8000".parse().unwrap();
    let world = World::with(|builder| builder.publish(publish)).await;
    let at = SocketAddr::new(PROGRAM[0].parse().unwrap(), 8000);
    let listener = TcpListener::bind(&world.net(), at).await.unwrap();
    let mut client = tokio::net::TcpStream::connect(world.published()[0])
        .await
        .unwrap();
    let (mut stream, _) = soon(listener.accept()).await.unwrap();
    stream.write_all(b"x").await.unwrap();
    assert_eq!(soon(client.read_u8()).await.unwrap(), b'x');
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_so() {
    let (taken, _) = listen(0).await;
    let at = taken.local_addr().unwrap();
    let publish: Publish = format!("{at}:80").parse().unwrap();
    let error = World::try_with(|builder| builder.publish(publish))
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&at.to_string()), "{error}");
}

/// A server of FTP as far as active mode goes: it reads where to connect to, and sends a file.
async fn ftp_server(listener: tokio::net::TcpListener, stranger_first: bool) -> Vec<String> {
    let (mut control, _) = listener.accept().await.unwrap();
    let own = control.local_addr().unwrap().ip();
    let (r, mut w) = control.split();
    let mut lines = BufReader::new(r).lines();
    let mut asked = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        asked.push(line.clone());
        let Some(at) = endpoint(&line) else {
            continue;
        };
        if stranger_first {
            // Somebody who is not the server, and is not let through.
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.9:0".parse().unwrap()).unwrap();
            assert_eq!(
                reset_on_connect(socket, at).await,
                ErrorKind::ConnectionReset
            );
        }
        let socket = match own {
            IpAddr::V4(_) => tokio::net::TcpSocket::new_v4(),
            IpAddr::V6(_) => tokio::net::TcpSocket::new_v6(),
        }
        .unwrap();
        socket.bind((own, 0).into()).unwrap();
        let mut data = socket.connect(at).await.unwrap();
        data.write_all(b"the file").await.unwrap();
        drop(data);
        w.write_all(b"226 sent\r\n").await.unwrap();
    }
    asked
}

fn endpoint(line: &str) -> Option<SocketAddr> {
    if let Some(numbers) = line.strip_prefix("PORT ") {
        let n: Vec<u16> = numbers.split(',').map(|n| n.parse().unwrap()).collect();
        let address = format!("{}.{}.{}.{}:{}", n[0], n[1], n[2], n[3], n[4] * 256 + n[5]);
        return address.parse().ok();
    }
    let fields: Vec<_> = line.strip_prefix("EPRT ")?.split('|').collect();
    let address = fields[2].parse().unwrap();
    Some(SocketAddr::new(address, fields[3].parse().unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ftp_in_active_mode_reaches_the_program() {
    for (family, (inside, outside)) in OUTSIDE.iter().enumerate() {
        // The control connection has its port, which belongs to root.
        let control = format!("{}:21", if family == 0 { "127.0.0.121" } else { "[::1]" });
        let listener = match tokio::net::TcpListener::bind(&control).await {
            Ok(listener) => listener,
            Err(e) => {
                eprintln!("SKIPPED: cannot listen on {control}: {e}");
                continue;
            }
        };
        let outside = if family == 0 { "127.0.0.121" } else { *outside };
        let world = World::with(|builder| {
            builder.substitute(inside.parse().unwrap(), outside.parse().unwrap())
        })
        .await;
        let server = tokio::spawn(ftp_server(listener, family == 0));
        let at = SocketAddr::new(inside.parse().unwrap(), 21);
        let mut stream = soon(TcpStream::connect(&world.net(), at)).await.unwrap();
        let own = stream.local_addr().unwrap().ip();
        for round in 0..2 {
            let local = SocketAddr::new(own, 0);
            let listener = TcpListener::bind(&world.net(), local).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let command = match family {
                0 if round == 0 => {
                    format!("PORT 10,77,0,2,{},{}\r\n", port / 256, port % 256)
                }
                _ => format!("EPRT |{}|{own}|{port}|\r\n", family + 1),
            };
            stream.write_all(command.as_bytes()).await.unwrap();
            let (mut data, peer) = soon(listener.accept()).await.unwrap();
            assert_eq!(peer.ip(), at.ip(), "in the name of the server");
            let mut file = Vec::new();
            soon(data.read_to_end(&mut file)).await.unwrap();
            assert_eq!(file, b"the file");
            data.shutdown().await.unwrap();
            let mut reply = [0; 10];
            soon(stream.read_exact(&mut reply)).await.unwrap();
            assert_eq!(&reply, b"226 sent\r\n");
        }
        drop(stream);
        let asked = soon(server).await.unwrap();
        assert_eq!(asked.len(), 2);
        assert!(
            asked
                .iter()
                .all(|line| !line.contains("10,77") && !line.contains("fd68"))
        );
        for opened in [Opened::ForTransfer, Opened::ByProgram] {
            let report = world.events.find(|event| match event {
                RelayEvent::TcpClosed(report) if report.opened == opened => Some(report.clone()),
                _ => None,
            });
            assert_eq!(report.await.end, End::Closed);
        }
    }
}
