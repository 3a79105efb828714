//! Bodies made of parts of something longer, taken when there is room for them and not before.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Something of which any part can be taken.
pub(crate) trait Source: Send + Unpin + 'static {
    /// Takes octets from the beginning of `part`, which is not empty: one at least, all of it at
    /// most. `part` begins where the last one taken ended, or anywhere else.
    ///
    /// # Errors
    /// Why they are not there.
    fn poll_take(&mut self, cx: &mut Context<'_>, part: Range<u64>) -> Poll<io::Result<Bytes>>;
}

/// A piece of a body.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// As it stands.
    Text(Bytes),
    /// Of the source.
    Octets(Range<u64>),
}

impl Part {
    fn len(&self) -> u64 {
        match self {
            Part::Text(text) => text.len() as u64,
            Part::Octets(range) => range.end - range.start,
        }
    }
}

/// Parts of a source, one after the other.
pub(super) struct Parts<S> {
    source: S,
    parts: VecDeque<Part>,
    left: u64,
}

impl<S> Parts<S> {
    pub(super) fn new(source: S, parts: impl IntoIterator<Item = Part>) -> Parts<S> {
        let parts: VecDeque<Part> = parts.into_iter().filter(|p| p.len() > 0).collect();
        let left = parts.iter().map(Part::len).sum();
        Parts {
            source,
            parts,
            left,
        }
    }
}

impl<S: Source> Body for Parts<S> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let octets = match this.parts.front_mut() {
            None => return Poll::Ready(None),
            Some(Part::Text(text)) => std::mem::take(text),
            Some(Part::Octets(range)) => {
                let octets = ready!(this.source.poll_take(cx, range.clone()))?;
                range.start += octets.len() as u64;
                octets
            }
        };
        if this.parts.front().is_some_and(|part| part.len() == 0) {
            this.parts.pop_front();
        }
        this.left -= octets.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(octets))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
