//! What answers at the addresses of `handfast.internal`, over our own sockets.
//!
//! | port | what | file |
//! |---|---|---|
//! | 7 | echo (RFC 862) | `echo` |
//! | 9 | discard (RFC 863) | `discard` |
//! | 13 | daytime (RFC 867) | `daytime` |
//! | 19 | character generator (RFC 864) | `chargen` |
//! | 80 | HTTP: pages to try a stack with | `site`, `octets`, `login`, `you` |
//!
//! All but the last over TCP and UDP. `watch` records the connections to port 80, so that each of
//! them can be shown the ladder of itself.

mod chargen;
mod datagrams;
mod daytime;
mod discard;
mod echo;
mod login;
mod octets;
mod site;
#[cfg(test)]
mod tests;
mod watch;
mod you;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use handfast::{Net, TcpListener};
use tokio::task::JoinSet;

pub use watch::Watch;

use crate::serve::files::Files;
use crate::serve::http::connections;
use crate::serve::tree::Tree;

/// Connections to each of the small services, for each address.
const MOST: usize = 256;

/// The services at work. Dropping it ends them and all their connections.
#[derive(Debug)]
pub struct Services {
    _tasks: JoinSet<()>,
}

/// Starts all services on each of `addresses` of `net`, as tasks of the current tokio runtime.
/// `watch` is what the stack's link and its trace are shown to; `files` is the directory to be
/// found under `/files/`.
///
/// # Errors
/// `AddrInUse` or `AddrNotAvailable` with the address; those of opening the directory, in one line
/// with a fix. Nothing is left running then.
pub fn start(
    net: &Net,
    addresses: &[IpAddr],
    watch: &Watch,
    files: Option<PathBuf>,
) -> io::Result<Services> {
    let mut tasks = JoinSet::new();
    let files = match files {
        Some(path) => Some(Files::new(Tree::open_root(&path, false)?, "/files/")),
        None => None,
    };
    let site = site::Site::new(watch.clone(), files);
    for &address in addresses {
        let listen = |port| {
            let local = SocketAddr::new(address, port);
            let named = |e: io::Error| io::Error::new(e.kind(), format!("TCP {local}: {e}"));
            TcpListener::builder().bind(net, local).map_err(named)
        };
        tasks.spawn(connections::each(listen(echo::PORT)?, MOST, echo::serve));
        tasks.spawn(connections::each(
            listen(discard::PORT)?,
            MOST,
            discard::serve,
        ));
        tasks.spawn(connections::each(
            listen(daytime::PORT)?,
            MOST,
            daytime::serve,
        ));
        tasks.spawn(connections::each(
            listen(chargen::PORT)?,
            MOST,
            chargen::serve,
        ));
        let site = site.clone();
        let answer = move |request, ends| {
            let site = site.clone();
            async move { site.answer(request, ends).await }
        };
        tasks.spawn(connections::serve(listen(site::PORT)?, answer));
        datagrams::start(&mut tasks, net, address)?;
    }
    Ok(Services { _tasks: tasks })
}
