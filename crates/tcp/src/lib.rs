//! One TCP connection, sans-IO: RFC 9293 and its extensions.
//!
//! The RFC's own words are the table of contents:
//!
//! | RFC 9293 | here |
//! |---|---|
//! | 3.3.1 key connection state variables | `tcb` |
//! | 3.3.2 state machine overview | [`State`] |
//! | 3.4.1 initial sequence number selection | [`isn`] |
//! | 3.5, 3.10.7.1-3 establishing a connection | `segment_arrives/{closed, listen, syn_sent}`, [`SynReceived`] |
//! | 3.6.1 half-closed connections, TIME-WAIT | `segment_arrives/fin`, [`TimeWait`] |
//! | 3.7.1 maximum segment size | `mss` |
//! | 3.7.4 Nagle algorithm | `nagle` |
//! | 3.8.1 retransmission timeout | `rtt`, `rto` |
//! | 3.8.2 congestion control | [`congestion`], `recovery` |
//! | 3.8.3 connection failures, RFC 5482 | `user_timeout` |
//! | 3.8.4 keep-alives | `keep_alive` |
//! | 3.8.5 urgent information | `segment_arrives/urg`, [`Connection::send_urgent`] |
//! | - | `cork` |
//! | 3.8.6 managing the window | `window`, `ack`, [`Buffer`] |
//! | 3.10.1-6 user calls | `user_calls` |
//! | - | `snapshot`, `snapshot::octets`, `decisions` |
//! | 3.10.7 SEGMENT ARRIVES | `segment_arrives` |
//! | 3.10.8 timeouts | `timeouts` |
//! | RFC 7323 | `timestamps`, `paws`, `window/scale` |
//! | RFC 2018, 2883 | `ack/{sack_blocks, dsack}` |
//! | RFC 5961 | `challenge_ack`, `segment_arrives/{rst, syn, ack}` |
//! | RFC 9438, 9406, 3465, 7661 | [`congestion`]`/{ack_train, cubic, hystart, reno, validation, pacing}` |
//! | draft-ietf-ccwg-bbr | [`congestion`]`/bbr`, `recovery/{delivery_rate, model}` |
//! | RFC 3168, 8311, 8511 | `ecn/{negotiation, classic}` |
//! | RFC 9768 | `ecn/accurate` |
//! | RFC 8257 | [`congestion::Dctcp`] |
//! | RFC 6675 | `recovery/scoreboard` |
//! | RFC 8985 | `recovery/{sack, rack, tlp, clock}` |
//! | RFC 6937, 9937 | `recovery/prr` |
//! | RFC 3522, 3708, 4015, 5682 | `recovery/undo` |
//! | RFC 6582, 3042 | `recovery/{new_reno, limited_transmit}` |
//! | RFC 7413 | `fast_open` |
//! | RFC 1191, 8201, 5927 | `path_mtu/too_big` |
//! | RFC 4821, 8899 | `path_mtu/{search, probe, black_hole}` |
//! | RFC 2385, 5925, 5926 | [`authentication`] |
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod ack;
pub mod authentication;
mod buffer;
mod challenge_ack;
mod config;
pub mod congestion;
mod connection;
mod cork;
mod decisions;
mod ecn;
mod error;
mod fast_open;
mod fast_path;
mod hooks;
mod info;
pub mod isn;
mod keep_alive;
mod mss;
mod nagle;
mod output;
mod path_mtu;
mod paws;
mod readiness;
mod recovery;
mod rto;
mod rtt;
mod segment;
mod segment_arrives;
mod snapshot;
mod state;
mod statistics;
mod syn_received;
mod tcb;
mod time_wait;
mod timeouts;
mod timer;
mod timestamps;
mod user_calls;
mod user_timeout;
mod window;

#[cfg(test)]
mod tests;

pub use buffer::size::Buffer;
pub use config::{Config, KeepAlive, Path, QuickAck, UserTimeoutOption};
pub use connection::Connection;
pub use decisions::{
    Decision, DecisionEvent, Hold, LossCause, RecoveryPhase, TimerKind, WindowCause,
};
pub use ecn::{Ecn, EcnMode, EcnSnapshot};
pub use error::{CloseError, ConnectionError, IcmpError, NetError, SendError};
pub use fast_open::FastOpenOutcome;
pub use info::TcpInfo;
pub use path_mtu::MtuProbing;
pub use readiness::Readiness;
pub use segment::{Disposition, Segment, SegmentSlot};
pub use segment_arrives::closed::closed;
pub use segment_arrives::listen::{ListenVerdict, listen};
pub use snapshot::{DecodeError, ExportError, ImportError, Snapshot, TimestampClock};
pub use state::State;
pub use syn_received::{SynReceived, SynReceivedVerdict};
pub use time_wait::{TimeWait, TimeWaitVerdict};
