use core::fmt;
use handfast_tcp::NetError;

/// Why a call on a UDP socket failed. Nothing has changed then, but that an error of the network
/// is reported once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum UdpError {
    /// The socket was closed.
    Closed,
    /// Nothing to read, or no room to send; [`readiness`](super::UdpTable::readiness) will tell.
    WouldBlock,
    /// No destination is given, and the socket is not connected.
    NotConnected,
    /// An address of a family that the socket is not of.
    Family,
    /// Nobody can be reached at this address or port: unspecified, reserved, or port 0.
    RemoteAddress,
    /// The local address is not ours, or not of the interface.
    LocalAddress,
    /// Another socket has that address and port.
    AddressInUse,
    /// The socket is bound already.
    AlreadyBound,
    /// Every ephemeral port is taken.
    NoPorts,
    /// No route to the destination, or no address of ours to reach it from.
    NoRoute,
    /// The destination is a broadcast address, and the socket's
    /// [`broadcast`](super::UdpOptions::broadcast) is off.
    Broadcast,
    /// The datagram, or one piece of several, does not fit.
    TooBig {
        /// Octets of data that would.
        max: u32,
    },
    /// The socket has joined as many groups as it may, or the address is no group's.
    Group,
    /// The stack's memory budget is used up.
    NoMemory,
    /// What the network said of an earlier datagram.
    Unreachable(NetError),
}

impl fmt::Display for UdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UdpError::Closed => "socket closed",
            UdpError::WouldBlock => "operation would block",
            UdpError::NotConnected => "no destination, and not connected",
            UdpError::Family => "address of another family than the socket's",
            UdpError::RemoteAddress => "nobody can be reached at this address",
            UdpError::LocalAddress => "the local address is not ours",
            UdpError::AddressInUse => "address in use",
            UdpError::AlreadyBound => "the socket is bound already",
            UdpError::NoPorts => "every ephemeral port is taken",
            UdpError::NoRoute => "no route to the destination",
            UdpError::Broadcast => "broadcast is not allowed on this socket",
            UdpError::TooBig { max } => return write!(f, "longer than the {max} octets that fit"),
            UdpError::Group => "too many groups, or not a group",
            UdpError::NoMemory => "memory budget used up",
            UdpError::Unreachable(why) => return why.fmt(f),
        })
    }
}

impl core::error::Error for UdpError {}
