use handfast_wire::SeqNumber;

/// One direction's sequence numbers in 64 bits: the upper half is the sequence number extension
/// (SNE; RFC 5925, 6.2), by which a segment of 4 GiB ago does not pass for a new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SequenceExtension(u64);

impl SequenceExtension {
    /// The initial sequence number has extension 0.
    pub(crate) fn new(initial: SeqNumber) -> SequenceExtension {
        SequenceExtension(u64::from(initial.0))
    }

    /// The extension of a sequence number: the one that brings it nearest to the highest seen.
    pub(crate) fn of(self, seq: SeqNumber) -> u32 {
        (self.extended(seq) >> 32) as u32
    }

    /// The sequence number is of a segment that is genuine.
    pub(crate) fn note(&mut self, seq: SeqNumber) {
        if seq.after(SeqNumber(self.0 as u32)) {
            self.0 = self.extended(seq);
        }
    }

    fn extended(self, seq: SeqNumber) -> u64 {
        let distance = seq.distance(SeqNumber(self.0 as u32));
        self.0.wrapping_add_signed(i64::from(distance))
    }
}
