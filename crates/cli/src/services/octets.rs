//! `/bytes/N`: as many octets as asked for, always the same, none of them held.

use std::io;
use std::ops::Range;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::header::HeaderValue;
use sha2::{Digest, Sha256};

use crate::kernel_peer::{Seeded, hexadecimal, site};
use crate::serve::http::parts::Source;
use crate::serve::http::representation::{EntityTag, Representation, Validators};
use crate::size;

/// The content repeats after so many octets: a prime, so that no piece of a usual size that is
/// repeated, left out or exchanged looks like what belongs there.
const PERIOD: usize = 1_048_573;

static BLOCK: LazyLock<Bytes> = LazyLock::new(|| {
    let mut block = vec![0; PERIOD];
    Seeded::new(site::DEFAULT_SEED, PERIOD as u64).fill(&mut block);
    block.into()
});

/// The endless content, by reference to one block.
pub(super) struct Octets;

impl Octets {
    /// What is from `at` on, to the end of the block.
    fn from(at: u64) -> Bytes {
        BLOCK.slice((at % PERIOD as u64) as usize..)
    }
}

impl Source for Octets {
    fn poll_take(&mut self, _: &mut Context<'_>, part: Range<u64>) -> Poll<io::Result<Bytes>> {
        let mut octets = Octets::from(part.start);
        octets.truncate(usize::try_from(part.end - part.start).unwrap_or(usize::MAX));
        Poll::Ready(Ok(octets))
    }
}

/// The number of octets that a path asks for: `0`, `1000`, `64MiB`.
///
/// # Errors
/// In words.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) => Ok(0),
        _ => size::parse(text),
    }
}

/// The first `len` octets.
pub(super) fn representation(len: u64) -> Representation {
    Representation {
        len,
        kind: HeaderValue::from_static("application/octet-stream"),
        validators: Validators {
            tag: EntityTag {
                opaque: format!("bytes-{len}"),
                is_weak: false,
            },
            modified: None,
        },
    }
}

/// SHA-256 of the first `len` octets, in lower-case hexadecimal digits. Others have their turn in
/// between.
pub(super) async fn sha256(len: u64) -> String {
    let (mut hash, mut at) = (Sha256::new(), 0);
    while at < len {
        let mut octets = Octets::from(at);
        octets.truncate(usize::try_from(len - at).unwrap_or(usize::MAX));
        hash.update(&octets);
        at += octets.len() as u64;
        tokio::task::yield_now().await;
    }
    hexadecimal(&hash.finalize())
}
