//! Content that both ends can make from a seed, so that a transfer of any length can be checked.

use std::io::{self, Read};

use handfast_base::Rng;
use sha2::{Digest, Sha256};

/// Octets generated at a time: a multiple of 8, so that how it is read changes no octet.
const BLOCK: usize = 16 * 1024;

/// A stream of `len` octets decided by `seed` alone, whatever the sizes it is read in.
#[derive(Clone, Debug)]
pub struct Seeded {
    rng: Rng,
    block: Box<[u8]>,
    used: usize,
    left: u64,
}

impl Seeded {
    /// The first `len` octets of the stream of `seed`.
    pub fn new(seed: u64, len: u64) -> Seeded {
        Seeded {
            rng: Rng::new(seed),
            block: vec![0; BLOCK].into(),
            used: BLOCK,
            left: len,
        }
    }

    /// Octets not yet read.
    pub fn remaining(&self) -> u64 {
        self.left
    }

    /// The SHA-256 of the whole rest, in lower-case hexadecimal digits.
    pub fn sha256(mut self) -> String {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; BLOCK];
        while let n @ 1.. = self.fill(&mut buffer) {
            hash.update(&buffer[..n]);
        }
        hexadecimal(&hash.finalize())
    }

    /// Fills `out` from its start and returns how many octets that made; 0 at the end.
    pub fn fill(&mut self, out: &mut [u8]) -> usize {
        let total = out
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let mut out = &mut out[..total];
        while !out.is_empty() {
            if self.used == BLOCK {
                self.rng.fill(&mut self.block);
                self.used = 0;
            }
            let n = out.len().min(BLOCK - self.used);
            out[..n].copy_from_slice(&self.block[self.used..self.used + n]);
            self.used += n;
            out = &mut out[n..];
        }
        self.left -= total as u64;
        total
    }
}

impl Read for Seeded {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        Ok(self.fill(out))
    }
}

/// `octets` as lower-case hexadecimal digits.
pub fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|o| format!("{o:02x}")).collect()
}
