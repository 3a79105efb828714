//! Ports of the host that lead to the program.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// A port of the host that leads to a port of the program: `[ADDRESS:]HOST:PROGRAM[/udp]`. Without
/// an address it is a port of the host's loopback, in both families; `0.0.0.0` and `[::]` open it
/// to the whole network.
///
/// ```
/// use handfast_relay::{Publish, Transport};
///
/// let web: Publish = "8080:80".parse()?;
/// assert_eq!((web.host, web.program), (8080, 80));
/// let game: Publish = "[::]:27015:27015/udp".parse()?;
/// assert_eq!(game.transport, Transport::Udp);
/// # Ok::<(), handfast_relay::PublishError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct Publish {
    /// Where the host listens; `None`: on its loopback, in both families.
    pub address: Option<IpAddr>,
    /// The port there; 0: one that the host chooses.
    pub host: u16,
    /// The port to which it leads.
    pub program: u16,
    /// Of which transport.
    pub transport: Transport,
}

/// A transport protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Transport {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

/// Why a [`Publish`] cannot be read, in one line with its fix.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublishError(String);

impl Publish {
    /// Where the host listens.
    pub fn listen(&self) -> impl Iterator<Item = SocketAddr> + use<> {
        let port = self.host;
        let (one, two): (IpAddr, Option<IpAddr>) = match self.address {
            Some(address) => (address, None),
            None => (Ipv4Addr::LOCALHOST.into(), Some(Ipv6Addr::LOCALHOST.into())),
        };
        let all = [Some(one), two].into_iter().flatten();
        all.map(move |address| SocketAddr::new(address, port))
    }
}

impl FromStr for Publish {
    type Err = PublishError;

    fn from_str(text: &str) -> Result<Publish, PublishError> {
        let wrong = |why: &str| PublishError(format!("cannot publish {text:?}: {why}"));
        let port = |text: &str, lowest: u16| {
            text.parse::<u16>()
                .ok()
                .filter(|&port| port >= lowest)
                .ok_or_else(|| wrong("a port is a number from 1 to 65535; write 8080:80"))
        };
        let (ports, transport) = match text.rsplit_once('/') {
            None => (text, Transport::Tcp),
            Some((ports, "tcp")) => (ports, Transport::Tcp),
            Some((ports, "udp")) => (ports, Transport::Udp),
            Some(_) => return Err(wrong("after the slash comes tcp or udp; write 53:53/udp")),
        };
        let (rest, program) = ports.rsplit_once(':').ok_or_else(|| {
            wrong("it takes the port of the host and that of the program; write 8080:80")
        })?;
        let (address, host) = match rest.rsplit_once(':') {
            None => (None, rest),
            Some((address, host)) => {
                let bracketed = address.strip_prefix('[').and_then(|a| a.strip_suffix(']'));
                let parsed = match bracketed {
                    Some(v6) => v6.parse().map(IpAddr::V6).ok(),
                    None => address.parse().map(IpAddr::V4).ok(),
                };
                let address = parsed.ok_or_else(|| {
                    wrong("before the ports stands an address of the host; write 0.0.0.0:8080:80 or [::]:8080:80")
                })?;
                (Some(address), host)
            }
        };
        Ok(Publish {
            address,
            host: port(host, 0)?,
            program: port(program, 1)?,
            transport,
        })
    }
}

impl fmt::Display for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{}", SocketAddr::new(address, self.host))?,
            None => write!(f, "{}", self.host)?,
        }
        let transport = match self.transport {
            Transport::Tcp => "",
            Transport::Udp => "/udp",
        };
        write!(f, ":{}{transport}", self.program)
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PublishError {}

#[cfg(test)]
mod tests;
