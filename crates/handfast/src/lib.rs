//! A complete TCP/IP stack in user space, with sockets shaped like tokio's.
//!
//! ```text
//!   your tasks        TcpListener, TcpStream, UdpSocket     (tokio's method names)
//!                          |  a Net: a cheap handle
//!                     Engine: stack + links + wakers        (no clock, no thread, no fd)
//!                          |
//!        Host: real clock, a thread, epoll      or      a simulation: virtual time, a seed
//!                          |
//!                     Link: TUN, memory, impaired ...
//! ```
//!
//! With the `host` feature, a [`Host`] drives an engine in real time; `handfast-sim` drives the
//! same engine, and so the same sockets, on virtual time. For threads there are the same sockets in
//! `std`'s shape, in [`blocking`].
#![forbid(unsafe_code)]

mod authentication;
#[cfg(feature = "blocking")]
pub mod blocking;
mod engine;
mod error;
mod foreign_socket;
#[cfg(feature = "host")]
pub mod host;
mod links;
mod metrics;
mod net;
mod pending_syn;
#[cfg(target_os = "linux")]
pub mod repair;
mod snapshot;
mod socket;
mod split;
mod tcp_listener;
mod tcp_options;
mod tcp_stream;
mod udp_socket;
mod waiters;

pub use engine::{Engine, Environment, Next};
pub use foreign_socket::ForeignSocket;
#[cfg(feature = "host")]
pub use host::Host;
pub use metrics::Metric;
pub use net::Net;
pub use pending_syn::PendingSyn;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
#[cfg(feature = "tokio")]
pub use split::{ReadHalf, WriteHalf};
pub use tcp_listener::{TcpListener, TcpListenerBuilder};
pub use tcp_stream::{TcpConnector, TcpStream};
pub use waiters::Interest;

pub use udp_socket::UdpSocket;

pub use handfast_base as base;
pub use handfast_link as link;
pub use handfast_stack as stack;
pub use handfast_stack::TcpSnapshot;
/// Keys of signed connections: TCP-AO and MD5 signatures.
pub use handfast_tcp::authentication as keys;
pub use handfast_tcp::congestion;
pub use handfast_tcp::{
    Buffer, Config, ConnectionError, Decision, DecisionEvent, DecodeError, Ecn, EcnMode,
    EcnSnapshot, ExportError, Hold, ImportError, KeepAlive, LossCause, MtuProbing, QuickAck,
    Readiness, RecoveryPhase, Snapshot, State, TcpInfo, TimerKind, TimestampClock,
    UserTimeoutOption, WindowCause,
};
pub use handfast_trace as trace;
pub use handfast_wire as wire;
