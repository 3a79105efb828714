//! The keys of signed connections, TCP-AO (RFC 5925) and MD5 signatures (RFC 2385). Those of a
//! connection from its SYN on are given to [`TcpConnector`](crate::TcpConnector) and
//! [`TcpListenerBuilder`](crate::TcpListenerBuilder).

use super::{TcpListener, TcpStream};
use handfast_tcp::authentication::{KeyIds, KeyRing, MasterKey, Peers};
use std::io;

impl TcpListener {
    /// Changes the keys: what comes of later SYNs heeds that, connections there are keep theirs.
    ///
    /// # Errors
    /// `NotConnected` when the listener is gone.
    pub fn change_keys<R>(&self, change: impl FnOnce(&mut KeyRing) -> R) -> io::Result<R> {
        self.get_ref().change_keys(change)
    }

    /// MD5 signatures with these peers from now on, or none any more.
    ///
    /// # Errors
    /// `InvalidInput` with a [`KeyError`](crate::keys::KeyError); `NotConnected` when the listener
    /// is gone.
    pub fn set_md5sig(&self, peers: impl Into<Peers>, key: Option<&[u8]>) -> io::Result<()> {
        self.get_ref().set_md5sig(peers, key)
    }

    /// TCP-AO with the peers of this key from now on.
    ///
    /// # Errors
    /// `InvalidInput` with a [`KeyError`](crate::keys::KeyError); `NotConnected` when the listener
    /// is gone.
    pub fn add_tcp_ao(&self, key: MasterKey) -> io::Result<()> {
        self.get_ref().add_tcp_ao(key)
    }
}

impl TcpStream {
    /// The KeyIDs of TCP-AO: with which we sign, with which the peer is asked to, and what the last
    /// segment said. `None` without TCP-AO.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn tcp_ao_key_ids(&self) -> io::Result<Option<KeyIds>> {
        self.get_ref().tcp_ao_key_ids()
    }

    /// One more key for this connection, to which either side may change.
    ///
    /// # Errors
    /// `InvalidInput` with a [`KeyError`](crate::keys::KeyError); `NotConnected` when the socket is
    /// gone.
    pub fn add_tcp_ao(&self, key: MasterKey) -> io::Result<()> {
        self.get_ref().add_tcp_ao(key)
    }

    /// Forgets a key that is not in use.
    ///
    /// # Errors
    /// `InvalidInput` with a [`KeyError`](crate::keys::KeyError); `NotConnected` when the socket is
    /// gone.
    pub fn remove_tcp_ao(&self, send_id: u8, receive_id: u8) -> io::Result<()> {
        self.get_ref().remove_tcp_ao(send_id, receive_id)
    }

    /// Asks the peer to sign with the key of this RecvID: RNextKeyID of what is sent from now on.
    ///
    /// # Errors
    /// `InvalidInput` with a [`KeyError`](crate::keys::KeyError); `NotConnected` when the socket is
    /// gone.
    pub fn ask_for_tcp_ao(&self, receive_id: u8) -> io::Result<()> {
        self.get_ref().ask_for_tcp_ao(receive_id)
    }

    /// Signs with the key of this SendID from now on, until the peer asks for another.
    ///
    /// # Errors
    /// `InvalidInput` with a [`KeyError`](crate::keys::KeyError); `NotConnected` when the socket is
    /// gone.
    pub fn sign_with_tcp_ao(&self, send_id: u8) -> io::Result<()> {
        self.get_ref().sign_with_tcp_ao(send_id)
    }
}
