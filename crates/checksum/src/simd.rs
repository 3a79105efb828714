//! The forms of [`scalar`] compiled for AVX2, where the processor has it.
//!
//! The loop is the scalar one: [`scalar::reduce_words`] has no carries, so the compiler turns it
//! into vector code of whatever width the enclosing function allows. Unsafe is only what it takes
//! to enter such a function and to keep a copy inside its loop.

#![allow(unsafe_code)]

use std::is_x86_feature_detected;

use crate::{
    Sum,
    scalar::{self, MAX_BYTES},
};

/// As [`crate::sum()`].
pub(crate) fn sum(data: &[u8]) -> Sum {
    if data.len() > MAX_BYTES || !is_x86_feature_detected!("avx2") {
        return scalar::sum(data);
    }
    // SAFETY: the processor has AVX2.
    unsafe { sum_avx2(data) }
}

/// As [`crate::sum_copy()`].
pub(crate) fn sum_copy(src: &[u8], dst: &mut [u8]) -> Sum {
    let len = src.len().min(dst.len());
    if len > MAX_BYTES || !is_x86_feature_detected!("avx2") {
        return scalar::sum_copy(src, dst);
    }
    let (words, tail) = src[..len].as_chunks();
    let (dst_words, dst_tail) = dst[..len].as_chunks_mut();
    debug_assert_eq!(words.len(), dst_words.len());
    // SAFETY: the processor has AVX2, and slices of equal length have equally many words.
    let sum = unsafe { sum_copy_avx2(words.as_ptr(), dst_words.as_mut_ptr(), words.len()) };
    dst_tail.copy_from_slice(tail);
    scalar::add_tail(sum, tail)
}

#[target_feature(enable = "avx2")]
fn sum_avx2(data: &[u8]) -> Sum {
    scalar::reduce(data)
}

/// Copies `count` words, at most [`MAX_BYTES`], and returns their sum.
///
/// Pointers and a call of its own, because from slices, which never overlap, the compiler takes
/// the copy out of the loop as a `memcpy`, and two passes are what this is here to avoid.
///
/// # Safety
///
/// The processor must have AVX2, `src` be readable and `dst` writable for `count` words.
#[target_feature(enable = "avx2")]
#[inline(never)]
unsafe fn sum_copy_avx2(src: *const [u8; 8], dst: *mut [u8; 8], count: usize) -> Sum {
    scalar::reduce_words((0..count).map(|i| {
        // SAFETY: the caller vouches for `count` words; byte arrays have no alignment.
        unsafe {
            let word = src.add(i).read();
            dst.add(i).write(word);
            word
        }
    }))
}
