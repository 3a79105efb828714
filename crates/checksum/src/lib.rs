//! The Internet checksum, scalar and SIMD, alone and fused with a copy.
//!
//! The checksum of IPv4, ICMP, UDP and TCP is the one's complement of the one's complement sum of
//! the 16-bit words it covers (RFC 1071 section 1). [`Sum`] is that sum before it is folded to 16
//! bits, so that headers, pseudo-headers and scattered payload add up in any order:
//!
//! ```
//! use handfast_checksum::{pseudo_v4, sum};
//!
//! let mut datagram = *b"\x00\x35\xc0\x01\x00\x0a\x00\x00hi";
//! let pseudo = pseudo_v4([192, 0, 2, 1], [192, 0, 2, 2], 17, datagram.len() as u32);
//! let field = pseudo.add_bytes(&datagram).finish();
//! datagram[6..8].copy_from_slice(&field.to_be_bytes());
//!
//! // A receiver sums the same bytes, the field among them, and expects all ones.
//! assert_eq!(pseudo.combine(sum(&datagram), false).fold(), 0xffff);
//! ```
//!
//! Nothing here panics and every length sums correctly. The feature `simd` (on by default) uses
//! AVX2 on x86-64 processors that have it, found at run time by std; without the feature, and on
//! other machines, the crate is `no_std` and has no unsafe code.

#![no_std]
#![deny(unsafe_code)]

#[cfg(all(feature = "simd", target_arch = "x86_64"))]
extern crate std;

mod accumulator;
mod header;
pub mod scalar;
#[cfg(all(feature = "simd", target_arch = "x86_64"))]
mod simd;

pub use accumulator::Sum;
pub use header::{pseudo_v4, pseudo_v6, update_u16, update_u32};
#[cfg(not(all(feature = "simd", target_arch = "x86_64")))]
use scalar as simd;

#[cfg(test)]
mod tests;

/// The sum of `data`, as 16-bit big-endian words, an odd last byte padded with zero
/// (RFC 1071 section 1).
#[inline]
#[must_use]
pub fn sum(data: &[u8]) -> Sum {
    Sum::ZERO.add_bytes(data)
}

/// The sum of `pieces` as if they were one run of bytes; any of them may be odd or empty.
#[must_use]
pub fn sum_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Sum {
    let mut total = Sum::ZERO;
    let mut at_odd_offset = false;
    for piece in pieces {
        total = total.combine(sum(piece), at_odd_offset);
        at_odd_offset ^= piece.len() % 2 == 1;
    }
    total
}

/// Copies `src` to the start of `dst` and returns the sum of the bytes copied, in one pass.
///
/// The lengths should agree. Where they do not, the shorter one counts: that many bytes are copied
/// and summed, the rest of either slice is left alone.
#[inline]
pub fn sum_copy(src: &[u8], dst: &mut [u8]) -> Sum {
    let len = src.len().min(dst.len());
    if len >= SHORT {
        return simd::sum_copy(src, dst);
    }
    let src = &src[..len];
    dst[..len].copy_from_slice(src);
    scalar::add_short(Sum::ZERO, src)
}

/// Below this many bytes, which headers are, the inline scalar form beats a call.
pub(crate) const SHORT: usize = 128;
