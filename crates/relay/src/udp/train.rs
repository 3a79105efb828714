//! Datagrams of one size that follow each other become one train, which crosses each system call
//! and each packet of the link as one.

use handfast::stack::ForeignDatagram;
use handfast::wire::Payload;

/// Datagrams of one train, as many as the kernel takes (`UDP_MAX_SEGMENTS`).
const LONGEST: u32 = 64;
/// Octets of one train: with all headers it is still a packet.
const HEAVIEST: u32 = 65_000;

/// Couples `next` to `train` where one packet can carry both; else gives it back.
pub(super) fn couple(
    train: &mut ForeignDatagram,
    next: ForeignDatagram,
) -> Option<ForeignDatagram> {
    let size = match u32::from(train.segment_size) {
        0 => train.payload.len(),
        size => size,
    };
    let is_alike = train.source == next.source
        && train.destination == next.destination
        && train.hop_limit == next.hop_limit
        && train.traffic_class == next.traffic_class;
    let next_size = match u32::from(next.segment_size) {
        0 => next.payload.len(),
        size => size,
    };
    // Only the last datagram may be shorter, and an empty one cannot be told from none.
    let fits = size > 0
        && next_size > 0
        && train.payload.len().is_multiple_of(size)
        && (next_size == size || next_size < size && next.segment_size == 0)
        && train.payload.len() / size + next.payload.len().div_ceil(size) <= LONGEST
        && train.payload.len() + next.payload.len() <= HEAVIEST;
    if !is_alike || !fits {
        return Some(next);
    }
    train.segment_size = size as u16;
    let mut rest: Payload = next.payload;
    rest.drain().for_each(|slice| train.payload.push(slice));
    None
}

/// How many datagrams it is.
pub(super) fn datagrams(train: &ForeignDatagram) -> u64 {
    match u32::from(train.segment_size) {
        0 => 1,
        size => train.payload.len().div_ceil(size).max(1).into(),
    }
}
