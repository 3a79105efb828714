use crate::Sum;

/// The sum of the IPv4 pseudo-header (RFC 9293 section 3.1, RFC 768).
///
/// `len` is the length in bytes of what follows it, transport header and data. A super-segment may
/// exceed 65,535; both halves of its length are then summed, as over IPv6.
#[inline]
#[must_use]
pub const fn pseudo_v4(src: [u8; 4], dst: [u8; 4], protocol: u8, len: u32) -> Sum {
    Sum::ZERO
        .add_u32(u32::from_be_bytes(src))
        .add_u32(u32::from_be_bytes(dst))
        .add_u16(protocol as u16)
        .add_u32(len)
}

/// The sum of the IPv6 pseudo-header (RFC 8200 section 8.1).
///
/// `dst` is the final destination, `next_header` that of the upper layer, and `len` the length in
/// bytes of the upper-layer header and data.
#[inline]
#[must_use]
pub const fn pseudo_v6(src: [u8; 16], dst: [u8; 16], next_header: u8, len: u32) -> Sum {
    add_address(add_address(Sum::ZERO, src), dst)
        .add_u16(next_header as u16)
        .add_u32(len)
}

const fn add_address(sum: Sum, address: [u8; 16]) -> Sum {
    let words = u128::from_le_bytes(address);
    sum.add_le(words as u64).add_le((words >> 64) as u64)
}

/// The checksum field after one 16-bit word under it changed from `old` to `new`
/// (RFC 1624 equation 3).
///
/// Equal to the checksum computed anew unless every byte covered is now zero, which no IP header
/// or pseudo-header allows. A UDP field of zero ("no checksum", RFC 768) must be left as it is.
#[inline]
#[must_use]
pub const fn update_u16(field: u16, old: u16, new: u16) -> u16 {
    Sum::ZERO
        .add_u16(!field)
        .add_u16(!old)
        .add_u16(new)
        .finish()
}

/// As [`update_u16`], for two adjacent words at an even offset, such as an IPv4 address or a
/// sequence number.
#[inline]
#[must_use]
pub const fn update_u32(field: u16, old: u32, new: u32) -> u16 {
    Sum::ZERO
        .add_u16(!field)
        .add_u32(!old)
        .add_u32(new)
        .finish()
}
