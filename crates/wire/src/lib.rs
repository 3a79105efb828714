//! Packet formats of the handfast TCP/IP stack, and the packet itself.
//!
//! Each format is a *value* that is parsed out of borrowed octets in one go, compared and
//! emitted; `parse(emit(x)) == x` for every format. Any octets at all parse to a value or to a
//! named [`Discard`] reason, and nothing in here panics.
//!
//! [`Packet`] and [`Batch`] are what the stack and its links hand each other.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod batch;
mod discard;
mod encapsulation;
pub mod icmp;
pub mod ip;
mod observation;
mod packet;
mod payload;
mod reason;
mod segmentation;
mod seq;
pub mod tcp;
mod transport_checksum;
pub mod udp;
mod virtio_net;

pub use batch::Batch;
pub use discard::Discard;
pub use encapsulation::TcpEncapsulation;
pub use ip::{Ecn, IpHeader, Protocol};
pub use observation::{Direction, Fate, Loss, Observation, Observer};
pub use packet::{Checksum, Gso, GsoKind, Packet};
pub use payload::Payload;
pub use reason::SendReason;
pub use segmentation::segment;
pub use seq::SeqNumber;
pub use virtio_net::VirtioNetHeader;
