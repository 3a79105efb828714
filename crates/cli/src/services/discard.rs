//! Discard (RFC 863): what comes is thrown away.

use handfast::TcpStream;

use crate::serve::http::connections::Ends;

pub(super) const PORT: u16 = 9;

/// Octets taken at a time.
const MOST: usize = 1 << 20;

/// Throws away what comes until the client closes its direction.
pub(super) async fn serve(stream: TcpStream, _: Ends) {
    while let Ok(1..) = stream.read_bytes(MOST).await.map(|octets| octets.len()) {}
}
