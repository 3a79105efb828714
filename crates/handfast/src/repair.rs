//! Connections that move between this stack and the machine's kernel (Linux, `TCP_REPAIR`; needs
//! `CAP_NET_ADMIN`).
//!
//! A connection is its addresses: where it goes, its local address has to go, and while it is in
//! no stack nothing that comes for it may be answered. A stack of ours is silent of its own accord
//! for what it has [exported](crate::TcpStream::export); the kernel is once the address, or the
//! route to it, is gone.
//!
//! What the kernel neither gives nor takes is gone: what arrived out of order, which the peer
//! sends again; TS.Recent, which the next segment brings; ECN; and urgent pointers.

use crate::{Snapshot, TcpSnapshot, TimestampClock};
use handfast_link::repair::{self, Parts};
use handfast_tcp::EcnSnapshot;
use handfast_wire::SeqNumber;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// Reads a connection out of the kernel. The socket says nothing more from then on; when it is
/// closed, that is silent, too.
///
/// Nothing may arrive for it any more when this is called: the route to its address leads
/// elsewhere, or it is filtered. What comes later finds no socket, and the kernel resets the peer.
///
/// # Errors
/// `PermissionDenied` without `CAP_NET_ADMIN`; `InvalidInput` when the connection is not
/// ESTABLISHED; `ResourceBusy` when something still arrives. Nothing has changed then.
pub fn export(stream: &std::net::TcpStream) -> io::Result<TcpSnapshot> {
    let parts = repair::take(stream)?;
    let snd_una = SeqNumber(parts.snd_una);
    let rcv_nxt = SeqNumber(parts.rcv_nxt);
    let micros = |n: u32| Duration::from_micros(n.into());
    let pieces = |text: Vec<u8>| match text.is_empty() {
        true => Vec::new(),
        false => vec![text.into()],
    };
    let most = 0xffff << parts.window_scale.map_or(0, |(_, ours)| ours.min(14));
    Ok(TcpSnapshot {
        local: parts.local,
        remote: parts.remote,
        connection: Snapshot {
            iss: snd_una - 1,
            irs: rcv_nxt - parts.receive.len() as u32 - 1,
            snd_una,
            snd_nxt: snd_una + parts.in_flight as u32,
            snd_wnd: parts.snd_wnd,
            max_snd_wnd: parts.max_snd_wnd,
            snd_wl1: SeqNumber(parts.snd_wl1),
            snd_wl2: snd_una,
            send: pieces(parts.send),
            snd_up: None,
            rcv_nxt,
            rcv_wnd: parts.rcv_wnd.min(most),
            receive: pieces(parts.receive),
            rcv_up: None,
            peer_mss: parts.mss,
            window_scale: parts.window_scale,
            sack: parts.sack,
            timestamps: parts.timestamp.map(|value| TimestampClock {
                // The kernel's bit 0 says in what it ticks; the clock must not go back.
                value: value.wrapping_add(1),
                recent: None,
            }),
            ecn: EcnSnapshot::default(),
            rtt: (parts.rtt.0 > 0).then(|| (micros(parts.rtt.0), micros(parts.rtt.1))),
            peer_user_timeout: 0,
        },
    })
}

/// Puts a connection into the kernel, in the network namespace of the calling thread, of which its
/// local address must be one. The kernel asks the peer for its window at once.
///
/// # Errors
/// `InvalidInput` when the value is no connection; `PermissionDenied` without `CAP_NET_ADMIN`;
/// `AddrInUse`, `AddrNotAvailable` and `NetworkUnreachable` when there is no place for it. The peer
/// hears nothing then.
pub fn import(snapshot: &TcpSnapshot) -> io::Result<std::net::TcpStream> {
    let s = &snapshot.connection;
    s.check()
        .map_err(|why| io::Error::new(ErrorKind::InvalidInput, why))?;
    repair::put(&Parts {
        local: snapshot.local,
        remote: snapshot.remote,
        snd_una: s.snd_una.0,
        send: s.send.concat(),
        in_flight: s.snd_nxt.offset_from(s.snd_una) as usize,
        snd_wl1: s.snd_wl1.0,
        snd_wnd: s.snd_wnd,
        max_snd_wnd: s.max_snd_wnd,
        rcv_nxt: s.rcv_nxt.0,
        rcv_wnd: s.rcv_wnd,
        receive: s.receive.concat(),
        mss: s.peer_mss,
        window_scale: s.window_scale,
        sack: s.sack,
        timestamp: s.timestamps.map(|clock| clock.value),
        rtt: (0, 0),
    })
}
