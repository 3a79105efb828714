//! The socket options of a TCP socket in repair (Linux, `linux/tcp.h`), one safe function each.

use libc::{
    TCP_INFO, TCP_MAXSEG, TCP_QUEUE_SEQ, TCP_REPAIR, TCP_REPAIR_OPTIONS, TCP_REPAIR_QUEUE,
    TCP_TIMESTAMP,
};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

const TCP_REPAIR_WINDOW: libc::c_int = 29;
/// `SIOCOUTQ`: octets not acknowledged.
const SIOCOUTQ: libc::c_ulong = 0x5411;
/// `SIOCOUTQNSD`: octets never sent.
const SIOCOUTQNSD: libc::c_ulong = 0x894b;
/// `SIOCINQ`: octets not read.
const SIOCINQ: libc::c_ulong = 0x541b;
const SO_BUF_LOCK: libc::c_int = 72;

/// What to do with the repair mode of a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub(super) enum Mode {
    /// Nothing is sent any more, and the socket can be taken apart.
    On = 1,
    /// It goes on, and asks the peer for its window.
    Off = 0,
    /// It goes on without a word.
    OffQuietly = -1,
}

/// A queue of a socket in repair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub(super) enum Queue {
    Receive = 1,
    Send = 2,
}

/// How many octets of which kind are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Count {
    Unacknowledged,
    Unsent,
    Unread,
}

/// `struct tcp_repair_window`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Windows {
    pub(super) snd_wl1: u32,
    pub(super) snd_wnd: u32,
    pub(super) max_window: u32,
    pub(super) rcv_wnd: u32,
    pub(super) rcv_wup: u32,
}

/// The head of `struct tcp_info`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Info {
    pub(super) established: bool,
    pub(super) timestamps: bool,
    pub(super) sack: bool,
    /// Of the peer's window, and of ours.
    pub(super) window_scale: Option<(u8, u8)>,
    /// Smoothed round-trip time and its variation, in microseconds.
    pub(super) rtt: (u32, u32),
}

pub(super) fn set_mode(fd: impl AsFd, mode: Mode) -> io::Result<()> {
    set(fd, TCP_REPAIR, &[mode as u32])
}

pub(super) fn choose(fd: impl AsFd, queue: Queue) -> io::Result<()> {
    set(fd, TCP_REPAIR_QUEUE, &[queue as u32])
}

/// Where the chosen queue ends; of a socket that is not connected, where it will begin.
pub(super) fn sequence(fd: impl AsFd) -> io::Result<u32> {
    get::<1>(fd, TCP_QUEUE_SEQ).map(|[at]| at)
}

pub(super) fn set_sequence(fd: impl AsFd, at: u32) -> io::Result<()> {
    set(fd, TCP_QUEUE_SEQ, &[at])
}

/// The MSS that the peer announced.
pub(super) fn mss(fd: impl AsFd) -> io::Result<u32> {
    get::<1>(fd, TCP_MAXSEG).map(|[mss]| mss)
}

/// The timestamp clock; bit 0 says that it ticks in microseconds.
pub(super) fn timestamp(fd: impl AsFd) -> io::Result<u32> {
    get::<1>(fd, TCP_TIMESTAMP).map(|[clock]| clock)
}

pub(super) fn set_timestamp(fd: impl AsFd, clock: u32) -> io::Result<()> {
    set(fd, TCP_TIMESTAMP, &[clock])
}

/// Options of both SYNs: pairs of an option's kind and value.
pub(super) fn set_options(fd: impl AsFd, options: &[[u32; 2]]) -> io::Result<()> {
    set(fd, TCP_REPAIR_OPTIONS, options.as_flattened())
}

pub(super) fn windows(fd: impl AsFd) -> io::Result<Windows> {
    let [snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup] = get(fd, TCP_REPAIR_WINDOW)?;
    Ok(Windows {
        snd_wl1,
        snd_wnd,
        max_window,
        rcv_wnd,
        rcv_wup,
    })
}

pub(super) fn set_windows(fd: impl AsFd, w: &Windows) -> io::Result<()> {
    let all = [w.snd_wl1, w.snd_wnd, w.max_window, w.rcv_wnd, w.rcv_wup];
    set(fd, TCP_REPAIR_WINDOW, &all)
}

pub(super) fn info(fd: impl AsFd) -> io::Result<Info> {
    let words = get::<19>(fd, TCP_INFO)?;
    let [state, ..] = words[0].to_ne_bytes();
    let [_, options, scales, _] = words[1].to_ne_bytes();
    // Two bit fields, of which the first is the lower one on a little-endian machine.
    let (low, high) = (scales & 15, scales >> 4);
    let scales = match cfg!(target_endian = "little") {
        true => (low, high),
        false => (high, low),
    };
    Ok(Info {
        established: state == 1,
        timestamps: options & 1 != 0,
        sack: options & 2 != 0,
        window_scale: (options & 4 != 0).then_some(scales),
        rtt: (words[17], words[18]),
    })
}

/// Room for so many octets each way, beyond the limits of the machine; it still grows by itself.
pub(super) fn set_buffers(fd: impl AsFd, send: u32, receive: u32) -> io::Result<()> {
    let level = libc::SOL_SOCKET;
    set_at(&fd, level, libc::SO_SNDBUFFORCE, &[send])?;
    set_at(&fd, level, libc::SO_RCVBUFFORCE, &[receive])?;
    // Linux 5.14; before, the sizes stay.
    let _ = set_at(&fd, level, SO_BUF_LOCK, &[0]);
    Ok(())
}

pub(super) fn count(fd: impl AsFd, what: Count) -> io::Result<usize> {
    let request = match what {
        Count::Unacknowledged => SIOCOUTQ,
        Count::Unsent => SIOCOUTQNSD,
        Count::Unread => SIOCINQ,
    };
    let mut octets: libc::c_int = 0;
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: the three requests write one int through the pointer and keep none.
    check(unsafe { libc::ioctl(fd, request as _, &raw mut octets) })?;
    Ok(octets.max(0) as usize)
}

fn set(fd: impl AsFd, option: libc::c_int, words: &[u32]) -> io::Result<()> {
    set_at(fd, libc::IPPROTO_TCP, option, words)
}

fn set_at(fd: impl AsFd, level: libc::c_int, option: libc::c_int, words: &[u32]) -> io::Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    let len = size_of_val(words) as libc::socklen_t;
    // SAFETY: the kernel reads `len` octets, which `words` has, and keeps no pointer.
    check(unsafe { libc::setsockopt(fd, level, option, words.as_ptr().cast(), len) })
}

fn get<const N: usize>(fd: impl AsFd, option: libc::c_int) -> io::Result<[u32; N]> {
    let mut words = [0u32; N];
    let mut len = size_of_val(&words) as libc::socklen_t;
    let fd = fd.as_fd().as_raw_fd();
    let level = libc::IPPROTO_TCP;
    // SAFETY: the kernel writes `len` octets at most, for which `words` has room, and one length;
    // any bits are valid integers.
    check(unsafe { libc::getsockopt(fd, level, option, words.as_mut_ptr().cast(), &raw mut len) })?;
    Ok(words)
}

fn check(result: libc::c_int) -> io::Result<()> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
