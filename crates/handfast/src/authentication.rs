//! Signed connections: TCP-AO (RFC 5925) and MD5 signatures (RFC 2385), under the names that
//! kernels have for them.

use crate::{TcpConnector, TcpListener, TcpListenerBuilder, TcpStream, error};
use handfast_tcp::authentication::{KeyError, KeyIds, KeyRing, MasterKey, Md5Key, Peers};
use std::io;

macro_rules! keys {
    ($builder:ty, $of:literal) => {
        impl $builder {
            #[doc = concat!("MD5 signatures (RFC 2385) with these peers, ", $of, ", as Linux's `TCP_MD5SIG`. Old routers ask for it; with others TCP-AO is the better choice.")]
            ///
            /// # Errors
            /// [`KeyError`]: a key of no or more than 80 octets, or for peers with TCP-AO.
            pub fn md5sig(mut self, peers: impl Into<Peers>, key: &[u8]) -> Result<Self, KeyError> {
                self.options.keys.add_md5(Md5Key::new(peers, key)?)?;
                Ok(self)
            }

            #[doc = concat!("TCP-AO (RFC 5925) with the peers of this key, ", $of, ", as Linux's `TCP_AO_ADD_KEY`. Several keys with IDs of their own may be there for the same peers.")]
            ///
            /// # Errors
            /// [`KeyError`]: its IDs are another's, or its peers have MD5 signatures.
            pub fn tcp_ao(mut self, key: MasterKey) -> Result<Self, KeyError> {
                self.options.keys.add(key)?;
                Ok(self)
            }

            #[doc = concat!("All keys at once, ", $of, ", in place of those given before.")]
            pub fn keys(mut self, keys: KeyRing) -> Self {
                self.options.keys = keys;
                self
            }
        }
    };
}

keys!(TcpConnector, "for the connection");
keys!(TcpListenerBuilder, "for the connections");

impl TcpListener {
    /// Changes the keys: what comes of later SYNs heeds that, connections there are keep theirs.
    ///
    /// # Errors
    /// `NotConnected` when the listener is gone.
    pub fn change_keys<R>(&self, change: impl FnOnce(&mut KeyRing) -> R) -> io::Result<R> {
        self.net.engine().look(|core, _| {
            let keys = core.stack.tcp_listener_keys(self.id);
            keys.map(change).ok_or_else(error::gone)
        })
    }

    /// MD5 signatures with these peers from now on, or none any more.
    ///
    /// # Errors
    /// `InvalidInput` with a [`KeyError`]; `NotConnected` when the listener is gone.
    pub fn set_md5sig(&self, peers: impl Into<Peers>, key: Option<&[u8]>) -> io::Result<()> {
        let peers = peers.into();
        let key = key.map(|key| Md5Key::new(peers, key)).transpose();
        let key = key.map_err(invalid)?;
        self.change_keys(|keys| match key {
            Some(key) => keys.add_md5(key),
            None => {
                keys.remove_md5(peers);
                Ok(())
            }
        })?
        .map_err(invalid)
    }

    /// TCP-AO with the peers of this key from now on.
    ///
    /// # Errors
    /// `InvalidInput` with a [`KeyError`]; `NotConnected` when the listener is gone.
    pub fn add_tcp_ao(&self, key: MasterKey) -> io::Result<()> {
        self.change_keys(|keys| keys.add(key))?.map_err(invalid)
    }
}

impl TcpStream {
    /// The KeyIDs of TCP-AO: with which we sign, with which the peer is asked to, and what the last
    /// segment said. `None` without TCP-AO.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn tcp_ao_key_ids(&self) -> io::Result<Option<KeyIds>> {
        self.0.look(|c, _| c.session().and_then(|s| s.key_ids()))
    }

    /// One more key for this connection, to which either side may change.
    ///
    /// # Errors
    /// `InvalidInput` with a [`KeyError`]; `NotConnected` when the socket is gone.
    pub fn add_tcp_ao(&self, key: MasterKey) -> io::Result<()> {
        self.0.call(|c| {
            let session = c.session().ok_or(KeyError::Unknown);
            session.and_then(|s| s.add(key)).map_err(invalid)
        })?
    }

    /// Forgets a key that is not in use.
    ///
    /// # Errors
    /// `InvalidInput` with a [`KeyError`]; `NotConnected` when the socket is gone.
    pub fn remove_tcp_ao(&self, send_id: u8, receive_id: u8) -> io::Result<()> {
        self.0.call(|c| {
            let session = c.session().ok_or(KeyError::Unknown);
            session
                .and_then(|s| s.remove(send_id, receive_id))
                .map_err(invalid)
        })?
    }

    /// Asks the peer to sign with the key of this RecvID: RNextKeyID of what is sent from now on.
    ///
    /// # Errors
    /// `InvalidInput` with a [`KeyError`]; `NotConnected` when the socket is gone.
    pub fn ask_for_tcp_ao(&self, receive_id: u8) -> io::Result<()> {
        self.0.call(|c| {
            let session = c.session().ok_or(KeyError::Unknown);
            session.and_then(|s| s.ask_for(receive_id)).map_err(invalid)
        })?
    }

    /// Signs with the key of this SendID from now on, until the peer asks for another.
    ///
    /// # Errors
    /// `InvalidInput` with a [`KeyError`]; `NotConnected` when the socket is gone.
    pub fn sign_with_tcp_ao(&self, send_id: u8) -> io::Result<()> {
        self.0.call(|c| {
            let session = c.session().ok_or(KeyError::Unknown);
            session.and_then(|s| s.sign_with(send_id)).map_err(invalid)
        })?
    }
}

fn invalid(why: KeyError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}
