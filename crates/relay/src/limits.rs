//! How much a relay may hold.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::time::Duration;

/// How much a relay may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// TCP connections at once, those included that are being connected: each costs a descriptor.
    pub connections: usize,
    /// Connects under way at once. One more makes the oldest give way.
    pub connects: usize,
    /// SYNs that may wait for an answer; beyond that they meet silence.
    pub half_open: usize,
    /// How long what is queued for a program may take to be acknowledged after both sides have
    /// closed.
    pub drain: Duration,
    /// The same after a reset by the destination, which the program hears of after that.
    pub reset_drain: Duration,
}

impl Default for Limits {
    /// As many connections as the process may still have descriptors, less an eighth and 32 for
    /// all else; half of them may be connects under way.
    fn default() -> Limits {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
        let descriptors = usize::try_from(descriptors)
            .unwrap_or(usize::MAX)
            .min(1 << 20);
        let connections = (descriptors - descriptors / 8).saturating_sub(32).max(8);
        Limits {
            connections,
            connects: (connections / 2).max(4),
            half_open: 65_536,
            drain: Duration::from_secs(60),
            reset_drain: Duration::from_secs(2),
        }
    }
}

/// Raises the limit of descriptors of this process as far as it may, for whoever starts a relay,
/// before [`Limits::default`] looks at it; returns the limit. A program that the process starts
/// inherits it, and programs that use `select` do not bear more than 1024: give them back what
/// was.
///
/// # Errors
/// The system's.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let raised = Rlimit {
            current: maximum,
            maximum,
        };
        setrlimit(Resource::Nofile, raised)?;
    }
    Ok(maximum.unwrap_or(u64::MAX))
}
