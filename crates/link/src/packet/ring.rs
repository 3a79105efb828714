//! Frames that the kernel puts into memory shared with us (`TPACKET_V2`), for sockets whose buffer
//! is too small: a ring is not bounded by `net.core.rmem_max`.

use super::sys::check;
use bytes::BytesMut;
use handfast_wire::VirtioNetHeader;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// Octets of a slot: the longest frame, what the kernel notes of it, and the room between.
const SLOT: usize = 66 << 10;
/// Octets of a block, a multiple of every page size. A slot does not span two of them.
const BLOCK: usize = 1 << 20;
/// Slots in a block.
const IN_BLOCK: usize = BLOCK / SLOT;
/// Blocks in the ring: 240 slots, in 16 MiB that stay in memory.
const BLOCKS: usize = 16;

/// The receive ring of a packet socket.
#[derive(Debug)]
pub(super) struct Ring {
    memory: NonNull<u8>,
    /// The slot that is filled next, or is the oldest that is filled.
    next: usize,
}

// SAFETY: the mapping is this value's alone, and is not bound to a thread.
unsafe impl Send for Ring {}

impl Ring {
    /// Gives the socket `fd`, which has vnet headers and nothing to read, a ring.
    ///
    /// # Errors
    /// `ENOMEM`; `EBUSY` when it has one.
    pub(super) fn new(fd: impl AsFd) -> io::Result<Ring> {
        let fd = fd.as_fd().as_raw_fd();
        let version = libc::tpacket_versions::TPACKET_V2 as libc::c_int;
        // SAFETY: setsockopt reads one int, which `version` is, through the pointer and keeps none.
        check(unsafe {
            libc::setsockopt(
                fd,
                libc::SOL_PACKET,
                libc::PACKET_VERSION,
                (&raw const version).cast(),
                size_of::<libc::c_int>() as _,
            )
        })?;
        let request = libc::tpacket_req {
            tp_block_size: BLOCK as _,
            tp_block_nr: BLOCKS as _,
            tp_frame_size: SLOT as _,
            tp_frame_nr: (IN_BLOCK * BLOCKS) as _,
        };
        // SAFETY: setsockopt reads one `tpacket_req`, which `request` is, and keeps no pointer.
        check(unsafe {
            libc::setsockopt(
                fd,
                libc::SOL_PACKET,
                libc::PACKET_RX_RING,
                (&raw const request).cast(),
                size_of::<libc::tpacket_req>() as _,
            )
        })?;
        // SAFETY: a new mapping wherever there is room changes no memory that anybody has.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                BLOCK * BLOCKS,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd,
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Ring { memory, next: 0 })
    }

    /// Copies the oldest frame with its vnet header behind what is in `slab`, and gives the slot
    /// back; returns their octets together, 0 for a frame that was cut off. `None` when there is
    /// no frame.
    pub(super) fn read(&mut self, slab: &mut BytesMut) -> Option<usize> {
        let at = self.next / IN_BLOCK * BLOCK + self.next % IN_BLOCK * SLOT;
        // SAFETY: `next` is less than IN_BLOCK * BLOCKS: the slot lies within the mapping.
        let slot = unsafe { self.memory.add(at) };
        // SAFETY: a slot begins with its status, an aligned word that lives as long as the mapping
        // and that both sides access atomically.
        let status = unsafe { AtomicU32::from_ptr(slot.cast().as_ptr()) };
        if status.load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        // SAFETY: a slot begins with this header, of integers, and the slot is ours now: the
        // kernel writes no octet of it until its status says so.
        let header = unsafe { slot.cast::<libc::tpacket2_hdr>().read() };
        let end = usize::from(header.tp_mac) + header.tp_snaplen as usize;
        let start = usize::from(header.tp_mac).checked_sub(VirtioNetHeader::LEN);
        let is_whole = header.tp_snaplen == header.tp_len && end <= SLOT;
        let len = match start.filter(|_| is_whole) {
            Some(start) => {
                // SAFETY: `start..end` lies within the slot, which is ours, as said above; and it
                // is initialised, for the kernel has handed out the mapping zeroed.
                let frame =
                    unsafe { std::slice::from_raw_parts(slot.add(start).as_ptr(), end - start) };
                slab.extend_from_slice(frame);
                frame.len()
            }
            None => 0,
        };
        status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % (IN_BLOCK * BLOCKS);
        Some(len)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, of this length, and no reference into it is left.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), BLOCK * BLOCKS) };
    }
}
