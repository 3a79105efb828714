//! Our end.

use crate::content::{self, Half, Turn, check, pattern};
use crate::plan::Cell;
use bytes::Bytes;
use handfast::congestion::Congestion;
use handfast::{Config, Ecn, TcpInfo, TcpStream};
use std::io;
use tokio::sync::Notify;

/// Our options in a cell.
pub(crate) fn config(cell: &Cell) -> Config {
    Config {
        timestamps: cell.is("our timestamps", "on"),
        sack: cell.is("our SACK", "on"),
        window_scaling: cell.is("our scaling", "on"),
        ecn: match cell.get("our ECN") {
            "off" => Ecn::Off,
            "passive" => Ecn::Passive,
            "classic" => Ecn::On,
            _ => Ecn::Accurate,
        },
        congestion: match cell.get("our congestion control") {
            "cubic" => Congestion::CUBIC,
            "reno" => Congestion::RENO,
            _ => Congestion::CUBIC_PACED,
        },
        ..Config::default()
    }
}

/// Moves `octets` each way; the last that there was to be known of the connection.
pub(crate) async fn transfer(stream: TcpStream, octets: usize, turn: Turn) -> io::Result<TcpInfo> {
    let heard_all = Notify::new();
    let reading = async {
        let (right, mut got, mut info) = (pattern(Half::Theirs), 0, stream.info()?);
        loop {
            let chunk = stream.read_bytes(1 << 16).await?;
            if chunk.is_empty() {
                break;
            }
            check(&right, got, &chunk)?;
            got += chunk.len();
            info = stream.info().unwrap_or(info);
        }
        heard_all.notify_one();
        content::whole(got, octets).map(|()| stream.info().unwrap_or(info))
    };
    let writing = async {
        let text = Bytes::from(pattern(Half::Ours));
        let mut sent = 0;
        while sent < octets {
            if turn == Turn::Second && sent == octets / 2 {
                heard_all.notified().await;
            }
            let until = if sent < octets / 2 {
                octets / 2
            } else {
                octets
            };
            let at = sent % text.len();
            let part = (until - sent).min(text.len() - at);
            stream.write_bytes(&mut text.slice(at..at + part)).await?;
            sent += part;
        }
        stream.shutdown_write()
    };
    let (info, ()) = tokio::try_join!(reading, writing)?;
    Ok(info)
}
