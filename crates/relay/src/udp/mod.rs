//! Datagrams, relayed as a network address translator does (RFC 4787).
//!
//! * *Mapping*: each endpoint of the program has one unconnected socket of the machine's, whatever
//!   it sends to (endpoint-independent, REQ-1), with the same port where that is free (REQ-3). So
//!   STUN tells the truth, and QUIC's migration works.
//! * *Filtering*: address-dependent (REQ-8). Whoever the program has sent to may answer, from any
//!   of his ports; nobody else reaches it, for the program is a client on somebody's machine. A
//!   [published](Published) port is the exception that was asked for: anybody may send to it.
//! * *Timeouts* (REQ-5): a flow ends two minutes after the last datagram while nobody has answered,
//!   five minutes after it when somebody has, and ten seconds after an answer from port 53, of
//!   which there is only one. A mapping ends with its last flow.
//! * *Errors*: what ICMP tells the machine's socket, the program is told, in the name of who said
//!   so; a destination that the machine cannot reach is answered at once.
//! * *Trains*: several datagrams of one size to one destination cross in one piece, both ways.
//!
//! A datagram too long for the path of the machine is cut into fragments by the machine, as for
//! any program of its own.

pub(crate) mod errors;
mod flow;
mod host_socket;
mod mapping;
mod nat;
#[cfg(test)]
pub(crate) mod tests;
mod train;

pub use flow::{FlowEnd, UdpReport};
pub use nat::{Counts, Nat};

use crate::Direct;
use crate::dns::Names;
use crate::policy::is_host_loopback;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Where a destination that the program asked for is outside; `None` when it may not be reached.
pub type Admit = Arc<dyn Fn(SocketAddr) -> Option<SocketAddr> + Send + Sync>;

/// How datagrams are relayed.
#[derive(Clone)]
pub struct Config {
    /// Asked once for each flow. Default: everything but the machine's own loopback, as it is.
    pub admit: Admit,
    /// Told of each flow that is over. Default: nobody is.
    pub report: Arc<dyn Fn(UdpReport) + Send + Sync>,
    /// For the names in reports. Default: none.
    pub names: Option<Arc<Names>>,
    /// Ports of the machine that lead to the program. Default: none.
    pub published: Vec<Published>,
    /// Under which address the program sees a peer of the machine's loopback that sends to a
    /// published port: one of IPv4 and one of IPv6. Such a peer is not heard without.
    pub loopback_alias: Vec<IpAddr>,
    /// How pings are relayed; `None`: they are rejected.
    pub ping: Option<crate::ping::Config>,
    /// Options of the machine's sockets.
    pub direct: Direct,
    /// Endpoints of the program that are served at once, each with a socket of the machine's;
    /// beyond that the one idle for longest gives way. Default 512.
    pub mappings: usize,
    /// Destinations that one endpoint may have at once; beyond that the one idle for longest gives
    /// way. Default 1024.
    pub flows: usize,
    /// Octets that may wait to be relayed, in each direction. Default 4 MiB.
    pub memory: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            admit: Arc::new(|to| Some(to).filter(|to| !is_host_loopback(to.ip()))),
            report: Arc::new(|_| ()),
            names: None,
            published: Vec::new(),
            loopback_alias: Vec::new(),
            ping: Some(crate::ping::Config::default()),
            direct: Direct::default(),
            mappings: 512,
            flows: 1024,
            memory: 4 << 20,
        }
    }
}

/// A port of the machine's that leads to one of the program's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Published {
    /// Where the machine listens.
    pub outside: SocketAddr,
    /// Where the program does, of the same family.
    pub inside: SocketAddr,
}
