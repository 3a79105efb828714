use core::fmt;
use core::ops::{Add, AddAssign, Sub};

/// A sequence number: a point in a space of 2^32 octets that wraps (RFC 9293, section 3.4).
///
/// There is deliberately no `Ord`: "before" only means something for two numbers less than 2^31
/// apart. Numbers exactly 2^31 apart are each [`before`](SeqNumber::before) the other, as in
/// every comparison by signed difference; no operation panics.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// Signed octets from `earlier` to `self`: positive when `self` comes later.
    #[inline]
    pub const fn distance(self, earlier: SeqNumber) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }

    /// Octets from `start` forward to `self`, 0..2^32.
    #[inline]
    pub const fn offset_from(self, start: SeqNumber) -> u32 {
        self.0.wrapping_sub(start.0)
    }

    /// `self < other` in sequence space.
    #[inline]
    pub const fn before(self, other: SeqNumber) -> bool {
        self.distance(other) < 0
    }

    /// `self <= other` in sequence space.
    #[inline]
    pub const fn at_or_before(self, other: SeqNumber) -> bool {
        self.distance(other) <= 0
    }

    /// `self > other` in sequence space.
    #[inline]
    pub const fn after(self, other: SeqNumber) -> bool {
        self.distance(other) > 0
    }

    /// `self >= other` in sequence space.
    #[inline]
    pub const fn at_or_after(self, other: SeqNumber) -> bool {
        self.distance(other) >= 0
    }

    /// The later of two.
    #[inline]
    pub const fn later(self, other: SeqNumber) -> SeqNumber {
        if self.before(other) { other } else { self }
    }

    /// The earlier of two.
    #[inline]
    pub const fn earlier(self, other: SeqNumber) -> SeqNumber {
        if self.after(other) { other } else { self }
    }

    /// Whether `self` lies in the half-open window of `len` octets that starts at `start`.
    #[inline]
    pub const fn within(self, start: SeqNumber, len: u32) -> bool {
        self.offset_from(start) < len
    }
}

impl Add<u32> for SeqNumber {
    type Output = SeqNumber;
    #[inline]
    fn add(self, octets: u32) -> SeqNumber {
        SeqNumber(self.0.wrapping_add(octets))
    }
}

impl AddAssign<u32> for SeqNumber {
    #[inline]
    fn add_assign(&mut self, octets: u32) {
        *self = *self + octets;
    }
}

impl Sub<u32> for SeqNumber {
    type Output = SeqNumber;
    #[inline]
    fn sub(self, octets: u32) -> SeqNumber {
        SeqNumber(self.0.wrapping_sub(octets))
    }
}

impl fmt::Debug for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
