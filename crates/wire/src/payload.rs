use bytes::{Buf, Bytes};
use smallvec::SmallVec;

/// Octets held by reference: a short list of [`Bytes`] slices with their total length.
///
/// Cutting, joining and cloning move references, never octets.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    slices: SmallVec<[Bytes; 2]>,
    len: u32,
}

impl Payload {
    /// No octets.
    #[inline]
    pub fn new() -> Payload {
        Payload::default()
    }

    /// Total length in octets.
    #[inline]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are no octets.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The slices in order; none is empty.
    #[inline]
    pub fn slices(&self) -> &[Bytes] {
        &self.slices
    }

    /// Appends a slice (an empty one is ignored). A slice that would push the length beyond
    /// `u32::MAX` is cut to what fits.
    #[inline]
    pub fn push(&mut self, mut slice: Bytes) {
        let room = (u32::MAX - self.len) as usize;
        if slice.len() > room {
            slice.truncate(room);
        }
        if !slice.is_empty() {
            self.len += slice.len() as u32;
            self.slices.push(slice);
        }
    }

    /// Forgets all octets.
    #[inline]
    pub fn clear(&mut self) {
        // Where there are no octets there are no slices.
        if self.len > 0 {
            self.slices.clear();
            self.len = 0;
        }
    }

    /// Cuts the end off, keeping at most the first `len` octets.
    #[inline]
    pub fn truncate(&mut self, len: u32) {
        if self.len > len {
            self.cut_end(len);
        }
    }

    fn cut_end(&mut self, len: u32) {
        while self.len > len {
            let excess = (self.len - len) as usize;
            let Some(last) = self.slices.last_mut() else {
                return;
            };
            if last.len() > excess {
                let keep = last.len() - excess;
                last.truncate(keep);
                self.len = len;
            } else {
                self.len -= last.len() as u32;
                self.slices.pop();
            }
        }
    }

    /// Cuts the first `count` octets off (all of them, if there are fewer).
    #[inline]
    pub fn advance(&mut self, count: u32) {
        if count > 0 {
            self.cut_start(count);
        }
    }

    fn cut_start(&mut self, count: u32) {
        if let [only] = &mut self.slices[..]
            && (count as usize) < only.len()
        {
            only.advance(count as usize);
            self.len -= count;
            return;
        }
        let mut left = count.min(self.len) as usize;
        self.len -= left as u32;
        let whole = self
            .slices
            .iter()
            .take_while(|s| {
                let all = s.len() <= left;
                if all {
                    left -= s.len();
                }
                all
            })
            .count();
        self.slices.drain(..whole);
        if left > 0 {
            let first = &mut self.slices[0];
            *first = first.slice(left..);
        }
    }

    /// The octets `start..start + len` as a payload of their own, cut to what there is.
    pub fn slice(&self, start: u32, len: u32) -> Payload {
        let (mut skip, mut want) = (start as usize, len as usize);
        let mut out = Payload::new();
        for s in &self.slices {
            if want == 0 {
                break;
            }
            if skip >= s.len() {
                skip -= s.len();
                continue;
            }
            let take = want.min(s.len() - skip);
            out.push(s.slice(skip..skip + take));
            want -= take;
            skip = 0;
        }
        out
    }

    /// Copies from the start into `out`; returns how many octets were copied.
    pub fn copy_to(&self, out: &mut [u8]) -> usize {
        let mut at = 0;
        for s in &self.slices {
            let n = s.len().min(out.len() - at);
            out[at..at + n].copy_from_slice(&s[..n]);
            at += n;
        }
        at
    }

    /// Takes the only slice out; `None`, with nothing changed, when there is not exactly one.
    #[inline]
    pub fn take_only(&mut self) -> Option<Bytes> {
        if self.slices.len() != 1 {
            return None;
        }
        self.len = 0;
        self.slices.pop()
    }

    /// Takes the slices out, leaving the payload empty.
    #[inline]
    pub fn drain(&mut self) -> impl Iterator<Item = Bytes> + '_ {
        self.len = 0;
        self.slices.drain(..)
    }

    /// All octets as one slice: by reference when there is one slice only, else copied.
    pub fn to_bytes(&self) -> Bytes {
        match self.slices.as_slice() {
            [] => Bytes::new(),
            [one] => one.clone(),
            _ => {
                let mut all = alloc::vec![0; self.len as usize];
                self.copy_to(&mut all);
                Bytes::from(all)
            }
        }
    }
}

impl From<Bytes> for Payload {
    fn from(slice: Bytes) -> Payload {
        let mut p = Payload::new();
        p.push(slice);
        p
    }
}

impl PartialEq for Payload {
    /// Equal when the octets are, however they are sliced.
    fn eq(&self, other: &Payload) -> bool {
        self.len == other.len
            && self
                .slices
                .iter()
                .flat_map(|s| s.iter())
                .eq(other.slices.iter().flat_map(|s| s.iter()))
    }
}

impl Eq for Payload {}
