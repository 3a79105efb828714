//! One HTTP/1.1 request over a connection of our own, by hyper: what the kernel's client does, and
//! the same reply.

use std::fmt::Display;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use handfast::{Net, TcpStream};
use http_body_util::{BodyExt, Either, Full};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};

use super::site::{Content, SeededBody};
use crate::kernel_peer::{
    HttpFailure, HttpReply, HttpRequest, RequestBody, Seeded, Side, Stage, encode_form, hexadecimal,
};

/// Octets of a body that a reply returns as text.
const TEXT_LIMIT: usize = 16 * 1024;

/// A connection that has had its answer and is still open.
#[derive(Debug)]
pub(super) struct Answered {
    /// What came back; whether it ends in order is not known yet.
    pub(super) reply: HttpReply,
    stream: TcpStream,
    patience: Duration,
}

impl Answered {
    /// Closes the connection, and waits until the other end has, too.
    pub(super) async fn close(self) -> HttpReply {
        // Its failure means that the connection is gone already, which the read below tells.
        let _ = self.stream.shutdown_write();
        let end = tokio::time::timeout(self.patience, self.stream.read_bytes(1)).await;
        HttpReply {
            clean_end: matches!(end, Ok(Ok(rest)) if rest.is_empty()),
            ..self.reply
        }
    }
}

/// What is known of a request in progress.
#[derive(Debug)]
struct Progress {
    begin: Instant,
    stage: Stage,
    local: Option<SocketAddr>,
    sent: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
}

impl Progress {
    fn failure(&self, why: &dyn Display) -> HttpFailure {
        HttpFailure {
            stage: self.stage.clone(),
            errno: None,
            text: why.to_string(),
            local: self.local,
            sent: self.sent.load(Ordering::Relaxed),
            bytes: self.received.load(Ordering::Relaxed),
            seconds: self.begin.elapsed().as_secs_f64(),
        }
    }

    /// Waits for `task` for as long as there is progress.
    async fn watch<T, E: Display>(
        &self,
        patience: Duration,
        task: impl Future<Output = Result<T, E>>,
    ) -> Result<T, HttpFailure> {
        let mut task = std::pin::pin!(task);
        let mark = || self.sent.load(Ordering::Relaxed) + self.received.load(Ordering::Relaxed);
        loop {
            let before = mark();
            match tokio::time::timeout(patience, &mut task).await {
                Ok(outcome) => return outcome.map_err(|e| self.failure(&e)),
                Err(_) if mark() == before => {
                    return Err(self.failure(&format!("no progress for {patience:?}")));
                }
                Err(_) => {}
            }
        }
    }
}

/// Makes the request over `net` and waits for the whole answer.
///
/// # Errors
/// How far it came.
pub(super) async fn perform(net: &Net, request: &HttpRequest) -> Result<Answered, HttpFailure> {
    let patience = request.timeout;
    let mut progress = Progress {
        begin: Instant::now(),
        stage: Stage::Connect,
        local: None,
        sent: Arc::default(),
        received: Arc::default(),
    };
    let stream = progress
        .watch(patience, TcpStream::connect(net, request.to))
        .await?;
    let connect_seconds = progress.begin.elapsed().as_secs_f64();
    let local = stream.local_addr().map_err(|e| progress.failure(&e))?;
    progress.local = Some(local);
    progress.stage = Stage::Receive;
    let handshake = http1::handshake::<_, Content>(TokioIo::new(stream));
    let (sender, connection) = progress.watch(patience, handshake).await?;
    let sent = Arc::clone(&progress.sent);
    let message = message(request, &sent).map_err(|e| progress.failure(&e))?;
    let received = Arc::clone(&progress.received);
    let exchange = exchange(sender, message, &received);
    let both = async { tokio::try_join!(connection.without_shutdown(), exchange) };
    let (parts, (status, sha256, text)) = progress.watch(patience, both).await?;
    if !parts.read_buf.is_empty() {
        let why = std::io::Error::new(ErrorKind::InvalidData, "octets beyond the answer");
        return Err(progress.failure(&why));
    }
    Ok(Answered {
        reply: HttpReply {
            status,
            bytes: received.load(Ordering::Relaxed),
            sha256,
            text,
            sent: sent.load(Ordering::Relaxed),
            local,
            connect_seconds,
            seconds: progress.begin.elapsed().as_secs_f64(),
            clean_end: false,
        },
        stream: parts.io.into_inner(),
        patience,
    })
}

fn message(
    request: &HttpRequest,
    sent: &Arc<AtomicU64>,
) -> Result<Request<Content>, hyper::http::Error> {
    let connection = match request.closes_first {
        Side::Client => "keep-alive",
        Side::Server => "close",
    };
    let (method, kind, body) = match &request.body {
        RequestBody::None => ("GET", None, Either::Left(Full::default())),
        RequestBody::Form(fields) => {
            let form = encode_form(fields);
            sent.fetch_add(form.len() as u64, Ordering::Relaxed);
            let kind = "application/x-www-form-urlencoded";
            ("POST", Some(kind), Either::Left(Full::from(form)))
        }
        RequestBody::Seeded { seed, len } => {
            let body = SeededBody::new(Seeded::new(*seed, *len), Arc::clone(sent));
            (
                "POST",
                Some("application/octet-stream"),
                Either::Right(body),
            )
        }
    };
    let message = Request::builder()
        .method(method)
        .uri(&request.target)
        .header("host", request.to.to_string())
        .header("connection", connection)
        .header("user-agent", "handfast");
    let message = match kind {
        Some(kind) => message.header("content-type", kind),
        None => message,
    };
    message.body(body)
}

/// Sends the request and receives status, hash and first text of the answer.
async fn exchange(
    mut sender: SendRequest<Content>,
    message: Request<Content>,
    received: &AtomicU64,
) -> Result<(u16, String, String), hyper::Error> {
    let response = sender.send_request(message).await?;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let (mut hash, mut text) = (Sha256::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame?.into_data() {
            received.fetch_add(piece.len() as u64, Ordering::Relaxed);
            hash.update(&piece);
            let wanted = piece.len().min(TEXT_LIMIT - text.len());
            text.extend_from_slice(&piece[..wanted]);
        }
    }
    let text = String::from_utf8(text).unwrap_or_default();
    Ok((status, hexadecimal(&hash.finalize()), text))
}
