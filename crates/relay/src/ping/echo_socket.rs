//! An ICMP socket of the machine's for one identifier.

use crate::udp::errors::{self, NetworkError};
use bytes::Bytes;
use handfast::stack::ForeignEcho;
use handfast::wire::icmp::{Echo, HEADER_LEN, Icmpv4, Icmpv6};
use handfast::wire::{IpHeader, Packet, Protocol};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Type of an echo reply (RFC 792; RFC 4443, section 4.2).
const REPLY_V4: u8 = 0;
const REPLY_V6: u8 = 129;

pub(super) struct EchoSocket {
    /// Any socket for datagrams is one of UDP's to the reactor.
    io: UdpSocket,
    is_ipv4: bool,
    /// What the machine gives us is all of its ICMP, in IPv4 with the IP header.
    is_raw: bool,
    identifier: u16,
    hop_limit: AtomicU8,
}

/// An echo reply.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Reply {
    pub(super) from: IpAddr,
    pub(super) sequence: u16,
    pub(super) hop_limit: u8,
    pub(super) data: Bytes,
}

impl EchoSocket {
    /// A socket whose identifier is the one `wanted` if that is free.
    ///
    /// # Errors
    /// `PermissionDenied` when the machine permits neither kind of ICMP socket.
    pub(super) fn open(is_ipv4: bool, wanted: u16) -> io::Result<EchoSocket> {
        let (domain, protocol, any) = match is_ipv4 {
            true => (
                Domain::IPV4,
                socket2::Protocol::ICMPV4,
                IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            ),
            false => (
                Domain::IPV6,
                socket2::Protocol::ICMPV6,
                IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            ),
        };
        let open = |kind: Type| Socket::new(domain, kind.nonblocking(), Some(protocol));
        let (socket, is_raw) = match open(Type::DGRAM) {
            Ok(socket) => (socket, false),
            Err(e) if e.kind() == ErrorKind::PermissionDenied => (open(Type::RAW)?, true),
            Err(e) => return Err(e),
        };
        let identifier = match is_raw {
            // Nobody keeps them apart but chance.
            true => random()?,
            false => {
                let bind = |port| socket.bind(&SocketAddr::new(any, port).into());
                bind(wanted).or_else(|_| bind(0))?;
                let local = socket.local_addr()?.as_socket();
                local.ok_or(ErrorKind::Unsupported)?.port()
            }
        };
        match is_ipv4 {
            true => {
                setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
                setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?;
            }
            false => {
                setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?;
                socket.set_recv_hoplimit_v6(true)?;
            }
        }
        Ok(EchoSocket {
            io: UdpSocket::from_std(socket.into())?,
            is_ipv4,
            is_raw,
            identifier,
            hop_limit: AtomicU8::new(64),
        })
    }

    /// Waits until there is something to receive or an error to take.
    pub(super) async fn ready(&self) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::ERROR;
        self.io.ready(interest).await.map(drop)
    }

    /// Sends a request to `to`. `on_error` is told of what happened to earlier ones.
    pub(super) fn send(
        &self,
        echo: &ForeignEcho,
        to: IpAddr,
        mut on_error: impl FnMut(NetworkError),
    ) -> io::Result<()> {
        self.set_hop_limit(echo.hop_limit.saturating_sub(1));
        let message = self.request(echo);
        let to = SockAddr::from(SocketAddr::new(to, 0));
        // An earlier request's error may be told in place of this one's, but then it is taken.
        let mut patience = 2;
        loop {
            match SockRef::from(&self.io).send_to(&message, &to) {
                // A ping that finds no room is lost, as on any wire.
                Ok(_) => return Ok(()),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if patience == 0 => return Err(e),
                Err(_) => {
                    patience -= 1;
                    while let Ok(error) = errors::take(self.io.as_fd()) {
                        on_error(error);
                    }
                }
            }
        }
    }

    /// The ICMP message.
    fn request(&self, echo: &ForeignEcho) -> Bytes {
        let mut packet = Packet::new();
        packet.payload = echo.payload.clone();
        let id = Echo {
            identifier: self.identifier,
            ..echo.echo
        };
        // The machine puts another IP header in front, and in IPv6 another checksum, too.
        let header = |protocol| IpHeader::new(echo.source, echo.destination, protocol);
        let ip = match self.is_ipv4 {
            true => {
                let ip = header(Protocol::ICMP);
                packet.write_icmpv4(&ip, &Icmpv4::EchoRequest(id));
                ip
            }
            false => {
                let ip = header(Protocol::ICMPV6);
                packet.write_icmpv6(&ip, &Icmpv6::EchoRequest(id));
                ip
            }
        };
        packet.to_bytes().slice(ip.header_len()..)
    }

    fn set_hop_limit(&self, hop_limit: u8) {
        if self.hop_limit.swap(hop_limit, Ordering::Relaxed) == hop_limit {
            return;
        }
        let socket = SockRef::from(&self.io);
        // If it cannot be set, the request goes with the machine's own.
        let _ = match self.is_ipv4 {
            true => socket.set_ttl_v4(hop_limit.into()),
            false => socket.set_unicast_hops_v6(hop_limit.into()),
        };
    }

    /// Receives a message: `None` if it is no reply for us.
    ///
    /// # Errors
    /// `WouldBlock` when there is none; else the error of something sent, which is in the error
    /// queue, too.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Reply>> {
        self.io.try_io(Interest::READABLE, || {
            let mut control = [0; 512];
            let mut slices = [IoSliceMut::new(buffer)];
            let message = recvmsg::<SockaddrStorage>(
                self.io.as_raw_fd(),
                &mut slices,
                Some(&mut control),
                MsgFlags::MSG_DONTWAIT,
            )?;
            let mut hop_limit = 64;
            for part in message.cmsgs()? {
                match part {
                    ControlMessageOwned::Ipv4Ttl(limit)
                    | ControlMessageOwned::Ipv6HopLimit(limit) => {
                        hop_limit = u8::try_from(limit).unwrap_or(u8::MAX);
                    }
                    _ => {}
                }
            }
            let from = message.address.as_ref().and_then(errors::address);
            let len = message.bytes;
            let octets = buffer.get(..len).unwrap_or(&[]);
            Ok(from.and_then(|from| self.reply(from.ip(), octets, hop_limit)))
        })
    }

    fn reply(&self, from: IpAddr, octets: &[u8], hop_limit: u8) -> Option<Reply> {
        let octets = match self.is_raw && self.is_ipv4 {
            true => {
                let (_, start, end) = IpHeader::parse(octets, octets.len() as u32).ok()?;
                octets.get(start..end as usize)?
            }
            false => octets,
        };
        let kind = match self.is_ipv4 {
            true => REPLY_V4,
            false => REPLY_V6,
        };
        let (sequence, data) = self.quoted(octets).filter(|_| octets[0] == kind)?;
        Some(Reply {
            from,
            sequence,
            hop_limit,
            data,
        })
    }

    /// Sequence number and data of an echo message of ours.
    pub(super) fn quoted(&self, message: &[u8]) -> Option<(u16, Bytes)> {
        let &[_, _, _, _, a, b, c, d] = message.first_chunk::<HEADER_LEN>()?;
        let data = Bytes::copy_from_slice(&message[HEADER_LEN..]);
        let is_ours = u16::from_be_bytes([a, b]) == self.identifier;
        is_ours.then_some((u16::from_be_bytes([c, d]), data))
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

fn random() -> io::Result<u16> {
    let mut octets = [0; 2];
    getrandom::fill(&mut octets).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(u16::from_be_bytes(octets))
}
