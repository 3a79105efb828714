#[cfg(test)]
mod tests;

/// Octets that anybody can name who knows the seed: those at any offset, without those before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text(u64);

impl Text {
    /// The text of that seed and number.
    pub(super) fn new(seed: u64, number: u64) -> Text {
        Text(mix(mix(seed) ^ number))
    }

    /// The octets from `offset` on.
    pub(super) fn fill(&self, offset: u64, out: &mut [u8]) {
        let (head, body) = out.split_at_mut(out.len().min((8 - offset % 8) as usize % 8));
        for (at, octet) in (offset..).zip(head) {
            *octet = self.word(at / 8)[(at % 8) as usize];
        }
        let first = offset.div_ceil(8);
        for (number, word) in (first..).zip(body.chunks_mut(8)) {
            word.copy_from_slice(&self.word(number)[..word.len()]);
        }
    }

    fn word(&self, number: u64) -> [u8; 8] {
        mix(self.0.wrapping_add(number)).to_le_bytes()
    }
}

/// SplitMix64's finalizer.
fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
