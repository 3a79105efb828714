//! The system calls of packet sockets (Linux, `packet(7)`), one safe function each.
//!
//! Order of use: [`open`] by whoever has `CAP_NET_RAW` over the network namespace of the interface;
//! then anybody who holds the descriptor: [`set_vnet_header`], [`ignore_outgoing`].

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// Octets that may wait in the kernel for whoever reads, if the machine's limit
/// (`net.core.rmem_max`) allows it or the caller may exceed it. A super-segment takes 70 KB of it.
pub const BUFFER: usize = 8 << 20;

/// A packet socket that gets every frame which arrives on the interface `ifindex` and sends whole
/// frames to it; non-blocking and close-on-exec. It has no vnet headers yet.
///
/// # Errors
/// `EPERM` without `CAP_NET_RAW` over the caller's network namespace, `ENODEV` when it has no such
/// interface.
pub fn open(ifindex: u32) -> io::Result<OwnedFd> {
    // Protocol 0: nothing is received before it is bound, from whatever interface.
    let fd = rustix::net::socket_with(
        AddressFamily::PACKET,
        SocketType::RAW,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    if sockopt::set_socket_recv_buffer_size_force(&fd, BUFFER).is_err() {
        sockopt::set_socket_recv_buffer_size(&fd, BUFFER)?;
    }
    ignore_outgoing(&fd)?;
    let mut address = empty_address();
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = i32::try_from(ifindex).map_err(|_| Errno::NODEV)?;
    // SAFETY: bind reads one `sockaddr_ll`, which `address` is, through the pointer and keeps none.
    check(unsafe {
        libc::bind(
            fd.as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as _,
        )
    })?;
    Ok(fd)
}

/// Whether `fd` is a packet socket that carries whole frames.
///
/// # Errors
/// `ENOTSOCK` when it is no socket.
pub fn is_packet_socket(fd: impl AsFd) -> io::Result<bool> {
    let domain = sockopt::socket_domain(&fd)?;
    Ok(domain == AddressFamily::PACKET && sockopt::socket_type(&fd)? == SocketType::RAW)
}

/// Puts a vnet header of ten octets in front of each frame, both ways (`PACKET_VNET_HDR`):
/// super-segments and unfinished checksums pass.
///
/// # Errors
/// `EINVAL` when it is no packet socket for whole frames, `EBUSY` when it has a ring.
pub fn set_vnet_header(fd: impl AsFd) -> io::Result<()> {
    switch_on(fd, libc::PACKET_VNET_HDR)
}

/// Has the kernel keep frames to itself that this machine sends to the interface
/// (`PACKET_IGNORE_OUTGOING`, Linux 4.20).
///
/// # Errors
/// `ENOPROTOOPT` where the kernel does not know it.
pub fn ignore_outgoing(fd: impl AsFd) -> io::Result<()> {
    switch_on(fd, libc::PACKET_IGNORE_OUTGOING)
}

/// Whether the socket still belongs to an interface: not after that has been deleted.
///
/// # Errors
/// `EBADF`; none else is known.
pub fn has_interface(fd: impl AsFd) -> io::Result<bool> {
    let mut address = empty_address();
    let mut len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: getsockname writes at most `len` octets, which `address` has, and sets `len`.
    check(unsafe {
        libc::getsockname(
            fd.as_fd().as_raw_fd(),
            (&raw mut address).cast(),
            &raw mut len,
        )
    })?;
    Ok(address.sll_ifindex > 0)
}

/// Frames that found no room to wait for whoever reads, since the last call
/// (`PACKET_STATISTICS`).
///
/// # Errors
/// `ENOPROTOOPT` when it is no packet socket.
pub fn take_dropped(fd: impl AsFd) -> io::Result<u32> {
    let mut statistics = libc::tpacket_stats {
        tp_packets: 0,
        tp_drops: 0,
    };
    let mut len = size_of::<libc::tpacket_stats>() as libc::socklen_t;
    // SAFETY: getsockopt writes at most `len` octets, which `statistics` has, and sets `len`.
    check(unsafe {
        libc::getsockopt(
            fd.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut statistics).cast(),
            &raw mut len,
        )
    })?;
    Ok(statistics.tp_drops)
}

fn switch_on(fd: impl AsFd, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: setsockopt reads one int, which `on` is, through the pointer and keeps none.
    check(unsafe {
        libc::setsockopt(
            fd.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            option,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as _,
        )
    })
}

fn empty_address() -> libc::sockaddr_ll {
    libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: 0,
        sll_ifindex: 0,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    }
}

pub(super) fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
