use super::{KeyError, KeyOctets, Peers};
use core::net::{IpAddr, SocketAddr};

/// How traffic keys are derived and segments signed (RFC 5926, 3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Algorithm {
    /// KDF_HMAC_SHA1 and HMAC-SHA-1-96.
    #[default]
    HmacSha1,
    /// KDF_AES_128_CMAC and AES-128-CMAC-96.
    Aes128Cmac,
}

/// A master key tuple (MKT; RFC 5925, 3.1): a secret, for which connections, and under which IDs.
/// It never changes; another one takes its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MasterKey {
    pub(crate) peers: Peers,
    pub(crate) local: Option<IpAddr>,
    pub(crate) local_port: Option<u16>,
    pub(crate) remote_port: Option<u16>,
    pub(crate) send_id: u8,
    pub(crate) receive_id: u8,
    pub(crate) algorithm: Algorithm,
    pub(crate) covers_options: bool,
    pub(crate) secret: KeyOctets,
}

impl MasterKey {
    /// A key for all connections with these peers. `send_id` goes out with what we sign, and the
    /// peer signs under `receive_id`; any value has no meaning of its own.
    ///
    /// # Errors
    /// [`KeyError::Empty`] or [`KeyError::TooLong`].
    pub fn new(
        peers: impl Into<Peers>,
        send_id: u8,
        receive_id: u8,
        algorithm: Algorithm,
        secret: &[u8],
    ) -> Result<MasterKey, KeyError> {
        Ok(MasterKey {
            peers: peers.into(),
            local: None,
            local_port: None,
            remote_port: None,
            send_id,
            receive_id,
            algorithm,
            covers_options: true,
            secret: KeyOctets::new(secret)?,
        })
    }

    /// Only for connections from this address of ours.
    pub fn with_local(mut self, address: IpAddr) -> MasterKey {
        self.local = Some(address);
        self
    }

    /// Only for connections with these ports; `None`: with any.
    pub fn with_ports(mut self, local: Option<u16>, remote: Option<u16>) -> MasterKey {
        (self.local_port, self.remote_port) = (local, remote);
        self
    }

    /// Signatures leave other options out, which a middlebox may then change. Default: they cover
    /// them (RFC 5925, 3.1).
    pub fn without_options(mut self) -> MasterKey {
        self.covers_options = false;
        self
    }

    /// The peers it is for.
    pub fn peers(&self) -> Peers {
        self.peers
    }

    /// The KeyID of what we sign with it.
    pub fn send_id(&self) -> u8 {
        self.send_id
    }

    /// The KeyID of what the peer signs with it.
    pub fn receive_id(&self) -> u8 {
        self.receive_id
    }

    /// Its algorithms.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether the connection is one it is for.
    pub(crate) fn matches(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        self.peers.contains(remote.ip())
            && self.local.is_none_or(|a| a == local.ip())
            && self.local_port.is_none_or(|p| p == local.port())
            && self.remote_port.is_none_or(|p| p == remote.port())
    }

    /// Whether a connection could match both keys while their IDs do not tell them apart.
    pub(crate) fn conflicts(&self, other: &MasterKey) -> bool {
        fn meets<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
            a.is_none() || b.is_none() || a == b
        }
        let overlaps = self.peers.overlaps(&other.peers)
            && meets(self.local, other.local)
            && meets(self.local_port, other.local_port)
            && meets(self.remote_port, other.remote_port);
        overlaps && (self.send_id == other.send_id || self.receive_id == other.receive_id)
    }
}
