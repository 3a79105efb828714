//! Captures: pcapng written, pcapng and the older pcap read.
//!
//! Written files hold bare IP packets (link type RAW) with nanosecond timestamps, complete
//! checksums, the direction, and comments that say what Wireshark could only guess: `RTO 1`,
//! `lost: random`, `discarded: ...`. The format is draft-ietf-opsawg-pcapng.

mod comment;
mod import;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::{CapturedPacket, Reader};
pub use writer::{Vantage, Writer, WriterOptions};

/// Block types (draft-ietf-opsawg-pcapng, section 11.1).
mod block {
    pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE: u32 = 1;
    pub(super) const SIMPLE_PACKET: u32 = 3;
    pub(super) const ENHANCED_PACKET: u32 = 6;
}

/// Option codes. Some are shared: what they mean depends on the block.
mod option {
    pub(super) const END: u16 = 0;
    pub(super) const COMMENT: u16 = 1;
    pub(super) const SECTION_APPLICATION: u16 = 4;
    pub(super) const INTERFACE_NAME: u16 = 2;
    pub(super) const INTERFACE_RESOLUTION: u16 = 9;
    pub(super) const INTERFACE_OFFSET: u16 = 14;
    pub(super) const PACKET_FLAGS: u16 = 2;
}

const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// LINKTYPE_RAW: the packet begins with its IPv4 or IPv6 header.
const LINK_RAW: u16 = 101;
/// The longest packet that readers in the field accept.
const LONGEST_PACKET: usize = 262_144;
