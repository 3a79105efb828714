//! `handfast serve DIR`: files over HTTP, over our own TCP, to the machine we run on.
//!
//! | file | what |
//! |---|---|
//! | `interface` | the TUN interface through which this machine reaches us |
//! | `tree` | a directory that no path leads out of |
//! | `files` | requests for what is in it |
//! | `listing` | what is in a directory of it |
//! | `http` | messages, pages, ranges, conditions: what the services use, too |

mod arguments;
pub(crate) mod files;
pub(crate) mod http;
mod interface;
mod listing;
#[cfg(test)]
mod tests;
pub(crate) mod tree;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use handfast::stack::AddressPrefix;
use handfast::{Host, TcpListener};
use hyper::header::CONTENT_LENGTH;
use tokio::task::JoinSet;

pub use arguments::ServeArguments;

use crate::signals::Signals;
use crate::terminal::Terminal;
use files::Files;
use http::connections::{self, Ends};
use http::{Answer, Question};
use interface::Interface;
use tree::Tree;

/// Where files are served if nothing is said: private networks (RFC 1918, RFC 4193).
const ADDRESSES: [&str; 2] = ["10.78.0.1/24", "fd68:616e:6466:2::1/64"];

/// The whole of `handfast serve`: returns when a signal asks for it.
pub fn run(arguments: &ServeArguments, terminal: Terminal) -> ExitCode {
    match serve(arguments, terminal) {
        Ok(signal) => ExitCode::from(128 + signal as u8),
        Err(why) => {
            eprintln!("handfast: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until a signal comes, and returns its number.
fn serve(arguments: &ServeArguments, mut terminal: Terminal) -> Result<i32, String> {
    let directory = &arguments.directory;
    let tree = Tree::open_root(directory, arguments.follow_links).map_err(|e| e.to_string())?;
    let files = Files::new(tree, "/");
    let asked: Vec<AddressPrefix> = match arguments.addresses.is_empty() {
        true => ADDRESSES.iter().filter_map(|a| a.parse().ok()).collect(),
        false => arguments.addresses.clone(),
    };
    let all = !arguments.addresses.is_empty();
    let interface = interface::open(&arguments.tun, &asked, all)?;
    let name = interface.name.clone();
    let places: Vec<_> = interface.addresses.iter().map(|a| a.address()).collect();
    let places = places.iter().map(|ip| SocketAddr::new(*ip, arguments.port));
    let places: Vec<SocketAddr> = places.collect();
    let host = host(interface)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("cannot start threads: {e}"))?;
    let signal = runtime.block_on(async {
        let mut signals = Signals::new().map_err(|e| format!("cannot wait for signals: {e}"))?;
        let mut listeners = Vec::new();
        for &place in &places {
            let listener = TcpListener::builder().bind(&host.net(), place);
            listeners.push(listener.map_err(|e| format!("cannot listen on {place}: {e}"))?);
        }
        let said: Vec<_> = places.iter().map(url).collect();
        terminal.line(&format!(
            "Serving {} at {} on interface {name}. Ctrl-C ends it.",
            directory.display(),
            said.join(" and ")
        ));
        let requests = terminal
            .is_verbose()
            .then(|| Arc::new(Mutex::new(terminal)));
        let mut tasks = JoinSet::new();
        for listener in listeners {
            let (files, requests) = (files.clone(), requests.clone());
            let answer = move |request: Question, ends| {
                let (files, requests) = (files.clone(), requests.clone());
                async move {
                    let answer = files.answer(&request).await;
                    if let Some(terminal) = requests {
                        let line = line(&request, ends, &answer);
                        let mut terminal = terminal.lock().unwrap_or_else(PoisonError::into_inner);
                        terminal.line(&line);
                    }
                    answer
                }
            };
            tasks.spawn(connections::serve(listener, answer));
        }
        Ok(signals.next().await)
    });
    // A read that is under way has nobody to be for.
    runtime.shutdown_background();
    signal
}

/// The stack behind the interface: what is for anybody goes back the same way.
fn host(interface: Interface) -> Result<Host, String> {
    let has = |wanted: fn(&IpAddr) -> bool| {
        let mut all = interface.addresses.iter().map(|a| a.address());
        all.any(|a| wanted(&a))
    };
    let gateways: [(IpAddr, bool); 2] = [
        (Ipv4Addr::UNSPECIFIED.into(), has(IpAddr::is_ipv4)),
        (Ipv6Addr::UNSPECIFIED.into(), has(IpAddr::is_ipv6)),
    ];
    let mut builder = Host::builder().link(interface.tun, interface.addresses);
    for (gateway, _) in gateways.into_iter().filter(|(_, wanted)| *wanted) {
        builder = builder.gateway(gateway);
    }
    builder.start().map_err(|e| e.to_string())
}

/// Where a browser finds it.
fn url(place: &SocketAddr) -> String {
    match (place.ip(), place.port()) {
        (IpAddr::V4(ip), 80) => format!("http://{ip}/"),
        (IpAddr::V6(ip), 80) => format!("http://[{ip}]/"),
        _ => format!("http://{place}/"),
    }
}

/// `10.78.0.2 GET /a.txt 206 1000`: who, what, the status, and octets if they are known.
fn line(request: &Question, ends: Ends, answer: &Answer) -> String {
    let length = answer
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok());
    let length = length.map(str::to_owned).or_else(|| {
        let body = hyper::body::Body::size_hint(answer.body()).exact()?;
        Some(body.to_string())
    });
    format!(
        "{} {} {} {} {}",
        ends.client.ip(),
        request.method(),
        request.uri(),
        answer.status().as_u16(),
        length.unwrap_or_default()
    )
}
