//! Connections of others to a published port of the program.

use super::Tcp;
use super::inbound::Inbound;
use crate::{Opened, Publish};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener as HostListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Listens on the host for the published port.
///
/// # Errors
/// The system's, with the address in words. On a host without IPv6 the loopback's IPv4 alone is
/// as good.
pub(crate) async fn listen(publish: &Publish) -> io::Result<Vec<HostListener>> {
    let mut listeners: Vec<HostListener> = Vec::new();
    for mut at in publish.listen() {
        if let (0, Some(first)) = (publish.host, listeners.first()) {
            // The same in both families, even if the host chose it.
            at.set_port(first.local_addr()?.port());
        }
        match HostListener::bind(at).await {
            Ok(listener) => listeners.push(listener),
            Err(_) if publish.address.is_none() && at.is_ipv6() && !has_ipv6_loopback() => {}
            Err(e) => {
                let said = format!("cannot listen on {at} for the published port {publish}: {e}");
                return Err(io::Error::new(e.kind(), said));
            }
        }
    }
    Ok(listeners)
}

fn has_ipv6_loopback() -> bool {
    std::net::UdpSocket::bind((std::net::Ipv6Addr::LOCALHOST, 0)).is_ok()
}

impl Tcp {
    /// Leads connections to `listener` to the program's `port`, until `stopped` is closed.
    pub(crate) async fn serve_published(
        self: Arc<Tcp>,
        listener: HostListener,
        port: u16,
        mut stopped: watch::Receiver<()>,
    ) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((host, peer)) => {
                        let inbound = Inbound {
                            host,
                            peer: self.shared.substitutes.inside(peer),
                            targets: self.program_at(peer.ip(), port),
                            opened: Opened::Published,
                            door: None,
                        };
                        connections.spawn(self.clone().inbound(inbound));
                    }
                    // No descriptors, most likely: those who wait go on waiting.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                },
                Some(_) = connections.join_next() => {}
                _ = stopped.changed() => break,
            }
        }
        drop(listener);
        connections.shutdown().await;
    }
}
