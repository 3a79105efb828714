//! The two system calls that move a packet, and nothing around them: what a link over a descriptor
//! costs at least.

use bytes::BytesMut;
use handfast_wire::Packet;
use rustix::io::Errno;
use smallvec::SmallVec;
use std::io::IoSlice;
use std::os::fd::AsFd;

/// Octets that one read may take: the largest packet the kernel hands over and what is in front
/// of it.
pub const READ_ROOM: usize = 66 << 10;

/// Slices that one write may gather (`UIO_MAXIOV`), two of them ours.
const MOST_SLICES: usize = 1024 - 2;

/// Reads one packet with what is in front of it into the spare capacity of `slab`, behind what is
/// there; returns their octets together. `slab` must have [`READ_ROOM`] to spare: what does not fit
/// is lost.
///
/// # Errors
/// `EAGAIN` when none waits; `EBADFD` when the interface is gone.
pub fn read_packet(fd: impl AsFd, slab: &mut BytesMut) -> Result<usize, Errno> {
    let (read, _) = rustix::io::read(fd, slab.spare_capacity_mut())?;
    let count = read.len();
    // SAFETY: `read` has initialised that many octets from the start of the spare capacity.
    unsafe { slab.set_len(slab.len() + count) };
    Ok(count)
}

/// Writes one packet behind `front` (a vnet header, a link header), gathered from where its octets
/// are.
///
/// # Errors
/// `EAGAIN` and `ENOBUFS` when the kernel is full, `EIO` while the interface is down, `EINVAL`
/// when it refuses this packet or its offload, `EBADFD` when the interface is gone.
pub fn write_packet(fd: impl AsFd, front: &[u8], packet: &Packet) -> Result<(), Errno> {
    let all;
    let mut parts = SmallVec::<[IoSlice<'_>; 16]>::new();
    parts.push(IoSlice::new(front));
    parts.push(IoSlice::new(packet.head()));
    let slices = packet.payload.slices();
    if slices.len() > MOST_SLICES {
        all = packet.payload.to_bytes();
        parts.push(IoSlice::new(&all));
        return rustix::io::writev(fd, &parts).map(drop);
    }
    parts.extend(slices.iter().map(|slice| IoSlice::new(slice)));
    rustix::io::writev(fd, &parts).map(drop)
}
