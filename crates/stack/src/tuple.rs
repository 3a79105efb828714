//! The pair of socket addresses that names a connection (RFC 9293, section 3.3.1).

use alloc::boxed::Box;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Local and remote socket address, of one family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tuple {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
}

impl Tuple {
    /// Octets that [`Tuple::octets`] fills at most.
    pub(crate) const MAX_LEN: usize = 40;

    /// The tuple as octets, for hashing.
    #[inline]
    pub(crate) fn octets<'a>(&self, out: &'a mut [u8; Tuple::MAX_LEN]) -> &'a [u8] {
        let [a, b] = self.local.port().to_be_bytes();
        let [c, d] = self.remote.port().to_be_bytes();
        out[..4].copy_from_slice(&[a, b, c, d]);
        match (self.local, self.remote) {
            (SocketAddr::V4(l), SocketAddr::V4(r)) => {
                out[4..8].copy_from_slice(&l.ip().octets());
                out[8..12].copy_from_slice(&r.ip().octets());
                &out[..12]
            }
            (SocketAddr::V6(l), SocketAddr::V6(r)) => {
                out[4..20].copy_from_slice(&l.ip().octets());
                out[20..36].copy_from_slice(&r.ip().octets());
                out[36..40].copy_from_slice(&l.scope_id().to_be_bytes());
                &out[..40]
            }
            _ => &out[..4],
        }
    }
}

/// A socket address as it names an end of a connection: a zone only on a link-local address
/// (RFC 4007, section 6), and no flow label.
#[inline]
pub(crate) fn endpoint(address: IpAddr, port: u16, zone: u32) -> SocketAddr {
    match address {
        IpAddr::V4(_) => SocketAddr::new(address, port),
        IpAddr::V6(a) => {
            let zone = if a.is_unicast_link_local() { zone } else { 0 };
            SocketAddr::V6(SocketAddrV6::new(a, port, 0, zone))
        }
    }
}

/// A tuple at rest: 16 octets, and 40 more elsewhere for IPv6.
#[derive(Debug)]
pub(crate) enum StoredTuple {
    V4 {
        local: Ipv4Addr,
        remote: Ipv4Addr,
        local_port: u16,
        remote_port: u16,
    },
    V6(Box<StoredV6>),
}

#[derive(Debug)]
pub(crate) struct StoredV6 {
    local: Ipv6Addr,
    remote: Ipv6Addr,
    zones: [u32; 2],
    local_port: u16,
    remote_port: u16,
}

impl StoredTuple {
    pub(crate) fn new(tuple: &Tuple) -> StoredTuple {
        match (tuple.local, tuple.remote) {
            (SocketAddr::V4(l), SocketAddr::V4(r)) => StoredTuple::V4 {
                local: *l.ip(),
                remote: *r.ip(),
                local_port: l.port(),
                remote_port: r.port(),
            },
            (l, r) => StoredTuple::V6(Box::new(StoredV6 {
                local: six(l.ip()),
                remote: six(r.ip()),
                zones: [zone(l), zone(r)],
                local_port: l.port(),
                remote_port: r.port(),
            })),
        }
    }

    #[inline]
    pub(crate) fn local_port(&self) -> u16 {
        match self {
            StoredTuple::V4 { local_port, .. } => *local_port,
            StoredTuple::V6(t) => t.local_port,
        }
    }

    #[inline]
    pub(crate) fn is(&self, tuple: &Tuple) -> bool {
        self.get() == *tuple
    }

    #[inline]
    pub(crate) fn get(&self) -> Tuple {
        match self {
            StoredTuple::V4 {
                local,
                remote,
                local_port,
                remote_port,
            } => Tuple {
                local: SocketAddr::new(IpAddr::V4(*local), *local_port),
                remote: SocketAddr::new(IpAddr::V4(*remote), *remote_port),
            },
            StoredTuple::V6(t) => Tuple {
                local: SocketAddrV6::new(t.local, t.local_port, 0, t.zones[0]).into(),
                remote: SocketAddrV6::new(t.remote, t.remote_port, 0, t.zones[1]).into(),
            },
        }
    }
}

/// The zone of a link-local address, else 0.
pub(crate) fn zone(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(a) => a.scope_id(),
    }
}

fn six(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(a) => a.to_ipv6_mapped(),
        IpAddr::V6(a) => a,
    }
}
