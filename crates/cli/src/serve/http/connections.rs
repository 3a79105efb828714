//! Accepting connections and keeping them, so many and no more.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use handfast::{TcpListener, TcpStream};
use hyper::Response;
use hyper::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Failure, Question};

/// Connections with HTTP on one listener; more wait to be accepted.
const MOST: usize = 4096;
/// How long a connection may stand without a request.
const IDLE: Duration = Duration::from_secs(120);
/// How long a client is heard out after the last answer.
const LINGER: Duration = Duration::from_secs(5);
/// Octets read at a time then.
const PIECE: usize = 1 << 20;

/// The two ends of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) client: SocketAddr,
    pub(crate) server: SocketAddr,
}

/// Runs `serve` for each connection, at most `most` at a time. Ends when the listener does; when
/// dropped, all connections end.
pub(crate) async fn each<F>(
    listener: TcpListener,
    most: usize,
    serve: impl Fn(TcpStream, Ends) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < most => {
                let Ok((stream, client)) = accepted else { return };
                // A connection that is gone already needs no serving.
                if let Ok(server) = stream.local_addr() {
                    connections.spawn(serve(stream, Ends { client, server }));
                }
            }
        }
    }
}

/// Answers the requests of all connections. Ends as [`each`] does.
pub(crate) async fn serve<A, F, B>(listener: TcpListener, answer: A)
where
    A: Fn(Question, Ends) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send,
    B: Body<Data = Bytes, Error: Into<Failure>> + Send + 'static,
{
    each(listener, MOST, |stream, ends| {
        let answer = answer.clone();
        async move {
            let service =
                service_fn(async |request| Ok::<_, Infallible>(answer(request, ends).await));
            let mut connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(IDLE)
                // Who closes its direction after the request still wants the answer.
                .half_close(true)
                .serve_connection(TokioIo::new(stream), service);
            // A client that breaks off is its own loss, and says so itself. One that is refused may
            // still be sending what was refused.
            let answered = match (&mut connection).await {
                Ok(()) => true,
                Err(e) => e.is_parse(),
            };
            let stream = connection.into_parts().io.into_inner();
            if answered && stream.shutdown_write().is_ok() {
                hear_out(&stream).await;
            }
        }
    })
    .await;
}

/// Reads what the client still sends after our FIN: closing with octets unread would reset the
/// connection, and might destroy our answer on its way (RFC 9112 section 9.6).
pub(crate) async fn hear_out(stream: &TcpStream) {
    let rest = async { while let Ok(1..) = stream.read_bytes(PIECE).await.map(|b| b.len()) {} };
    // Who takes longer is cut off.
    let _ = timeout(LINGER, rest).await;
}
