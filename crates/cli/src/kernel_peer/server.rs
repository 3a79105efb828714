//! An HTTP/1.1 server with a thread for each connection.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::Seeded;
use super::http::{Framing, Head, read_body};
use super::seeded::hexadecimal;
use super::site::{self, Route};

/// Connections served at once; more are closed at once.
const CONNECTIONS: usize = 1024;

/// How long a client may stay silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest form that is taken, in octets.
const FORM_LIMIT: u64 = 64 * 1024;

/// Listens on each address (port 0: the kernel chooses) and serves for as long as the process
/// lives; returns the addresses with their ports.
///
/// # Errors
/// That of `bind`; nothing is served then.
pub(super) fn listen(addresses: &[SocketAddr]) -> io::Result<Vec<SocketAddr>> {
    let listeners = addresses.iter().map(TcpListener::bind);
    let listeners: Vec<_> = listeners.collect::<io::Result<_>>()?;
    let bound = listeners.iter().map(TcpListener::local_addr);
    let bound: Vec<_> = bound.collect::<io::Result<_>>()?;
    let load = Arc::new(AtomicUsize::new(0));
    for listener in listeners {
        let load = Arc::clone(&load);
        thread::Builder::new().spawn(move || accept(&listener, &load))?;
    }
    Ok(bound)
}

fn accept(listener: &TcpListener, load: &Arc<AtomicUsize>) {
    loop {
        let Ok((stream, _)) = listener.accept() else {
            // Out of descriptors or memory: the next moment may be better.
            thread::sleep(Duration::from_millis(10));
            continue;
        };
        if load.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
            load.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let done = Arc::clone(load);
        let spawned = thread::Builder::new().spawn(move || {
            // A client that breaks off is its own loss; it needs no report.
            let _ = serve(&stream);
            done.fetch_sub(1, Ordering::Relaxed);
        });
        if spawned.is_err() {
            load.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Serves one connection until either side wants it closed.
fn serve(stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(256 * 1024, stream);
    loop {
        let head = match Head::read(&mut reader) {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                respond(stream, 400, "text/html", true, &site::error_page(400))?;
                return drain(stream, &mut reader);
            }
            Err(e) => return Err(e),
        };
        if answer(stream, &mut reader, &head)? {
            return drain(stream, &mut reader);
        }
    }
}

/// Answers one request; true when the connection is to be closed after it.
fn answer(
    mut stream: &TcpStream,
    reader: &mut BufReader<&TcpStream>,
    head: &Head,
) -> io::Result<bool> {
    let mut words = head.start.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let old = words.next() != Some("HTTP/1.1");
    let close = head.has("Connection", "close") || old && !head.has("Connection", "keep-alive");
    let Ok(framing) = head.framing(Framing::Length(0)) else {
        respond(stream, 400, "text/html", true, &site::error_page(400))?;
        return Ok(true);
    };
    let route = Route::of(method, target);
    let status = match route {
        Route::OtherMethod => 405,
        Route::Unknown => 404,
        Route::Login if matches!(framing, Framing::Length(n) if n > FORM_LIMIT) => 413,
        _ => 200,
    };
    if status != 200 {
        // A body on the way is not worth reading, but then no further request can follow it.
        let close = close || framing != Framing::Length(0);
        respond(
            stream,
            status,
            "text/html",
            close,
            &site::error_page(status),
        )?;
        return Ok(close);
    }
    if head.has("Expect", "100-continue") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut hash = Sha256::new();
    let mut form = Vec::new();
    let len = read_body(reader, framing, |piece| {
        match route {
            Route::Upload => hash.update(piece),
            Route::Login if form.len() as u64 <= FORM_LIMIT => form.extend_from_slice(piece),
            _ => {}
        }
        Ok(())
    })?;
    match route {
        Route::Upload => {
            let receipt = site::receipt(&hexadecimal(&hash.finalize()), len);
            respond(stream, 200, "text/plain", close, &receipt)?;
        }
        Route::Login => {
            let (status, page) = site::log_in(&String::from_utf8_lossy(&form));
            respond(stream, status, "text/html", close, &page)?;
        }
        Route::Bytes { len, seed } => {
            let mut buffer = head_of(200, "application/octet-stream", close, len).into_bytes();
            let head = buffer.len();
            let mut content = Seeded::new(seed, len);
            buffer.resize(128 * 1024, 0);
            let n = content.fill(&mut buffer[head..]);
            stream.write_all(&buffer[..head + n])?;
            while let n @ 1.. = content.fill(&mut buffer) {
                stream.write_all(&buffer[..n])?;
            }
        }
        _ => respond(stream, 200, "text/html", close, &site::front_page())?,
    }
    Ok(close)
}

fn respond(
    mut stream: &TcpStream,
    status: u16,
    kind: &str,
    close: bool,
    body: &str,
) -> io::Result<()> {
    let response = head_of(status, kind, close, body.len() as u64) + body;
    stream.write_all(response.as_bytes())
}

fn head_of(status: u16, kind: &str, close: bool, length: u64) -> String {
    let connection = if close { "close" } else { "keep-alive" };
    let reason = site::reason(status);
    format!(
        "HTTP/1.1 {status} {reason}\r\nConnection: {connection}\r\nServer: handfast\r\n\
         Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// Closes our side, then waits for the other: closing with octets unread would reset the
/// connection and might destroy our answer on its way (RFC 9112 section 9.6).
fn drain(stream: &TcpStream, reader: &mut BufReader<&TcpStream>) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut rest = reader.take(64 * 1024 * 1024);
    io::copy(&mut rest, &mut io::sink())?;
    Ok(())
}
