//! What is said each way, and whether it came.

use handfast::base::Rng;
use std::io;

/// Whose octets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    Ours,
    Theirs,
}

/// Who has said all first. The second keeps half of what it has to say until then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turn {
    First,
    Second,
}

/// What is repeated: its length is no multiple of any segment.
pub(crate) fn pattern(half: Half) -> Vec<u8> {
    let mut octets = vec![0; 65_521];
    Rng::new(half as u64 + 1).fill(&mut octets);
    octets
}

/// Compares what has come after `at` octets.
pub(crate) fn check(pattern: &[u8], at: usize, octets: &[u8]) -> io::Result<()> {
    let (mut at, mut rest) = (at % pattern.len(), octets);
    while !rest.is_empty() {
        let (part, next) = rest.split_at(rest.len().min(pattern.len() - at));
        if *part != pattern[at..at + part.len()] {
            return Err(io::Error::other("other octets have come than were sent"));
        }
        (at, rest) = (0, next);
    }
    Ok(())
}

pub(crate) fn whole(got: usize, octets: usize) -> io::Result<()> {
    if got == octets {
        return Ok(());
    }
    Err(io::Error::other(format!("{got} of {octets} octets came")))
}
