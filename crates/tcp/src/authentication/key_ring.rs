use super::{MasterKey, Md5Key, Session};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use handfast_wire::SeqNumber;

/// The remote addresses that a key is for: a prefix. One address is a prefix of full length.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Peers {
    address: IpAddr,
    prefix_len: u8,
}

impl Peers {
    /// All addresses that share the first `prefix_len` bits with `address`; 0 takes every address
    /// of the family.
    ///
    /// # Errors
    /// [`KeyError::PrefixLength`] beyond 32 or 128.
    pub fn new(address: IpAddr, prefix_len: u8) -> Result<Peers, KeyError> {
        if prefix_len > full_len(address) {
            return Err(KeyError::PrefixLength);
        }
        Ok(Peers {
            address,
            prefix_len,
        })
    }

    /// Whether the address is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differ = match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => return false,
        };
        differ >= u32::from(self.prefix_len)
    }

    /// Whether some address is in both.
    pub(crate) fn overlaps(&self, other: &Peers) -> bool {
        match self.prefix_len <= other.prefix_len {
            true => self.contains(other.address),
            false => other.contains(self.address),
        }
    }
}

impl From<IpAddr> for Peers {
    fn from(address: IpAddr) -> Peers {
        Peers {
            address,
            prefix_len: full_len(address),
        }
    }
}

fn full_len(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Why a key is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum KeyError {
    /// It has no octets.
    Empty,
    /// It has more than 80 octets (RFC 2385, 4.5).
    TooLong,
    /// The prefix is longer than an address.
    PrefixLength,
    /// Another key for some of the same connections has one of its IDs (RFC 5925, 3.1).
    Overlap,
    /// An MD5 signature and TCP-AO for the same connection (RFC 5925, 2.2; RFC 5925, 8).
    Mixed,
    /// The connection has no such key, or does not use TCP-AO at all.
    Unknown,
    /// The key is in use: what is sent is signed with it, or the peer is asked to sign with it.
    InUse,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyError::Empty => "the key is empty",
            KeyError::TooLong => "the key is longer than 80 octets",
            KeyError::PrefixLength => "the prefix is longer than an address of its family",
            KeyError::Overlap => "another key for the same peers has this send or receive ID",
            KeyError::Mixed => "TCP-AO and MD5 signatures exclude each other for the same peer",
            KeyError::Unknown => "the connection has no such key",
            KeyError::InUse => "the key is in use",
        })
    }
}

impl core::error::Error for KeyError {}

/// Which peers must prove who they are, and with which keys. What matches no key goes unsigned.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    md5: Vec<Md5Key>,
    master: Vec<MasterKey>,
    requires: bool,
    accepts_icmp: bool,
}

impl KeyRing {
    /// No keys.
    pub fn new() -> KeyRing {
        KeyRing::default()
    }

    /// Whether there are none, and nothing is required of peers without.
    pub fn is_empty(&self) -> bool {
        self.md5.is_empty() && self.master.is_empty() && !self.requires
    }

    /// Connections with these peers carry MD5 signatures. A key for the same prefix gives way.
    ///
    /// # Errors
    /// [`KeyError::Mixed`].
    pub fn add_md5(&mut self, key: Md5Key) -> Result<(), KeyError> {
        if self.master.iter().any(|k| k.peers.overlaps(&key.peers)) {
            return Err(KeyError::Mixed);
        }
        self.md5.retain(|k| k.peers != key.peers);
        self.md5.push(key);
        Ok(())
    }

    /// Connections with its peers carry no MD5 signatures any more. False when there was no key.
    pub fn remove_md5(&mut self, peers: Peers) -> bool {
        let before = self.md5.len();
        self.md5.retain(|k| k.peers != peers);
        self.md5.len() < before
    }

    /// Connections that match the key carry TCP-AO. Of several, an active open starts with the one
    /// that was added first.
    ///
    /// # Errors
    /// [`KeyError::Overlap`] or [`KeyError::Mixed`].
    pub fn add(&mut self, key: MasterKey) -> Result<(), KeyError> {
        if self.md5.iter().any(|k| k.peers.overlaps(&key.peers)) {
            return Err(KeyError::Mixed);
        }
        // RFC 5925, 3.1: IDs are unique where connection identifiers overlap.
        if self.master.iter().any(|k| k.conflicts(&key)) {
            return Err(KeyError::Overlap);
        }
        self.master.push(key);
        Ok(())
    }

    /// Takes the key with these IDs away. Connections that there are keep theirs. False when there
    /// was none.
    pub fn remove(&mut self, peers: Peers, send_id: u8, receive_id: u8) -> bool {
        let before = self.master.len();
        let is_it =
            |k: &MasterKey| k.peers == peers && k.send_id == send_id && k.receive_id == receive_id;
        self.master.retain(|k| !is_it(k));
        self.master.len() < before
    }

    /// The keys for TCP-AO, in the order in which they came (RFC 5925, 7.1: STATUS).
    pub fn master_keys(&self) -> &[MasterKey] {
        &self.master
    }

    /// Peers that match no key are turned away, in place of going unsigned; and so are segments with
    /// TCP-AO for which there is no key (RFC 5925, 7.3). Default: they are accepted.
    pub fn require(&mut self, require: bool) {
        self.requires = require;
    }

    /// Whether peers that match no key are turned away.
    pub fn is_required(&self) -> bool {
        self.requires
    }

    /// ICMP's hard errors about connections with TCP-AO are believed as about any other. Default:
    /// they are ignored, and "fragmentation needed" with them (RFC 5925, 7.8).
    pub fn accept_icmp(&mut self, accept: bool) {
        self.accepts_icmp = accept;
    }

    /// Whether a connection between these ends is signed.
    pub fn covers(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        self.master.iter().any(|k| k.matches(local, remote))
            || self.md5.iter().any(|k| k.peers.contains(remote.ip()))
    }

    /// What an active open from `local` to `remote` signs with; `None`: nothing.
    pub fn session(
        &self,
        local: SocketAddr,
        remote: SocketAddr,
        iss: SeqNumber,
    ) -> Option<Session> {
        self.session_for(local, remote, iss, None)
    }

    /// As [`session`](KeyRing::session), for a passive open whose SYN has this sequence number.
    pub fn session_for_syn(
        &self,
        local: SocketAddr,
        remote: SocketAddr,
        iss: SeqNumber,
        irs: SeqNumber,
    ) -> Option<Session> {
        self.session_for(local, remote, iss, Some(irs))
    }

    fn session_for(
        &self,
        local: SocketAddr,
        remote: SocketAddr,
        iss: SeqNumber,
        irs: Option<SeqNumber>,
    ) -> Option<Session> {
        let master: Vec<MasterKey> = self
            .master
            .iter()
            .filter(|k| k.matches(local, remote))
            .cloned()
            .collect();
        if !master.is_empty() {
            let icmp = self.accepts_icmp;
            return Some(Session::with_ao(local, remote, iss, irs, master, icmp));
        }
        // The longest prefix is meant.
        let candidates = self.md5.iter().filter(|k| k.peers.contains(remote.ip()));
        let key = candidates.max_by_key(|k| k.peers.prefix_len)?;
        Some(Session::with_md5(local, remote, key.clone()))
    }
}
