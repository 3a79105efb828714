//! Storage by index: what is inserted keeps its place and its address until it is removed.

use alloc::vec::Vec;

#[cfg(test)]
mod tests;

/// Slots are allocated this many at a time, so that growing moves nothing.
const CHUNK: usize = 64;
/// No slot.
const NIL: u32 = u32::MAX;

/// A slab with generations. A key (index and generation) that outlives its value is refused.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    chunks: Vec<Vec<Slot<T>>>,
    free: u32,
    len: u32,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    content: Content<T>,
}

#[derive(Debug)]
enum Content<T> {
    Used(T),
    Free { next: u32 },
}

impl<T> Slots<T> {
    pub(crate) const fn new() -> Slots<T> {
        Slots {
            chunks: Vec::new(),
            free: NIL,
            len: 0,
        }
    }

    /// Values stored.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// Stores a value and returns its index.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        self.len += 1;
        let index = self.free;
        if let Some(slot) = self.slot_mut(index)
            && let Content::Free { next } = slot.content
        {
            slot.content = Content::Used(value);
            self.free = next;
            return index;
        }
        if self.chunks.last().is_none_or(|c| c.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let full = (self.chunks.len() - 1) * CHUNK;
        let last = &mut self.chunks[full / CHUNK];
        last.push(Slot {
            generation: 0,
            content: Content::Used(value),
        });
        (full + last.len() - 1) as u32
    }

    /// Takes a value out. Its generation is over.
    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let free = self.free;
        let slot = self.slot_mut(index)?;
        if matches!(slot.content, Content::Free { .. }) {
            return None;
        }
        slot.generation = slot.generation.wrapping_add(1);
        let content = core::mem::replace(&mut slot.content, Content::Free { next: free });
        self.free = index;
        self.len -= 1;
        match content {
            Content::Used(value) => Some(value),
            Content::Free { .. } => None,
        }
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        let slot = self.chunks.get(index as usize / CHUNK)?;
        match &slot.get(index as usize % CHUNK)?.content {
            Content::Used(value) => Some(value),
            Content::Free { .. } => None,
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        match &mut self.slot_mut(index)?.content {
            Content::Used(value) => Some(value),
            Content::Free { .. } => None,
        }
    }

    /// A value and its generation.
    #[inline]
    pub(crate) fn get_mut_with_generation(&mut self, index: u32) -> Option<(&mut T, u32)> {
        let slot = self.slot_mut(index)?;
        match &mut slot.content {
            Content::Used(value) => Some((value, slot.generation)),
            Content::Free { .. } => None,
        }
    }

    /// The generation of the slot at `index`; with it, the index is a key.
    #[inline]
    pub(crate) fn generation(&self, index: u32) -> u32 {
        let slot = self.chunks.get(index as usize / CHUNK);
        slot.and_then(|c| c.get(index as usize % CHUNK))
            .map_or(0, |s| s.generation)
    }

    /// Whether `index` holds a value of this generation.
    #[inline]
    pub(crate) fn is_live(&self, index: u32, generation: u32) -> bool {
        self.get(index).is_some() && self.generation(index) == generation
    }

    /// Ends the generation of a value that stays: keys to it are refused from now on.
    pub(crate) fn revoke(&mut self, index: u32) {
        if let Some(slot) = self.slot_mut(index) {
            slot.generation = slot.generation.wrapping_add(1);
        }
    }

    /// All values with their indices, in order of index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..)
            .zip(self.chunks.iter().flatten())
            .filter_map(|(i, slot)| match &slot.content {
                Content::Used(value) => Some((i, value)),
                Content::Free { .. } => None,
            })
    }

    #[inline]
    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<T>> {
        let chunk = self.chunks.get_mut(index as usize / CHUNK)?;
        chunk.get_mut(index as usize % CHUNK)
    }
}
