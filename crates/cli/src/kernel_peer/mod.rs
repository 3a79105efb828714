//! The other end of our connections: the kernel's own TCP inside a namespace, driven from outside
//! with one JSON line for each command and one for each reply, over a Unix stream.
//!
//! Inside, [`serve`] does what is asked with std::net alone; outside, a [`Peer`] asks.

mod client;
mod http;
mod seeded;
mod server;
pub mod site;
mod tcp_state;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use client::{HttpFailure, HttpReply, HttpRequest, RequestBody, Side, Stage};
pub use http::{decode_form, encode_form};
pub use seeded::{Seeded, hexadecimal};
pub use tcp_state::{TcpInfo, TcpState};

/// What the convenience methods of [`Peer`] allow without progress.
const PATIENCE: Duration = Duration::from_secs(30);

/// What may be asked of the kernel's TCP.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Command {
    /// Make one HTTP request.
    Http(HttpRequest),
    /// Serve the [`site`] on these addresses, for good.
    Listen(Vec<SocketAddr>),
    /// Say what is known of one connection.
    TcpState {
        /// The kernel's end.
        local: SocketAddr,
        /// The other end.
        remote: SocketAddr,
    },
}

/// What comes back, one for each [`Command`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reply {
    /// A whole response, or how far it came.
    Http(Result<HttpReply, HttpFailure>),
    /// The addresses served, with their ports.
    Listening(Vec<SocketAddr>),
    /// The connection, if there is one.
    TcpState(Option<TcpState>),
    /// It could not be done; in words.
    Failed(String),
}

/// Why a [`Peer`] has no result.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PeerError {
    /// The request failed on its way.
    Http(HttpFailure),
    /// The worker could not do it; in words.
    Failed(String),
    /// The worker is gone.
    Gone,
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerError::Http(failure) => failure.fmt(f),
            PeerError::Failed(text) => f.write_str(text),
            PeerError::Gone => f.write_str("the worker of the namespace has ended"),
        }
    }
}

impl std::error::Error for PeerError {}

/// A line on the control socket; replies carry the number of their command.
#[derive(Serialize, Deserialize)]
struct Numbered<T> {
    number: u64,
    is: T,
}

type Waiting = Arc<Mutex<Option<HashMap<u64, Sender<Reply>>>>>;

/// The kernel's TCP, to be asked from any thread, several things at once.
#[derive(Clone, Debug)]
pub struct Peer {
    writer: Arc<Mutex<UnixStream>>,
    /// Who waits for which reply; `None` once the worker is gone.
    waiting: Waiting,
    next: Arc<AtomicU64>,
}

/// A reply on its way.
#[derive(Debug)]
pub struct Pending(Receiver<Reply>);

impl Pending {
    /// Waits for the reply.
    ///
    /// # Errors
    /// [`PeerError::Gone`] when there will be none, [`PeerError::Failed`] for [`Reply::Failed`].
    pub fn wait(self) -> Result<Reply, PeerError> {
        match self.0.recv() {
            Ok(Reply::Failed(text)) => Err(PeerError::Failed(text)),
            Ok(reply) => Ok(reply),
            Err(_) => Err(PeerError::Gone),
        }
    }
}

impl Peer {
    /// The peer at the other end of `control`, where [`serve`] runs.
    ///
    /// # Errors
    /// When there is no descriptor or thread left for the replies.
    pub fn new(control: UnixStream) -> io::Result<Peer> {
        let replies = BufReader::new(control.try_clone()?);
        let waiting = Waiting::new(Mutex::new(Some(HashMap::new())));
        let peer = Peer {
            writer: Arc::new(Mutex::new(control)),
            waiting: Arc::clone(&waiting),
            next: Arc::default(),
        };
        thread::Builder::new()
            .name("kernel peer".to_owned())
            .spawn(move || deliver(replies, &waiting))?;
        Ok(peer)
    }

    /// Asks for something without waiting for the reply.
    ///
    /// # Errors
    /// [`PeerError::Gone`].
    pub fn start(&self, command: Command) -> Result<Pending, PeerError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = mpsc::channel();
        lock(&self.waiting)
            .as_mut()
            .ok_or(PeerError::Gone)?
            .insert(number, sender);
        let line = line_of(&Numbered {
            number,
            is: command,
        });
        let written = lock(&self.writer).write_all(&line);
        written.map_err(|_| PeerError::Gone)?;
        Ok(Pending(receiver))
    }

    /// Makes a request and waits for its response.
    ///
    /// # Errors
    /// [`PeerError::Http`] when no whole response came.
    pub fn request(&self, request: &HttpRequest) -> Result<HttpReply, PeerError> {
        match self.start(Command::Http(request.clone()))?.wait()? {
            Reply::Http(outcome) => outcome.map_err(PeerError::Http),
            other => Err(unexpected(&other)),
        }
    }

    /// `GET` of `target`; the server closes first.
    ///
    /// # Errors
    /// As [`Peer::request`].
    pub fn get(&self, to: SocketAddr, target: &str) -> Result<HttpReply, PeerError> {
        self.request(&HttpRequest::new(to, target, RequestBody::None))
    }

    /// `POST` of a login form to `/login`; the server closes first.
    ///
    /// # Errors
    /// As [`Peer::request`].
    pub fn log_in(
        &self,
        to: SocketAddr,
        user: &str,
        password: &str,
    ) -> Result<HttpReply, PeerError> {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let form = vec![field("user", user), field("password", password)];
        self.request(&HttpRequest::new(to, "/login", RequestBody::Form(form)))
    }

    /// `GET` of `len` octets of content of `seed`; the server closes first. The reply's hash is to
    /// be compared with that of [`Seeded`].
    ///
    /// # Errors
    /// As [`Peer::request`].
    pub fn download(&self, to: SocketAddr, seed: u64, len: u64) -> Result<HttpReply, PeerError> {
        self.get(to, &format!("/bytes/{len}?seed={seed}"))
    }

    /// `POST` of `len` octets of content of `seed` to `/upload`; the client closes first. The
    /// reply's text is to be compared with [`site::receipt`].
    ///
    /// # Errors
    /// As [`Peer::request`].
    pub fn upload(&self, to: SocketAddr, seed: u64, len: u64) -> Result<HttpReply, PeerError> {
        let body = RequestBody::Seeded { seed, len };
        let request = HttpRequest::new(to, "/upload", body);
        self.request(&HttpRequest {
            closes_first: Side::Client,
            ..request
        })
    }

    /// Serves the [`site`] on `addresses`; port 0 lets the kernel choose. Returns them with their
    /// ports.
    ///
    /// # Errors
    /// [`PeerError::Failed`] when one of them cannot be bound.
    pub fn listen(&self, addresses: &[SocketAddr]) -> Result<Vec<SocketAddr>, PeerError> {
        match self.start(Command::Listen(addresses.to_vec()))?.wait()? {
            Reply::Listening(bound) => Ok(bound),
            other => Err(unexpected(&other)),
        }
    }

    /// What the kernel knows of its connection from `local` to `remote`; `None` when it has none.
    ///
    /// # Errors
    /// [`PeerError::Failed`] when the kernel cannot be asked.
    pub fn tcp_state(
        &self,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<Option<TcpState>, PeerError> {
        match self.start(Command::TcpState { local, remote })?.wait()? {
            Reply::TcpState(state) => Ok(state),
            other => Err(unexpected(&other)),
        }
    }
}

impl HttpRequest {
    /// A request that the server closes first, with 30 s of patience.
    pub fn new(to: SocketAddr, target: &str, body: RequestBody) -> HttpRequest {
        HttpRequest {
            to,
            target: target.to_owned(),
            body,
            closes_first: Side::Server,
            timeout: PATIENCE,
        }
    }
}

/// Does what comes over `commands`, each in a thread of its own, and replies over `control`; returns
/// when the other end is gone, with whatever is still under way.
///
/// # Errors
/// That of reading, and `InvalidData` for a line that is no command.
pub fn serve(commands: impl BufRead, control: UnixStream) -> io::Result<()> {
    let control = Arc::new(Mutex::new(control));
    for line in commands.lines() {
        let Numbered { number, is } = serde_json::from_str(&line?)?;
        let answer = {
            let control = Arc::clone(&control);
            move |reply| {
                let line = line_of::<Reply>(&Numbered { number, is: reply });
                // Without the other end there is nobody to tell, and the loop below ends as well.
                let _ = lock(&control).write_all(&line);
            }
        };
        let refused = answer.clone();
        let spawned = thread::Builder::new().spawn(move || answer(execute(is)));
        if let Err(e) = spawned {
            refused(Reply::Failed(format!("no thread: {e}")));
        }
    }
    Ok(())
}

fn execute(command: Command) -> Reply {
    let failed = |e: io::Error| Reply::Failed(e.to_string());
    match command {
        Command::Http(request) => Reply::Http(client::perform(&request)),
        Command::Listen(addresses) => {
            server::listen(&addresses).map_or_else(failed, Reply::Listening)
        }
        Command::TcpState { local, remote } => {
            TcpState::of(local, remote).map_or_else(failed, Reply::TcpState)
        }
    }
}

/// Hands each reply to whoever waits for it, until there will be no more.
fn deliver(replies: impl BufRead, waiting: &Waiting) {
    for line in replies.lines() {
        let Ok(line) = line else { break };
        let Ok(Numbered { number, is }) = serde_json::from_str(&line) else {
            break;
        };
        let waiter = lock(waiting).as_mut().and_then(|all| all.remove(&number));
        if let Some(waiter) = waiter {
            // Who no longer waits does not want it.
            let _ = waiter.send(is);
        }
    }
    // Whoever still waits is woken by the end of its channel.
    lock(waiting).take();
}

fn line_of<T: Serialize>(message: &Numbered<T>) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("these types have a JSON form");
    line.push(b'\n');
    line
}

fn unexpected(reply: &Reply) -> PeerError {
    PeerError::Failed(format!("a reply to something else: {reply:?}"))
}

/// The lock, also after a panic elsewhere: what these guard is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
