//! The kernel's end: settings of its namespace, sockets, and what it says of a connection.

use crate::content::{Half, Turn, check, pattern};
use nix::sys::socket::{self, GetSockOpt, SetSockOpt, sockopt};
use nix::{getsockopt_impl, libc, setsockopt_impl, sockopt_impl};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

sockopt_impl!(
    Information,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    libc::tcp_info
);
sockopt_impl!(
    FastOpenQueue,
    SetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_FASTOPEN,
    u32
);

/// Nobody waits longer for the other end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sets what stands under net.ipv4 in this namespace.
pub(crate) fn set(name: &str, value: &str) -> io::Result<()> {
    std::fs::write(format!("/proc/sys/net/ipv4/{name}"), value)
        .map_err(|e| io::Error::new(e.kind(), format!("net.ipv4.{name} cannot be {value}: {e}")))
}

/// A listener; `fast`: it takes text on SYNs.
pub(crate) fn listen(at: SocketAddr, fast: bool) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(at)?;
    if fast {
        FastOpenQueue.set(&listener, &16)?;
    }
    Ok(listener)
}

/// A connection; `fast`: with the first text on the SYN where there is a cookie.
pub(crate) fn connect(to: SocketAddr, fast: bool) -> io::Result<TcpStream> {
    if !fast {
        return TcpStream::connect_timeout(&to, PATIENCE);
    }
    let family = match to {
        SocketAddr::V4(_) => socket::AddressFamily::Inet,
        SocketAddr::V6(_) => socket::AddressFamily::Inet6,
    };
    let kind = socket::SockType::Stream;
    let fd = socket::socket(family, kind, socket::SockFlag::SOCK_CLOEXEC, None)?;
    sockopt::TcpFastOpenConnect.set(&fd, &true)?;
    let stream = TcpStream::from(fd);
    socket::connect(
        std::os::fd::AsRawFd::as_raw_fd(&stream),
        &socket::SockaddrStorage::from(to),
    )?;
    Ok(stream)
}

/// What the kernel knows of a connection.
pub(crate) fn information(stream: &TcpStream) -> io::Result<libc::tcp_info> {
    Ok(Information.get(stream)?)
}

/// Moves `octets` each way and returns what the kernel then says of the connection.
pub(crate) fn transfer(
    mut stream: TcpStream,
    octets: usize,
    turn: Turn,
) -> io::Result<libc::tcp_info> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let (heard_all, end) = mpsc::channel();
    let mut reading = stream.try_clone()?;
    let reader = thread::spawn(move || {
        let (right, mut got, mut buf) = (pattern(Half::Ours), 0, vec![0; 1 << 16]);
        loop {
            let n = reading.read(&mut buf)?;
            if n == 0 {
                break;
            }
            check(&right, got, &buf[..n])?;
            got += n;
        }
        let _ = heard_all.send(());
        crate::content::whole(got, octets)
    });
    let text = pattern(Half::Theirs);
    let mut sent = 0;
    while sent < octets {
        if turn == Turn::Second && sent == octets / 2 {
            // The other end has said all, and only then hears the rest.
            end.recv_timeout(PATIENCE).map_err(io::Error::other)?;
        }
        let until = if sent < octets / 2 {
            octets / 2
        } else {
            octets
        };
        let at = sent % text.len();
        let part = (until - sent).min(text.len() - at);
        stream.write_all(&text[at..at + part])?;
        sent += part;
    }
    stream.shutdown(Shutdown::Write)?;
    reader.join().expect("no panic")?;
    information(&stream)
}

/// The state TIME-WAIT, as /proc/net/tcp has it.
pub(crate) const TIME_WAIT: &str = "06";

/// The states of the kernel's sockets of connections between these two addresses.
pub(crate) fn sockets(ours: SocketAddr, theirs: SocketAddr) -> io::Result<Vec<String>> {
    let mut states = Vec::new();
    let table = if ours.is_ipv4() { "tcp" } else { "tcp6" };
    let (local, remote) = (as_listed(theirs), as_listed(ours));
    for line in std::fs::read_to_string(format!("/proc/net/{table}"))?.lines() {
        let words: Vec<&str> = line.split_whitespace().take(4).collect();
        if let [_, from, to, state] = words[..]
            && from.starts_with(&local)
            && to.starts_with(&remote)
        {
            states.push(state.into());
        }
    }
    Ok(states)
}

/// An address as /proc/net/tcp has it: words of four octets in the order of this machine.
fn as_listed(address: SocketAddr) -> String {
    let octets = match address {
        SocketAddr::V4(v4) => v4.ip().octets().to_vec(),
        SocketAddr::V6(v6) => v6.ip().octets().to_vec(),
    };
    let words = octets.chunks(4).map(|w| {
        let word = u32::from_ne_bytes(w.try_into().expect("four octets"));
        format!("{word:08X}")
    });
    words.collect()
}
