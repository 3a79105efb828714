/// One limit on the octets that the whole stack holds for its peers and its application.
///
/// The last eighth is kept for data that lets a connection proceed: new connections, new data to
/// send and out-of-order data are refused before it is touched. One half of that is for what
/// arrives in order; the other is split evenly, a quarter for either direction, so that connections
/// which nobody reads, and which hold all the rest, cannot stop one that moves.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: usize,
    connections: usize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Budget {
        Budget {
            limit,
            used: 0,
            connections: 0,
        }
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Octets until only the reserve is left.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        (self.limit - self.limit / 8).saturating_sub(self.used)
    }

    /// Whether only the reserve is left after `more` octets.
    #[inline]
    pub(crate) fn is_tight(&self, more: usize) -> bool {
        self.used.saturating_add(more) > self.limit - self.limit / 8
    }

    /// Whether `more` octets are too many, but for the shares.
    #[inline]
    pub(crate) fn is_exceeded(&self, more: usize) -> bool {
        self.used.saturating_add(more) > self.limit - self.limit / 16
    }

    /// Octets that a connection which holds `held` in a direction may still have there, whatever
    /// all others do. None once it has half of its share: what is doled out by the octet is sent by
    /// the octet.
    pub(crate) fn share_left(&self, held: usize) -> usize {
        let share = self.limit / 32 / self.connections.max(1);
        match held <= share / 2 {
            true => share - held,
            false => 0,
        }
    }

    /// There is one connection more to share with.
    pub(crate) fn join(&mut self) {
        self.connections += 1;
    }

    /// There is one less.
    pub(crate) fn leave(&mut self) {
        self.connections -= 1;
    }

    #[inline]
    pub(crate) fn charge(&mut self, octets: usize) {
        self.used = self.used.saturating_add(octets);
    }

    #[inline]
    pub(crate) fn refund(&mut self, octets: usize) {
        self.used = self.used.saturating_sub(octets);
    }

    /// Brings one holder's account from `charged` to `held`.
    #[inline]
    pub(crate) fn settle(&mut self, charged: &mut u32, held: usize) {
        let held = u32::try_from(held).unwrap_or(u32::MAX);
        if held != *charged {
            self.refund(*charged as usize);
            self.charge(held as usize);
            *charged = held;
        }
    }
}
