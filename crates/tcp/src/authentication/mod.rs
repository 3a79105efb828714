//! Segments that prove who sent them: the authentication option (TCP-AO, RFC 5925 and 5926) and
//! the MD5 signature that it replaces (RFC 2385).
//!
//! A [`KeyRing`] says which peers are to prove themselves, and with which keys. Of it comes a
//! [`Session`] for each connection, which signs what leaves and verifies what arrives. A signature
//! covers addresses and the header as it goes onto the wire, so both happen where segments are
//! written and parsed, not in [`Connection`](crate::Connection): that only leaves room for the
//! option ([`Connection::reserve_options`](crate::Connection::reserve_options)).

mod key_ring;
mod master_key;
mod md5;
mod sequence_extension;
mod session;
mod signed;
mod traffic_key;

#[cfg(test)]
mod tests;

pub use key_ring::{KeyError, KeyRing, Peers};
pub use master_key::{Algorithm, MasterKey};
pub use md5::Md5Key;
pub use session::{KeyIds, Session};
pub use signed::SignedSegment;

use alloc::sync::Arc;
use core::fmt;

/// The secret part of a key: shared, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KeyOctets(Arc<[u8]>);

impl KeyOctets {
    /// The most octets that routers agree on (RFC 2385, 4.5), and what the kernels take.
    const MAX_LEN: usize = 80;

    fn new(octets: &[u8]) -> Result<KeyOctets, KeyError> {
        match octets.len() {
            0 => Err(KeyError::Empty),
            n if n > KeyOctets::MAX_LEN => Err(KeyError::TooLong),
            _ => Ok(KeyOctets(octets.into())),
        }
    }

    fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for KeyOctets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}
