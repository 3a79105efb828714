use core::fmt;

/// Why an active open was refused at once (RFC 9293, section 3.10.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The remote address or port is one that nobody can answer from: unspecified, multicast,
    /// broadcast, or port 0.
    RemoteAddress,
    /// Local and remote address are of different families.
    Family,
    /// No route to the remote address, or no address of ours to reach it from.
    NoRoute,
    /// The local address is not ours.
    LocalAddress,
    /// The tuple is in use, or a listener has the local port.
    AddressInUse,
    /// Every ephemeral port to this remote address is taken.
    NoPorts,
    /// The memory budget is used up.
    NoMemory,
    /// Signatures are required, and no key is for this connection; or it is to be imported, as signed
    /// ones cannot be.
    NoKey,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConnectError::RemoteAddress => "nobody can answer from this remote address",
            ConnectError::Family => "local and remote address are of different families",
            ConnectError::NoRoute => "no route to the remote address",
            ConnectError::LocalAddress => "the local address is not ours",
            ConnectError::AddressInUse => "address in use",
            ConnectError::NoPorts => "every ephemeral port to this remote address is taken",
            ConnectError::NoMemory => "memory budget used up",
            ConnectError::NoKey => "signatures are required, and there is no key for the peer",
        })
    }
}

impl core::error::Error for ConnectError {}

/// Why a passive open or a bind was refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum BindError {
    /// The local address is not ours.
    LocalAddress,
    /// Somebody has that address and port.
    AddressInUse,
    /// Every ephemeral port is taken.
    NoPorts,
    /// The memory budget is used up.
    NoMemory,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BindError::LocalAddress => "the local address is not ours",
            BindError::AddressInUse => "address in use",
            BindError::NoPorts => "every ephemeral port is taken",
            BindError::NoMemory => "memory budget used up",
        })
    }
}

impl core::error::Error for BindError {}
