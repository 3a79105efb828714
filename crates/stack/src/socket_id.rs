use core::fmt;

/// A handle to a socket of one stack. It ends when the socket is closed; one that outlives its
/// socket is refused, never served by the next owner of its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId {
    pub(crate) kind: SocketKind,
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// What a [`SocketId`] names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
#[repr(u8)]
pub enum SocketKind {
    /// A TCP connection.
    Tcp,
    /// A TCP listener.
    Listener,
    /// A UDP socket.
    Udp,
    /// A socket for ICMP echo.
    Ping,
    /// The socket of who stands in for other hosts.
    Foreign,
    /// A TCP handshake that an application waits for.
    Handshake,
}

impl SocketId {
    /// What it names.
    pub fn kind(&self) -> SocketKind {
        self.kind
    }
}

impl fmt::Debug for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}#{}.{}", self.kind, self.index, self.generation)
    }
}

/// A SYN that waits for the application's decision.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PendingId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}
