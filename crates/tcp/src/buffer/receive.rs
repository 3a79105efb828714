use alloc::collections::VecDeque;
use bytes::Bytes;
use handfast_wire::Payload;

/// Octets in order, waiting to be read. Slices stay the link's own.
#[derive(Debug, Default)]
pub(crate) struct ReceiveBuffer {
    queue: VecDeque<Bytes>,
    len: u32,
}

impl ReceiveBuffer {
    /// Octets waiting.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    #[inline]
    pub(crate) fn push(&mut self, payload: &mut Payload) {
        self.len += payload.len();
        match payload.take_only() {
            Some(slice) => self.queue.push_back(slice),
            None => self.queue.extend(payload.drain()),
        }
    }

    /// Takes at most `max` octets from the front: one slice, or part of it.
    #[inline]
    pub(crate) fn pop(&mut self, max: usize) -> Option<Bytes> {
        if max == 0 {
            return None;
        }
        let first = self.queue.front_mut()?;
        let taken = if first.len() <= max {
            self.queue.pop_front()?
        } else {
            first.split_to(max)
        };
        self.len -= taken.len() as u32;
        Some(taken)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.queue.iter()
    }

    pub(crate) fn clear(&mut self) {
        self.queue.clear();
        self.len = 0;
    }
}
