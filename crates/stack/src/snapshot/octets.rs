//! A connection with its addresses as octets: the local address, the remote one, and what
//! [`Snapshot`] makes of the rest. An address is 4 or 6, its octets, for 6 its zone, and the port.

use super::TcpSnapshot;
use alloc::vec::Vec;
use bytes::{Buf, Bytes};
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use handfast_tcp::{DecodeError, Snapshot};

impl TcpSnapshot {
    /// As octets, for [`from_bytes`](TcpSnapshot::from_bytes) of this version or a later one, in
    /// another process or on another machine.
    ///
    /// They hold text that is not yet acknowledged or read, so they are as secret as the connection
    /// is; and whoever has them twice can import it twice, so keep one copy.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for end in [self.local, self.remote] {
            match end {
                SocketAddr::V4(end) => {
                    out.push(4);
                    out.extend_from_slice(&end.ip().octets());
                }
                SocketAddr::V6(end) => {
                    out.push(6);
                    out.extend_from_slice(&end.ip().octets());
                    out.extend_from_slice(&end.scope_id().to_be_bytes());
                }
            }
            out.extend_from_slice(&end.port().to_be_bytes());
        }
        out.extend(self.connection.to_bytes());
        out
    }

    /// What [`to_bytes`](TcpSnapshot::to_bytes) has made octets of. Whether it can be a connection,
    /// and has a place here, is for [`tcp_import`](crate::Stack::tcp_import) to say.
    ///
    /// # Errors
    /// A [`DecodeError`]. Octets of anybody's do no harm.
    pub fn from_bytes(octets: impl Into<Bytes>) -> Result<TcpSnapshot, DecodeError> {
        let mut octets = octets.into();
        Ok(TcpSnapshot {
            local: end(&mut octets)?,
            remote: end(&mut octets)?,
            connection: Snapshot::from_bytes(octets)?,
        })
    }
}

fn end(octets: &mut Bytes) -> Result<SocketAddr, DecodeError> {
    match array(octets)? {
        [4] => {
            let ip = Ipv4Addr::from(array(octets)?);
            Ok((ip, u16::from_be_bytes(array(octets)?)).into())
        }
        [6] => {
            let ip = Ipv6Addr::from(array::<16>(octets)?);
            let zone = u32::from_be_bytes(array(octets)?);
            let port = u16::from_be_bytes(array(octets)?);
            Ok(SocketAddrV6::new(ip, port, 0, zone).into())
        }
        _ => Err(DecodeError::Mark),
    }
}

fn array<const N: usize>(octets: &mut Bytes) -> Result<[u8; N], DecodeError> {
    let mut out = [0; N];
    match octets.try_copy_to_slice(&mut out) {
        Ok(()) => Ok(out),
        Err(_) => Err(DecodeError::Short),
    }
}
