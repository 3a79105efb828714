//! The Internet checksum, scalar and SIMD, alone and fused with a copy.
