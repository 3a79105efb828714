//! The small site over sockets of our own: the same octets as the kernel's server gives, by hyper.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use handfast::{Net, TcpListener};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::CONTENT_TYPE;
use hyper::{Request, Response};
use sha2::{Digest, Sha256};

use crate::kernel_peer::site::{self, Route};
use crate::kernel_peer::{Seeded, hexadecimal};
use crate::serve::http::connections;

/// Octets of content made at a time.
const CHUNK: usize = 128 * 1024;
/// The longest form that is taken, in octets.
const FORM_LIMIT: usize = 64 * 1024;

/// The body of a message: text that is there, or content still to be made.
pub(super) type Content = Either<Full<Bytes>, SeededBody>;

/// [`Seeded`] content as a body.
#[derive(Debug)]
pub(super) struct SeededBody {
    content: Seeded,
    /// Counts octets as they are taken, for whoever waits for them.
    taken: Arc<AtomicU64>,
}

impl SeededBody {
    pub(super) fn new(content: Seeded, taken: Arc<AtomicU64>) -> SeededBody {
        SeededBody { content, taken }
    }
}

impl Body for SeededBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let len = self.content.remaining().min(CHUNK as u64) as usize;
        if len == 0 {
            return Poll::Ready(None);
        }
        let mut chunk = BytesMut::zeroed(len);
        self.content.fill(&mut chunk);
        self.taken.fetch_add(len as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(chunk.freeze()))))
    }

    fn is_end_stream(&self) -> bool {
        self.content.remaining() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.content.remaining())
    }
}

/// Serves the site on `local` for as long as the runtime lives.
///
/// # Errors
/// That of listening.
pub(super) async fn serve(net: &Net, local: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(net, local).await?;
    tokio::spawn(connections::serve(listener, |request, _| answer(request)));
    Ok(())
}

async fn answer(request: Request<Incoming>) -> Response<Content> {
    let target = request.uri().path_and_query().map_or("/", |t| t.as_str());
    let route = Route::of(request.method().as_str(), target);
    match route {
        Route::Front => page(200, site::front_page()),
        Route::Bytes { len, seed } => {
            let body = SeededBody::new(Seeded::new(seed, len), Arc::default());
            message(200, "application/octet-stream", Either::Right(body))
        }
        Route::Upload => match digest(request.into_body()).await {
            Ok((sha256, len)) => {
                let receipt = Full::from(site::receipt(&sha256, len));
                message(200, "text/plain", Either::Left(receipt))
            }
            Err(_) => page(400, site::error_page(400)),
        },
        Route::Login => match Limited::new(request.into_body(), FORM_LIMIT)
            .collect()
            .await
        {
            Ok(form) => {
                let (status, text) = site::log_in(&String::from_utf8_lossy(&form.to_bytes()));
                page(status, text)
            }
            Err(_) => page(413, site::error_page(413)),
        },
        Route::OtherMethod => page(405, site::error_page(405)),
        _ => page(404, site::error_page(404)),
    }
}

/// SHA-256, in hexadecimal digits, and length of a body.
async fn digest(mut body: Incoming) -> Result<(String, u64), hyper::Error> {
    let (mut hash, mut len) = (Sha256::new(), 0);
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame?.into_data() {
            hash.update(&piece);
            len += piece.len() as u64;
        }
    }
    Ok((hexadecimal(&hash.finalize()), len))
}

fn page(status: u16, text: String) -> Response<Content> {
    message(status, "text/html", Either::Left(Full::from(text)))
}

fn message(status: u16, kind: &'static str, body: Content) -> Response<Content> {
    let mut response = Response::new(body);
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    let kind = hyper::header::HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
