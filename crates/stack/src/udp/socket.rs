use super::UdpError;
use super::receive::Datagram;
use super::send::Lane;
use crate::IfaceId;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use handfast_base::{Duration, Instant};
use handfast_tcp::{NetError, Readiness};
use smallvec::SmallVec;

/// Octets charged for a datagram beside its data, so that empty ones cannot fill the memory.
pub(super) const OVERHEAD: u32 = 256;
/// Destinations that an unconnected socket remembers.
const RECENT: usize = 16;
/// How long it remembers them: far longer than any ICMP error takes to come back.
const LATELY: Duration = Duration::from_secs(60);
/// Queues longer than this give their storage back when they have run empty.
pub(super) const KEEP: usize = 64;

/// Which addresses a socket can have and reach.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum UdpFamily {
    /// IPv4 alone.
    V4,
    /// IPv6 alone (RFC 3493, section 5.3).
    V6,
    /// Both: bound to ::, it has the port in IPv4 too. Addresses of IPv4 are given and taken as
    /// such, not IPv4-mapped.
    Dual,
}

impl UdpFamily {
    pub(super) fn has(self, address: IpAddr) -> bool {
        match self {
            UdpFamily::V4 => address.is_ipv4(),
            UdpFamily::V6 => address.is_ipv6(),
            UdpFamily::Dual => true,
        }
    }

    pub(super) fn unspecified(self) -> IpAddr {
        match self {
            UdpFamily::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            UdpFamily::V6 | UdpFamily::Dual => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }
}

/// What can be set on a socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UdpOptions {
    /// Whether datagrams to broadcast addresses may be sent. Default no.
    pub broadcast: bool,
    /// Whether other sockets that allow it too may have the same address and port. Of those, one
    /// gets a unicast datagram, always the same for one peer; all get a multicast one. Default no.
    pub reuse: bool,
    /// Hop limit, or time to live, of unicast and broadcast datagrams; 0 means 1. Default 64.
    pub hop_limit: u8,
    /// The same for multicast datagrams (RFC 1112, section 6.1). Default 1.
    pub multicast_hop_limit: u8,
    /// Where multicast datagrams leave; by default where the route leads.
    pub multicast_iface: Option<IfaceId>,
    /// Whether local members of a group get what is sent to it. Default yes.
    pub multicast_loop: bool,
    /// DSCP in the upper six bits, ECN in the lower two. Default 0.
    pub traffic_class: u8,
    /// A datagram larger than the path MTU is an error; else it is handed down without DF, to be
    /// fragmented. Default yes (RFC 8085, section 3.2).
    pub dont_fragment: bool,
    /// Octets of unread datagrams, each with 256 on top; what does not fit is lost. One datagram
    /// fits always. Default 212,992.
    pub receive_limit: u32,
    /// Octets of unsent datagrams, each with 256 on top. One datagram fits always. Default
    /// 212,992.
    pub send_limit: u32,
}

impl Default for UdpOptions {
    fn default() -> UdpOptions {
        UdpOptions {
            broadcast: false,
            reuse: false,
            hop_limit: 64,
            multicast_hop_limit: 1,
            multicast_iface: None,
            multicast_loop: true,
            traffic_class: 0,
            dont_fragment: true,
            receive_limit: 212_992,
            send_limit: 212_992,
        }
    }
}

#[derive(Debug)]
pub(super) struct Socket {
    pub(super) family: UdpFamily,
    /// The address asked for in `bind`; `None`: any.
    pub(super) bound: Option<IpAddr>,
    /// The address it has: as bound, or as chosen when it was connected.
    pub(super) local: Option<IpAddr>,
    /// 0: not bound.
    pub(super) port: u16,
    pub(super) iface: Option<IfaceId>,
    pub(super) remote: Option<SocketAddr>,
    pub(super) options: UdpOptions,

    pub(super) received: VecDeque<Datagram>,
    pub(super) received_octets: u32,
    pub(super) dropped: u64,
    /// What is to be sent, by interface, each in order.
    pub(super) lanes: SmallVec<[Lane; 1]>,
    pub(super) unsent_octets: u32,
    /// A send was refused for want of room.
    pub(super) is_starved: bool,
    /// The application is gone, and what it sent is not yet.
    pub(super) is_closing: bool,

    /// Fails the next call.
    pub(super) pending: Option<UdpError>,
    /// For who asks.
    pub(super) noted: Option<(SocketAddr, NetError)>,
    recent: Vec<(SocketAddr, Instant)>,
    pub(super) groups: SmallVec<[(IfaceId, IpAddr); 1]>,
    pub(super) events: Readiness,
}

impl Socket {
    pub(super) fn new(family: UdpFamily, options: UdpOptions) -> Socket {
        Socket {
            family,
            bound: None,
            local: None,
            port: 0,
            iface: None,
            remote: None,
            options,
            received: VecDeque::new(),
            received_octets: 0,
            dropped: 0,
            lanes: SmallVec::new(),
            unsent_octets: 0,
            is_starved: false,
            is_closing: false,
            pending: None,
            noted: None,
            recent: Vec::new(),
            groups: SmallVec::new(),
            events: Readiness::empty(),
        }
    }

    /// Whether this address is, or is one of, the socket's own.
    #[inline]
    pub(super) fn is_at(&self, address: IpAddr) -> bool {
        match self.local {
            Some(local) => local == address,
            None => self.family.has(address),
        }
    }

    pub(super) fn readiness(&self) -> Readiness {
        let mut ready = Readiness::empty();
        let has_error = self.pending.is_some();
        ready.set(Readiness::READABLE, has_error || !self.received.is_empty());
        ready.set(Readiness::WRITABLE, has_error || self.has_room());
        ready.set(Readiness::ERROR, has_error || self.noted.is_some());
        ready
    }

    pub(super) fn has_room(&self) -> bool {
        self.unsent_octets < self.options.send_limit.max(1)
    }

    pub(super) fn has_output(&self) -> bool {
        !self.lanes.is_empty()
    }

    /// Throws away what was received; returns the octets set free.
    pub(super) fn forget_received(&mut self) -> usize {
        self.received = VecDeque::new();
        core::mem::take(&mut self.received_octets) as usize
    }

    /// Throws away what was to leave by an interface; returns the octets set free.
    pub(super) fn forget_lane(&mut self, iface: IfaceId) -> usize {
        let mut freed = 0;
        self.lanes.retain(|lane| {
            let is_gone = lane.iface == iface;
            if is_gone {
                freed += lane.octets();
            }
            !is_gone
        });
        self.unsent_octets -= freed;
        freed as usize
    }

    /// Notes a destination, in the place of the one used least lately.
    pub(super) fn remember(&mut self, remote: SocketAddr, now: Instant) {
        if let Some(known) = self.recent.iter_mut().find(|(r, _)| *r == remote) {
            known.1 = now;
        } else if self.recent.len() < RECENT {
            self.recent.push((remote, now));
        } else if let Some(oldest) = self.recent.iter_mut().min_by_key(|(_, at)| *at) {
            *oldest = (remote, now);
        }
    }

    pub(super) fn sent_lately(&self, remote: SocketAddr, now: Instant) -> bool {
        let mut recent = self.recent.iter();
        recent.any(|(r, at)| *r == remote && now.since(*at) < LATELY)
    }
}
