//! The sum in safe, portable code: the only form on most machines, and the one that the SIMD form
//! is tested against.

use crate::Sum;

/// Adds `data`, which starts at an even offset, to `sum`.
#[inline]
#[must_use]
pub fn add_bytes(sum: Sum, data: &[u8]) -> Sum {
    let (words, tail) = data.as_chunks();
    let sum = words
        .iter()
        .fold(sum, |sum, word| sum.add_le(u64::from_le_bytes(*word)));
    add_tail(sum, tail)
}

/// As [`sum_copy`](crate::sum_copy()).
#[inline]
pub fn sum_copy(src: &[u8], dst: &mut [u8]) -> Sum {
    let len = src.len().min(dst.len());
    let (src, dst) = (&src[..len], &mut dst[..len]);
    dst.copy_from_slice(src);
    add_bytes(Sum::ZERO, src)
}

/// Adds fewer than 8 bytes.
#[inline]
fn add_tail(mut sum: Sum, mut tail: &[u8]) -> Sum {
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
