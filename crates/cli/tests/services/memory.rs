//! The services without a kernel: clients over a second stack of ours, behind a link in memory. No
//! privilege is needed for that.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use handfast::stack::AddressPrefix;
use handfast::{Host, Net, TcpStream};
use handfast_cli::kernel_peer::hexadecimal;
use handfast_cli::services::{self, Watch};
use handfast_link::memory;
use handfast_link::observed::Observed;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};

use crate::kernel::{V4, V6};

/// The services and a client's stack.
struct Pair {
    _servers: Host,
    clients: Host,
}

fn host(
    link: impl handfast_link::Link + 'static,
    addresses: [&str; 2],
) -> handfast::host::HostBuilder {
    let addresses = addresses.map(|a| a.parse::<AddressPrefix>().unwrap());
    Host::builder().link(link, addresses)
}

/// Runs `test` with the net that clients use, beside the services.
fn beside<F: Future<Output = ()>>(test: impl FnOnce(Net) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let addresses: [IpAddr; 2] = [V4, V6].map(|text| text.parse().unwrap());
        let (near, far) = memory::pair(&memory::Config::default());
        let watch = Watch::new(&addresses);
        let events = watch.clone();
        let near = Observed::new(near, Some(Box::new(watch.clone())));
        let near = host(near, ["10.77.0.1/24", "fd68:616e:6466:1::1/64"]);
        let pair = Pair {
            _servers: near.trace(move |e| events.on_event(&e)).start().unwrap(),
            clients: host(far, ["10.77.0.2/24", "fd68:616e:6466:1::2/64"])
                .start()
                .unwrap(),
        };
        let net = pair._servers.net();
        let services = services::start(&net, &addresses, &watch, None).unwrap();
        // Twice at the same place is once too often.
        let again = services::start(&net, &addresses, &watch, None).unwrap_err();
        assert_eq!(again.kind(), std::io::ErrorKind::AddrInUse, "{again}");
        tokio::time::timeout(Duration::from_secs(120), test(pair.clients.net()))
            .await
            .expect("it takes seconds");
        drop(services);
        // Soon nobody listens any more, and they may be started again.
        let to = SocketAddr::new(addresses[0], 80);
        let begin = Instant::now();
        while TcpStream::connect(&pair.clients.net(), to).await.is_ok() {
            assert!(
                begin.elapsed() < Duration::from_secs(60),
                "it still listens"
            );
        }
        while let Err(e) = services::start(&net, &addresses, &watch, None) {
            assert!(begin.elapsed() < Duration::from_secs(60), "{e}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

type Client = SendRequest<Full<Bytes>>;

async fn connect(net: &Net, address: &str) -> Client {
    let to = SocketAddr::new(address.parse().unwrap(), 80);
    let stream = TcpStream::connect(net, to).await.unwrap();
    let (client, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn ask(client: &mut Client, target: &str, body: Option<Bytes>) -> Response<Incoming> {
    let method = if body.is_some() { "POST" } else { "GET" };
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header("Host", "handfast.internal")
        .body(Full::new(body.unwrap_or_default()))
        .unwrap();
    client.ready().await.unwrap();
    client.send_request(request).await.unwrap()
}

async fn octets(answer: Response<Incoming>) -> Bytes {
    assert_eq!(answer.status(), 200);
    answer.into_body().collect().await.unwrap().to_bytes()
}

#[test]
fn pages_sums_and_echoes_are_the_same_without_a_kernel() {
    beside(async |net| {
        for address in [V4, V6] {
            let mut client = connect(&net, address).await;
            let content = octets(ask(&mut client, "/bytes/5MB", None).await).await;
            assert_eq!(content.len(), 5_000_000);
            let sum = octets(ask(&mut client, "/sha256/5MB", None).await).await;
            let expected = format!("{}  -\n", hexadecimal(&Sha256::digest(&content)));
            assert_eq!(sum, expected);
            let back = ask(&mut client, "/echo", Some(content.clone())).await;
            assert!(octets(back).await == content);
            let you = octets(ask(&mut client, "/you?format=sentences", None).await).await;
            let you = String::from_utf8(you.to_vec()).unwrap();
            assert!(you.starts_with("1. At 0.0 ms, you "), "{you}");
            assert!(you.contains("is now ESTABLISHED"), "{you}");
        }
    });
}

#[test]
fn a_thousand_connections_are_kept_and_each_is_its_own() {
    beside(async |net| {
        let mut clients = Vec::new();
        for n in 0..1000 {
            clients.push(connect(&net, [V4, V6][n % 2]).await);
        }
        for round in 0..3 {
            let asked = clients
                .iter_mut()
                .enumerate()
                .map(|(n, client)| async move {
                    let target = format!("/bytes/{}", n * 10 + round);
                    let content = octets(ask(client, &target, None).await).await;
                    assert_eq!(content.len(), n * 10 + round);
                });
            for answered in asked {
                answered.await;
            }
        }
        // The newest is recorded from its first segment on; of the oldest there is no room.
        let newest = clients.last_mut().unwrap();
        assert_eq!(ask(newest, "/you", None).await.status(), 200);
        let mut fresh = connect(&net, V4).await;
        assert_eq!(ask(&mut fresh, "/you", None).await.status(), 200);
    });
}

#[test]
fn chargen_waits_for_who_does_not_read() {
    beside(async |net| {
        let to = SocketAddr::new(V4.parse().unwrap(), 19);
        let stream = TcpStream::connect(&net, to).await.unwrap();
        // Until both buffers are full and nothing moves.
        let mut before = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let waiting = stream.info().unwrap().unread;
            if waiting == before && waiting > 0 {
                break;
            }
            before = waiting;
        }
        let mut left = 20 << 20;
        while left > 0 {
            let read = stream.read_bytes(left).await.unwrap().len();
            assert!(read > 0);
            left -= read;
        }
    });
}
