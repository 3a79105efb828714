//! The servers that questions are passed on to.

use super::ResolvConf;
use crate::Direct;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::time::{Instant, timeout_at};

/// The fixed part of a message (RFC 1035, section 4.1.1).
const HEADER: usize = 12;
/// For how long a server that did not answer is asked last.
const DISTRUST: Duration = Duration::from_secs(30);

/// How often it is looked whether the file that names the servers has changed.
const LOOK: Duration = Duration::from_secs(1);

/// The servers that questions are passed on to, each with a socket, and so a port, of its own, and
/// under a new identifier.
#[derive(Debug)]
pub struct Upstream {
    servers: Mutex<Arc<Servers>>,
    file: Option<Mutex<File>>,
    direct: Direct,
}

/// A resolv.conf that may change.
#[derive(Debug)]
struct File {
    path: PathBuf,
    looked: Instant,
    modified: Option<SystemTime>,
}

#[derive(Debug)]
struct Servers {
    addresses: Vec<SocketAddr>,
    timeout: Duration,
    attempts: u32,
    rotate: bool,
    next: AtomicUsize,
    /// When each server last kept us waiting in vain.
    silent: Mutex<Vec<Option<Instant>>>,
}

/// How a question came, and so how it is passed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

impl Upstream {
    /// These servers, asked as a resolv.conf says that says nothing of it.
    pub fn new(servers: Vec<SocketAddr>) -> Upstream {
        Upstream::with(servers, &ResolvConf::default())
    }

    /// What a resolv.conf says, now and when it has changed.
    ///
    /// # Errors
    /// The system's.
    pub fn from_resolv_conf(path: impl Into<PathBuf>) -> io::Result<Upstream> {
        let path = path.into();
        let modified = modified(&path);
        let conf = ResolvConf::read(&path)?;
        let file = File {
            path,
            looked: Instant::now(),
            modified,
        };
        Ok(Upstream {
            file: Some(Mutex::new(file)),
            ..Upstream::from(&conf)
        })
    }

    /// These servers, asked with the timeout, the attempts and the order of a resolv.conf.
    pub fn with(servers: Vec<SocketAddr>, conf: &ResolvConf) -> Upstream {
        Upstream {
            servers: Mutex::new(Arc::new(Servers::new(servers, conf))),
            file: None,
            direct: Direct::default(),
        }
    }

    /// With these options of the machine's sockets.
    pub fn direct(mut self, direct: Direct) -> Upstream {
        self.direct = direct;
        self
    }

    /// The answer to a question, with the question's identifier; `None` when no server has one. A
    /// server's own trouble (SERVFAIL, NOTIMP, REFUSED) is the answer only if no other server has
    /// a better one.
    pub(super) async fn ask(&self, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let id: [u8; 2] = query.first_chunk().copied()?;
        let servers = self.servers();
        let mut troubled = None;
        for _ in 0..servers.attempts {
            for at in servers.order() {
                let deadline = Instant::now() + servers.timeout;
                let address = *servers.addresses.get(at)?;
                let asking = self.ask_one(address, query, transport);
                match timeout_at(deadline, asking).await {
                    Ok(Ok(mut answer)) => {
                        servers.silent(at, None);
                        let trouble = matches!(answer[3] & 0xf, 2 | 4 | 5);
                        answer[..2].copy_from_slice(&id);
                        if !trouble {
                            return Some(answer);
                        }
                        troubled = Some(answer);
                    }
                    Ok(Err(_)) | Err(_) => servers.silent(at, Some(Instant::now())),
                }
            }
            if troubled.is_some() {
                return troubled;
            }
        }
        None
    }

    #[cfg(test)]
    pub(super) fn asked(&self) -> Vec<SocketAddr> {
        self.servers().addresses.clone()
    }

    /// The servers as they are now.
    fn servers(&self) -> Arc<Servers> {
        let mut servers = lock(&self.servers);
        if let Some(file) = &self.file
            && let Some(conf) = lock(file).changed()
        {
            *servers = Arc::new(Servers::new(conf.addresses(), &conf));
        }
        servers.clone()
    }

    async fn ask_one(
        &self,
        server: SocketAddr,
        query: &[u8],
        transport: Transport,
    ) -> io::Result<Vec<u8>> {
        let mut query = query.to_vec();
        let id = query
            .first_chunk_mut::<2>()
            .ok_or(ErrorKind::InvalidInput)?;
        getrandom::fill(id).map_err(|e| io::Error::other(e.to_string()))?;
        match transport {
            Transport::Udp => self.by_udp(server, &query).await,
            Transport::Tcp => self.by_tcp(server, &query).await,
        }
    }

    async fn by_udp(&self, server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
        let any = match server {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        self.direct.apply(socket2::SockRef::from(&socket))?;
        // Connected, it hears nobody else, and at once that nobody is there.
        socket.connect(server).await?;
        socket.send(query).await?;
        let mut answer = vec![0; 65_536];
        loop {
            let len = socket.recv(&mut answer).await?;
            if is_answer(query, &answer[..len]) {
                answer.truncate(len);
                return Ok(answer);
            }
        }
    }

    async fn by_tcp(&self, server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
        let socket = match server {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        self.direct.apply(socket2::SockRef::from(&socket))?;
        let mut stream = socket.connect(server).await?;
        stream.write_all(&framed(query)).await?;
        loop {
            let len = stream.read_u16().await?;
            let mut answer = vec![0; len.into()];
            stream.read_exact(&mut answer).await?;
            if is_answer(query, &answer) {
                return Ok(answer);
            }
        }
    }
}

impl From<&ResolvConf> for Upstream {
    fn from(conf: &ResolvConf) -> Upstream {
        Upstream::with(conf.addresses(), conf)
    }
}

impl Servers {
    fn new(addresses: Vec<SocketAddr>, conf: &ResolvConf) -> Servers {
        Servers {
            silent: Mutex::new(vec![None; addresses.len()]),
            addresses,
            timeout: conf.timeout,
            attempts: conf.attempts,
            rotate: conf.rotate,
            next: AtomicUsize::new(0),
        }
    }

    /// The servers in the order in which they are to be asked: those that were silent lately last.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.addresses.len()).collect();
        if self.rotate && !order.is_empty() {
            let first = self.next.fetch_add(1, Ordering::Relaxed) % order.len();
            order.rotate_left(first);
        }
        let silent = lock(&self.silent);
        order.sort_by_key(|at| silent[*at].is_some_and(|since| since.elapsed() < DISTRUST));
        order
    }

    fn silent(&self, at: usize, since: Option<Instant>) {
        lock(&self.silent)[at] = since;
    }
}

impl File {
    /// What it says, if that is not what it said before. One that cannot be read for a moment, as
    /// while it is replaced, says what it said.
    fn changed(&mut self) -> Option<ResolvConf> {
        if self.looked.elapsed() < LOOK {
            return None;
        }
        self.looked = Instant::now();
        let modified = modified(&self.path)?;
        if self.modified == Some(modified) {
            return None;
        }
        self.modified = Some(modified);
        ResolvConf::read(&self.path).ok()
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|m| m.modified()).ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A message as TCP carries it (RFC 1035, section 4.2.2). One too long for that is cut off.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let message = &message[..message.len().min(u16::MAX.into())];
    let mut framed = (message.len() as u16).to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    framed
}

/// Whether a message answers a question of ours: it is an answer, with its identifier and the very
/// question (RFC 5452, section 9.1). A server that has understood nothing may leave the question
/// out.
fn is_answer(query: &[u8], answer: &[u8]) -> bool {
    if answer.len() < HEADER || query[..2] != answer[..2] || answer[2] & 0x80 == 0 {
        return false;
    }
    let has_understood_nothing = answer[4..6] == [0, 0] && matches!(answer[3] & 0xf, 1 | 2 | 4 | 5);
    let Some(question) = question(query) else {
        return false;
    };
    has_understood_nothing
        || answer[4..6] == query[4..6]
            && answer
                .get(HEADER..HEADER + question.len())
                .is_some_and(|same| same.eq_ignore_ascii_case(question))
}

/// The octets of the only question of a message.
fn question(message: &[u8]) -> Option<&[u8]> {
    if message.get(4..6)? != [0, 1] {
        return None;
    }
    let mut at = HEADER;
    loop {
        match message.get(at)? {
            0 => break,
            // A question is the first name of all, and cannot refer to another.
            len if *len > 63 => return None,
            len => at += 1 + usize::from(*len),
        }
    }
    message.get(HEADER..at + 5)
}
