//! Proportional rate reduction (RFC 6937, RFC 9937): what may leave in fast recovery, so that the
//! window comes down to ssthresh smoothly, by what is delivered.

/// One recovery, in octets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Prr {
    /// prr_delivered: since it began.
    delivered: u32,
    /// prr_out: sent since it began, new and again.
    out: u32,
    /// RecoverFS: in flight when it began.
    pub(crate) recover_fs: u32,
}

impl Prr {
    /// RFC 9937, 6.1: fast recovery begins with `recover_fs` octets in flight.
    pub(crate) fn new(recover_fs: u32) -> Prr {
        Prr {
            recover_fs: recover_fs.max(1),
            ..Prr::default()
        }
    }

    /// Octets have left (RFC 9937, 6.3).
    #[inline]
    pub(crate) fn sent(&mut self, octets: u32) {
        self.out = self.out.saturating_add(octets);
    }

    /// An acknowledgment delivered `delivered` octets, and `pipe` are in flight: how many may
    /// leave now (RFC 9937, 6.2). `safe`: it advanced SND.UNA and told of no further loss.
    pub(crate) fn acknowledged(
        &mut self,
        delivered: u32,
        pipe: u32,
        ssthresh: u32,
        mss: u32,
        safe: bool,
    ) -> u32 {
        self.delivered = self.delivered.saturating_add(delivered);
        let room = if pipe > ssthresh {
            // Proportional: ssthresh/RecoverFS of what is delivered. Rounded up as where segments
            // are counted, for only whole ones leave: octets alone would let each wait for the next
            // acknowledgment, and of a small window there are few.
            let share = u64::from(self.delivered) * u64::from(ssthresh);
            let share = share.div_ceil(u64::from(self.recover_fs));
            let room = share.saturating_sub(u64::from(self.out)).min(1 << 30) as u32;
            room.next_multiple_of(mss)
        } else {
            // Conservative reduction bound, and slow start while all goes well.
            let unused = self.delivered.saturating_sub(self.out).max(delivered);
            let unused = if safe {
                unused.saturating_add(mss)
            } else {
                unused
            };
            unused.min(ssthresh - pipe)
        };
        // With nothing in flight nothing would ever be delivered again.
        if pipe == 0 { room.max(mss) } else { room }
    }
}

#[cfg(test)]
mod tests;
