//! W2: one flow over a TUN with the kernel's TCP at the other end, each way, beside the floor.
//!
//! `cargo run --release -p handfast-bench --bin w2 [runs] [MiB] [mtu] [congestion]` as root

use handfast::congestion::Congestion;
use handfast::link::Link;
use handfast::{Host, TcpListener, TcpStream};
use handfast_bench::floor::Floor;
use handfast_bench::namespace::{self, KERNEL, STACK, cpu_seconds};
use std::future::Future;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream as KernelStream};
use std::process::ExitCode;
use std::time::Instant;

const CHUNK: usize = 1 << 20;

struct Figure {
    gbits: f64,
    cpu: f64,
}

fn main() -> ExitCode {
    namespace::run(|| {
        let mut args = std::env::args().skip(1);
        let mut number =
            |default: usize| args.next().and_then(|a| a.parse().ok()).unwrap_or(default);
        let (runs, octets, mtu) = (number(5), number(1024) << 20, number(1500) as u32);
        let congestion = args.next().unwrap_or_else(|| "reno".into());
        println!(
            "{} MiB a run, {runs} runs, MTU {mtu}, kernel {congestion}, ours {}, TSO and \
             checksum offload both ways; one process, processor time of both ends together",
            octets >> 20,
            Congestion::default().name(),
        );
        let names = [
            "kernel -> handfast",
            "kernel -> floor",
            "handfast -> kernel",
            "floor -> kernel",
            "kernel -> kernel (loopback)",
        ];
        let mut figures: Vec<Vec<Figure>> = names.iter().map(|_| Vec::new()).collect();
        let mut port = 5000;
        for run in 0..=runs {
            for (i, rows) in figures.iter_mut().enumerate() {
                port += 1;
                let name = format!("hf{}", port % 1000);
                let figure = match i {
                    0 => stack(&name, mtu, &congestion, octets, port, true)?,
                    1 => floor(&name, mtu, &congestion, octets, port, true)?,
                    2 => stack(&name, mtu, &congestion, octets, port, false)?,
                    3 => floor(&name, mtu, &congestion, octets, port, false)?,
                    _ => loopback(octets, port)?,
                };
                // The first round is the warm-up.
                if run > 0 {
                    rows.push(figure);
                }
            }
        }
        for (name, mut rows) in names.iter().zip(figures) {
            rows.sort_by(|a, b| a.gbits.total_cmp(&b.gbits));
            let median = &rows[rows.len() / 2];
            println!(
                "{name:<28} {:6.2} Gb/s ({:.2}..{:.2})  {:.2} CPU s a GiB",
                median.gbits,
                rows[0].gbits,
                rows[rows.len() - 1].gbits,
                median.cpu
            );
        }
        Ok(())
    })
}

/// Times `work`, which moves `octets`.
fn timed(octets: usize, work: impl FnOnce() -> io::Result<()>) -> io::Result<Figure> {
    let (before, start) = (cpu_seconds()?, Instant::now());
    work()?;
    let seconds = start.elapsed().as_secs_f64();
    let after = cpu_seconds()?;
    let cpu = (after.0 - before.0) + (after.1 - before.1);
    Ok(Figure {
        gbits: octets as f64 * 8.0 / seconds / 1e9,
        cpu: cpu / octets as f64 * (1u64 << 30) as f64,
    })
}

fn kernel_sends(to: SocketAddr, octets: usize) -> impl FnOnce() -> io::Result<()> + Send {
    move || {
        let mut stream = KernelStream::connect(to)?;
        let chunk = vec![7; CHUNK];
        for _ in 0..octets / CHUNK {
            stream.write_all(&chunk)?;
        }
        // Wait for the other end to close, so that all of it has arrived.
        let _ = stream.read(&mut [0; 1]);
        Ok(())
    }
}

fn kernel_reads(mut stream: KernelStream, octets: usize) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut got = 0;
    while got < octets {
        match stream.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => got += n,
        }
    }
    Ok(())
}

fn block_on<T>(future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .build()?
        .block_on(future)
}

fn address(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().expect("an address"), port)
}

fn stack(
    name: &str,
    mtu: u32,
    congestion: &str,
    octets: usize,
    port: u16,
    up: bool,
) -> io::Result<Figure> {
    let tun = namespace::tun(name, mtu, congestion)?;
    assert!(
        tun.capabilities().gso_tcp > 0,
        "the kernel offers segmentation offload"
    );
    let prefix = format!("{STACK}/24").parse().expect("a prefix");
    let host = Host::builder()
        .link(tun, [prefix])
        .start()
        .map_err(io::Error::other)?;
    let net = host.net();
    if up {
        let listener = block_on(TcpListener::bind(&net, address(STACK, port)))?;
        let kernel = std::thread::spawn(kernel_sends(address(STACK, port), octets));
        let figure = block_on(async {
            let (stream, _) = listener.accept().await?;
            let receive = async {
                let mut got = 0;
                while got < octets {
                    let data = stream.read_bytes(CHUNK).await?;
                    assert!(!data.is_empty(), "closed early");
                    got += data.len();
                }
                Ok(())
            };
            timed_async(octets, receive).await
        });
        drop(listener);
        kernel.join().expect("no panic")?;
        figure
    } else {
        let listener = std::net::TcpListener::bind(address(KERNEL, port))?;
        let kernel = std::thread::spawn(move || kernel_reads(listener.accept()?.0, octets));
        let stream = block_on(TcpStream::connect(&net, address(KERNEL, port)))?;
        let chunk = bytes::Bytes::from(vec![7u8; CHUNK]);
        timed(octets, || {
            block_on(async {
                for _ in 0..octets / CHUNK {
                    stream.write_bytes(&mut chunk.clone()).await?;
                }
                Ok(())
            })?;
            kernel.join().expect("no panic")
        })
    }
}

async fn timed_async(
    octets: usize,
    work: impl Future<Output = io::Result<()>>,
) -> io::Result<Figure> {
    let (before, start) = (cpu_seconds()?, Instant::now());
    work.await?;
    let seconds = start.elapsed().as_secs_f64();
    let after = cpu_seconds()?;
    let cpu = (after.0 - before.0) + (after.1 - before.1);
    Ok(Figure {
        gbits: octets as f64 * 8.0 / seconds / 1e9,
        cpu: cpu / octets as f64 * (1u64 << 30) as f64,
    })
}

fn floor(
    name: &str,
    mtu: u32,
    congestion: &str,
    octets: usize,
    port: u16,
    up: bool,
) -> io::Result<Figure> {
    let tun = namespace::tun(name, mtu, congestion)?;
    let (ours, theirs) = (address(STACK, 0).ip(), address(KERNEL, 0).ip());
    let mut floor = Floor::new(&tun, ours, theirs);
    if up {
        let kernel = std::thread::spawn(kernel_sends(address(STACK, port), octets));
        floor.accept()?;
        let figure = timed(octets, || floor.sink(octets as u64));
        drop(tun);
        drop(kernel);
        figure
    } else {
        let listener = std::net::TcpListener::bind(address(KERNEL, port))?;
        let kernel = std::thread::spawn(move || kernel_reads(listener.accept()?.0, octets));
        floor.connect(40_000, port)?;
        timed(octets, || {
            floor.source(octets as u64)?;
            kernel.join().expect("no panic")
        })
    }
}

fn loopback(octets: usize, port: u16) -> io::Result<Figure> {
    let listener = std::net::TcpListener::bind(address("127.0.0.1", port))?;
    let kernel = std::thread::spawn(move || kernel_reads(listener.accept()?.0, octets));
    let mut stream = KernelStream::connect(address("127.0.0.1", port))?;
    let chunk = vec![7; CHUNK];
    timed(octets, || {
        for _ in 0..octets / CHUNK {
            stream.write_all(&chunk)?;
        }
        kernel.join().expect("no panic")
    })
}
