//! What can be set on a connection, by the names that std, tokio and socket2 have for it.

use super::TcpStream;
use crate::{Decision, KeepAlive, UserTimeoutOption};
use std::io;
use std::time::Duration;

impl TcpStream {
    /// What fills no segment waits for more, at most 200 ms; or no longer. As Linux's `TCP_CORK`.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_cork(&self, cork: bool) -> io::Result<()> {
        self.get_ref().set_cork(cork)
    }

    /// As set by [`set_cork`](TcpStream::set_cork).
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn cork(&self) -> io::Result<bool> {
        self.get_ref().cork()
    }

    /// Whether what arrives is acknowledged at once. Unlike Linux's `TCP_QUICKACK` it stays as it
    /// is set; unset, the first segments of a connection are ([`QuickAck::Start`](crate::QuickAck::Start)).
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        self.get_ref().set_quickack(quickack)
    }

    /// Whether all that arrives is acknowledged at once.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn quickack(&self) -> io::Result<bool> {
        self.get_ref().quickack()
    }

    /// Keep-alive probes with the usual times, or none.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_keepalive(&self, keepalive: bool) -> io::Result<()> {
        self.get_ref().set_keepalive(keepalive)
    }

    /// Whether there are keep-alive probes.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn keepalive(&self) -> io::Result<bool> {
        self.get_ref().keepalive()
    }

    /// Keep-alive probes with these times and this count.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_tcp_keepalive(&self, keepalive: &KeepAlive) -> io::Result<()> {
        self.get_ref().set_tcp_keepalive(keepalive)
    }

    /// Times and count of the keep-alive probes; `None` when there are none.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn tcp_keepalive(&self) -> io::Result<Option<KeepAlive>> {
        self.get_ref().tcp_keepalive()
    }

    /// How long data may stay unacknowledged before the connection is given up; `None`: as
    /// [`Config::user_timeout`](crate::Config::user_timeout) says.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_tcp_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.get_ref().set_tcp_user_timeout(timeout)
    }

    /// As set by [`set_tcp_user_timeout`](TcpStream::set_tcp_user_timeout); what the peer has told
    /// (RFC 5482) does not show here.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn tcp_user_timeout(&self) -> io::Result<Option<Duration>> {
        self.get_ref().tcp_user_timeout()
    }

    /// Exchange user timeouts with the peer (RFC 5482), or not. It is told of a change with the next
    /// segment that has room.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_user_timeout_option(&self, option: Option<UserTimeoutOption>) -> io::Result<()> {
        self.get_ref().set_user_timeout_option(option)
    }

    /// Segments of no more than this many octets of text and options from now on; `None`: as large
    /// as the path and the peer take. What the peer may send was told in the handshake: there is
    /// [`TcpConnector::mss`](crate::TcpConnector::mss).
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_mss(&self, mss: Option<u16>) -> io::Result<()> {
        self.get_ref().set_mss(mss)
    }

    /// Octets of text in a full segment that is sent.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn mss(&self) -> io::Result<u16> {
        self.get_ref().mss()
    }

    /// Keeps the newest `events` decisions of the connection from now on: why each segment left, and
    /// what held back those that did not. 0: none, and those kept are forgotten.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_trace(&self, events: usize) -> io::Result<()> {
        self.get_ref().set_trace(events)
    }

    /// Takes the decisions that are kept, oldest first.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn decisions(&self) -> io::Result<Vec<Decision>> {
        self.get_ref().decisions()
    }
}
