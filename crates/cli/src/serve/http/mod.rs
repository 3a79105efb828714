//! HTTP over sockets of our own (RFC 9110, RFC 9112), by hyper.
//!
//! | file | what |
//! |---|---|
//! | `connections` | accepts, and carries messages until the last has been read |
//! | `page` | pages: HTML for who asks for it, else plain text |
//! | `representation` | what can be had in part or only if it has changed |
//! | `condition` | preconditions (RFC 9110 section 13) |
//! | `range` | which octets are asked for (RFC 9110 section 14) |
//! | `parts` | bodies made of parts of something longer |

mod condition;
pub(crate) mod connections;
pub(crate) mod page;
pub(crate) mod parts;
mod range;
pub(crate) mod representation;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::{Request, Response};

/// The body of a response.
pub(crate) type Content = UnsyncBoxBody<Bytes, Failure>;
/// What breaks a body off.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
/// What is asked.
pub(crate) type Question = Request<Incoming>;
/// What is answered.
pub(crate) type Answer = Response<Content>;

/// Any body as that of a response.
pub(crate) fn content<B>(body: B) -> Content
where
    B: Body<Data = Bytes, Error: Into<Failure>> + Send + 'static,
{
    body.map_err(Into::into).boxed_unsync()
}

/// A body that is there already.
pub(crate) fn whole(octets: impl Into<Bytes>) -> Content {
    content(Full::new(octets.into()))
}
