//! Ten thousand TCP connections at once, each of them there twice, for both ends are in this
//! process: two stacks joined by a link in memory, an echo server on one and the clients on the other.
//! Prints what an end of a connection takes in memory, and how long all of them need to say
//! something and hear it back. Needs no rights at all.
//!
//! ```text
//! cargo run --release -p handfast --example echo_10k
//! cargo run --release -p handfast --example echo_10k -- 16000
//! ```
//!
//! The number cannot exceed the 16,384 ports that one address has for its connections to another.

use handfast::link::memory;
use handfast::stack::AddressPrefix;
use handfast::{Host, Net, TcpListener, TcpStream};
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

/// Connections being opened at a time: no more than the listener lets wait.
const AT_ONCE: usize = 500;
/// What every client says.
const MESSAGE: usize = 1000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let count = match std::env::args().nth(1) {
        Some(count) => count.parse()?,
        None => 10_000,
    };
    let (left, right) = memory::pair(&memory::Config::default());
    let host = |link, address: AddressPrefix| Host::builder().link(link, [address]).start();
    let server = host(left, "10.0.0.1/24".parse()?)?;
    let client = host(right, "10.0.0.2/24".parse()?)?;
    let at: SocketAddr = "10.0.0.1:7".parse()?;
    let listener = TcpListener::bind(&server.net(), at).await?;
    tokio::spawn(serve(listener));

    let before = resident()?;
    let begin = client.net().now();
    let mut streams = open(&client.net(), at, count).await?;
    let opened = client.net().now() - begin;
    println!("{count} connections opened in {opened:?}");
    print_memory("waiting", count, before, [&server, &client])?;

    let begin = client.net().now();
    let mut talks = JoinSet::new();
    for (number, mut stream) in streams.drain(..).enumerate() {
        talks.spawn(async move {
            let message = vec![(number % 251) as u8; MESSAGE];
            stream.write_all(&message).await?;
            let mut back = vec![0; MESSAGE];
            stream.read_exact(&mut back).await?;
            assert!(back == message, "what came back is what was sent");
            io::Result::Ok(stream)
        });
    }
    while let Some(talked) = talks.join_next().await {
        streams.push(talked??);
    }
    let talked = client.net().now() - begin;
    println!("each said {MESSAGE} octets and heard them back, all in {talked:?}");
    print_memory("having talked", count, before, [&server, &client])?;

    // What exists only while data moves is given back when nothing has moved for a while; the
    // allocator may keep it for the next.
    tokio::time::sleep(Duration::from_secs(15)).await;
    print_memory("15 s later", count, before, [&server, &client])?;
    Ok(())
}

async fn open(net: &Net, at: SocketAddr, count: usize) -> io::Result<Vec<TcpStream>> {
    let mut streams = Vec::with_capacity(count);
    let mut opening = JoinSet::new();
    for begun in 0..count + AT_ONCE {
        if begun < count {
            let net = net.clone();
            opening.spawn(async move { TcpStream::connect(&net, at).await });
        }
        if begun >= AT_ONCE
            && let Some(opened) = opening.join_next().await
        {
            streams.push(opened.map_err(io::Error::other)??);
        }
    }
    Ok(streams)
}

async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            // By reference: no buffer of its own waits with a connection that says nothing.
            loop {
                let mut data = stream.read_bytes(64 * 1024).await?;
                if data.is_empty() {
                    return stream.shutdown().await;
                }
                stream.write_bytes(&mut data).await?;
            }
        });
    }
}

fn print_memory(when: &str, count: usize, before: u64, hosts: [&Host; 2]) -> io::Result<()> {
    let ends = 2 * count as u64;
    let resident = resident()?.saturating_sub(before);
    let held = hosts.map(|host| {
        host.net()
            .with_stack(|stack, _| stack.usage().memory as u64)
    });
    println!(
        "{when}: {} octets of the process an end, socket and task included; {} by the stacks' count",
        resident / ends,
        held.iter().sum::<u64>() / ends
    );
    Ok(())
}

/// Octets of memory that the process has.
fn resident() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kilobytes = kilobytes.and_then(|kilobytes| kilobytes.parse::<u64>().ok());
    Ok(kilobytes.ok_or(io::ErrorKind::InvalidData)? * 1024)
}
