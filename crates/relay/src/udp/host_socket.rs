//! A UDP socket of the machine's: unconnected, with errors, trains and ECN.

use super::errors::{self, NetworkError};
use crate::Direct;
use bytes::Bytes;
use handfast::stack::ForeignDatagram;
use handfast::stack::icmp::Problem;
use quinn_udp::{BATCH_SIZE, EcnCodepoint, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::io::{Interest, Ready};
use tokio::net::UdpSocket;

/// What a buffer must hold: the largest train.
const LARGEST: usize = 65_536;
/// What the machine is asked to keep for us; it gives what its limits allow.
const BUFFER: usize = 4 << 20;
/// Hop limit of what the machine sends unless told otherwise.
const HOP_LIMIT: u8 = 64;

/// What is received passes through here, on its way to a slice of its own length.
struct Scratch {
    octets: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch { octets: Vec::new() }) };
}

/// Datagrams from one peer, of one size but the last.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) peer: SocketAddr,
    pub(super) payload: Bytes,
    /// 0: it is one datagram.
    pub(super) segment_size: u16,
    /// The two bits of ECN.
    pub(super) ecn: u8,
}

#[derive(Debug)]
pub(super) struct HostSocket {
    io: UdpSocket,
    state: UdpSocketState,
    hop_limit: AtomicU8,
}

/// What became of a datagram that was to be sent.
#[derive(Debug)]
pub(super) enum Sent {
    Yes,
    /// The machine takes no more for now.
    Full,
    /// It never will, and this is what the sender is to know, if anything.
    Never(Option<Problem>),
}

impl HostSocket {
    /// A socket at `local`.
    pub(super) fn bind(local: SocketAddr, direct: &Direct) -> io::Result<HostSocket> {
        let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if local.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        direct.apply(SockRef::from(&socket))?;
        // What it cannot have it need not have.
        let _ = socket.set_recv_buffer_size(BUFFER);
        let _ = socket.set_send_buffer_size(BUFFER);
        socket.bind(&local.into())?;
        let io = UdpSocket::from_std(socket.into())?;
        let state = UdpSocketState::new(UdpSockRef::from(&io))?;
        state.enable_transport_errors(UdpSockRef::from(&io))?;
        may_be_fragmented(&io, local.is_ipv4())?;
        Ok(HostSocket {
            io,
            state,
            hop_limit: AtomicU8::new(HOP_LIMIT),
        })
    }

    /// A socket at any address of the family of `like`, at port `wanted` if that can be had.
    pub(super) fn bind_any(like: IpAddr, wanted: u16, direct: &Direct) -> io::Result<HostSocket> {
        let any = match like {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let bind = |port| HostSocket::bind(SocketAddr::new(any, port), direct);
        bind(wanted).or_else(|why| match why.kind() {
            ErrorKind::AddrInUse | ErrorKind::PermissionDenied => bind(0),
            _ => Err(why),
        })
    }

    /// Waits until there is something to receive, an error to take, or, if that is `wanted`, room
    /// to send.
    pub(super) async fn ready(&self, room_wanted: bool) -> io::Result<Ready> {
        let mut interest = Interest::READABLE | Interest::ERROR;
        if room_wanted {
            interest |= Interest::WRITABLE;
        }
        self.io.ready(interest).await
    }

    /// Sends what is left of a train to `to`; what was sent is cut off it. `on_error` is told of
    /// what happened to earlier datagrams.
    pub(super) fn send(
        &self,
        train: &mut ForeignDatagram,
        to: SocketAddr,
        mut on_error: impl FnMut(NetworkError),
    ) -> Sent {
        self.set_hop_limit(train.hop_limit.saturating_sub(1), to.is_ipv4());
        // One slice, or else a copy: a system call takes one.
        let octets = train.payload.to_bytes();
        let mut at = 0;
        // An earlier datagram's error may be told in place of this one's, but then it is taken.
        let mut patience = 3;
        loop {
            let (len, segment_size) = self.next_piece(&octets[at..], train.segment_size);
            let transmit = Transmit {
                destination: to,
                ecn: EcnCodepoint::from_bits(train.traffic_class),
                contents: &octets[at..at + len],
                segment_size,
                src_ip: None,
            };
            let send = || self.state.try_send(UdpSockRef::from(&self.io), &transmit);
            // Tried first, for a reactor that has not looked yet knows of no room; and then by it,
            // so that it knows of none from now on.
            let sent = send().or_else(|e| match e.kind() {
                ErrorKind::WouldBlock => self.io.try_io(Interest::WRITABLE, send),
                _ => Err(e),
            });
            match sent {
                Ok(()) => at += len,
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    train.payload.advance(at as u32);
                    return Sent::Full;
                }
                Err(e) => {
                    while let Ok(error) = errors::take(self.io.as_fd()) {
                        on_error(error);
                    }
                    patience -= 1;
                    // Trains that its device cannot cut are cut here from now on.
                    if patience == 0 {
                        return Sent::Never(errors::of_sending(&e));
                    }
                    continue;
                }
            }
            if at >= octets.len() {
                return Sent::Yes;
            }
        }
    }

    /// How much goes in one call, and how it is cut.
    fn next_piece(&self, octets: &[u8], segment_size: u16) -> (usize, Option<usize>) {
        let size = usize::from(segment_size);
        if size == 0 || octets.len() <= size {
            return (octets.len(), None);
        }
        match self.state.max_gso_segments() {
            0 | 1 => (size, None),
            most => (octets.len().min(size * most), Some(size)),
        }
    }

    fn set_hop_limit(&self, hop_limit: u8, is_ipv4: bool) {
        if self.hop_limit.swap(hop_limit, Ordering::Relaxed) == hop_limit {
            return;
        }
        // If it cannot be set, the datagram goes with the machine's own.
        let _ = match is_ipv4 {
            true => rustix::net::sockopt::set_ip_ttl(&self.io, hop_limit.into()),
            false => rustix::net::sockopt::set_ipv6_unicast_hops(&self.io, Some(hop_limit)),
        };
    }

    /// Receives all that waits, up to one batch.
    ///
    /// # Errors
    /// `WouldBlock` when nothing does; else the error of something sent, which is in the error
    /// queue, too.
    pub(super) fn receive(&self, out: &mut Vec<Arrival>) -> io::Result<()> {
        self.io.try_io(Interest::READABLE, || {
            SCRATCH.with_borrow_mut(|scratch| self.receive_by(scratch, out))
        })
    }

    fn receive_by(&self, scratch: &mut Scratch, out: &mut Vec<Arrival>) -> io::Result<()> {
        scratch.octets.resize(BATCH_SIZE * LARGEST, 0);
        let mut meta = [RecvMeta::default(); BATCH_SIZE];
        let mut slices: Vec<_> = scratch
            .octets
            .chunks_exact_mut(LARGEST)
            .map(IoSliceMut::new)
            .collect();
        let count = self
            .state
            .recv(UdpSockRef::from(&self.io), &mut slices, &mut meta)?;
        for (meta, octets) in meta.iter().zip(&slices).take(count) {
            let is_train = meta.stride > 0 && meta.stride < meta.len;
            out.push(Arrival {
                // Without what only the machine itself understands: scope and flow.
                peer: SocketAddr::new(meta.addr.ip(), meta.addr.port()),
                payload: Bytes::copy_from_slice(&octets[..meta.len]),
                segment_size: if is_train { meta.stride as u16 } else { 0 },
                ecn: meta.ecn.map_or(0, |ecn| ecn as u8),
            });
        }
        Ok(())
    }

    /// Takes an error that the network told of something sent.
    ///
    /// # Errors
    /// `WouldBlock` when there is none.
    pub(super) fn take_error(&self) -> io::Result<NetworkError> {
        self.io
            .try_io(Interest::ERROR, || errors::take(self.io.as_fd()))
    }
}

/// Lets the machine cut datagrams that are longer than its path, as it does for its own programs:
/// the program's path to us is wider than that, and has told it that they fit.
fn may_be_fragmented(socket: &UdpSocket, is_ipv4: bool) -> io::Result<()> {
    use rustix::net::sockopt::{Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};
    match is_ipv4 {
        true => rustix::net::sockopt::set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::WANT)?,
        false => {
            rustix::net::sockopt::set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::WANT)?;
            nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::Ipv6DontFrag, &false)?;
        }
    }
    Ok(())
}
