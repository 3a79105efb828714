//! Connections of the machine's kernel, taken apart and put together (Linux, `TCP_REPAIR`; needs
//! `CAP_NET_ADMIN`).
//!
//! What the kernel does not hand over is gone: what arrived out of order, TS.Recent, and, both
//! ways, ECN. Its congestion window and its scoreboard begin anew.

mod sys;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use sys::{Count, Mode, Queue, Windows};

/// A connection of the kernel's in its parts. Sequence numbers are as on the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parts {
    /// Its own end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// SND.UNA.
    pub snd_una: u32,
    /// The text from SND.UNA on.
    pub send: Vec<u8>,
    /// Octets of it that are in flight; the rest was never sent.
    pub in_flight: usize,
    /// SND.WL1.
    pub snd_wl1: u32,
    /// SND.WND, in octets.
    pub snd_wnd: u32,
    /// The largest window that the peer ever offered, in octets.
    pub max_snd_wnd: u32,
    /// RCV.NXT.
    pub rcv_nxt: u32,
    /// RCV.WND, in octets.
    pub rcv_wnd: u32,
    /// The text that nobody has read, up to RCV.NXT.
    pub receive: Vec<u8>,
    /// The MSS that the peer announced.
    pub mss: u16,
    /// The shifts of the peer's window and of our own, if windows are scaled.
    pub window_scale: Option<(u8, u8)>,
    /// Selective acknowledgments are permitted.
    pub sack: bool,
    /// Its timestamp clock, if both ends send timestamps.
    pub timestamp: Option<u32>,
    /// Smoothed round-trip time and its variation in microseconds; zero: never measured.
    pub rtt: (u32, u32),
}

/// Reads the parts of a connection. From then on the socket says nothing more, and closing it is
/// silent, too.
///
/// It still hears: whoever calls this has seen to it that nothing arrives for it any more, or the
/// parts do not fit together, and the kernel resets the peer once the socket is closed.
///
/// # Errors
/// `PermissionDenied` without `CAP_NET_ADMIN`; `InvalidInput` when it is not ESTABLISHED; nothing
/// has changed then.
pub fn take(stream: &TcpStream) -> io::Result<Parts> {
    sys::set_mode(stream, Mode::On)?;
    let parts = read(stream);
    if parts.is_err() {
        let _ = sys::set_mode(stream, Mode::OffQuietly);
    }
    parts
}

fn read(stream: &TcpStream) -> io::Result<Parts> {
    let info = sys::info(stream)?;
    if !info.established {
        let why = "the kernel's connection is not ESTABLISHED";
        return Err(io::Error::new(ErrorKind::InvalidInput, why));
    }
    let windows = sys::windows(stream)?;
    let unacknowledged = sys::count(stream, Count::Unacknowledged)?;
    let unsent = sys::count(stream, Count::Unsent)?;
    let (end, send) = peek(stream, Queue::Send, unacknowledged)?;
    let unread = sys::count(stream, Count::Unread)?;
    let (rcv_nxt, receive) = peek(stream, Queue::Receive, unread)?;
    let edge = windows.rcv_wup.wrapping_add(windows.rcv_wnd);
    Ok(Parts {
        local: stream.local_addr()?,
        remote: stream.peer_addr()?,
        snd_una: end.wrapping_sub(unacknowledged as u32),
        send,
        in_flight: unacknowledged.saturating_sub(unsent),
        snd_wl1: windows.snd_wl1,
        snd_wnd: windows.snd_wnd,
        max_snd_wnd: windows.max_window.max(windows.snd_wnd),
        rcv_nxt,
        rcv_wnd: (edge.wrapping_sub(rcv_nxt) as i32).max(0) as u32,
        receive,
        mss: sys::mss(stream)?.min(0xffff) as u16,
        window_scale: info.window_scale,
        sack: info.sack,
        timestamp: match info.timestamps {
            true => Some(sys::timestamp(stream)?),
            false => None,
        },
        rtt: info.rtt,
    })
}

/// Where a queue ends, and all that is in it.
fn peek(stream: &TcpStream, queue: Queue, octets: usize) -> io::Result<(u32, Vec<u8>)> {
    sys::choose(stream, queue)?;
    let end = sys::sequence(stream)?;
    let mut text = vec![0; octets];
    if octets > 0 {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let (read, _) = rustix::net::recv(stream, &mut text[..], flags)?;
        if read != octets {
            let why = "the queue changes while it is read";
            return Err(io::Error::new(ErrorKind::ResourceBusy, why));
        }
    }
    Ok((end, text))
}

/// Puts a connection together, in the network namespace of the calling thread; its address must be
/// one of that. It asks the peer for its window at once, by which the peer learns where it stands.
///
/// # Errors
/// `PermissionDenied` without `CAP_NET_ADMIN`; `AddrInUse`, `AddrNotAvailable`,
/// `NetworkUnreachable`; `InvalidInput` for windows that do not fit the sequence numbers.
pub fn put(parts: &Parts) -> io::Result<TcpStream> {
    let family = match parts.local {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let kind = (SocketType::STREAM, SocketFlags::CLOEXEC);
    let fd = rustix::net::socket_with(family, kind.0, kind.1, None)?;
    sys::set_mode(&fd, Mode::On)?;
    restore(&fd, parts)?;
    // From here on it acts on its own.
    sys::set_mode(&fd, Mode::Off)?;
    let unsent = &parts.send[parts.in_flight.min(parts.send.len())..];
    push(&fd, unsent).inspect_err(|_| {
        // It is closed without a word then.
        let _ = sys::set_mode(&fd, Mode::On);
    })?;
    Ok(TcpStream::from(fd))
}

/// What a socket's memory costs beside its text, at most this many times that.
const OVERHEAD: usize = 4;
const LEAST: usize = 1 << 20;
const MOST: usize = 256 << 20;

fn restore(fd: &OwnedFd, parts: &Parts) -> io::Result<()> {
    let (in_flight, _) = parts.send.split_at(parts.in_flight.min(parts.send.len()));
    let room = |octets: usize| (octets * OVERHEAD).clamp(LEAST, MOST) as u32;
    let receive = room(parts.receive.len() + parts.rcv_wnd as usize / 2);
    sys::set_buffers(fd, room(parts.send.len()), receive)?;
    sockopt::set_socket_reuseaddr(fd, true)?;
    rustix::net::bind(fd, &parts.local)?;
    sys::choose(fd, Queue::Send)?;
    sys::set_sequence(fd, parts.snd_una)?;
    sys::choose(fd, Queue::Receive)?;
    let unread = parts.receive.len() as u32;
    sys::set_sequence(fd, parts.rcv_nxt.wrapping_sub(unread))?;
    rustix::net::connect(fd, &parts.remote)?;

    const MSS: u32 = 2;
    const WINDOW_SCALE: u32 = 3;
    const SACK_PERMITTED: u32 = 4;
    const TIMESTAMPS: u32 = 8;
    let mut options = vec![[MSS, parts.mss.into()]];
    if let Some((theirs, ours)) = parts.window_scale {
        options.push([WINDOW_SCALE, u32::from(theirs) | u32::from(ours) << 16]);
    }
    if parts.sack {
        options.push([SACK_PERMITTED, 0]);
    }
    if parts.timestamp.is_some() {
        options.push([TIMESTAMPS, 0]);
    }
    sys::set_options(fd, &options)?;
    if let Some(clock) = parts.timestamp {
        // Bit 0 would make it tick in microseconds; and it must not go back (RFC 7323, 5.3).
        sys::set_timestamp(fd, clock.wrapping_add(1) & !1)?;
    }
    push(fd, &parts.receive)?;
    sys::choose(fd, Queue::Send)?;
    push(fd, in_flight)?;
    sys::set_windows(
        fd,
        &Windows {
            snd_wl1: parts.snd_wl1,
            snd_wnd: parts.snd_wnd,
            max_window: parts.max_snd_wnd,
            rcv_wnd: parts.rcv_wnd,
            rcv_wup: parts.rcv_nxt,
        },
    )
}

/// Puts text into the chosen queue, or, out of repair, sends it.
fn push(fd: impl AsFd, mut text: &[u8]) -> io::Result<()> {
    while !text.is_empty() {
        let part = &text[..text.len().min(1 << 16)];
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let taken = rustix::net::send(&fd, part, flags)?;
        text = &text[taken..];
    }
    Ok(())
}
