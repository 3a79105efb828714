//! Window scaling (RFC 7323, section 2).

/// The largest shift there is (RFC 7323, 2.3).
pub(crate) const MAX_SHIFT: u8 = 14;

/// The smallest shift with which a window of `capacity` octets can be told.
pub(crate) fn shift_for(capacity: u32) -> u8 {
    (0..MAX_SHIFT)
        .find(|s| capacity >> s <= 0xffff)
        .unwrap_or(MAX_SHIFT)
}

/// The peer's shift as we use it: above 14 it is read as 14 (RFC 7323, 2.3).
pub(crate) fn accepted(offered: u8) -> u8 {
    offered.min(MAX_SHIFT)
}
