//! The client inside: it reads a command a line from its standard input and answers with a line
//! of figures on its standard output, so that it runs unmodified inside any relay.

use super::{
    BURST, CHARGEN, CHUNK, COMPARE, DATAGRAM, DISCARD, ECHO, SERVER, own_seconds, pattern, right,
};
use nix::sys::socket::{setsockopt, sockopt};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_tcp_congestion};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::io::{self, BufRead, Error, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// A connection that stalls for as long is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Does what it is told until its standard input ends. It says `here` when it has started, waits
/// for the line `go`, and says `ready` when the first octet of the server has come.
///
/// # Errors
/// The server was not reached, or the standard streams failed.
pub fn run(congestion: &str) -> io::Result<()> {
    let mut lines = io::stdin().lock().lines();
    println!("here");
    if lines.next().transpose()?.as_deref() != Some("go") {
        return Ok(());
    }
    first_octet(congestion)?;
    println!("ready");
    for line in lines {
        match obey(&line?, congestion) {
            Ok(figures) => {
                let words: Vec<String> = figures.iter().map(f64::to_string).collect();
                println!("ok {}", words.join(" "));
            }
            Err(e) => println!("failed: {e}"),
        }
    }
    Ok(())
}

/// The figures of one command; the last is this process's processor time in seconds.
fn obey(line: &str, congestion: &str) -> io::Result<Vec<f64>> {
    let mut words = line.split_whitespace();
    let command = words.next().unwrap_or_default();
    let mut number = || {
        words
            .next()
            .and_then(|w| w.parse::<u64>().ok())
            .unwrap_or(1)
    };
    let before = own_seconds();
    let mut figures = match command {
        "check" => check(number(), congestion),
        "down" => transfer(CHARGEN, down, number(), number(), congestion),
        "up" => transfer(DISCARD, up, number(), number(), congestion),
        "ping" => ping(number() as usize, congestion),
        "connect" => connections(number(), number(), congestion),
        "udp-up" => udp_up(Duration::from_millis(number())),
        "udp-down" => udp_down(number()),
        _ => Err(Error::other(format!("no command {command}"))),
    }?;
    figures.push(own_seconds() - before);
    Ok(figures)
}

fn connect(port: u16, congestion: &str) -> io::Result<TcpStream> {
    let socket = socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    // Before it connects: a connection that has begun with BBR goes on pacing under any other.
    set_tcp_congestion(&socket, congestion)?;
    let server: IpAddr = SERVER.parse().expect("a literal");
    rustix::net::connect(&socket, &SocketAddr::new(server, port))?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Waits for a relay that may not be there yet.
fn first_octet(congestion: &str) -> io::Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let one = connect(CHARGEN, congestion).and_then(|s| down(s, 1));
        match one {
            Err(e) if Instant::now() > end => return Err(e),
            Err(_) => thread::sleep(Duration::from_millis(1)),
            Ok(()) => return Ok(()),
        }
    }
}

/// Moves `octets` over so many connections at once; seconds.
fn transfer(
    port: u16,
    one: fn(TcpStream, u64) -> io::Result<()>,
    flows: u64,
    octets: u64,
    congestion: &str,
) -> io::Result<Vec<f64>> {
    let streams = (0..flows)
        .map(|_| connect(port, congestion))
        .collect::<io::Result<Vec<_>>>()?;
    let start = Instant::now();
    thread::scope(|scope| {
        let threads: Vec<_> = streams
            .into_iter()
            .map(|stream| scope.spawn(move || one(stream, octets / flows)))
            .collect();
        threads
            .into_iter()
            .try_for_each(|t| t.join().expect("no panic"))
    })?;
    Ok(vec![start.elapsed().as_secs_f64()])
}

fn down(mut stream: TcpStream, octets: u64) -> io::Result<()> {
    stream.write_all(&octets.to_be_bytes())?;
    let (mut buf, mut got) = (vec![0; CHUNK], 0);
    while got < octets {
        match stream.read(&mut buf)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            n => got += n as u64,
        }
    }
    Ok(())
}

fn up(mut stream: TcpStream, octets: u64) -> io::Result<()> {
    let (buf, mut left) = (pattern(), octets);
    while left > 0 {
        let n = left.min(CHUNK as u64);
        stream.write_all(&buf[..n as usize])?;
        left -= n;
    }
    stream.shutdown(Shutdown::Write)?;
    let mut count = [0; 8];
    stream.read_exact(&mut count)?;
    match u64::from_be_bytes(count) {
        n if n == octets => Ok(()),
        n => Err(Error::other(format!(
            "{n} of {octets} octets arrived as they were sent"
        ))),
    }
}

/// Transfers octets each way and compares them, then sends a hundred datagrams to the echo service
/// and compares what comes back; the datagrams that did not come back.
fn check(octets: u64, congestion: &str) -> io::Result<Vec<f64>> {
    up(connect(COMPARE, congestion)?, octets)?;
    let (mut stream, pattern) = (connect(CHARGEN, congestion)?, pattern());
    stream.write_all(&octets.to_be_bytes())?;
    let (mut buf, mut got) = (vec![0; CHUNK], 0);
    loop {
        let n = stream.read(&mut buf)?;
        if n == 0 {
            break;
        }
        let fine = right(&pattern, got, &buf[..n]);
        got += fine;
        if fine < n {
            return Err(Error::other(format!("octet {got} of {octets} came wrong")));
        }
    }
    if got as u64 != octets {
        return Err(Error::other(format!("{got} of {octets} octets came")));
    }
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect((SERVER, ECHO))?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let (mut lost, mut back) = (0, [0; 2048]);
    for length in (0..100).map(|i| 8 + i * 14) {
        let datagram = &pattern[length..2 * length];
        socket.send(datagram)?;
        match socket.recv(&mut back) {
            Ok(n) if back[..n] == *datagram => {}
            Ok(_) => {
                return Err(Error::other(format!(
                    "a datagram of {length} came back wrong"
                )));
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => lost += 1,
            Err(e) => return Err(e),
        }
        if lost > 5 {
            return Err(Error::other("more than five datagrams did not come back"));
        }
    }
    Ok(vec![f64::from(lost)])
}

/// Round trips of 64 octets over one connection; p50 and p99 in microseconds.
fn ping(times: usize, congestion: &str) -> io::Result<Vec<f64>> {
    let mut stream = connect(ECHO, congestion)?;
    stream.set_nodelay(true)?;
    let (mut buf, mut trips) = ([7u8; 64], Vec::with_capacity(times));
    for _ in 0..times {
        let start = Instant::now();
        stream.write_all(&buf)?;
        stream.read_exact(&mut buf)?;
        trips.push(start.elapsed().as_secs_f64() * 1e6);
    }
    trips.sort_by(f64::total_cmp);
    Ok(vec![trips[times / 2], trips[times * 99 / 100]])
}

/// Opens a connection, sends 64 octets, reads 64, closes, over and over, with so many at once;
/// connections per second.
fn connections(at_once: u64, milliseconds: u64, congestion: &str) -> io::Result<Vec<f64>> {
    let (barrier, span) = (
        Barrier::new(at_once as usize),
        Duration::from_millis(milliseconds),
    );
    let rates = thread::scope(|scope| {
        let threads: Vec<_> = (0..at_once)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let (start, mut count, mut buf) = (Instant::now(), 0, [7; 64]);
                    while start.elapsed() < span {
                        let mut stream = connect(ECHO, congestion)?;
                        stream.write_all(&buf)?;
                        stream.read_exact(&mut buf)?;
                        count += 1;
                    }
                    io::Result::Ok(f64::from(count) / start.elapsed().as_secs_f64())
                })
            })
            .collect();
        let joined = threads.into_iter().map(|t| t.join().expect("no panic"));
        joined.collect::<io::Result<Vec<f64>>>()
    })?;
    Ok(vec![rates.iter().sum()])
}

/// Sends datagrams as fast as they are taken; octets and seconds.
fn udp_up(span: Duration) -> io::Result<Vec<f64>> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect((SERVER, DISCARD))?;
    setsockopt(&socket, sockopt::UdpGsoSegment, &(DATAGRAM as i32))?;
    let (buf, start, mut sent) = (vec![7; BURST * DATAGRAM], Instant::now(), 0);
    while start.elapsed() < span {
        match socket.send(&buf) {
            Ok(n) => sent += n,
            // The queue of the device is full: the datagrams are lost, as they would be anyway.
            Err(e) if e.raw_os_error() == Some(nix::errno::Errno::ENOBUFS as i32) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(vec![sent as f64, start.elapsed().as_secs_f64()])
}

/// Asks for datagrams; octets that came, and the seconds from the first to the last.
fn udp_down(milliseconds: u64) -> io::Result<Vec<f64>> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect((SERVER, CHARGEN))?;
    set_socket_recv_buffer_size(&socket, 4 << 20)?;
    setsockopt(&socket, sockopt::UdpGroSegment, &true)?;
    socket.set_read_timeout(Some(Duration::from_millis(300)))?;
    socket.send(&milliseconds.to_be_bytes())?;
    let (mut buf, mut got, mut times) = (vec![0; 1 << 16], 0, None);
    let limit = Instant::now() + Duration::from_millis(milliseconds) + PATIENCE;
    while Instant::now() < limit {
        match socket.recv(&mut buf) {
            Ok(n) => {
                got += n;
                let now = Instant::now();
                times.get_or_insert((now, now)).1 = now;
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(e) => return Err(e),
        }
    }
    let (first, last) = times.ok_or_else(|| Error::other("no datagram came"))?;
    Ok(vec![got as f64, (last - first).as_secs_f64()])
}
