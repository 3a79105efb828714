//! The load: a client that runs unmodified inside any relay, and the server outside.
//!
//! Both use the plain sockets of the standard library with buffers of [`CHUNK`] octets; neither
//! `splice` nor `MSG_ZEROCOPY`. The services are the classic ones, on their classic ports:
//! [`ECHO`] (RFC 862), [`DISCARD`] (RFC 863) and [`CHARGEN`] (RFC 864), over TCP and UDP, and one
//! that compares.

pub mod client;
pub mod server;

use rustix::time::{ClockId, clock_gettime};

/// The server's address, in the namespace outside.
pub const SERVER: &str = "198.51.100.1";
/// Sends back what it is sent.
pub const ECHO: u16 = 7;
/// Counts what it is sent; over TCP it answers with the count, 8 octets, after the end.
pub const DISCARD: u16 = 9;
/// As discard over TCP, but it compares what it is sent with [`pattern`], and answers with the
/// number of octets before the first wrong one.
pub const COMPARE: u16 = 10;
/// Over TCP it is asked with 8 octets for a number of octets and sends them; over UDP it is
/// asked for a number of milliseconds and sends as fast as it can for as long.
pub const CHARGEN: u16 = 19;
/// Octets of one `read` or `write`: a prime a little below 256 Ki, so that a transfer made of
/// copies of one chunk repeats itself at no distance that a buffer has.
pub const CHUNK: usize = 262_139;
/// Octets of a datagram: what QUIC would send over a path of 1500.
pub const DATAGRAM: usize = 1400;
/// Datagrams of one send with segmentation offload (UDP_SEGMENT).
pub const BURST: usize = 44;

/// Seconds of processor time that all threads of this process have used, in user mode and in the
/// kernel.
pub fn own_seconds() -> f64 {
    let t = clock_gettime(ClockId::ProcessCPUTime);
    t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
}

/// The chunk that every transfer repeats.
pub fn pattern() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(CHUNK).collect()
}

/// Whether `octets`, which begin at `place` of a transfer, are those of `pattern`; the number of
/// octets before the first wrong one.
pub fn right(pattern: &[u8], place: usize, octets: &[u8]) -> usize {
    let expected = pattern.iter().cycle().skip(place % pattern.len());
    octets
        .iter()
        .zip(expected)
        .take_while(|(a, b)| a == b)
        .count()
}
