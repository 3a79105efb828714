//! What ICMP told the machine's sockets, from their error queues (`IP_RECVERR`, ip(7)).

use bytes::Bytes;
use handfast::stack::icmp::Problem;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrStorage, recvmsg,
};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Origins of an entry (`SO_EE_ORIGIN_ICMP`, `SO_EE_ORIGIN_ICMP6`).
const ICMP: u8 = 2;
const ICMP6: u8 = 3;
/// What fits where the machine does not say what does: the least MTU of IPv6.
const SURELY_FITS: u32 = 1280;
/// As much of the packet in question as is kept: an error quotes no more.
const QUOTED: usize = 1280;

/// An ICMP error about a packet that a socket has sent.
#[derive(Debug)]
pub(crate) struct NetworkError {
    /// To whom the packet was sent.
    pub(crate) destination: SocketAddr,
    /// What became of it.
    pub(crate) problem: Problem,
    /// Who says so.
    pub(crate) reporter: Option<IpAddr>,
    /// The start of what was sent: what follows UDP's header, or an ICMP message.
    pub(crate) quoted: Bytes,
}

/// Takes the next error that waits on a socket.
///
/// # Errors
/// `WouldBlock` when there is none.
pub(crate) fn take(socket: BorrowedFd<'_>) -> io::Result<NetworkError> {
    loop {
        let mut quoted = [0; QUOTED];
        let mut control = [0; 512];
        let mut slices = [IoSliceMut::new(&mut quoted)];
        let message = recvmsg::<SockaddrStorage>(
            socket.as_raw_fd(),
            &mut slices,
            Some(&mut control),
            MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT,
        )?;
        let (len, destination) = (message.bytes, message.address.as_ref().and_then(address));
        let mut entry = None;
        for part in message.cmsgs()? {
            let (error, offender) = match part {
                ControlMessageOwned::Ipv4RecvErr(error, offender) => (
                    error,
                    offender.map(|a| IpAddr::V4(SockaddrIn::from(a).ip())),
                ),
                ControlMessageOwned::Ipv6RecvErr(error, offender) => (
                    error,
                    offender.map(|a| IpAddr::V6(SockaddrIn6::from(a).ip())),
                ),
                _ => continue,
            };
            let problem = match error.ee_origin {
                ICMP => v4(error.ee_type, error.ee_code, error.ee_info),
                ICMP6 => v6(error.ee_type, error.ee_code, error.ee_info),
                // What the machine itself says, the call that sends says, too.
                _ => None,
            };
            entry = problem.map(|problem| (problem, offender));
        }
        if let (Some((problem, reporter)), Some(destination)) = (entry, destination) {
            return Ok(NetworkError {
                destination,
                problem,
                reporter,
                quoted: Bytes::copy_from_slice(&quoted[..len.min(QUOTED)]),
            });
        }
    }
}

/// What an error of the machine's about a packet it would not send says to whom has sent it.
pub(crate) fn of_sending(error: &io::Error) -> Option<Problem> {
    use nix::errno::Errno;
    Some(match Errno::from_raw(error.raw_os_error()?) {
        Errno::EMSGSIZE => Problem::TooBig { mtu: SURELY_FITS },
        Errno::ENETUNREACH | Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL | Errno::ENETDOWN => {
            Problem::NoRoute
        }
        Errno::EHOSTUNREACH | Errno::EHOSTDOWN => Problem::Host,
        Errno::ECONNREFUSED => Problem::Port,
        Errno::EPERM => Problem::Prohibited,
        _ => return None,
    })
}

/// An address of IP, without what only the machine itself understands: scope and flow.
pub(crate) fn address(found: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = found.as_sockaddr_in() {
        return Some(SocketAddr::new(v4.ip().into(), v4.port()));
    }
    let v6 = found.as_sockaddr_in6()?;
    Some(SocketAddr::new(v6.ip().into(), v6.port()))
}

/// RFC 792; RFC 1122, section 3.2.2; RFC 1812, section 5.2.7.
fn v4(kind: u8, code: u8, mtu: u32) -> Option<Problem> {
    Some(match (kind, code) {
        (3, 0 | 5 | 6 | 11) => Problem::NoRoute,
        (3, 2) => Problem::Protocol { pointer: 9 },
        (3, 3) => Problem::Port,
        (3, 4) => Problem::TooBig { mtu },
        (3, 9 | 10 | 13) => Problem::Prohibited,
        (3, _) => Problem::Host,
        (11, 0) => Problem::HopLimit,
        (11, 1) => Problem::Reassembly,
        _ => return None,
    })
}

/// RFC 4443, section 3.
fn v6(kind: u8, code: u8, mtu: u32) -> Option<Problem> {
    Some(match (kind, code) {
        (1, 1 | 5 | 6) => Problem::Prohibited,
        (1, 3) => Problem::Host,
        (1, 4) => Problem::Port,
        (1, _) => Problem::NoRoute,
        (2, _) => Problem::TooBig { mtu },
        (3, 0) => Problem::HopLimit,
        (3, 1) => Problem::Reassembly,
        _ => return None,
    })
}
