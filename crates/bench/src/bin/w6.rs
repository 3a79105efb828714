//! W6: 64-octet ping-pong between the kernel's TCP and an echo over a TUN: ours, and the floor.
//!
//! `cargo run --release -p handfast-bench --bin w6 [runs] [round trips]` as root

use bytes::Bytes;
use handfast::host::HostBuilder;
use handfast::{Host, Net, TcpListener};
use handfast_bench::floor::Floor;
use handfast_bench::namespace::{self, KERNEL, STACK};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream as KernelStream};
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    namespace::run(|| {
        let mut args = std::env::args().skip(1).filter_map(|a| a.parse().ok());
        let (runs, times) = (args.next().unwrap_or(5), args.next().unwrap_or(20_000));
        println!("{times} round trips of 64 octets a run, {runs} runs, kernel client, NODELAY");
        let names = [
            "handfast, in the reactor",
            "handfast, host's thread",
            "floor",
            "kernel loopback",
        ];
        let mut figures: Vec<Vec<(f64, f64)>> = names.iter().map(|_| Vec::new()).collect();
        let mut port = 6000;
        for run in 0..=runs {
            for (i, rows) in figures.iter_mut().enumerate() {
                port += 1;
                let figure = match i {
                    0 => reactor(port, times)?,
                    1 => stack(port, times)?,
                    2 => floor(port, times)?,
                    _ => loopback(port, times)?,
                };
                if run > 0 {
                    rows.push(figure);
                }
            }
        }
        for (name, mut rows) in names.iter().zip(figures) {
            let mut middle = |pick: fn(&(f64, f64)) -> f64| {
                rows.sort_by(|a, b| pick(a).total_cmp(&pick(b)));
                pick(&rows[rows.len() / 2])
            };
            println!(
                "{name:<28} p50 {:6.2} us  p99 {:6.2} us",
                middle(|r| r.0),
                middle(|r| r.1)
            );
        }
        Ok(())
    })
}

fn address(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().expect("an address"), port)
}

/// Plays ping-pong; p50 and p99 in microseconds.
fn ping(to: SocketAddr, times: usize) -> io::Result<(f64, f64)> {
    let mut stream = KernelStream::connect(to)?;
    stream.set_nodelay(true)?;
    let (mut buf, mut trips) = ([7u8; 64], Vec::with_capacity(times));
    for _ in 0..times {
        let start = Instant::now();
        stream.write_all(&buf)?;
        stream.read_exact(&mut buf)?;
        trips.push(start.elapsed().as_secs_f64() * 1e6);
    }
    trips.sort_by(f64::total_cmp);
    Ok((trips[times / 2], trips[times * 99 / 100]))
}

async fn echo(net: Net, port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(&net, address(STACK, port)).await?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    loop {
        let mut data: Bytes = stream.read_bytes(4096).await?;
        if data.is_empty() {
            return Ok(());
        }
        stream.write_bytes(&mut data).await?;
    }
}

fn host(port: u16) -> io::Result<HostBuilder> {
    let tun = namespace::tun(&format!("hf{port}"), 1500, "reno")?;
    let prefix = format!("{STACK}/24").parse().expect("a prefix");
    Ok(Host::builder().link(tun, [prefix]))
}

/// The kernel plays with an echo that may not be there yet.
fn ping_soon(port: u16, times: usize) -> io::Result<(f64, f64)> {
    loop {
        match ping(address(STACK, port), times) {
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {}
            figure => return figure,
        }
    }
}

fn stack(port: u16, times: usize) -> io::Result<(f64, f64)> {
    let host = host(port)?.start().map_err(io::Error::other)?;
    let net = host.net();
    let echo = std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread()
            .build()?
            .block_on(echo(net, port))
    });
    let figure = ping_soon(port, times);
    echo.join().expect("no panic")?;
    figure
}

fn reactor(port: u16, times: usize) -> io::Result<(f64, f64)> {
    let (net, drive) = host(port)?.drive().map_err(io::Error::other)?;
    let echo = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        runtime.block_on(async {
            let drive = tokio::spawn(drive);
            echo(net, port).await?;
            drive.abort();
            Ok::<_, io::Error>(())
        })
    });
    let figure = ping_soon(port, times);
    echo.join().expect("no panic")?;
    figure
}

fn floor(port: u16, times: usize) -> io::Result<(f64, f64)> {
    let tun = namespace::tun(&format!("hf{port}"), 1500, "reno")?;
    let pinger = std::thread::spawn(move || ping(address(STACK, port), times));
    let mut floor = Floor::new(&tun, address(STACK, 0).ip(), address(KERNEL, 0).ip());
    floor.accept()?;
    floor.echo(times)?;
    pinger.join().expect("no panic")
}

fn loopback(port: u16, times: usize) -> io::Result<(f64, f64)> {
    let listener = std::net::TcpListener::bind(address("127.0.0.1", port))?;
    let echo = std::thread::spawn(move || -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut buf = [0; 4096];
        loop {
            match stream.read(&mut buf)? {
                0 => return Ok(()),
                n => stream.write_all(&buf[..n])?,
            }
        }
    });
    let figure = ping(address("127.0.0.1", port), times);
    echo.join().expect("no panic")?;
    figure
}
