/// No offset inside a buffer may come near 2^31, where sequence comparison turns round.
const LIMIT: u32 = 1 << 30;

/// How many octets one direction of a connection may hold. Every value is cut to 1 octet at least
/// and 1 GiB at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Buffer {
    /// Grows with what the path takes, and only while the connection moves that much: the receive
    /// buffer with what the application reads within a round trip, the send buffer with the
    /// congestion window. It does not grow while the stack's memory is short.
    Auto {
        /// Octets to begin with.
        least: u32,
        /// Octets never exceeded. The window scale is chosen for it.
        most: u32,
    },
    /// Always this many octets.
    Fixed(u32),
}

impl Buffer {
    /// The largest it can become, in octets.
    #[inline]
    pub fn most(self) -> u32 {
        match self {
            Buffer::Auto { most: n, .. } | Buffer::Fixed(n) => n.clamp(1, LIMIT),
        }
    }

    /// What it begins with, in octets.
    #[inline]
    pub fn least(self) -> u32 {
        match self {
            Buffer::Auto { least, .. } => least.clamp(1, self.most()),
            Buffer::Fixed(_) => self.most(),
        }
    }

    /// The size that suits a need of `wanted` octets.
    #[inline]
    pub(crate) fn suiting(self, wanted: u32) -> u32 {
        wanted.clamp(self.least(), self.most())
    }

    /// The size after it has doubled `times` times.
    #[inline]
    pub(crate) fn doubled(self, times: u8) -> u32 {
        let doubled = u64::from(self.least()) << times.min(31);
        doubled.min(u64::from(self.most())) as u32
    }
}

impl From<u32> for Buffer {
    /// A size that does not change.
    fn from(octets: u32) -> Buffer {
        Buffer::Fixed(octets)
    }
}
