//! Port 53 of the stack's own addresses.

use super::answer::{Verdict, failure, learn};
use super::upstream::{Transport, framed};
use super::{DnsConfig, Names};
use handfast::stack::udp::Outbound;
use handfast::wire::Payload;
use handfast::{Net, TcpListener, TcpStream, UdpSocket};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

const PORT: u16 = 53;
/// Questions that are passed on at once; one more is not heard, and will be asked again.
const QUESTIONS: usize = 512;
/// Connections at once; one more ends the oldest.
const CONNECTIONS: usize = 64;
/// Questions of one connection at once.
const PIPELINED: usize = 32;
/// How long a connection may be silent (RFC 7766, section 6.2.3).
const IDLE: Duration = Duration::from_secs(20);

/// A running DNS server. Dropping it ends it.
#[derive(Debug)]
pub struct Dns {
    /// One for each address and transport; they end with it.
    _tasks: JoinSet<()>,
}

struct Server {
    config: DnsConfig,
    names: Arc<Names>,
    questions: Semaphore,
}

/// Answers questions to port 53 of `addresses`, which are the stack's own, by UDP and TCP; what the
/// answers tell of names goes to `names`. Runs in the current runtime of tokio.
///
/// # Errors
/// `AddrInUse` or `AddrNotAvailable`.
pub async fn serve(
    net: &Net,
    addresses: &[IpAddr],
    config: DnsConfig,
    names: Arc<Names>,
) -> io::Result<Dns> {
    let server = Arc::new(Server {
        config,
        names,
        questions: Semaphore::new(QUESTIONS),
    });
    let mut tasks = JoinSet::new();
    for address in addresses {
        let at = SocketAddr::new(*address, PORT);
        let socket = Arc::new(UdpSocket::bind(net, at).await?);
        let listener = TcpListener::bind(net, at).await?;
        tasks.spawn(server.clone().datagrams(socket));
        tasks.spawn(server.clone().connections(listener));
    }
    Ok(Dns { _tasks: tasks })
}

impl Server {
    async fn datagrams(self: Arc<Server>, socket: Arc<UdpSocket>) {
        let mut questions = JoinSet::new();
        loop {
            // Reports of earlier datagrams that came to nothing concern nobody.
            let Ok(datagram) = socket.recv_datagram().await else {
                tokio::task::yield_now().await;
                continue;
            };
            while questions.try_join_next().is_some() {}
            if questions.len() >= QUESTIONS {
                continue;
            }
            let (server, socket) = (self.clone(), socket.clone());
            questions.spawn(async move {
                let question = datagram.payload.to_bytes();
                if let Some(answer) = server.answer(&question, Transport::Udp).await {
                    let answer = Outbound {
                        to: Some(datagram.remote),
                        payload: Payload::from(bytes::Bytes::from(answer)),
                        ..Outbound::default()
                    };
                    // Who asked may be gone.
                    let _ = socket.send_datagram(answer).await;
                }
            });
        }
    }

    async fn connections(self: Arc<Server>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        let mut oldest = std::collections::VecDeque::new();
        while let Ok((stream, _)) = listener.accept().await {
            while connections.try_join_next().is_some() {}
            if connections.len() >= CONNECTIONS {
                let first: Option<tokio::task::AbortHandle> = oldest.pop_front();
                first.inspect(tokio::task::AbortHandle::abort);
            }
            oldest.retain(|task| !task.is_finished());
            oldest.push_back(connections.spawn(self.clone().connection(stream)));
        }
    }

    /// Answers in the order in which the answers come (RFC 7766, section 6.2.1.1).
    async fn connection(self: Arc<Server>, stream: TcpStream) {
        let (mut reader, mut writer) = stream.into_split();
        let mut answers = JoinSet::new();
        let mut asked = Vec::new();
        let mut is_open = true;
        while is_open || !answers.is_empty() {
            let may_ask = is_open && answers.len() < PIPELINED;
            tokio::select! {
                // Cancelled, what was read so far is in `asked`.
                read = timeout(IDLE, reader.read_buf(&mut asked)), if may_ask => match read {
                    Ok(Ok(0)) | Err(_) => is_open = false,
                    Ok(Err(_)) => return,
                    Ok(Ok(_)) => {
                        while let Some(question) = next_framed(&mut asked) {
                            let server = self.clone();
                            answers.spawn(async move {
                                server.answer(&question, Transport::Tcp).await
                            });
                        }
                    }
                },
                Some(answer) = answers.join_next() => {
                    let Ok(Some(answer)) = answer else { continue };
                    if writer.write_all(&framed(&answer)).await.is_err() {
                        return;
                    }
                }
            }
        }
        // The peer closes, too, or has been silent for long enough.
        let _ = writer.shutdown().await;
    }

    /// The answer to a message, if it deserves one.
    async fn answer(&self, message: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let answer = match self.config.judge(message) {
            Verdict::Answer(answer) => answer,
            Verdict::PassOn(query) => {
                let _permit = self.questions.acquire().await.ok()?;
                let answer = self.config.upstream.ask(message, transport).await;
                answer.unwrap_or_else(|| failure(message, &query))
            }
            Verdict::Ignore => return None,
        };
        learn(&answer, &self.names);
        Some(answer)
    }
}

/// Takes the first message out of what TCP has brought, if it is whole.
fn next_framed(octets: &mut Vec<u8>) -> Option<Vec<u8>> {
    let len = usize::from(u16::from_be_bytes(*octets.first_chunk()?));
    if octets.len() < 2 + len {
        return None;
    }
    let rest = octets.split_off(2 + len);
    let mut message = std::mem::replace(octets, rest);
    message.drain(..2);
    Some(message)
}
