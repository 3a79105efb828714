use crate::{SHORT, scalar, simd};

/// An unfolded one's complement sum over 16-bit big-endian words (RFC 1071 section 2).
///
/// Two sums are equal when they fold to the same 16 bits, however they were put together.
//
// Kept as a sum of *little-endian* words, which `fold` swaps once (RFC 1071 section 2 (B)), in 64
// bits with end-around carry (2 (C)). Only the sum of nothing but zeros is 0; arithmetic modulo
// 2^64 - 1, a multiple of 2^16 - 1, keeps it so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(pub(crate) u64);

impl Sum {
    /// The sum of no bytes.
    pub const ZERO: Self = Self(0);

    /// Adds `data`, which starts at an even offset; an odd last byte is padded with zero.
    #[inline]
    #[must_use]
    pub fn add_bytes(self, data: &[u8]) -> Self {
        if data.len() < SHORT {
            scalar::add_short(self, data)
        } else {
            self.combine(simd::sum(data), false)
        }
    }

    /// Adds one 16-bit word.
    #[inline]
    #[must_use]
    pub const fn add_u16(self, word: u16) -> Self {
        self.add_le(word.swap_bytes() as u64)
    }

    /// Adds the two 16-bit words of `words`.
    #[inline]
    #[must_use]
    pub const fn add_u32(self, words: u32) -> Self {
        self.add_le(words.swap_bytes() as u64)
    }

    /// Joins the sum of a later piece, itself summed as if from an even offset. A piece that
    /// began at an odd offset has its bytes swapped (RFC 1071 section 2 (B)).
    #[inline]
    #[must_use]
    pub const fn combine(self, other: Self, at_odd_offset: bool) -> Self {
        // Modulo 2^16 - 1 a rotation by one byte multiplies by 256, which is the swap.
        self.add_le(if at_odd_offset {
            other.0.rotate_left(8)
        } else {
            other.0
        })
    }

    /// The 16-bit sum, **not** complemented. Over data with its checksum in place it is `0xffff`
    /// when the data is intact (RFC 1071 section 1 (3)). It is zero only if every byte summed was.
    #[inline]
    #[must_use]
    pub const fn fold(self) -> u16 {
        // The upper half of x + rotate(x) is the sum of both halves and their end-around carry.
        let x = self.0;
        let x = (x.wrapping_add(x.rotate_left(32)) >> 32) as u32;
        ((x.wrapping_add(x.rotate_left(16)) >> 16) as u16).swap_bytes()
    }

    /// The complemented 16-bit sum: what goes into the checksum field (RFC 1071 section 1 (2)).
    ///
    /// UDP sends `0xffff` where this is zero, because zero there means "no checksum" (RFC 768).
    #[inline]
    #[must_use]
    pub const fn finish(self) -> u16 {
        !self.fold()
    }

    /// Adds four 16-bit words that were loaded in little-endian order.
    #[inline]
    pub(crate) const fn add_le(self, words: u64) -> Self {
        let (total, carry) = self.0.overflowing_add(words);
        Self(total.wrapping_add(carry as u64))
    }
}

impl PartialEq for Sum {
    fn eq(&self, other: &Self) -> bool {
        self.fold() == other.fold()
    }
}

impl Eq for Sum {}
