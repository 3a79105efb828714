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
use std::pin::Pin;

use handfast::{Net, TcpListener};
use tokio::task::JoinSet;

pub use watch::Watch;

use crate::serve::files::Files;
use crate::serve::http::connections;
use crate::serve::tree::Tree;

/// Connections to each of the small services, for each address.
const MOST: usize = 256;

/// One service on one address.
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

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
    let files = match files {
        Some(path) => Some(Files::new(Tree::open_root(&path, false)?, "/files/")),
        None => None,
    };
    let site = site::Site::new(watch.clone(), files);
    // Nothing runs until everything is bound.
    let mut tasks: Vec<Task> = Vec::new();
    for &address in addresses {
        let listen = |port| {
            let local = SocketAddr::new(address, port);
            let named = |e: io::Error| io::Error::new(e.kind(), format!("TCP {local}: {e}"));
            let builder = TcpListener::builder().reuse_address(true);
            builder.bind(net, local).map_err(named)
        };
        let (echo, discard) = (listen(echo::PORT)?, listen(discard::PORT)?);
        let (daytime, chargen) = (listen(daytime::PORT)?, listen(chargen::PORT)?);
        tasks.push(Box::pin(connections::each(echo, MOST, echo::serve)));
        tasks.push(Box::pin(connections::each(discard, MOST, discard::serve)));
        tasks.push(Box::pin(connections::each(daytime, MOST, daytime::serve)));
        tasks.push(Box::pin(connections::each(chargen, MOST, chargen::serve)));
        let site = site.clone();
        let answer = move |request, ends| {
            let site = site.clone();
            async move { site.answer(request, ends).await }
        };
        tasks.push(Box::pin(connections::serve(listen(site::PORT)?, answer)));
        datagrams::bind(&mut tasks, net, address)?;
    }
    let mut running = JoinSet::new();
    for task in tasks {
        running.spawn(task);
    }
    Ok(Services { _tasks: running })
}
