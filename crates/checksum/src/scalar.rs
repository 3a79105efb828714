//! The sum in safe, portable code: what machines without a better form use, and what that form is
//! tested against.

use crate::Sum;

/// As [`crate::sum()`].
#[must_use]
pub fn sum(data: &[u8]) -> Sum {
    data.chunks(MAX_BYTES)
        .fold(Sum::ZERO, |sum, data| sum.combine(reduce(data), false))
}

/// As [`crate::sum_copy()`].
pub fn sum_copy(src: &[u8], dst: &mut [u8]) -> Sum {
    let len = src.len().min(dst.len());
    let src = &src[..len];
    dst[..len].copy_from_slice(src);
    sum(src)
}

/// Adds `data` word by word with end-around carry: no start-up cost, so the best for headers.
#[inline]
pub(crate) fn add_short(sum: Sum, data: &[u8]) -> Sum {
    let (words, tail) = data.as_chunks();
    let sum = words
        .iter()
        .fold(sum, |sum, word| sum.add_le(u64::from_le_bytes(*word)));
    add_tail(sum, tail)
}

/// The most bytes that [`reduce`] may take: far below the 32 GiB at which its sum of 32-bit halves
/// could overflow, far above any packet.
pub(crate) const MAX_BYTES: usize = 1 << 24;

/// The sum of at most [`MAX_BYTES`], in a form that the caller's vector unit can take.
#[inline(always)]
pub(crate) fn reduce(data: &[u8]) -> Sum {
    let (words, tail) = data.as_chunks();
    add_tail(reduce_words(words.iter().copied()), tail)
}

/// The sum of at most [`MAX_BYTES`] in words.
///
/// Carries would keep the loop from becoming vector code. There are none here: `total` wraps, but
/// beside the sum of the upper halves, which cannot, it still tells the sum of the lower halves.
#[inline(always)]
pub(crate) fn reduce_words(words: impl Iterator<Item = [u8; 8]>) -> Sum {
    let (total, upper) = words
        .map(u64::from_le_bytes)
        .fold((0u64, 0u64), |(total, upper), word| {
            (total.wrapping_add(word), upper.wrapping_add(word >> 32))
        });
    let lower = total.wrapping_sub(upper << 32);
    Sum::ZERO.add_le(lower).add_le(upper)
}

/// Adds fewer than 8 bytes.
#[inline]
pub(crate) fn add_tail(mut sum: Sum, mut tail: &[u8]) -> Sum {
    if let Some((words, rest)) = tail.split_first_chunk() {
        sum = sum.add_le(u32::from_le_bytes(*words).into());
        tail = rest;
    }
    if let Some((word, rest)) = tail.split_first_chunk() {
        sum = sum.add_le(u16::from_le_bytes(*word).into());
        tail = rest;
    }
    match tail {
        [byte, ..] => sum.add_le((*byte).into()),
        [] => sum,
    }
}
