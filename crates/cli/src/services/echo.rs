//! Echo (RFC 862): what comes goes back.

use handfast::TcpStream;

use crate::serve::http::connections::Ends;

pub(super) const PORT: u16 = 7;

/// Octets taken at a time.
const MOST: usize = 256 * 1024;

/// Sends back what comes until the client closes its direction, then closes ours.
pub(super) async fn serve(stream: TcpStream, _: Ends) {
    while let Ok(mut octets) = stream.read_bytes(MOST).await {
        if octets.is_empty() || stream.write_bytes(&mut octets).await.is_err() {
            break;
        }
    }
}
