//! Which size to try next (RFC 4821, 7.3). All sizes are octets of IP packet.

/// Sizes at which paths are known to end, most of them of tunnels and of RFC 1191, 7: a path is far
/// more likely to take exactly so much than anything between two of them.
pub(super) const COMMON: [u32; 17] = [
    576, 1_006, 1_280, 1_400, 1_420, 1_440, 1_454, 1_476, 1_492, 1_500, 2_048, 4_352, 9_000,
    16_384, 32_000, 48_000, 65_535,
];
/// A gain below this is not worth a probe: the search has converged.
pub(super) const WORTHWHILE: u32 = 24;

/// The sizes between which the path's largest packet lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Search {
    /// search_low: what the path carries, as far as is known.
    pub(super) low: u32,
    /// search_high: nothing larger is tried.
    pub(super) high: u32,
    /// What is most likely to be the answer: what a router named, or what once worked.
    pub(super) hint: Option<u32>,
    /// The path has been searched before, and most likely is what it was: one step up, and if that
    /// fails no other (RFC 1191, 7.1).
    pub(super) once: bool,
}

impl Search {
    /// The next size to try; `None` when the search has converged.
    pub(super) fn next(&self) -> Option<u32> {
        let is_open = |size: &u32| *size > self.low && *size <= self.high;
        if let Some(hint) = self.hint.filter(is_open) {
            return Some(hint);
        }
        // Step by step: what succeeds costs nothing, and after what fails no probe is sent for long.
        if let Some(size) = COMMON.into_iter().find(is_open) {
            return Some(size);
        }
        let gap = self.high.saturating_sub(self.low);
        (gap >= WORTHWHILE).then(|| self.low + gap.div_ceil(2))
    }

    /// A packet of this size has arrived.
    pub(super) fn succeeded(&mut self, size: u32) {
        self.low = self.low.max(size);
        self.high = self.high.max(size);
        // It has grown: most likely to what the first link carries.
        self.hint = self.once.then_some(self.high);
        self.once = false;
    }

    /// A packet of this size has not; a router named `told`.
    pub(super) fn failed(&mut self, size: u32, told: Option<u32>) {
        self.high = match told.or(self.once.then_some(self.low)) {
            Some(told) => told.min(size - 1),
            None => size - 1,
        };
        self.high = self.high.max(self.low);
        self.hint = told;
    }
}
