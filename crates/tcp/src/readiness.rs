/// What a connection is ready for, or what has happened on it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Readiness(u16);

bitflags::bitflags! {
    impl Readiness: u16 {
        /// Data can be read, or the end of the stream or an error is there to be seen.
        const READABLE = 0x01;
        /// Data can be queued, or an error is there to be seen.
        const WRITABLE = 0x02;
        /// The handshake is complete.
        const CONNECTED = 0x04;
        /// The peer has closed its direction: after the unread data comes end of stream.
        const READ_CLOSED = 0x08;
        /// Our direction is closed and all of it acknowledged.
        const WRITE_CLOSED = 0x10;
        /// The connection has ended.
        const CLOSED = 0x20;
        /// It ended with an error.
        const ERROR = 0x40;
        /// Urgent data is ahead in the stream (RFC 9293, 3.8.5).
        const URGENT = 0x80;
    }
}

impl core::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        bitflags::parser::to_writer(self, f)
    }
}
