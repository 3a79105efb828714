//! A web server on a TCP/IP stack of its own, behind a TUN device of this machine.
//!
//! ```text
//! cargo build --release --example http_server
//! sudo target/release/examples/http_server hf0 10.9.0.2/24 fd09::2/64 &
//! sudo ip addr add 10.9.0.1/24 dev hf0
//! sudo ip addr add fd09::1/64 dev hf0 nodad
//! sudo ip link set hf0 up
//! curl http://10.9.0.2/
//! curl http://10.9.0.2/bytes/1000000 | sha256sum
//! curl --data-binary @file http://10.9.0.2/upload
//! curl -d 'user=ada&password=x' http://10.9.0.2/login
//! curl http://[fd09::2]/
//! ```

use handfast::link::tun::{self, TunConfig};
use handfast::stack::AddressPrefix;
use handfast::{Host, Net, TcpListener};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

/// `N` octets that repeat every 251, so that no block looks like its neighbour.
struct Octets {
    left: u64,
    at: usize,
    chunk: Bytes,
}

const CHUNK: usize = 251 * 1024;

impl Octets {
    fn new(left: u64) -> Octets {
        let chunk = (0..CHUNK)
            .map(|i| (i % 251) as u8)
            .collect::<Vec<u8>>()
            .into();
        Octets { left, at: 0, chunk }
    }
}

impl Body for Octets {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let len = (CHUNK - self.at).min(self.left.min(CHUNK as u64) as usize);
        let data = self.chunk.slice(self.at..self.at + len);
        self.at = (self.at + len) % CHUNK;
        self.left -= len as u64;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.left)
    }
}

type Answer = Response<Either<Full<Bytes>, Octets>>;

fn page(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(text.into())));
    *answer.status_mut() = status;
    // Said plainly, so that no browser takes a user's name for a page.
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    page(status, "text/plain; charset=utf-8", text)
}

async fn answer(request: Request<Incoming>) -> Result<Answer, hyper::Error> {
    let path = request.uri().path().to_owned();
    Ok(match (request.method(), path.as_str()) {
        (&Method::GET, "/") => page(
            StatusCode::OK,
            "text/html; charset=utf-8",
            "<h1>handfast</h1><form method=post action=/login>user <input name=user> password \
             <input name=password type=password> <button>log in</button></form>\n",
        ),
        (&Method::GET, path) if path.starts_with("/bytes/") => match path[7..].parse() {
            Ok(count) => Response::new(Either::Right(Octets::new(count))),
            Err(_) => text(StatusCode::BAD_REQUEST, "/bytes/ wants a number\n"),
        },
        (&Method::POST, "/login") => {
            let form = request.into_body().collect().await?.to_bytes();
            let form = String::from_utf8_lossy(&form);
            let mut fields = form.split('&').filter_map(|pair| pair.split_once('='));
            match fields.find(|(name, _)| *name == "user") {
                Some((_, user)) => text(StatusCode::OK, format!("welcome, {user}\n")),
                None => text(StatusCode::BAD_REQUEST, "the form has no user\n"),
            }
        }
        (&Method::POST | &Method::PUT, "/upload") => {
            let (mut body, mut hash, mut count) = (request.into_body(), Sha256::new(), 0);
            while let Some(frame) = body.frame().await {
                if let Ok(data) = frame?.into_data() {
                    count += data.len();
                    hash.update(&data);
                }
            }
            let hash: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
            text(StatusCode::OK, format!("{hash} {count}\n"))
        }
        _ => text(StatusCode::NOT_FOUND, "there is nothing here\n"),
    })
}

async fn serve(net: Net, port: u16) -> Result<(), Box<dyn Error>> {
    let any: SocketAddr = format!("[::]:{port}").parse()?;
    let listener = TcpListener::bind(&net, any).await?;
    eprintln!("serving on port {port}");
    loop {
        let (stream, peer) = listener.accept().await?;
        tokio::spawn(async move {
            let http = hyper::server::conn::http1::Builder::new();
            let served = http
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .await;
            if let Err(e) = served {
                eprintln!("{peer}: {e}");
            }
        });
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments
        .next()
        .ok_or("usage: http_server TUN ADDRESS/LEN... [PORT]")?;
    let (mut addresses, mut port) = (Vec::<AddressPrefix>::new(), 80);
    for argument in arguments {
        match argument.parse() {
            Ok(number) => port = number,
            Err(_) => addresses.push(argument.parse().map_err(|e| format!("{argument}: {e}"))?),
        }
    }
    let tun = tun::open(&TunConfig {
        name,
        ..TunConfig::default()
    })
    .map_err(|e| format!("cannot open the TUN: {e}; run this as root"))?;
    let host = Host::builder().link(tun, addresses).start()?;
    serve(host.net(), port).await
}
