//! Connections of the host's that lead to the program.

use super::Tcp;
use super::carried::{Carried, Labels};
use super::door::Door;
use crate::outbound::prepare;
use crate::{Opened, Refusal, RelayEvent};
use handfast::{TcpConnector, TcpStream};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream as HostStream;
use tokio::time::timeout;

/// How long the program's kernel may take to answer, before another address of it is tried.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection that somebody has opened to the host.
pub(super) struct Inbound {
    pub(super) host: HostStream,
    /// Who has, as the program knows him.
    pub(super) peer: SocketAddr,
    /// Where the program may listen, the likeliest first.
    pub(super) targets: Vec<SocketAddr>,
    pub(super) opened: Opened,
    /// Where he came in, if others wait for him to arrive.
    pub(super) door: Option<Arc<Door>>,
}

impl Tcp {
    /// Leads a connection to the program. The peer is refused when the program does.
    pub(super) async fn inbound(self: Arc<Tcp>, inbound: Inbound) {
        let Inbound {
            host,
            peer,
            targets,
            opened,
            door,
        } = inbound;
        // Whatever ends this before the program has answered resets the peer.
        let _ = host.set_zero_linger();
        let (Some(place), Some(&first)) = (self.gate.place(), targets.first()) else {
            return;
        };
        let id = self.next_id();
        self.shared.tell(|| RelayEvent::TcpAsked {
            id,
            program: first,
            destination: peer,
        });
        let began = Instant::now();
        let answered = self.to_program(&targets, peer).await.and_then(|answer| {
            let socket = socket2::SockRef::from(&host);
            socket.set_linger(None)?;
            prepare(socket)?;
            Ok(answer)
        });
        drop(door);
        let (ours, program) = match answered {
            Ok(answer) => answer,
            Err(e) => {
                let why = match e.kind() {
                    ErrorKind::TimedOut => Refusal::TimedOut,
                    _ => Refusal::Refused,
                };
                return self.shared.tell(|| RelayEvent::TcpRefused { id, why });
            }
        };
        self.shared.tell(|| RelayEvent::TcpAnswered {
            id,
            after: began.elapsed(),
        });
        let labels = Labels {
            id,
            program,
            destination: peer,
            name: None,
            opened,
        };
        let carried = Carried::new(&self.shared, labels, ours, host);
        carried.run(None).await;
        drop(place);
    }

    /// Opens a connection to the program, to the first of `targets` that takes it; in the name of
    /// `peer` where that is possible.
    async fn to_program(
        &self,
        targets: &[SocketAddr],
        peer: SocketAddr,
    ) -> io::Result<(TcpStream, SocketAddr)> {
        let mut why = io::Error::from(ErrorKind::AddrNotAvailable);
        for &target in targets {
            let connect = self.connect_as(target, peer);
            match timeout(PATIENCE, connect).await {
                Ok(Ok(ours)) => return Ok((ours, target)),
                Ok(Err(e)) => why = e,
                Err(_) => why = ErrorKind::TimedOut.into(),
            }
        }
        Err(why)
    }

    async fn connect_as(&self, target: SocketAddr, peer: SocketAddr) -> io::Result<TcpStream> {
        let connector = || {
            let connector = TcpConnector::new();
            match &self.shared.config {
                Some(config) => connector.config(config.clone()),
                None => connector,
            }
        };
        let address = peer.ip().to_canonical();
        // The program's kernel takes nothing from its own addresses over the link.
        let is_own = address.is_loopback() || self.shared.program.contains(&address);
        let may_be_peer = address.is_ipv4() == target.is_ipv4() && !is_own;
        if !may_be_peer {
            return connector().connect(&self.net, target).await;
        }
        let from = |port| connector().foreign(SocketAddr::new(address, port));
        match from(peer.port()).connect(&self.net, target).await {
            // The last connection between the two is not long gone.
            Err(e) if e.kind() == ErrorKind::AddrInUse => from(0).connect(&self.net, target).await,
            result => result,
        }
    }

    /// Where the program may listen for `peer`: at its address of the same family first.
    pub(super) fn program_at(&self, peer: IpAddr, port: u16) -> Vec<SocketAddr> {
        let mut addresses = self.shared.program.clone();
        addresses.sort_by_key(|address| address.is_ipv4() != peer.to_canonical().is_ipv4());
        let at = |address| SocketAddr::new(address, port);
        addresses.into_iter().map(at).collect()
    }
}
