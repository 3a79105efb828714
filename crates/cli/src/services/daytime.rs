//! Daytime (RFC 867): the date and the time as a line for people.

use std::time::SystemTime;

use bytes::Bytes;
use handfast::TcpStream;

use crate::serve::http::connections::{Ends, hear_out};
use crate::serve::http::representation::whole_seconds;

pub(super) const PORT: u16 = 13;

/// Says the time once, and closes. What comes is thrown away.
pub(super) async fn serve(stream: TcpStream, _: Ends) {
    // Who breaks off does not want to know.
    if stream.write_bytes(&mut line()).await.is_ok() && stream.shutdown_write().is_ok() {
        hear_out(&stream).await;
    }
}

/// `Tue, 22 Feb 1982 17:37:43 GMT` and the end of the line.
pub(super) fn line() -> Bytes {
    let now = whole_seconds(SystemTime::now()).unwrap_or(SystemTime::UNIX_EPOCH);
    format!("{}\r\n", httpdate::fmt_http_date(now)).into()
}
