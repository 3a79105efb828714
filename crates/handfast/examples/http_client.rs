//! An HTTP client on a TCP/IP stack of its own, behind a TUN device of this machine. The body of
//! the answer goes to standard output, all else to standard error.
//!
//! ```text
//! cargo build --release --example http_client
//! sudo ip tuntap add hf1 mode tun
//! sudo ip addr add 10.9.1.1/24 dev hf1
//! sudo ip link set hf1 up
//! python3 -m http.server --bind 10.9.1.1 8000 &
//! sudo target/release/examples/http_client hf1 10.9.1.2/24 http://10.9.1.1:8000/
//! sudo target/release/examples/http_client hf1 10.9.1.2/24 http://10.9.1.1:8000/form 'user=ada'
//! ```
//!
//! With data behind the URL it is a POST of that form.

use handfast::link::tun::{self, TunConfig};
use handfast::stack::AddressPrefix;
use handfast::{Host, TcpStream};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, address, url, data @ ..] = arguments.as_slice() else {
        return Err("usage: http_client INTERFACE ADDRESS/PREFIX URL [FORM-DATA]".into());
    };
    let address: AddressPrefix = address.parse()?;
    let url: Uri = url.parse()?;
    let host_name = url.host().ok_or("the URL has no host")?;
    // A stack has no names of its own: the URL gives the address.
    let ip: IpAddr = host_name.trim_matches(['[', ']']).parse()?;
    let server = SocketAddr::new(ip, url.port_u16().unwrap_or(80));

    let tun = tun::open(&TunConfig {
        name: name.clone(),
        ..TunConfig::default()
    })?;
    let host = Host::builder().link(tun, [address]).start()?;

    let net = host.net();
    let begin = net.now();
    let stream = TcpStream::connect(&net, server).await?;
    let connected = net.now() - begin;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);

    let target = url.path_and_query().map_or("/", |t| t.as_str());
    let request = match data.first() {
        Some(_) => {
            Request::post(target).header("content-type", "application/x-www-form-urlencoded")
        }
        None => Request::get(target),
    };
    let body = Full::<Bytes>::from(data.first().cloned().unwrap_or_default());
    let authority = url.authority().map_or("", |a| a.as_str());
    let response = sender
        .send_request(request.header("host", authority).body(body)?)
        .await?;
    eprintln!("{:?} {}", response.version(), response.status());
    for (field, value) in response.headers() {
        eprintln!("{field}: {}", String::from_utf8_lossy(value.as_bytes()));
    }

    let mut body = response.into_body();
    let (mut out, mut octets) = (std::io::stdout().lock(), 0);
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame?.into_data() {
            octets += piece.len();
            out.write_all(&piece)?;
        }
    }
    out.flush()?;
    let all = net.now() - begin;
    eprintln!("{octets} octets; connected in {connected:?}, done in {all:?}");
    Ok(())
}
