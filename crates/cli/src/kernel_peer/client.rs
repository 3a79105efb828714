//! One HTTP/1.1 request over a TCP connection of its own, with what it took.

use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Seeded;
use super::http::{Framing, Head, encode_form, invalid, read_body};
use super::seeded::hexadecimal;

/// Octets of a body that a reply returns as text.
const TEXT_LIMIT: usize = 16 * 1024;

/// A request to make.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HttpRequest {
    /// Address and port of the server.
    pub to: SocketAddr,
    /// Path and query.
    pub target: String,
    /// What to send.
    pub body: RequestBody,
    /// Who closes the connection first, and so ends in TIME-WAIT.
    pub closes_first: Side,
    /// How long to wait for the connection, and then for each next octet of progress.
    pub timeout: Duration,
}

/// The body of a request, which decides its method.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RequestBody {
    /// None: GET.
    None,
    /// The fields of a form: POST.
    Form(Vec<(String, String)>),
    /// [`Seeded`] content: POST.
    Seeded {
        /// Seed of the content.
        seed: u64,
        /// Octets.
        len: u64,
    },
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    /// The end that asks.
    Client,
    /// The end that answers.
    Server,
}

/// What came back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HttpReply {
    /// Status code (RFC 9110 section 15).
    pub status: u16,
    /// Octets of body received.
    pub bytes: u64,
    /// SHA-256 of the body, in hexadecimal digits.
    pub sha256: String,
    /// The body as text, as far as its first 16 KiB are UTF-8.
    pub text: String,
    /// Octets of body sent.
    pub sent: u64,
    /// Our end of the connection, with the port that the kernel chose.
    pub local: SocketAddr,
    /// Seconds until the connection stood.
    pub connect_seconds: f64,
    /// Seconds until the whole body was here, from the start of connecting.
    pub seconds: f64,
    /// Whether the server closed its side too, in order and within the timeout.
    pub clean_end: bool,
}

/// How far it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Stage {
    /// The connection never stood.
    Connect,
    /// In the middle of the request.
    Send,
    /// Before or in the middle of the response.
    Receive,
}

/// A request that got no whole response.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HttpFailure {
    /// How far it came.
    pub stage: Stage,
    /// The error number of the kernel, where it was one that said no (`ECONNREFUSED`, `ECONNRESET`).
    pub errno: Option<i32>,
    /// The error in words.
    pub text: String,
    /// Our end of the connection, once there was one.
    pub local: Option<SocketAddr>,
    /// Octets of body sent so far.
    pub sent: u64,
    /// Octets of body received so far.
    pub bytes: u64,
    /// Seconds until then.
    pub seconds: f64,
}

impl fmt::Display for HttpFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.stage {
            Stage::Connect => "connecting",
            Stage::Send => "sending the request",
            Stage::Receive => "receiving the response",
        };
        write!(
            f,
            "{what} failed after {:.3} s: {}",
            self.seconds, self.text
        )
    }
}

impl std::error::Error for HttpFailure {}

/// What is known of a request in progress.
struct Progress {
    stage: Stage,
    local: Option<SocketAddr>,
    sent: u64,
    bytes: u64,
}

/// Makes the request and waits for the whole response and the end of the connection.
pub(super) fn perform(request: &HttpRequest) -> Result<HttpReply, HttpFailure> {
    let begin = Instant::now();
    let mut progress = Progress {
        stage: Stage::Connect,
        local: None,
        sent: 0,
        bytes: 0,
    };
    attempt(request, begin, &mut progress).map_err(|e| HttpFailure {
        stage: progress.stage,
        errno: e.raw_os_error(),
        text: match e.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("no progress for {:?}", request.timeout)
            }
            io::ErrorKind::UnexpectedEof => "the connection ended early".to_owned(),
            _ => e.to_string(),
        },
        local: progress.local,
        sent: progress.sent,
        bytes: progress.bytes,
        seconds: begin.elapsed().as_secs_f64(),
    })
}

fn attempt(
    request: &HttpRequest,
    begin: Instant,
    progress: &mut Progress,
) -> io::Result<HttpReply> {
    let stream = TcpStream::connect_timeout(&request.to, request.timeout)?;
    let connect_seconds = begin.elapsed().as_secs_f64();
    let local = stream.local_addr()?;
    progress.local = Some(local);
    progress.stage = Stage::Send;
    stream.set_read_timeout(Some(request.timeout))?;
    stream.set_write_timeout(Some(request.timeout))?;
    let sent = send(&stream, request, &mut progress.sent);
    // A server may answer, or refuse, before it has read all: its answer says more than our error.
    progress.stage = Stage::Receive;
    let mut reader = BufReader::with_capacity(256 * 1024, &stream);
    let (status, hash, text) = match receive(&mut reader, &mut progress.bytes) {
        Ok(received) => received,
        Err(e) => {
            return Err(match sent {
                Err(send_error) => {
                    progress.stage = Stage::Send;
                    send_error
                }
                Ok(()) => e,
            });
        }
    };
    let seconds = begin.elapsed().as_secs_f64();
    if request.closes_first == Side::Client {
        // Its failure means that the connection is gone already, which the read below tells.
        let _ = stream.shutdown(Shutdown::Write);
    }
    let clean_end = matches!(reader.read(&mut [0]), Ok(0));
    Ok(HttpReply {
        status,
        bytes: progress.bytes,
        sha256: hexadecimal(&hash),
        text,
        sent: progress.sent,
        local,
        connect_seconds,
        seconds,
        clean_end,
    })
}

/// Sends the whole request; the head goes with the first octets of the body.
fn send(mut stream: &TcpStream, request: &HttpRequest, sent: &mut u64) -> io::Result<()> {
    let connection = match request.closes_first {
        Side::Client => "keep-alive",
        Side::Server => "close",
    };
    let (method, kind, form, mut content) = match &request.body {
        RequestBody::None => ("GET", None, String::new(), None),
        RequestBody::Form(fields) => {
            let kind = Some("application/x-www-form-urlencoded");
            ("POST", kind, encode_form(fields), None)
        }
        RequestBody::Seeded { seed, len } => {
            let content = Some(Seeded::new(*seed, *len));
            (
                "POST",
                Some("application/octet-stream"),
                String::new(),
                content,
            )
        }
    };
    let mut head = format!(
        "{method} {} HTTP/1.1\r\nHost: {}\r\nConnection: {connection}\r\nUser-Agent: handfast\r\n",
        request.target, request.to
    );
    if let Some(kind) = kind {
        let length = content
            .as_ref()
            .map_or(form.len() as u64, Seeded::remaining);
        head += &format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n");
    }
    let mut buffer = (head + "\r\n" + &form).into_bytes();
    let mut body = form.len();
    if let Some(content) = &mut content {
        let head = buffer.len();
        buffer.resize(128 * 1024, 0);
        body = content.fill(&mut buffer[head..]);
        buffer.truncate(head + body);
    }
    stream.write_all(&buffer)?;
    *sent += body as u64;
    if let Some(content) = &mut content {
        buffer.resize(128 * 1024, 0);
        while let n @ 1.. = content.fill(&mut buffer) {
            stream.write_all(&buffer[..n])?;
            *sent += n as u64;
        }
    }
    Ok(())
}

/// Receives one response: its status, and hash and first text of its body.
fn receive(
    reader: &mut BufReader<&TcpStream>,
    bytes: &mut u64,
) -> io::Result<(u16, Vec<u8>, String)> {
    let (status, head) = loop {
        let head = Head::read(reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head
            .start
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.get(2..5));
        let status: u16 = status
            .and_then(|s| s.parse().ok())
            .ok_or_else(|| invalid("a status line"))?;
        if status >= 200 {
            break (status, head);
        }
    };
    let framing = match status {
        204 | 304 => Framing::Length(0),
        _ => head.framing(Framing::UntilEnd)?,
    };
    let mut hash = Sha256::new();
    let mut text = Vec::new();
    read_body(reader, framing, |piece| {
        *bytes += piece.len() as u64;
        hash.update(piece);
        let wanted = piece.len().min(TEXT_LIMIT - text.len());
        text.extend_from_slice(&piece[..wanted]);
        Ok(())
    })?;
    let valid = match str::from_utf8(&text) {
        Ok(_) => text.len(),
        Err(e) => e.valid_up_to(),
    };
    text.truncate(valid);
    let text = String::from_utf8(text).unwrap_or_default();
    Ok((status, hash.finalize().to_vec(), text))
}
