//! What can be set on a connection, by the names that std, tokio and socket2 have for it.

use crate::{TcpConnector, TcpListenerBuilder, TcpStream};
use handfast_tcp::{Config, Decision, KeepAlive, QuickAck, UserTimeoutOption};
use std::io;
use std::time::Duration;

impl TcpStream {
    /// What fills no segment waits for more, at most 200 ms; or no longer. As Linux's `TCP_CORK`.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_cork(&self, cork: bool) -> io::Result<()> {
        self.configure(|config| config.cork = cork)
    }

    /// As set by [`set_cork`](TcpStream::set_cork).
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn cork(&self) -> io::Result<bool> {
        self.option(|config| config.cork)
    }

    /// Whether what arrives is acknowledged at once. Unlike Linux's `TCP_QUICKACK` it stays as it
    /// is set; unset, the first segments of a connection are ([`QuickAck::Start`]).
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        let quick_ack = if quickack {
            QuickAck::Always
        } else {
            QuickAck::Never
        };
        self.configure(|config| config.quick_ack = quick_ack)
    }

    /// Whether all that arrives is acknowledged at once.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn quickack(&self) -> io::Result<bool> {
        self.option(|config| config.quick_ack == QuickAck::Always)
    }

    /// Keep-alive probes with the usual times, or none.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_keepalive(&self, keepalive: bool) -> io::Result<()> {
        self.configure(|config| config.keep_alive = keepalive.then(KeepAlive::default))
    }

    /// Whether there are keep-alive probes.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn keepalive(&self) -> io::Result<bool> {
        self.option(|config| config.keep_alive.is_some())
    }

    /// Keep-alive probes with these times and this count.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_tcp_keepalive(&self, keepalive: &KeepAlive) -> io::Result<()> {
        self.configure(|config| config.keep_alive = Some(*keepalive))
    }

    /// Times and count of the keep-alive probes; `None` when there are none.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn tcp_keepalive(&self) -> io::Result<Option<KeepAlive>> {
        self.option(|config| config.keep_alive)
    }

    /// How long data may stay unacknowledged before the connection is given up; `None`: as
    /// [`Config::user_timeout`](crate::Config::user_timeout) says.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_tcp_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.configure(|config| config.user_timeout = timeout)
    }

    /// As set by [`set_tcp_user_timeout`](TcpStream::set_tcp_user_timeout); what the peer has told
    /// (RFC 5482) does not show here.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn tcp_user_timeout(&self) -> io::Result<Option<Duration>> {
        self.option(|config| config.user_timeout)
    }

    /// Exchange user timeouts with the peer (RFC 5482), or not. It is told of a change with the next
    /// segment that has room.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_user_timeout_option(&self, option: Option<UserTimeoutOption>) -> io::Result<()> {
        self.configure(|config| config.user_timeout_option = option)
    }

    /// Segments of no more than this many octets of text and options from now on; `None`: as large
    /// as the path and the peer take. What the peer may send was told in the handshake: there is
    /// [`TcpConnector::mss`](crate::TcpConnector::mss).
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_mss(&self, mss: Option<u16>) -> io::Result<()> {
        self.configure(|config| config.mss = mss)
    }

    /// Octets of text in a full segment that is sent.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn mss(&self) -> io::Result<u16> {
        self.info().map(|info| info.snd_mss)
    }

    /// Keeps the newest `events` decisions of the connection from now on: why each segment left, and
    /// what held back those that did not. 0: none, and those kept are forgotten.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_trace(&self, events: usize) -> io::Result<()> {
        self.0.call(|c| c.set_trace(events))
    }

    /// Takes the decisions that are kept, oldest first.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn decisions(&self) -> io::Result<Vec<Decision>> {
        self.0
            .call(|c| std::iter::from_fn(|| c.poll_decision()).collect())
    }

    fn option<T>(&self, of: impl FnOnce(&Config) -> T) -> io::Result<T> {
        self.0.look(|c, _| of(c.config()))
    }
}

/// The same settings before there is a connection: on the value of options that all of one
/// connector, or of one listener, share.
macro_rules! settings {
    ($builder:ty, $of:literal) => {
        impl $builder {
            #[doc = concat!("Changes options ", $of, "; those not set by [`config`](Self::config) before are the defaults.")]
            pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
                change(std::sync::Arc::make_mut(self.options.config.get_or_insert_default()));
                self
            }

            #[doc = concat!("As [`TcpStream::set_nodelay`], ", $of, ".")]
            pub fn nodelay(self, nodelay: bool) -> Self {
                self.configure(|config| config.nodelay = nodelay)
            }

            #[doc = concat!("As [`TcpStream::set_tcp_keepalive`], ", $of, ".")]
            pub fn tcp_keepalive(self, keepalive: &KeepAlive) -> Self {
                self.configure(|config| config.keep_alive = Some(*keepalive))
            }

            #[doc = concat!("As [`TcpStream::set_tcp_user_timeout`], ", $of, ".")]
            pub fn tcp_user_timeout(self, timeout: Option<Duration>) -> Self {
                self.configure(|config| config.user_timeout = timeout)
            }

            #[doc = concat!("As [`TcpStream::set_user_timeout_option`], ", $of, ", and on the SYN.")]
            pub fn user_timeout_option(self, option: Option<UserTimeoutOption>) -> Self {
                self.configure(|config| config.user_timeout_option = option)
            }

            #[doc = concat!("Segments of at most this many octets of text and options, ", $of, ", in both directions: the peer is told so.")]
            pub fn mss(self, mss: u16) -> Self {
                self.configure(|config| config.mss = Some(mss))
            }
        }
    };
}

settings!(TcpConnector, "of the connection");
settings!(TcpListenerBuilder, "of the connections");
