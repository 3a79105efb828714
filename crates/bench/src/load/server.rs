//! The server outside: echo, discard, compare and chargen, a thread for every connection.

use super::{BURST, CHARGEN, CHUNK, COMPARE, DATAGRAM, DISCARD, ECHO, SERVER, pattern, right};
use nix::sys::socket::{setsockopt, sockopt};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A connection that stalls for as long is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// What arrived at the discard service over UDP.
#[derive(Debug, Default)]
pub struct Arrivals {
    octets: AtomicU64,
    times: Mutex<Option<(Instant, Instant)>>,
}

impl Arrivals {
    /// Octets since the last call, and the seconds between the first and the last of them.
    pub fn take(&self) -> (u64, f64) {
        let times = self.times.lock().expect("no panic").take();
        let seconds = times.map_or(0.0, |(first, last)| (last - first).as_secs_f64());
        (self.octets.swap(0, Relaxed), seconds)
    }
}

/// Starts the services at [`SERVER`]; they end with the process.
///
/// # Errors
/// An address or port was refused.
pub fn start() -> io::Result<Arc<Arrivals>> {
    for (port, service) in [
        (ECHO, echo as fn(TcpStream) -> io::Result<()>),
        (DISCARD, discard),
        (COMPARE, compare),
        (CHARGEN, chargen),
    ] {
        let listener = TcpListener::bind((SERVER, port))?;
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(PATIENCE));
                    let _ = stream.set_write_timeout(Some(PATIENCE));
                    // A client that goes away is its own affair; it reports what it missed.
                    let _ = service(stream);
                });
            }
        });
    }
    let arrivals = Arc::new(Arrivals::default());
    let counted = arrivals.clone();
    let sink = UdpSocket::bind((SERVER, DISCARD))?;
    set_socket_recv_buffer_size_force(&sink, 8 << 20)?;
    setsockopt(&sink, sockopt::UdpGroSegment, &true)?;
    std::thread::spawn(move || udp_discard(&sink, &counted));
    let source = UdpSocket::bind((SERVER, CHARGEN))?;
    setsockopt(&source, sockopt::UdpGsoSegment, &(DATAGRAM as i32))?;
    std::thread::spawn(move || udp_chargen(&source));
    let mirror = UdpSocket::bind((SERVER, ECHO))?;
    std::thread::spawn(move || udp_echo(&mirror));
    Ok(arrivals)
}

fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buf = [0; 16 << 10];
    loop {
        match stream.read(&mut buf)? {
            0 => return stream.shutdown(Shutdown::Write),
            n => stream.write_all(&buf[..n])?,
        }
    }
}

fn discard(mut stream: TcpStream) -> io::Result<()> {
    let (mut buf, mut count) = (vec![0; CHUNK], 0u64);
    loop {
        match stream.read(&mut buf)? {
            0 => return stream.write_all(&count.to_be_bytes()),
            n => count += n as u64,
        }
    }
}

fn compare(mut stream: TcpStream) -> io::Result<()> {
    let (mut buf, pattern, mut count) = (vec![0; CHUNK], pattern(), 0);
    loop {
        let n = stream.read(&mut buf)?;
        let fine = right(&pattern, count, &buf[..n]);
        count += fine;
        if n == 0 || fine < n {
            return stream.write_all(&(count as u64).to_be_bytes());
        }
    }
}

fn chargen(mut stream: TcpStream) -> io::Result<()> {
    let mut wish = [0; 8];
    stream.read_exact(&mut wish)?;
    let (mut left, buf) = (u64::from_be_bytes(wish), pattern());
    while left > 0 {
        let n = left.min(CHUNK as u64);
        stream.write_all(&buf[..n as usize])?;
        left -= n;
    }
    Ok(())
}

fn udp_discard(socket: &UdpSocket, arrivals: &Arrivals) {
    let mut buf = vec![0; 1 << 16];
    while let Ok(n) = socket.recv(&mut buf) {
        arrivals.octets.fetch_add(n as u64, Relaxed);
        let now = Instant::now();
        let mut times = arrivals.times.lock().expect("no panic");
        times.get_or_insert((now, now)).1 = now;
    }
}

fn udp_chargen(socket: &UdpSocket) {
    let (mut wish, buf) = ([0; 8], vec![7; BURST * DATAGRAM]);
    while let Ok((n, from)) = socket.recv_from(&mut wish) {
        if n != wish.len() {
            continue;
        }
        let end = Instant::now() + Duration::from_millis(u64::from_be_bytes(wish).min(10_000));
        while Instant::now() < end {
            // A full queue drops what does not fit: that is what is measured.
            let _ = socket.send_to(&buf, from);
        }
    }
}

fn udp_echo(socket: &UdpSocket) {
    let mut buf = vec![0; 1 << 16];
    while let Ok((n, from)) = socket.recv_from(&mut buf) {
        let _ = socket.send_to(&buf[..n], from);
    }
}
