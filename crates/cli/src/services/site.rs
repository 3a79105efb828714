//! The pages of port 80.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Response, StatusCode};

use super::{Watch, login, octets, you};
use crate::serve::files::Files;
use crate::serve::http::connections::Ends;
use crate::serve::http::page::{Item, Page, method_not_allowed};
use crate::serve::http::{Answer, Question, content, whole};

pub(super) const PORT: u16 = 80;

/// The longest that `/slow` takes, and what it takes if nothing is said, in milliseconds.
const SLOWEST: u64 = 60_000;
const SLOW: u64 = 1_000;
/// The longest content whose sum is made.
const SUM_LIMIT: u64 = 16 << 30;

/// What the pages draw on.
#[derive(Clone, Debug)]
pub(super) struct Site {
    watch: Watch,
    files: Option<Files>,
}

impl Site {
    pub(super) fn new(watch: Watch, files: Option<Files>) -> Site {
        Site { watch, files }
    }

    /// Answers a request that came over the connection between `ends`.
    pub(super) async fn answer(&self, request: Question, ends: Ends) -> Answer {
        let (method, fields) = (request.method().clone(), request.headers().clone());
        let uri = request.uri().clone();
        let query = uri.query().unwrap_or("");
        let is_read = matches!(method, Method::GET | Method::HEAD);
        let is_write = matches!(method, Method::POST | Method::PUT);
        match segments(uri.path()) {
            ("echo", None) if is_write => echo(request).await,
            ("echo", None) => method_not_allowed(&fields, "POST, PUT"),
            ("login", None) => login::answer(request).await,
            ("files", _) if let Some(files) = &self.files => files.answer(&request).await,
            ("" | "you" | "slow", None) | ("bytes" | "sha256", Some(_)) if !is_read => {
                method_not_allowed(&fields, "GET, HEAD")
            }
            ("", None) => self.index().answer(&fields),
            ("you", None) => you::answer(&self.watch, ends, query, &fields),
            ("slow", None) => slow(query, &fields).await,
            ("bytes", Some(len)) => match octets::parse(len) {
                Ok(len) => octets::representation(len).answer(&method, &fields, octets::Octets),
                Err(why) => bad(&fields, format!("/bytes/N: {why}")),
            },
            ("sha256", Some(len)) => match octets::parse(len) {
                Ok(len @ ..=SUM_LIMIT) => plain(format!("{}  -\n", octets::sha256(len).await)),
                Ok(_) => bad(&fields, "/sha256/N: 16GiB is the most"),
                Err(why) => bad(&fields, format!("/sha256/N: {why}")),
            },
            _ => {
                let why = "There is nothing here. The page / says what there is.";
                Page::error(StatusCode::NOT_FOUND, why).answer(&fields)
            }
        }
    }

    fn index(&self) -> Page {
        let item = |what: &str, link: &str, says: &str| Item {
            what: what.to_owned(),
            link: Some(link.to_owned()).filter(|link| !link.is_empty()),
            says: says.to_owned(),
        };
        let mut pages = vec![
            item(
                "/you",
                "/you",
                "the segments of your own connection, this request among them",
            ),
            item(
                "/bytes/N",
                "/bytes/1MiB",
                "N octets, always the same: 1000, 64MiB, 1.5GB",
            ),
            item("/sha256/N", "/sha256/1MiB", "what sha256sum says of them"),
            item(
                "/echo",
                "",
                "sends back what you POST or PUT, while you still send it",
            ),
            item(
                "/slow?ms=N",
                "/slow?ms=2000",
                "an answer N milliseconds later, 60000 at most",
            ),
            item("/login", "/login", "a form, and what a server sees of it"),
        ];
        if self.files.is_some() {
            pages.push(item("/files/", "/files/", "the directory that you gave"));
        }
        Page::new("handfast")
            .paragraph(
                "You have reached a TCP/IP stack in user space. The connection that brought you \
                 this page ends in it.",
            )
            .heading("Pages")
            .list(pages)
            .heading("From a shell")
            .preformatted(
                "curl http://handfast.internal/you\n\
                 curl http://handfast.internal/bytes/64MiB | sha256sum\n\
                 curl -r 1000-1999 http://handfast.internal/bytes/1MiB\n\
                 curl -T FILE http://handfast.internal/echo | cmp - FILE\n\
                 curl -d 'user=ada&password=lovelace' http://handfast.internal/login",
            )
            .heading("Other services, over TCP and UDP")
            .list(vec![
                item("port 7", "", "echo (RFC 862)"),
                item("port 9", "", "discard (RFC 863)"),
                item("port 13", "", "daytime (RFC 867)"),
                item("port 19", "", "character generator (RFC 864)"),
            ])
    }
}

/// The first segment of a path, and what follows it, if anything does.
fn segments(path: &str) -> (&str, Option<&str>) {
    let path = path.strip_prefix('/').unwrap_or(path);
    match path.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    }
}

/// The body on its way back, as it comes.
async fn echo(request: Question) -> Answer {
    let (head, mut body) = request.into_parts();
    // A client that waits for leave to send gets it by this (RFC 9110 section 10.1.1), and sends
    // before the answer begins.
    let begin = match body.frame().await {
        Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        Some(Err(_)) => return bad(&head.headers, "The body broke off."),
        None => Bytes::new(),
    };
    let mut answer = Response::new(content(Echo { begin, rest: body }));
    if let Some(kind) = head.headers.get(CONTENT_TYPE) {
        answer.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    answer
}

/// A body of which the beginning has been read.
struct Echo {
    begin: Bytes,
    rest: Incoming,
}

impl Body for Echo {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match std::mem::take(&mut self.begin) {
            begin if !begin.is_empty() => Poll::Ready(Some(Ok(Frame::data(begin)))),
            _ => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.begin.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.rest.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(self.begin.len() as u64 + rest),
            None => SizeHint::new(),
        }
    }
}

/// An answer that takes its time.
async fn slow(query: &str, fields: &HeaderMap) -> Answer {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let asked = pairs
        .find(|(name, _)| *name == "ms")
        .map(|(_, ms)| ms.parse());
    match asked.unwrap_or(Ok(SLOW)) {
        Ok(ms @ ..=SLOWEST) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            let mut answer = plain(format!("{ms} ms later\n"));
            let fields = answer.headers_mut();
            fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            answer
        }
        _ => bad(fields, format!("/slow?ms=N: a number up to {SLOWEST}")),
    }
}

fn bad(fields: &HeaderMap, why: impl Into<String>) -> Answer {
    Page::error(StatusCode::BAD_REQUEST, why).answer(fields)
}

fn plain(text: String) -> Answer {
    let mut answer = Response::new(whole(text));
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}
