//! What can be had whole, in part, or only if it has changed.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue,
    LAST_MODIFIED, RANGE,
};
use hyper::{Method, Response, StatusCode};

pub(crate) use super::condition::{EntityTag, Validators, whole_seconds};

use super::condition::Verdict;
use super::page::Page;
use super::parts::{Part, Parts, Source};
use super::range::{self, Wanted};
use super::{Answer, Content, content};

/// Octets of some kind in some version.
#[derive(Clone, Debug)]
pub(crate) struct Representation {
    /// How many.
    pub(crate) len: u64,
    /// Their media type.
    pub(crate) kind: HeaderValue,
    pub(crate) validators: Validators,
}

impl Representation {
    /// Answers a GET or a HEAD with what it asks for of `source`.
    pub(crate) fn answer(
        &self,
        method: &Method,
        fields: &HeaderMap,
        source: impl Source,
    ) -> Answer {
        let mut answer = match self.validators.verdict(fields) {
            Verdict::Failed => {
                let why = "It is not the version that the request is about.";
                return Page::error(StatusCode::PRECONDITION_FAILED, why).answer(fields);
            }
            Verdict::NotModified => {
                let mut answer = Response::new(content(Empty::new()));
                *answer.status_mut() = StatusCode::NOT_MODIFIED;
                answer
            }
            Verdict::Proceed => self.octets(method, fields, source),
        };
        let headers = answer.headers_mut();
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(ETAG, value(self.validators.tag.to_field()));
        if let Some(modified) = self.validators.seconds() {
            headers.insert(LAST_MODIFIED, value(httpdate::fmt_http_date(modified)));
        }
        answer
    }

    fn octets(&self, method: &Method, fields: &HeaderMap, source: impl Source) -> Answer {
        // Ranges are of GET alone (section 14.2).
        let asked = fields.get(RANGE).filter(|_| method == Method::GET);
        let asked = asked.filter(|_| self.validators.allow_range(fields));
        let wanted = match asked.map(HeaderValue::to_str) {
            Some(Ok(field)) => range::wanted(field, self.len),
            _ => Wanted::Whole,
        };
        match wanted {
            Wanted::Whole => {
                let parts = match *method == Method::HEAD {
                    true => Vec::new(),
                    false => vec![Part::Octets(0..self.len)],
                };
                let mut answer = self.with(Parts::new(source, parts));
                // Also where nothing of it follows.
                answer.headers_mut().insert(CONTENT_LENGTH, self.len.into());
                answer
            }
            Wanted::Nothing => {
                let why = format!(
                    "There are {} octets, and none where the range is.",
                    self.len
                );
                let mut answer = Page::error(StatusCode::RANGE_NOT_SATISFIABLE, why).answer(fields);
                let range = value(format!("bytes */{}", self.len));
                answer.headers_mut().insert(CONTENT_RANGE, range);
                answer
            }
            Wanted::Parts(parts) => match &parts[..] {
                [part] => {
                    let body = Parts::new(source, [Part::Octets(part.clone())]);
                    let mut answer = self.with(body);
                    *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
                    let range = value(self.content_range(part));
                    answer.headers_mut().insert(CONTENT_RANGE, range);
                    answer
                }
                parts => self.several(parts, source),
            },
        }
    }

    /// Several parts, each with its own header (section 15.3.7.2).
    fn several(&self, parts: &[Range<u64>], source: impl Source) -> Answer {
        let random = || RandomState::new().build_hasher().finish();
        let boundary = format!("{:016x}{:016x}", random(), random());
        let kind = String::from_utf8_lossy(self.kind.as_bytes());
        let mut pieces = Vec::new();
        for (i, part) in parts.iter().enumerate() {
            let line_end = if i == 0 { "" } else { "\r\n" };
            let head = format!(
                "{line_end}--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: {}\r\n\r\n",
                self.content_range(part)
            );
            pieces.push(Part::Text(head.into()));
            pieces.push(Part::Octets(part.clone()));
        }
        pieces.push(Part::Text(format!("\r\n--{boundary}--\r\n").into()));
        let mut answer = self.with(Parts::new(source, pieces));
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        let kind = value(format!("multipart/byteranges; boundary={boundary}"));
        answer.headers_mut().insert(CONTENT_TYPE, kind);
        answer
    }

    fn with(&self, body: Parts<impl Source>) -> Answer {
        let mut answer = Response::<Content>::new(content(body));
        answer.headers_mut().insert(CONTENT_TYPE, self.kind.clone());
        answer
    }

    fn content_range(&self, part: &Range<u64>) -> String {
        format!("bytes {}-{}/{}", part.start, part.end - 1, self.len)
    }
}

/// Text of our own making as a field's value: it has no control characters.
fn value(text: String) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static(""))
}
