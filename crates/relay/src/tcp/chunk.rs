//! Memory into which the host's sockets are read.
//!
//! Every page of fresh memory costs a fault when it is first written to, and allocators give large
//! pieces back to the system as soon as they are free: together that costs more than the copy for
//! which the memory is wanted. So what has been acknowledged is written to again.

use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The smallest and the largest chunk; in between are the powers of two.
pub(crate) const SIZE: (usize, usize) = (16 * 1024, 256 * 1024);
/// Octets of chunks that are kept for later; more are freed.
const KEPT: usize = 16 << 20;
const SIZES: usize = (SIZE.1 / SIZE.0).ilog2() as usize + 1;

/// Chunks that wait to be used again, shared by all connections of a relay.
#[derive(Default)]
pub(crate) struct Chunks(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    octets: usize,
    of_size: [Vec<Box<[u8]>>; SIZES],
}

/// A piece of memory, which goes back when the last reference to it goes.
pub(crate) struct Chunk {
    memory: Box<[u8]>,
    filled: usize,
    home: Arc<Chunks>,
}

impl Chunks {
    /// A chunk of `size` octets, one of the sizes that there are. What is in it is of no meaning.
    pub(crate) fn take(self: &Arc<Chunks>, size: usize) -> Chunk {
        let mut kept = self.kept();
        let memory = kept.of_size[class(size)].pop();
        kept.octets -= memory.as_ref().map_or(0, |memory| memory.len());
        drop(kept);
        Chunk {
            memory: memory.unwrap_or_else(|| vec![0; size].into()),
            filled: 0,
            home: self.clone(),
        }
    }

    /// The size of the chunk that holds `octets`.
    pub(crate) fn size_for(octets: usize) -> usize {
        octets.next_power_of_two().clamp(SIZE.0, SIZE.1)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chunk {
    /// All of it, to be written to.
    pub(crate) fn memory(&mut self) -> &mut [u8] {
        &mut self.memory
    }

    /// Its first `len` octets, by reference.
    pub(crate) fn filled(mut self, len: usize) -> Bytes {
        self.filled = len;
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.filled]
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        let mut kept = self.home.kept();
        if kept.octets + memory.len() <= KEPT {
            kept.octets += memory.len();
            kept.of_size[class(memory.len())].push(memory);
        }
    }
}

fn class(size: usize) -> usize {
    (size / SIZE.0).ilog2() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_once_nobody_refers_to_it() {
        let chunks = Arc::<Chunks>::default();
        let mut chunk = chunks.take(SIZE.0);
        chunk.memory()[..3].copy_from_slice(b"abc");
        let place = chunk.memory().as_ptr();
        let text = chunk.filled(3);
        let part = text.slice(1..);
        assert_ne!(chunks.take(SIZE.0).memory().as_ptr(), place);
        drop(text);
        assert_eq!(part, b"bc"[..]);
        assert_ne!(chunks.take(SIZE.0).memory().as_ptr(), place);
        drop(part);
        let again = [chunks.take(SIZE.0), chunks.take(SIZE.0)];
        assert!(again.iter().any(|chunk| chunk.memory.as_ptr() == place));
    }

    #[test]
    fn what_is_kept_is_bounded_and_counted() {
        let chunks = Arc::<Chunks>::default();
        let many = KEPT / SIZE.1 + 3;
        drop((0..many).map(|_| chunks.take(SIZE.1)).collect::<Vec<_>>());
        assert_eq!(chunks.kept().octets, KEPT);
        let all: Vec<_> = (0..many).map(|_| chunks.take(SIZE.1)).collect();
        assert_eq!(chunks.kept().octets, 0);
        assert!(all.iter().all(|chunk| chunk.memory.len() == SIZE.1));
    }
}
