//! The way down.

use super::bind::canonical;
use super::socket::{KEEP, OVERHEAD};
use super::{Cast, Socket, UdpError, UdpTable};
use crate::IfaceId;
use crate::address::AddressClass;
use crate::socket_id::SocketId;
use crate::tuple::{endpoint, zone};
use alloc::collections::VecDeque;
use core::net::{IpAddr, SocketAddr};
use handfast_base::Instant;
use handfast_wire::udp::UdpHeader;
use handfast_wire::{Checksum, IpHeader, Packet, Payload, Protocol, SendReason};

/// Pieces of one super-segment, as many as devices take.
const PIECES: u32 = 64;

/// A datagram, or several of one size, to be sent.
#[derive(Clone, Debug, Default)]
pub struct Outbound {
    /// To whom; by default the connected peer.
    pub to: Option<SocketAddr>,
    /// The data; taken out if it is sent.
    pub payload: Payload,
    /// If not 0: the data is cut into datagrams of this many octets, the last one perhaps shorter.
    pub segment_size: u16,
    /// From which of our addresses; by default the one the socket has, or as the route says.
    pub source: Option<IpAddr>,
    /// By which interface; by default the one the socket is bound to, or as the route says.
    pub iface: Option<IfaceId>,
}

/// What must be known of the way to a destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The destination, with the zone if it has one.
    pub destination: SocketAddr,
    /// The source address, if it is decided: must be one of ours.
    pub source: Option<IpAddr>,
    /// The interface, if it is decided.
    pub iface: Option<IfaceId>,
}

/// The way to a destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Egress {
    /// The interface that leads there.
    pub iface: IfaceId,
    /// The source address: the one wanted, or else chosen.
    pub source: IpAddr,
    /// The path MTU, in octets.
    pub mtu: u32,
    /// What the destination is to that interface.
    pub cast: Cast,
}

/// Where a datagram that was sent waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Queued {
    /// By which interface it will leave.
    pub iface: IfaceId,
    /// Which socket to ask for it, with [`poll_transmit`](UdpTable::poll_transmit).
    pub index: u32,
    /// Nothing else of this socket waited for this interface.
    pub is_first: bool,
}

/// What waits for one interface.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) iface: IfaceId,
    queue: VecDeque<Outgoing>,
}

impl Lane {
    pub(super) fn octets(&self) -> u32 {
        self.queue.iter().map(Outgoing::charge).sum()
    }
}

#[derive(Debug)]
struct Outgoing {
    ip: IpHeader,
    udp: UdpHeader,
    payload: Payload,
    segment_size: u16,
    loop_back: bool,
}

impl Outgoing {
    fn charge(&self) -> u32 {
        self.payload.len().saturating_add(OVERHEAD)
    }
}

impl Socket {
    /// What must be known to send from this socket.
    pub(super) fn wants(
        &self,
        destination: SocketAddr,
        source: Option<IpAddr>,
        iface: Option<IfaceId>,
    ) -> Wanted {
        let is_group = destination.ip().is_multicast();
        let group_iface = self.options.multicast_iface.filter(|_| is_group);
        let zone = Some(zone(destination)).filter(|z| *z != 0).map(IfaceId);
        Wanted {
            destination,
            source: source.or(self.local.filter(|a| !a.is_multicast())),
            iface: iface.or(self.iface).or(zone).or(group_iface),
        }
    }
}

impl UdpTable {
    /// Queues a datagram, or several of one size; `route` says how the destination is reached. An
    /// unbound socket gets an ephemeral port first, for which `random` comes from a generator whose
    /// output does not betray its state.
    ///
    /// # Errors
    /// The datagram is left as it is, and nothing of it is sent: [`UdpError::WouldBlock`] when
    /// [`send_limit`](super::UdpOptions::send_limit) is reached; [`Closed`](UdpError::Closed),
    /// [`NotConnected`](UdpError::NotConnected), [`Family`](UdpError::Family),
    /// [`RemoteAddress`](UdpError::RemoteAddress), [`Broadcast`](UdpError::Broadcast),
    /// [`TooBig`](UdpError::TooBig), [`NoPorts`](UdpError::NoPorts), what `route` says, and an
    /// error of the network that nobody was told of, once.
    pub fn send(
        &mut self,
        id: SocketId,
        datagram: &mut Outbound,
        random: u32,
        now: Instant,
        route: impl FnOnce(&Wanted) -> Result<Egress, UdpError>,
    ) -> Result<Queued, UdpError> {
        let index = self.index(id)?;
        let socket = self.sockets.get_mut(index).ok_or(UdpError::Closed)?;
        if let Some(error) = socket.pending.take() {
            return Err(error);
        }
        let to = match datagram.to {
            Some(to) => canonical(socket.family, to)?,
            None => socket.remote.ok_or(UdpError::NotConnected)?,
        };
        check_destination(to)?;
        let egress = route(&socket.wants(to, datagram.source, datagram.iface))?;
        if egress.source.is_ipv4() != to.is_ipv4() {
            return Err(UdpError::Family);
        }
        if egress.cast == Cast::Broadcast && !socket.options.broadcast {
            return Err(UdpError::Broadcast);
        }
        let mut ip = IpHeader::new(egress.source, to.ip(), Protocol::UDP);
        ip.traffic_class = socket.options.traffic_class;
        ip.hop_limit = match egress.cast {
            Cast::Multicast => socket.options.multicast_hop_limit.max(1),
            _ => socket.options.hop_limit.max(1),
        };
        let fits = check_len(datagram, &ip, egress.mtu, socket.options.dont_fragment)?;
        ip.dont_fragment = fits;
        if !socket.has_room() {
            socket.is_starved = true;
            return Err(UdpError::WouldBlock);
        }
        self.bind_automatically(index, random)?;
        let socket = self.sockets.get_mut(index).ok_or(UdpError::Closed)?;
        let to = endpoint(to.ip(), to.port(), egress.iface.0);
        if socket.remote != Some(to) {
            socket.remember(to, now);
        }
        let outgoing = Outgoing {
            ip,
            udp: UdpHeader {
                source_port: socket.port,
                destination_port: to.port(),
            },
            payload: core::mem::take(&mut datagram.payload),
            segment_size: datagram.segment_size,
            loop_back: egress.cast == Cast::Multicast && socket.options.multicast_loop,
        };
        let charge = outgoing.charge();
        socket.unsent_octets = socket.unsent_octets.saturating_add(charge);
        self.memory += charge as usize;
        let iface = egress.iface;
        let lane = socket.lanes.iter_mut().find(|lane| lane.iface == iface);
        let is_first = lane.is_none();
        match lane {
            Some(lane) => lane.queue.push_back(outgoing),
            None => socket.lanes.push(Lane {
                iface,
                queue: VecDeque::from([outgoing]),
            }),
        }
        Ok(Queued {
            iface,
            index,
            is_first,
        })
    }

    /// Writes the next packet that the socket at `index` has for `iface` into `packet`, which must
    /// be empty. Datagrams of one size go as one super-segment of at most `gso_max` octets, 0 if
    /// the link takes none. `checksum` says how far the checksum is to be done.
    ///
    /// `None` when the socket has nothing more for this interface. Else whether local members of
    /// the destination's group are to get a copy.
    pub fn poll_transmit(
        &mut self,
        index: u32,
        iface: IfaceId,
        gso_max: u32,
        checksum: Checksum,
        packet: &mut Packet,
    ) -> Option<bool> {
        let socket = self.sockets.get_mut(index)?;
        let at = socket.lanes.iter().position(|lane| lane.iface == iface)?;
        let queue = &mut socket.lanes[at].queue;
        let outgoing = queue.front_mut()?;
        let before = outgoing.charge();
        let take = outgoing.next_len(gso_max);
        let is_last = take >= outgoing.payload.len();
        packet.payload = match is_last {
            true => core::mem::take(&mut outgoing.payload),
            false => {
                let piece = outgoing.payload.slice(0, take);
                outgoing.payload.advance(take);
                piece
            }
        };
        packet.reason = SendReason::Datagram;
        packet.write_udp(&outgoing.ip, &outgoing.udp, outgoing.segment_size, checksum);
        let loop_back = outgoing.loop_back;
        let after = if is_last { 0 } else { outgoing.charge() };
        if is_last {
            queue.pop_front();
        }
        if queue.is_empty() && queue.capacity() > KEEP {
            *queue = VecDeque::new();
        }
        if queue.is_empty() {
            socket.lanes.remove(at);
        }
        let freed = before - after;
        socket.unsent_octets -= freed;
        self.memory -= freed as usize;
        if socket.is_closing && !socket.has_output() {
            self.sockets.remove(index);
        } else {
            self.room_made(index);
        }
        Some(loop_back)
    }
}

impl Outgoing {
    /// Octets of data in the next packet.
    fn next_len(&self, gso_max: u32) -> u32 {
        let size = u32::from(self.segment_size);
        if size == 0 {
            return self.payload.len();
        }
        let headers = (self.ip.header_len() + UdpHeader::LEN) as u32;
        let room = gso_max.saturating_sub(headers);
        size * (room / size).clamp(1, PIECES)
    }
}

/// Port 0 is nobody's, and some addresses are neither (RFC 1122, section 3.2.1.3).
pub(super) fn check_destination(to: SocketAddr) -> Result<(), UdpError> {
    use AddressClass::{Reserved, ThisNetwork, Unspecified, V4Mapped};
    let is_nobody = matches!(
        AddressClass::of(to.ip()),
        Unspecified | ThisNetwork | Reserved | V4Mapped
    );
    match is_nobody || to.port() == 0 {
        true => Err(UdpError::RemoteAddress),
        false => Ok(()),
    }
}

/// Whether a datagram fits the path MTU as it is; else it must be fragmented, which several of one
/// size never are.
fn check_len(
    datagram: &Outbound,
    ip: &IpHeader,
    mtu: u32,
    dont_fragment: bool,
) -> Result<bool, UdpError> {
    let headers = (ip.header_len() + UdpHeader::LEN) as u32;
    // The length fields are of 16 bits; IPv6's does not count its header.
    let most = u32::from(u16::MAX)
        - if ip.source.is_ipv4() {
            headers
        } else {
            UdpHeader::LEN as u32
        };
    let unfragmented = mtu.saturating_sub(headers).min(most);
    let (len, size) = (datagram.payload.len(), u32::from(datagram.segment_size));
    let is_several = size != 0 && len > size;
    let piece = if is_several { size } else { len };
    if piece <= unfragmented {
        return match is_several && len > most {
            true => Err(UdpError::TooBig { max: most }),
            false => Ok(true),
        };
    }
    let max = if dont_fragment || is_several {
        unfragmented
    } else {
        most
    };
    match piece > max {
        true => Err(UdpError::TooBig { max }),
        false => Ok(false),
    }
}
