//! How the host reaches a destination.

use crate::Refusal;
use handfast::stack::icmp::Problem;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::str::FromStr;
use tokio::net::{TcpSocket, TcpStream};
use tokio_socks::tcp::Socks5Stream;

/// By which way connections leave the host.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Outbound {
    /// With sockets of the host.
    Direct(Direct),
    /// Through a SOCKS5 proxy (RFC 1928). UDP and ping do not pass it.
    Socks5 {
        /// Where it is.
        proxy: SocketAddr,
        /// User name and password (RFC 1929).
        auth: Option<Credentials>,
        /// How the proxy itself is reached.
        direct: Direct,
    },
}

/// Options of the host's sockets.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Direct {
    /// Only over this interface (`SO_BINDTODEVICE`).
    pub bind_interface: Option<String>,
    /// With this mark (`SO_MARK`), by which the host's routes may choose. Needs CAP_NET_ADMIN.
    pub mark: Option<u32>,
}

/// User name and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// 1 to 255 octets.
    pub user: String,
    /// 1 to 255 octets.
    pub password: String,
}

/// Why an [`Outbound`] cannot be read, in one line with its fix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutboundError;

impl fmt::Display for OutboundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "it is no SOCKS5 proxy; write it like socks5://127.0.0.1:1080 or \
             socks5://user:password@[::1]:1080",
        )
    }
}

impl std::error::Error for OutboundError {}

impl Default for Outbound {
    fn default() -> Outbound {
        Outbound::Direct(Direct::default())
    }
}

/// `socks5://ADDRESS:PORT` or `socks5://USER:PASSWORD@ADDRESS:PORT`; the scheme may be left out.
impl FromStr for Outbound {
    type Err = OutboundError;

    fn from_str(text: &str) -> Result<Outbound, OutboundError> {
        let rest = text.strip_prefix("socks5://").unwrap_or(text);
        let (auth, address) = match rest.rsplit_once('@') {
            Some((auth, address)) => (Some(auth), address),
            None => (None, rest),
        };
        let credentials = |auth: &str| {
            let (user, password) = auth.split_once(':')?;
            let fits = |part: &str| (1..=255).contains(&part.len());
            (fits(user) && fits(password)).then(|| Credentials {
                user: user.to_owned(),
                password: password.to_owned(),
            })
        };
        let address = address.strip_suffix('/').unwrap_or(address);
        Ok(Outbound::Socks5 {
            proxy: address.parse().map_err(|_| OutboundError)?,
            auth: match auth {
                Some(auth) => Some(credentials(auth).ok_or(OutboundError)?),
                None => None,
            },
            direct: Direct::default(),
        })
    }
}

impl Outbound {
    /// Connects to `destination`.
    pub(crate) async fn connect(&self, destination: SocketAddr) -> Result<TcpStream, Refusal> {
        let (direct, first) = match self {
            Outbound::Direct(direct) => (direct, destination),
            Outbound::Socks5 { proxy, direct, .. } => (direct, *proxy),
        };
        let stream = direct.connect(first).await.map_err(refusal)?;
        match self {
            Outbound::Direct(_) => Ok(stream),
            // Most have no proxy, and so no room for what it takes.
            Outbound::Socks5 { auth, .. } => {
                Box::pin(by_proxy(stream, auth.as_ref(), destination)).await
            }
        }
    }
}

/// Asks the proxy at the other end of `stream` to connect.
async fn by_proxy(
    stream: TcpStream,
    auth: Option<&Credentials>,
    destination: SocketAddr,
) -> Result<TcpStream, Refusal> {
    let connected = match auth {
        None => Socks5Stream::connect_with_socket(stream, destination).await,
        Some(Credentials { user, password }) => {
            Socks5Stream::connect_with_password_and_socket(stream, destination, user, password)
                .await
        }
    };
    Ok(connected.map_err(refusal_by_proxy)?.into_inner())
}

impl Direct {
    /// Applies the options to a socket of the host.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn apply(&self, socket: socket2::SockRef<'_>) -> io::Result<()> {
        if let Some(interface) = &self.bind_interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        if let Some(mark) = self.mark {
            socket.set_mark(mark)?;
        }
        Ok(())
    }

    async fn connect(&self, destination: SocketAddr) -> io::Result<TcpStream> {
        let socket = match destination {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        self.apply(socket2::SockRef::from(&socket))?;
        prepare(socket2::SockRef::from(&socket))?;
        socket.connect(destination).await
    }
}

/// What every relayed socket of the host has: segments leave as they come, for it is the program
/// that decides; and urgent data stays in its place in the stream, for it would be lost otherwise.
pub(crate) fn prepare(socket: socket2::SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_out_of_band_inline(true)
}

/// What a failed connect means to who asked.
fn refusal(error: io::Error) -> Refusal {
    use rustix::io::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    match errno {
        Some(Errno::CONNREFUSED | Errno::CONNRESET | Errno::PIPE) => Refusal::Refused,
        Some(Errno::NETUNREACH | Errno::NETDOWN | Errno::AFNOSUPPORT) => {
            Refusal::Unreachable(Problem::NoRoute)
        }
        Some(Errno::ACCESS | Errno::PERM) => Refusal::Unreachable(Problem::Prohibited),
        Some(Errno::TIMEDOUT) => Refusal::TimedOut,
        Some(
            Errno::MFILE
            | Errno::NFILE
            | Errno::NOBUFS
            | Errno::NOMEM
            | Errno::AGAIN
            | Errno::ADDRNOTAVAIL
            | Errno::ADDRINUSE,
        ) => Refusal::Exhausted,
        _ if error.kind() == ErrorKind::TimedOut => Refusal::TimedOut,
        _ => Refusal::Unreachable(Problem::Host),
    }
}

/// What a proxy's answer means to who asked.
fn refusal_by_proxy(error: tokio_socks::Error) -> Refusal {
    use tokio_socks::Error;
    match error {
        Error::Io(error) => refusal(error),
        Error::ConnectionRefused => Refusal::Refused,
        Error::NetworkUnreachable => Refusal::Unreachable(Problem::NoRoute),
        Error::ConnectionNotAllowedByRuleset
        | Error::PasswordAuthFailure(_)
        | Error::NoAcceptableAuthMethods => Refusal::Unreachable(Problem::Prohibited),
        Error::TtlExpired => Refusal::TimedOut,
        _ => Refusal::Unreachable(Problem::Host),
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
