//! The stack's errors as `std::io::Error`s of the kind an application expects.

use handfast_stack::udp::UdpError;
use handfast_stack::{BindError, ConnectError, ForeignError, TcpImportError};
use handfast_tcp::{ConnectionError, NetError, SendError};
use std::io::{Error, ErrorKind};

pub(crate) fn from_connection(why: ConnectionError) -> Error {
    let kind = match why {
        ConnectionError::Refused => ErrorKind::ConnectionRefused,
        ConnectionError::Reset => ErrorKind::ConnectionReset,
        ConnectionError::TimedOut => ErrorKind::TimedOut,
        ConnectionError::Aborted => ErrorKind::ConnectionAborted,
        ConnectionError::Unreachable(NetError::NetworkUnreachable) => ErrorKind::NetworkUnreachable,
        ConnectionError::Unreachable(_) => ErrorKind::HostUnreachable,
        _ => ErrorKind::Other,
    };
    Error::new(kind, why)
}

pub(crate) fn from_send(why: SendError) -> Error {
    match why {
        SendError::Dead(Some(why)) => from_connection(why),
        _ => Error::new(ErrorKind::BrokenPipe, why),
    }
}

pub(crate) fn from_connect(why: ConnectError) -> Error {
    let kind = match why {
        ConnectError::RemoteAddress | ConnectError::Family => ErrorKind::InvalidInput,
        ConnectError::NoRoute => ErrorKind::NetworkUnreachable,
        ConnectError::LocalAddress => ErrorKind::AddrNotAvailable,
        ConnectError::AddressInUse => ErrorKind::AddrInUse,
        ConnectError::NoPorts => ErrorKind::AddrNotAvailable,
        ConnectError::NoKey => ErrorKind::PermissionDenied,
        ConnectError::NoMemory => ErrorKind::OutOfMemory,
        _ => ErrorKind::Other,
    };
    Error::new(kind, why)
}

pub(crate) fn from_import(why: TcpImportError) -> Error {
    match why {
        TcpImportError::Place(why) => from_connect(why),
        _ => Error::new(ErrorKind::InvalidInput, why),
    }
}

pub(crate) fn from_bind(why: BindError) -> Error {
    let kind = match why {
        BindError::LocalAddress => ErrorKind::AddrNotAvailable,
        BindError::AddressInUse => ErrorKind::AddrInUse,
        BindError::NoPorts => ErrorKind::AddrNotAvailable,
        BindError::NoMemory => ErrorKind::OutOfMemory,
        _ => ErrorKind::Other,
    };
    Error::new(kind, why)
}

pub(crate) fn from_udp(why: UdpError) -> Error {
    let kind = match why {
        UdpError::Closed | UdpError::NotConnected => ErrorKind::NotConnected,
        UdpError::WouldBlock => ErrorKind::WouldBlock,
        UdpError::LocalAddress | UdpError::NoPorts => ErrorKind::AddrNotAvailable,
        UdpError::AddressInUse => ErrorKind::AddrInUse,
        UdpError::NoRoute => ErrorKind::NetworkUnreachable,
        UdpError::Broadcast => ErrorKind::PermissionDenied,
        UdpError::NoMemory => ErrorKind::OutOfMemory,
        UdpError::Unreachable(NetError::PortUnreachable) => ErrorKind::ConnectionRefused,
        UdpError::Unreachable(NetError::NetworkUnreachable) => ErrorKind::NetworkUnreachable,
        UdpError::Unreachable(_) => ErrorKind::HostUnreachable,
        _ => ErrorKind::InvalidInput,
    };
    Error::new(kind, why)
}

pub(crate) fn from_foreign(why: ForeignError) -> Error {
    let kind = match why {
        ForeignError::Closed => ErrorKind::NotConnected,
        ForeignError::WouldBlock => ErrorKind::WouldBlock,
        ForeignError::NoMemory => ErrorKind::OutOfMemory,
        ForeignError::NoRoute => ErrorKind::NetworkUnreachable,
        _ => ErrorKind::InvalidInput,
    };
    Error::new(kind, why)
}

/// The socket, or the interface under it, is gone.
pub(crate) fn gone() -> Error {
    Error::new(ErrorKind::NotConnected, "the socket is closed")
}
