//! Two hosts in one process, joined by a link in memory that loses every 50th packet: an echo
//! server on one, a client on the other. Needs no rights at all.
//!
//! ```text
//! cargo run --release --example echo_server
//! ```

use handfast::link::impaired::{self, Impairment, PairConfig};
use handfast::{Host, TcpListener, TcpStream};
use std::error::Error;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let way = Impairment {
        loss: 0.02,
        delay: Duration::from_millis(5),
        ..Impairment::default()
    };
    let (left, right) = impaired::pair(&PairConfig {
        up: way,
        down: way,
        ..PairConfig::default()
    });
    let server = Host::builder()
        .link(left, ["10.0.0.1/24".parse()?])
        .start()?;
    let client = Host::builder()
        .link(right, ["10.0.0.2/24".parse()?])
        .start()?;

    let listener = TcpListener::bind(&server.net(), "10.0.0.1:7".parse()?).await?;
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        let (mut from, mut to) = stream.into_split();
        tokio::io::copy(&mut from, &mut to).await
    });

    let mut stream = TcpStream::connect(&client.net(), "10.0.0.1:7".parse()?).await?;
    let data: Vec<u8> = (0..200_000).map(|i| (i % 251) as u8).collect();
    let mut back = vec![0; data.len()];
    let (mut from, mut to) = stream.split();
    let (sent, received) = tokio::join!(to.write_all(&data), from.read_exact(&mut back));
    sent?;
    received?;
    assert!(back == data, "what came back is what was sent");
    let info = stream.info()?;
    println!(
        "{} octets there and back; rtt {:?}, {} segments sent again",
        data.len(),
        info.rtt,
        info.retransmissions
    );
    Ok(())
}
