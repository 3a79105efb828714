//! A URL fetched over our own TCP, on any machine, as anybody: the client's stack is joined by a
//! link in memory to a second one, which relays what arrives to ordinary sockets of this machine. The
//! body goes to standard output, all else to standard error.
//!
//! ```text
//! cargo run --release -p handfast-relay --example rootless_http_client -- http://example.com/
//! ```
//!
//! ```text
//!   HTTP --- TcpStream --- our TCP ===(memory)=== our TCP --- Relay --- socket of this machine --- server
//! ```

use handfast::link::memory;
use handfast::stack::AddressPrefix;
use handfast::{Host, TcpStream};
use handfast_relay::{Policy, Relay};
use std::error::Error;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: rootless_http_client http://HOST[:PORT]/PATH";
    let url = std::env::args().nth(1).ok_or(usage)?;
    let rest = url.strip_prefix("http://").ok_or(usage)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let with_port = match authority.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => authority.to_owned(),
        _ => format!("{authority}:80"),
    };
    let mut servers = tokio::net::lookup_host(&with_port).await?;
    let server = servers.next().ok_or("the name has no addresses")?;

    let (ours, relays) = memory::pair(&memory::Config::default());
    let host = |link, addresses: [&str; 2]| {
        let parse = |address: &str| address.parse::<AddressPrefix>();
        let addresses = [parse(addresses[0])?, parse(addresses[1])?];
        let everywhere: [IpAddr; 2] = [[0; 4].into(), [0; 16].into()];
        let builder = Host::builder().link(link, addresses);
        let builder = everywhere
            .into_iter()
            .fold(builder, |b, any| b.gateway(any));
        builder.start().map_err(Box::<dyn Error>::from)
    };
    let client = host(ours, ["10.77.0.2/24", "fd68:616e:6466:1::2/64"])?;
    let gateway = host(relays, ["10.77.0.1/24", "fd68:616e:6466:1::1/64"])?;
    // This machine's own loopback is not the client's: another address stands for it.
    let mut policy = Policy::default();
    policy.allow_host_loopback();
    let inside: IpAddr = "10.77.0.254".parse()?;
    let loopback = Some(server.ip()).filter(IpAddr::is_loopback);
    let outside = loopback.unwrap_or([127, 0, 0, 1].into());
    let relay = Relay::builder(&gateway.net()).policy(policy);
    let _relay = relay.substitute(inside, outside).start().await?;
    let to = SocketAddr::new(loopback.map_or(server.ip(), |_| inside), server.port());

    let net = client.net();
    let begin = net.now();
    let mut stream = TcpStream::connect(&net, to).await?;
    eprintln!("connected to {server} in {:?}", net.now() - begin);
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {authority}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;

    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = answer.split_at(end.ok_or("the answer has no head")? + 4);
    eprint!("{}", String::from_utf8_lossy(head));
    std::io::stdout().write_all(body)?;
    let info = stream.info()?;
    eprintln!(
        "{} octets of body in {:?}; rtt {:?}",
        body.len(),
        net.now() - begin,
        info.rtt
    );
    Ok(())
}
