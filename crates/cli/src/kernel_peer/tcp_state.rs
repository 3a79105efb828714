//! What the kernel says about one of its own TCP connections (sock_diag(7)).

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::netlink::{Family, Message, Socket, attributes, u32_at};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const IPPROTO_TCP: u8 = 6;
const INET_DIAG_INFO: u16 = 2;
const INET_DIAG_CONG: u16 = 4;
/// Octets of `inet_diag_msg`; of it, where the `inet_diag_sockid` begins.
const DIAG_HEADER: usize = 72;
const DIAG_ID: usize = 4;

/// The states of RFC 9293 section 3.3.2, in the kernel's numbering from 1; NEW-SYN-RECEIVED is the
/// kernel's passive SYN-RECEIVED.
const STATES: [&str; 12] = [
    "ESTABLISHED",
    "SYN-SENT",
    "SYN-RECEIVED",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "CLOSED",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
    "CLOSING",
    "SYN-RECEIVED",
];

/// One connection, as the kernel sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpState {
    /// Name of the state as in RFC 9293 section 3.3.2.
    pub state: String,
    /// Octets received and not yet read.
    pub receive_queue: u32,
    /// Octets sent and not yet acknowledged, or not yet sent.
    pub send_queue: u32,
    /// Milliseconds until the running timer ends: in TIME-WAIT, until the connection is forgotten.
    pub timer_millis: u32,
    /// Name of the congestion control.
    pub congestion: Option<String>,
    /// More, in the states that have it.
    pub info: Option<TcpInfo>,
}

/// The part of the kernel's `struct tcp_info` that a reader of a ladder asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpInfo {
    /// Retransmission timeout in microseconds.
    pub rto_micros: u32,
    /// Smoothed round-trip time in microseconds.
    pub rtt_micros: u32,
    /// Its variation in microseconds.
    pub rttvar_micros: u32,
    /// Largest segment we send, in octets.
    pub snd_mss: u32,
    /// Congestion window in segments.
    pub snd_cwnd: u32,
    /// Slow start threshold in segments; `None` while there is none.
    pub snd_ssthresh: Option<u32>,
    /// Segments sent and not acknowledged.
    pub unacked: u32,
    /// Segments held by the other end out of order (SACK).
    pub sacked: u32,
    /// Segments that count as lost.
    pub lost: u32,
    /// Retransmissions since the connection began.
    pub total_retrans: u32,
    /// Path MTU in octets.
    pub pmtu: u32,
    /// Window scale that the other end announced, and ours.
    pub wscale: (u8, u8),
    /// Whether timestamps, SACK and ECN were agreed.
    pub timestamps: bool,
    /// Selective acknowledgments.
    pub sack: bool,
    /// Explicit congestion notification.
    pub ecn: bool,
}

impl fmt::Display for TcpState {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.state)?;
        if let Some(name) = &self.congestion {
            write!(f, " {name}")?;
        }
        if let Some(i) = &self.info {
            let millis = |micros: u32| f64::from(micros) / 1000.0;
            write!(
                f,
                " cwnd={} rtt={:.3}ms rttvar={:.3}ms rto={:.0}ms mss={} unacked={} retrans={}",
                i.snd_cwnd,
                millis(i.rtt_micros),
                millis(i.rttvar_micros),
                millis(i.rto_micros),
                i.snd_mss,
                i.unacked,
                i.total_retrans
            )?;
            if let Some(threshold) = i.snd_ssthresh {
                write!(f, " ssthresh={threshold}")?;
            }
        }
        write!(
            f,
            " recv-q={} send-q={}",
            self.receive_queue, self.send_queue
        )?;
        if self.timer_millis > 0 {
            write!(f, " timer={}ms", self.timer_millis)?;
        }
        Ok(())
    }
}

impl TcpState {
    /// The state of the connection from `local` to `remote` in the caller's network namespace;
    /// `None` when the kernel has no such connection (any more).
    ///
    /// # Errors
    /// That of netlink, other than that there is none; `InvalidInput` for addresses of two families.
    pub fn of(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<TcpState>> {
        if local.is_ipv4() != remote.is_ipv4() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let id = identity(local, remote);
        let mut body = vec![Family::of(local.ip()).raw(), IPPROTO_TCP, extensions(), 0];
        body.extend_from_slice(&u32::MAX.to_ne_bytes());
        body.extend_from_slice(&id);
        let asked = Socket::sock_diag()?.query(Message::new(SOCK_DIAG_BY_FAMILY, 0).octets(&body));
        match asked {
            Ok(answer) => Ok(parse(&answer, &id)),
            // Also the answer of a kernel without tcp_diag: its table tells these two apart.
            Err(e) if e.kind() == io::ErrorKind::NotFound => in_table(local, remote),
            Err(e) => Err(e),
        }
    }
}

fn extensions() -> u8 {
    1 << (INET_DIAG_INFO - 1) | 1 << (INET_DIAG_CONG - 1)
}

/// `inet_diag_sockid`, for any interface and without a cookie.
fn identity(local: SocketAddr, remote: SocketAddr) -> [u8; 48] {
    let mut id = [0; 48];
    id[0..2].copy_from_slice(&local.port().to_be_bytes());
    id[2..4].copy_from_slice(&remote.port().to_be_bytes());
    for (at, address) in [(4, local.ip()), (20, remote.ip())] {
        match address {
            IpAddr::V4(v4) => id[at..at + 4].copy_from_slice(&v4.octets()),
            IpAddr::V6(v6) => id[at..at + 16].copy_from_slice(&v6.octets()),
        }
    }
    id[40..48].fill(0xff);
    id
}

/// An `inet_diag_msg` with its attributes; `None` when it is about another connection, such as the
/// listener that would take the asked one.
pub(super) fn parse(answer: &[u8], id: &[u8; 48]) -> Option<TcpState> {
    let header = answer.get(..DIAG_HEADER)?;
    if header[DIAG_ID..DIAG_ID + 36] != id[..36] {
        return None;
    }
    let state = STATES.get(usize::from(header[1]).checked_sub(1)?)?;
    let (mut info, mut congestion) = (None, None);
    for (kind, value) in attributes(&answer[DIAG_HEADER..]) {
        match kind {
            INET_DIAG_INFO => info = parse_info(value),
            INET_DIAG_CONG => {
                let name = value.split(|&c| c == 0).next().unwrap_or(value);
                congestion = Some(String::from_utf8_lossy(name).into_owned());
            }
            _ => {}
        }
    }
    Some(TcpState {
        state: (*state).to_owned(),
        timer_millis: u32_at(header, 52)?,
        receive_queue: u32_at(header, 56)?,
        send_queue: u32_at(header, 60)?,
        congestion,
        info,
    })
}

fn parse_info(info: &[u8]) -> Option<TcpInfo> {
    let number = |at| u32_at(info, at);
    let (options, scales) = (*info.get(5)?, *info.get(6)?);
    Some(TcpInfo {
        rto_micros: number(8)?,
        rtt_micros: number(68)?,
        rttvar_micros: number(72)?,
        snd_mss: number(16)?,
        snd_cwnd: number(80)?,
        snd_ssthresh: number(76).filter(|&n| n < 0x7fff_ffff),
        unacked: number(24)?,
        sacked: number(28)?,
        lost: number(32)?,
        total_retrans: number(100)?,
        pmtu: number(60)?,
        wscale: (scales & 15, scales >> 4),
        timestamps: options & 1 != 0,
        sack: options & 2 != 0,
        ecn: options & 8 != 0,
    })
}

/// The same from `/proc/net/tcp` or `tcp6`, where there is less to know.
fn in_table(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<TcpState>> {
    let table = match Family::of(local.ip()) {
        Family::V4 => "/proc/thread-self/net/tcp",
        Family::V6 => "/proc/thread-self/net/tcp6",
    };
    let text = match fs::read_to_string(table) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    Ok(text.lines().find_map(|line| parse_row(line, local, remote)))
}

pub(super) fn parse_row(line: &str, local: SocketAddr, remote: SocketAddr) -> Option<TcpState> {
    // Addresses are printed as 32-bit numbers of the machine's order.
    let written = |end: SocketAddr| {
        let octets = match end.ip() {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let words = octets.chunks(4).filter_map(|word| u32_at(word, 0));
        let address: String = words.map(|word| format!("{word:08X}")).collect();
        format!("{address}:{:04X}", end.port())
    };
    let columns: Vec<&str> = line.split_whitespace().collect();
    let [_, from, to, state, queues, ..] = columns[..] else {
        return None;
    };
    if from != written(local) || to != written(remote) {
        return None;
    }
    let number = |text| u32::from_str_radix(text, 16).ok();
    let (send, receive) = queues.split_once(':')?;
    let state = usize::try_from(number(state)?).ok()?;
    Some(TcpState {
        state: (*STATES.get(state.checked_sub(1)?)?).to_owned(),
        receive_queue: number(receive)?,
        send_queue: number(send)?,
        timer_millis: 0,
        congestion: None,
        info: None,
    })
}
