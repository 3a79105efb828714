//! Pings, relayed by ICMP sockets of the machine's (RFC 5508).
//!
//! Each identifier of the program has a socket of its own, as long as it pings and a minute more
//! (REQ-2 a). Data and sequence number cross as they are, the identifier is the socket's. What
//! becomes of a request, a reply or an error of the network, is told in the name of who said so,
//! with the hop limit that is left; so `ping` and `traceroute -I` see the real way.
//!
//! The machine permits such sockets to the groups in `net.ipv4.ping_group_range` (of both
//! families), and raw ones to who has `CAP_NET_RAW`. Where it permits neither, a ping is answered
//! with *administratively prohibited*.

mod echo_socket;
#[cfg(test)]
mod tests;

use crate::udp::{Admit, errors::NetworkError};
use echo_socket::{EchoSocket, Reply};
use handfast::ForeignSocket;
use handfast::stack::ForeignEcho;
use handfast::stack::icmp::Problem;
use handfast::wire::Payload;
use handfast::wire::icmp::Echo;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

/// Hosts that one identifier may ping at once; beyond that the one pinged longest ago is
/// forgotten.
const HOSTS: usize = 4096;

/// How pings are relayed.
#[derive(Clone)]
pub struct Config {
    /// Identifiers that are served at once, each with a socket of the machine's; beyond that the
    /// one idle for longest gives way. Default 64.
    pub identifiers: usize,
    /// After what time without a request an identifier is forgotten. Default 60 s.
    pub timeout: Duration,
    /// Told once, if it comes to that, that the machine does not permit it; what it is told says
    /// how it can be permitted.
    pub unavailable: Arc<dyn Fn(&Unavailable) + Send + Sync>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            identifiers: 64,
            timeout: Duration::from_secs(60),
            unavailable: Arc::new(|_| ()),
        }
    }
}

/// The machine permits no ICMP sockets.
#[derive(Debug)]
pub struct Unavailable(io::Error);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ping is not permitted here ({}): net.ipv4.ping_group_range leaves this user's groups \
             out; permit it with: sysctl net.ipv4.ping_group_range=\"0 2147483647\"",
            self.0
        )
    }
}

impl std::error::Error for Unavailable {}

/// Whether the machine permits to relay pings.
///
/// # Errors
/// [`Unavailable`].
pub fn probe() -> Result<(), Unavailable> {
    EchoSocket::open(true, 0).map(drop).map_err(Unavailable)
}

pub(crate) struct Pings {
    shared: Arc<Shared>,
}

struct Shared {
    foreign: Arc<ForeignSocket>,
    config: Config,
    is_told: AtomicBool,
    table: Mutex<HashMap<Key, Entry>>,
}

/// The program's address and identifier.
type Key = (IpAddr, u16);

struct Entry {
    pinger: Arc<Pinger>,
    task: AbortHandle,
}

/// One identifier.
struct Pinger {
    key: Key,
    socket: EchoSocket,
    state: Mutex<State>,
}

struct State {
    /// By address outside.
    hosts: HashMap<IpAddr, Host>,
    last: Instant,
}

struct Host {
    /// Its address as the program sees it.
    inside: IpAddr,
    last: Instant,
}

impl Pings {
    pub(crate) fn new(foreign: Arc<ForeignSocket>, config: Config) -> Pings {
        Pings {
            shared: Arc::new(Shared {
                foreign,
                config,
                is_told: AtomicBool::new(false),
                table: Mutex::default(),
            }),
        }
    }

    /// Relays an echo request.
    pub(crate) fn request(&self, echo: ForeignEcho, admit: &Admit) {
        if let Err(problem) = self.try_request(&echo, admit) {
            let shared = &self.shared;
            problem.map(|why| shared.foreign.reject(&echo.into(), why, None));
        }
    }

    /// What is wrong with a request, if anything is to be said of it.
    fn try_request(&self, echo: &ForeignEcho, admit: &Admit) -> Result<(), Option<Problem>> {
        // We are a hop of its way.
        if echo.hop_limit <= 1 {
            return Err(Some(Problem::HopLimit));
        }
        let outside = admit((echo.destination, 0).into()).map(|to| to.ip());
        let outside = outside
            .filter(|ip| ip.is_ipv4() == echo.destination.is_ipv4())
            .ok_or(Some(Problem::Prohibited))?;
        let pinger = self.shared.pinger((echo.source, echo.echo.identifier));
        let pinger = pinger.map_err(|e| Some(self.shared.unavailable(e)))?;
        pinger.remember(outside, echo.destination);
        let about = |e| pinger.tell(e, &self.shared);
        let sent = pinger.socket.send(echo, outside, about);
        sent.map_err(|e| crate::udp::errors::of_sending(&e))
    }
}

impl Shared {
    /// Who serves an identifier.
    fn pinger(self: &Arc<Shared>, key: Key) -> io::Result<Arc<Pinger>> {
        let mut table = self.table();
        if let Some(entry) = table.get(&key) {
            return Ok(entry.pinger.clone());
        }
        if table.len() >= self.config.identifiers.max(1) {
            let oldest = table.values().min_by_key(|e| e.pinger.state().last);
            let oldest = oldest.map(|e| e.pinger.key);
            if let Some(oldest) = oldest.and_then(|key| table.remove(&key)) {
                oldest.task.abort();
            }
        }
        let pinger = Arc::new(Pinger {
            key,
            socket: EchoSocket::open(key.0.is_ipv4(), key.1)?,
            state: Mutex::new(State {
                hosts: HashMap::new(),
                last: Instant::now(),
            }),
        });
        let task = tokio::spawn(pinger.clone().run(self.clone())).abort_handle();
        let entry = Entry {
            pinger: pinger.clone(),
            task,
        };
        table.insert(key, entry);
        Ok(pinger)
    }

    fn unavailable(&self, why: io::Error) -> Problem {
        if why.kind() == io::ErrorKind::PermissionDenied {
            if !self.is_told.swap(true, Ordering::Relaxed) {
                (self.config.unavailable)(&Unavailable(why));
            }
            return Problem::Prohibited;
        }
        Problem::Host
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pinger {
    fn remember(&self, outside: IpAddr, inside: IpAddr) {
        let mut state = self.state();
        let last = Instant::now();
        state.last = last;
        if state.hosts.len() >= HOSTS && !state.hosts.contains_key(&outside) {
            let oldest = state.hosts.iter().min_by_key(|(_, host)| host.last);
            if let Some(oldest) = oldest.map(|(ip, _)| *ip) {
                state.hosts.remove(&oldest);
            }
        }
        state.hosts.insert(outside, Host { inside, last });
    }

    /// Serves the machine's side, until nothing is asked for long enough.
    async fn run(self: Arc<Pinger>, shared: Arc<Shared>) {
        let mut buffer = vec![0; 65_536];
        loop {
            let over = self.state().last + shared.config.timeout;
            tokio::select! {
                ready = self.socket.ready() => if ready.is_err() {
                    return;
                },
                () = sleep_until(over) => {
                    let mut table = shared.table();
                    // It may have been asked meanwhile.
                    if self.state().last + shared.config.timeout <= Instant::now() {
                        table.remove(&self.key);
                        return;
                    }
                }
            }
            while let Ok(error) = self.socket.take_error() {
                self.tell(error, &shared);
            }
            while let Ok(reply) = self.socket.receive(&mut buffer) {
                let Some(reply) = reply.and_then(|reply| self.make_inside(reply)) else {
                    continue;
                };
                if shared.foreign.send(reply).await.is_err() {
                    break;
                }
            }
        }
    }

    /// A reply as the program is to see it; `None` if it is a stranger's.
    fn make_inside(&self, reply: Reply) -> Option<ForeignEcho> {
        let inside = self.inside(reply.from)?;
        Some(ForeignEcho {
            source: inside,
            destination: self.key.0,
            echo: Echo {
                identifier: self.key.1,
                sequence: reply.sequence,
            },
            payload: Payload::from(reply.data),
            // We are a hop of its way.
            hop_limit: reply.hop_limit.saturating_sub(1).max(1),
        })
    }

    fn tell(&self, error: NetworkError, shared: &Shared) {
        let Some((sequence, data)) = self.socket.quoted(&error.quoted) else {
            return;
        };
        let Some(inside) = self.inside(error.destination.ip()) else {
            return;
        };
        let reporter = error.reporter.and_then(|ip| {
            self.inside(ip)
                .or(Some(ip).filter(|ip| !ip.is_loopback() && !ip.is_unspecified()))
        });
        let about = ForeignEcho {
            source: self.key.0,
            destination: inside,
            echo: Echo {
                identifier: self.key.1,
                sequence,
            },
            payload: Payload::from(data),
            hop_limit: 0,
        };
        let foreign = &shared.foreign;
        foreign.reject(&about.into(), error.problem, reporter);
    }

    fn inside(&self, outside: IpAddr) -> Option<IpAddr> {
        self.state().hosts.get(&outside).map(|host| host.inside)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pings {
    fn drop(&mut self) {
        let table = std::mem::take(&mut *self.shared.table());
        table.into_values().for_each(|entry| entry.task.abort());
    }
}
