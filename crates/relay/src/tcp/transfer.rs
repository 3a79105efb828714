//! The data connections of FTP's active mode: they come from the server, and lead to the program.

use super::Tcp;
use super::door::{Door, Doors};
use super::ftp::{CONTROL, Control};
use super::inbound::Inbound;
use super::pump::Filter;
use crate::{Opened, Outbound};
use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener as HostListener, TcpStream as HostStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How long the server may take to connect.
const PATIENCE: Duration = Duration::from_secs(60);
/// Endpoints that one control connection may have open at once.
const OPEN: usize = 16;

/// Looks after the data connections of one control connection; they go on when it is over.
pub(crate) struct Transfers {
    asked: mpsc::Receiver<(Arc<Door>, SocketAddr)>,
    server: SocketAddr,
}

/// A control connection with its doors.
struct Attended<Open> {
    control: Control<Open>,
    doors: Arc<Doors>,
}

impl<Open: FnMut(SocketAddr) -> Option<SocketAddr> + Send> Filter for Attended<Open> {
    fn pass(&mut self, slices: &mut Vec<Bytes>, end: bool) {
        self.control.pass(slices, end);
    }

    fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.doors.poll_quiet(cx)
    }
}

impl Tcp {
    /// What rewrites a control connection, and what has to run beside it; `None` when `host` is
    /// none, or leads to a proxy.
    pub(crate) fn transfers(
        &self,
        program: SocketAddr,
        destination: SocketAddr,
        host: &HostStream,
    ) -> Option<(Box<dyn Filter>, Transfers)> {
        if destination.port() != CONTROL || !matches!(self.shared.outbound, Outbound::Direct(_)) {
            return None;
        }
        let own = host.local_addr().ok()?.ip();
        let (sender, asked) = mpsc::channel(OPEN);
        let doors = Arc::new(Doors::default());
        let at = Arc::clone(&doors);
        let open = move |inside: SocketAddr| {
            let place = sender.try_reserve().ok()?;
            let listener = listen(own).ok()?;
            let outside = listener.local_addr().ok()?;
            place.send((at.open(listener), inside));
            Some(SocketAddr::new(own.to_canonical(), outside.port()))
        };
        let control = Control::new(program.ip(), open);
        let filter = Box::new(Attended { control, doors });
        let transfers = Transfers {
            asked,
            server: destination,
        };
        Some((filter, transfers))
    }

    /// Waits for the data connections of a control connection, and carries them.
    pub(crate) async fn serve_transfers(self: Arc<Tcp>, mut transfers: Transfers, outside: IpAddr) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some((door, inside)) = transfers.asked.recv(), if connections.len() < OPEN => {
                    let one = self.clone().transfer(door, inside, transfers.server, outside);
                    connections.spawn(one);
                }
                Some(_) = connections.join_next() => {}
                else => break,
            }
        }
    }

    /// One data connection from the server to the program's `inside`.
    async fn transfer(
        self: Arc<Tcp>,
        door: Arc<Door>,
        inside: SocketAddr,
        server: SocketAddr,
        outside: IpAddr,
    ) {
        let arrive = async {
            loop {
                match door.accept().await {
                    Ok((host, peer)) if peer.ip().to_canonical() == outside => {
                        return Some((host, peer));
                    }
                    // Whoever that is, he is not the server.
                    Ok((stranger, _)) => {
                        let _ = stranger.set_zero_linger();
                        door.turn_away();
                    }
                    Err(_) => return None,
                }
            }
        };
        let arrived = tokio::time::timeout(PATIENCE, arrive).await.ok().flatten();
        if let Some((host, peer)) = arrived {
            let inbound = Inbound {
                host,
                // As the program knows the server.
                peer: SocketAddr::new(server.ip(), peer.port()),
                targets: vec![inside],
                opened: Opened::ForTransfer,
                door: Some(door),
            };
            self.inbound(inbound).await;
        }
    }
}

fn listen(own: IpAddr) -> std::io::Result<HostListener> {
    let listener = std::net::TcpListener::bind((own, 0))?;
    listener.set_nonblocking(true)?;
    HostListener::from_std(listener)
}
