use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

const OPENMETRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
/// Connections that are served at once; further ones wait.
const AT_ONCE: usize = 16;
/// How long a client may take for its request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Metrics being served; dropping it ends that.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Serving {
    /// Where, the port included if the system chose it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves what `text` says when it is asked at `http://ADDRESS/metrics`, by a task of the current
/// runtime.
///
/// # Errors
/// Why not, in one line with a fix.
pub async fn serve(
    address: SocketAddr,
    text: impl Fn() -> String + Send + Sync + 'static,
) -> Result<Serving, String> {
    let bound = TcpListener::bind(address).await;
    let cannot =
        |e| format!("cannot serve metrics at {address}: {e}; fix: choose another port, 0 for any");
    let listener = bound.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    let task = tokio::spawn(accept(listener, Arc::new(text)));
    Ok(Serving { address, task })
}

async fn accept<F: Fn() -> String + Send + Sync + 'static>(listener: TcpListener, text: Arc<F>) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    // Connections end with their set, and the set with this task.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: they come back.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let text = Arc::clone(&text);
        connections.spawn(async move {
            let answer = service_fn(|request| {
                let response = respond(&request, &*text);
                async move { Ok::<_, Infallible>(response) }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(stream), answer);
            // A client that breaks off is its own affair.
            let _ = served.await;
            drop(permit);
        });
    }
}

fn respond(request: &Request<Incoming>, text: impl Fn() -> String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => {
            response.headers_mut().insert(CONTENT_TYPE, OPENMETRICS);
            *response.body_mut() = Full::from(text());
        }
        (&Method::GET | &Method::HEAD, _) => {
            *response.status_mut() = StatusCode::NOT_FOUND;
            *response.body_mut() = Full::from("look at /metrics\n");
        }
        _ => {
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
    }
    response
}
