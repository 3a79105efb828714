//! hyper on virtual time: HTTP/1.1 client and server over simulated links, with hyper's own
//! timers on the simulation's clock.

use handfast_sim::handfast::base::Duration;
use handfast_sim::handfast::link::impaired::Impairment;
use handfast_sim::handfast::{Net, TcpListener, TcpStream};
use handfast_sim::{Clock, Handle, LinkConfig, Sim, Sleep};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// hyper's clock.
struct VirtualTime(Clock);

struct VirtualSleep(Sleep);

impl hyper::rt::Timer for VirtualTime {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(VirtualSleep(self.0.sleep(duration)))
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        // hyper names instants of this world; what counts is how far ahead they are.
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> std::time::Instant {
        *EPOCH
            + self
                .0
                .now()
                .since(handfast_sim::handfast::base::Instant::ZERO)
    }
}

/// Where the virtual clock's zero lies among the instants of this world.
static EPOCH: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(|| {
    #[expect(
        clippy::disallowed_methods,
        reason = "any instant will do, and no other is to be had"
    )]
    std::time::Instant::now()
});

impl Future for VirtualSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl hyper::rt::Sleep for VirtualSleep {}

const SERVER: &str = "10.0.0.2:80";
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    // So much comes back as the path says.
    let size = path.trim_start_matches('/').parse().unwrap_or(0);
    let mut text = format!("{path} {}\n", body.len()).into_bytes();
    text.resize(text.len().max(size), b'x');
    Ok(Response::new(Full::from(text)))
}

async fn serve(handle: Handle, net: Net) {
    let listener = TcpListener::bind(&net, SERVER.parse().unwrap())
        .await
        .unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let http = hyper::server::conn::http1::Builder::new()
            .timer(VirtualTime(handle.clock().clone()))
            .header_read_timeout(HEADER_TIMEOUT)
            // It would tell the time of this world.
            .auto_date_header(false)
            .serve_connection(TokioIo::new(stream), service_fn(answer));
        handle.spawn_background(http);
    }
}

async fn open(handle: &Handle, net: &Net) -> SendRequest<Full<Bytes>> {
    let server: SocketAddr = SERVER.parse().unwrap();
    let stream = TcpStream::connect(net, server).await.expect("a connection");
    let io = TokioIo::new(stream);
    let (send, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    drop(handle.spawn_background(connection));
    send
}

async fn exchange(send: &mut SendRequest<Full<Bytes>>, size: usize, body: usize) -> Bytes {
    let request = Request::post(format!("/{size}")).header("host", "there");
    let request = request.body(Full::from(vec![b'y'; body])).unwrap();
    let reply = send.send_request(request).await.expect("a reply");
    assert!(reply.status().is_success());
    assert!(!reply.headers().contains_key("date"));
    reply
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes()
}

fn network(seed: u64, loss: f64) -> (Sim, Net) {
    let sim = Sim::new(seed);
    let here = sim.host("here", &["10.0.0.1/24"]);
    let there = sim.host("there", &["10.0.0.2/24"]);
    let path = Impairment {
        delay: Duration::from_millis(20),
        loss,
        reorder: loss,
        duplicate: loss,
        corrupt: loss,
        ..Impairment::default()
    };
    sim.connect(&here, &there, LinkConfig::symmetric(path));
    drop(sim.spawn_background(serve(sim.handle(), there.net().clone())));
    (sim, here.net().clone())
}

#[test]
fn a_request_takes_two_round_trips_to_the_nanosecond() {
    let (sim, net) = network(1, 0.0);
    let handle = sim.handle();
    let body = sim.block_on(async move {
        let mut send = open(&handle, &net).await;
        exchange(&mut send, 100, 0).await
    });
    assert_eq!(body.unwrap().len(), 100);
    // SYN, SYN-ACK, request, response, and no time in between.
    assert_eq!(sim.now().as_nanos(), 80_000_000);
}

#[test]
fn one_connection_serves_many_requests_over_a_bad_path() {
    let run = |seed| {
        let (sim, net) = network(seed, 0.03);
        let handle = sim.handle();
        let done = sim.block_on(async move {
            let mut send = open(&handle, &net).await;
            for n in 0..30 {
                let (size, body) = (n * 7000, n * 3000);
                let reply = exchange(&mut send, size, body).await;
                let first = format!("/{size} {body}\n");
                assert!(reply.starts_with(first.as_bytes()));
                assert_eq!(reply.len(), size.max(first.len()));
            }
        });
        done.expect("all replies come");
        let traffic = sim.traffic();
        assert!(traffic.lost > 0 && traffic.corrupted > 0 && traffic.reordered > 0);
        (sim.trace_hash(), sim.now())
    };
    let first = run(5);
    assert_eq!(first, run(5), "the same seed, the same packets");
    assert_ne!(first, run(6));
}

#[test]
fn a_client_that_says_nothing_is_timed_out_by_hyper_on_virtual_time() {
    let (sim, net) = network(1, 0.0);
    let read = sim.block_on(async move {
        let stream = TcpStream::connect(&net, SERVER.parse().unwrap()).await?;
        stream.write_bytes(&mut "GET / HT".into()).await?;
        let mut text = Vec::new();
        loop {
            let octets = stream.read_bytes(4096).await?;
            if octets.is_empty() {
                return std::io::Result::Ok(text);
            }
            text.extend_from_slice(&octets);
        }
    });
    read.unwrap().unwrap();
    let waited = sim.now().since(handfast_sim::handfast::base::Instant::ZERO);
    assert!(waited >= HEADER_TIMEOUT, "{waited:?}");
    assert!(
        waited < HEADER_TIMEOUT + Duration::from_secs(1),
        "{waited:?}"
    );
}

#[test]
fn a_hundred_clients_at_once() {
    let (sim, net) = network(9, 0.01);
    let net = Arc::new(net);
    for n in 0..100 {
        let (handle, net) = (sim.handle(), Arc::clone(&net));
        sim.spawn(async move {
            handle.sleep(Duration::from_micros(n * 137)).await;
            let mut send = open(&handle, &net).await;
            for size in [10, 10_000, 100_000] {
                assert_eq!(exchange(&mut send, size, size / 2).await.len(), size);
            }
        });
    }
    sim.run().expect("all clients are done");
}
