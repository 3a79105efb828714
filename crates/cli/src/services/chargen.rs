//! Character generator (RFC 864): characters without end.

use std::sync::LazyLock;

use bytes::Bytes;
use handfast::TcpStream;
use handfast_base::Rng;

use crate::serve::http::connections::Ends;

pub(super) const PORT: u16 = 19;

/// The printing characters of ASCII, the space among them.
const PRINTING: std::ops::RangeInclusive<u8> = b' '..=b'~';
/// Characters of a line.
const LINE: usize = 72;
/// The most characters of a datagram.
const DATAGRAM: u64 = 512;
/// How often the pattern is written one after the other, so that few pieces are much.
const REPEATED: usize = 16;

/// The popular pattern: a ring of the printing characters, each line one further on.
static PATTERN: LazyLock<Bytes> = LazyLock::new(|| {
    let ring: Vec<u8> = PRINTING.collect();
    let line = |start| {
        let characters = ring.iter().cycle().skip(start).take(LINE);
        characters.chain(b"\r\n").copied()
    };
    let once: Vec<u8> = (0..ring.len()).flat_map(line).collect();
    once.repeat(REPEATED).into()
});

/// Sends characters as fast as the client takes them, until it breaks off. What comes is thrown
/// away.
pub(super) async fn serve(stream: TcpStream, _: Ends) {
    if stream.shutdown_read().is_ok() {
        while stream.write_bytes(&mut PATTERN.clone()).await.is_ok() {}
    }
}

/// Up to 512 characters, as chance has it.
pub(super) fn datagram(chance: &mut Rng) -> Bytes {
    let len = chance.below(DATAGRAM + 1) as usize;
    PATTERN.slice(..len)
}
