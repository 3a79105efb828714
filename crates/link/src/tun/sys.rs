//! The ioctls of `/dev/net/tun` (Linux, `linux/if_tun.h`), one safe function each.
//!
//! Order of use: [`open_device`], [`attach`] (or [`open_queue`] for both), [`set_vnet_header_size`],
//! [`probe_offload`]; [`set_tx_queue_len`] and [`set_mtu`] any time after the interface exists.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

/// Where the kernel hands out TUN queues.
pub const DEVICE: &str = "/dev/net/tun";

/// Octets of the `virtio_net_hdr` in front of each packet, without the merged-buffer field.
pub const VNET_HEADER_SIZE: i32 = 10;

/// What the kernel may hand over unsegmented or unsummed (`TUN_F_*`).
///
/// It limits what is *read* from the queue; any offload may be written whatever it says.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Offload(u32);

impl Offload {
    /// Checksums and segmentation are all done before a packet is read.
    pub const NONE: Offload = Offload(0);
    /// Checksums may be left to the reader; the condition of all others.
    pub const CHECKSUM: Offload = Offload(libc::TUN_F_CSUM);
    /// TCP over IPv4 and IPv6 may come as super-segments.
    pub const TCP: Offload = Offload(libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6);
    /// TCP as in [`Offload::TCP`], and UDP as super-datagrams (Linux 6.2).
    pub const TCP_UDP: Offload = Offload(Self::TCP.0 | libc::TUN_F_USO4 | libc::TUN_F_USO6);

    /// From `TUN_F_*` bits, such as another process reports.
    pub const fn from_bits(bits: u32) -> Offload {
        Offload(bits)
    }

    /// The `TUN_F_*` bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether all bits of `other` are in `self`.
    pub const fn contains(self, other: Offload) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Debug for Offload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Offload({:#04x})", self.0)
    }
}

/// Opens [`DEVICE`], non-blocking and close-on-exec; not yet a queue of any interface.
///
/// # Errors
/// `EACCES` when the mode of the device denies it, `ENOENT` or `ENODEV` (`ENXIO`) when the kernel
/// or the container has none.
pub fn open_device() -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(DEVICE, flags, Mode::empty())?)
}

/// Makes `fd` a queue of the TUN interface `name` (`TUNSETIFF`: IP packets, no packet information,
/// a vnet header) and returns the name it has now: the kernel numbers a `%d`.
///
/// # Errors
/// `EINVAL` for a name that is empty, holds a NUL, or exceeds 15 octets; `EPERM` without
/// `CAP_NET_ADMIN` over the network namespace; `EBUSY` when another queue holds the interface.
pub fn attach(fd: impl AsFd, name: &str, multi_queue: bool) -> io::Result<String> {
    let mut request = interface_request(name)?;
    let mut flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    if multi_queue {
        flags |= libc::IFF_MULTI_QUEUE;
    }
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one `ifreq`, which `request` is, and keeps no pointer.
    check(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TUNSETIFF, &raw mut request) })?;
    interface_name(&request)
}

/// One queue of the TUN interface `name`, created if absent, and the name it has: [`open_device`]
/// and [`attach`].
///
/// # Errors
/// Those of the two.
pub fn open_queue(name: &str, multi_queue: bool) -> io::Result<(OwnedFd, String)> {
    let fd = open_device()?;
    let name = attach(&fd, name, multi_queue)?;
    Ok((fd, name))
}

/// Sets how many octets of vnet header go in front of each packet ([`VNET_HEADER_SIZE`]).
///
/// # Errors
/// `EINVAL` below 10; `EBADFD` before [`attach`].
pub fn set_vnet_header_size(fd: impl AsFd, octets: i32) -> io::Result<()> {
    // SAFETY: TUNSETVNETHDRSZ reads one int through the pointer and keeps none.
    check(unsafe {
        libc::ioctl(
            fd.as_fd().as_raw_fd(),
            libc::TUNSETVNETHDRSZ,
            &raw const octets,
        )
    })
}

/// Sets what the kernel may leave undone in packets it hands over.
///
/// # Errors
/// `EINVAL` for a bit that this kernel does not know; `EBADFD` before [`attach`].
pub fn set_offload(fd: impl AsFd, offload: Offload) -> io::Result<()> {
    let bits = libc::c_ulong::from(offload.0);
    // SAFETY: the argument of TUNSETOFFLOAD is a number, not a pointer.
    check(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TUNSETOFFLOAD, bits) })
}

/// Sets the most offload that this kernel takes, from high to low, and returns it.
///
/// # Errors
/// That of [`set_offload`] when even [`Offload::NONE`] is refused.
pub fn probe_offload(fd: impl AsFd) -> io::Result<Offload> {
    let mut refused = None;
    for offload in [
        Offload::TCP_UDP,
        Offload::TCP,
        Offload::CHECKSUM,
        Offload::NONE,
    ] {
        match set_offload(&fd, offload) {
            Ok(()) => return Ok(offload),
            Err(e) => refused = Some(e),
        }
    }
    Err(refused.unwrap_or_else(|| io::ErrorKind::Unsupported.into()))
}

/// Sets how many packets may wait in the interface's transmit queue (`SIOCSIFTXQLEN`): for a TUN
/// that is the ring a reader drains, and what does not fit is dropped by the kernel.
///
/// # Errors
/// `ENODEV` for an unknown interface of the caller's network namespace, `EPERM` without
/// `CAP_NET_ADMIN` in the machine's own user namespace (within another, only netlink's
/// `IFLA_TXQLEN` can do it), `ENOMEM` for a ring too large.
pub fn set_tx_queue_len(name: &str, packets: u32) -> io::Result<()> {
    let mut request = interface_request(name)?;
    request.ifr_ifru.ifru_metric = i32::try_from(packets).map_err(|_| rustix::io::Errno::INVAL)?;
    let socket = control_socket()?;
    // SAFETY: SIOCSIFTXQLEN reads one `ifreq`, which `request` is, and keeps no pointer.
    check(unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFTXQLEN as _,
            &raw mut request,
        )
    })
}

/// Sets the largest IP packet of the interface, in octets (`SIOCSIFMTU`).
///
/// # Errors
/// `ENODEV` for an unknown interface of the caller's network namespace, `EPERM` without
/// `CAP_NET_ADMIN` over it, `EINVAL` beyond what the interface takes.
pub fn set_mtu(name: &str, octets: u32) -> io::Result<()> {
    let mut request = interface_request(name)?;
    request.ifr_ifru.ifru_mtu = i32::try_from(octets).map_err(|_| rustix::io::Errno::INVAL)?;
    let socket = control_socket()?;
    // SAFETY: SIOCSIFMTU reads one `ifreq`, which `request` is, and keeps no pointer.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFMTU as _, &raw mut request) })
}

/// The interface that `fd` is a queue of, and its `IFF_*` flags (`TUNGETIFF`).
///
/// # Errors
/// `EBADFD` when it is a queue of none, `ENOTTY` when it is no TUN descriptor.
pub fn attached(fd: impl AsFd) -> io::Result<(String, i32)> {
    // SAFETY: as in `interface_request`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // SAFETY: TUNGETIFF writes one `ifreq`, which `request` is, and keeps no pointer.
    check(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TUNGETIFF, &raw mut request) })?;
    // SAFETY: TUNGETIFF has filled in the flags; and any bits are a valid integer.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    Ok((interface_name(&request)?, i32::from(flags)))
}

/// An `ifreq` that names an interface, all else zero.
fn interface_request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: `ifreq` is integers, arrays of them and a union of such; all zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let octets = name.as_bytes();
    // The kernel would cut a longer name silently, and the caller would configure a stranger.
    if octets.is_empty() || octets.len() >= request.ifr_name.len() || octets.contains(&0) {
        return Err(rustix::io::Errno::INVAL.into());
    }
    for (to, &from) in request.ifr_name.iter_mut().zip(octets) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

fn interface_name(request: &libc::ifreq) -> io::Result<String> {
    let name = request.ifr_name.iter().map(|&c| c as u8);
    let name: Vec<u8> = name.take_while(|&c| c != 0).collect();
    String::from_utf8(name).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// A socket for the ioctls that act on an interface by its name.
fn control_socket() -> io::Result<OwnedFd> {
    Ok(rustix::net::socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
