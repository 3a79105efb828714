use super::read_write::READ_ROOM;
use bytes::BytesMut;
use std::collections::VecDeque;

/// Octets of a slab: a few of the largest packets, or some 170 of 1,500 octets.
const SLAB: usize = 256 << 10;
/// Slabs that may be in others' hands before the oldest is given up to them: as much as a few
/// connections hold that are not read as fast as they send. Beyond that pages do not stay warm.
const MOST: usize = 64;

/// Buffers that packets are read into and shared out of, without a copy. A slab is used again when
/// the last packet in it is gone, so that its pages stay warm.
#[derive(Debug, Default)]
pub(super) struct Slabs {
    current: BytesMut,
    /// Used up, some of them still in others' hands; oldest first.
    used: VecDeque<BytesMut>,
}

impl Slabs {
    /// An empty slab with room for one read.
    pub(super) fn room(&mut self) -> &mut BytesMut {
        if self.current.capacity() < READ_ROOM {
            self.replace();
        }
        &mut self.current
    }

    #[cold]
    fn replace(&mut self) {
        if self.current.try_reclaim(SLAB) {
            return;
        }
        let free = self.used.iter_mut().position(|slab| slab.try_reclaim(SLAB));
        let next = match free.and_then(|at| self.used.remove(at)) {
            Some(slab) => slab,
            None => BytesMut::with_capacity(SLAB),
        };
        let used = std::mem::replace(&mut self.current, next);
        if used.capacity() > 0 {
            self.used.push_back(used);
        }
        if self.used.len() > MOST {
            self.used.pop_front();
        }
    }
}
