//! A sans-IO TCP/IP stack: interfaces, routes, demultiplexing, listeners, UDP, ICMP.
//!
//! [`Stack`] is the whole of it. Packets go in with [`Stack::receive`] and come out of
//! [`Stack::poll_transmit`]; time and the seed of all secrets are arguments.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod address;
mod authentication;
pub mod icmp;
pub mod ports;
pub mod rate_limit;
pub mod route;
pub mod source_address;
pub mod timer_wheel;
pub mod udp;

mod budget;
mod demux;
mod error;
mod fast_open;
mod foreign;
mod foreign_socket;
mod fragment;
mod half_open;
mod handshake;
mod icmp_input;
mod interface;
mod listener;
mod metrics;
mod network;
mod orphans;
mod path_mtu;
mod ping_sockets;
mod reassembly;
mod receive;
mod slots;
mod snapshot;
mod socket_id;
mod stack;
mod syn_cookie;
mod tcp_calls;
mod tcp_input;
mod tcp_open;
mod tcp_sockets;
mod tcp_table;
mod time_wait;
mod time_wait_table;
mod trace;
mod transmit;
mod tuple;
mod udp_sockets;

pub use address::{AddressPrefix, Attachment, IfaceId};
pub use error::{BindError, ConnectError};
pub use foreign::{Foreign, ForeignDatagram, ForeignEcho, ForeignError};
pub use handshake::Handshake;
pub use interface::{InterfaceConfig, InterfaceError};
pub use listener::ListenOptions;
pub use metrics::{InterfaceMetrics, Metrics, TcpMetrics};
pub use ping_sockets::{PingError, PingEvent};
pub use route::{Route, RouteError};
pub use snapshot::{TcpImportError, TcpSnapshot};
pub use socket_id::{PendingId, SocketId, SocketKind};
pub use stack::{Stack, StackConfig, Usage};
pub use syn_cookie::SynCookies;
pub use tcp_calls::{TakenError, TcpMut, TcpRef};
pub use tcp_open::{ConnectOptions, PendingSyn, Reject};
pub use trace::{ShortHeader, ShortTcp, TraceEvent};
