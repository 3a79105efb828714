//! Names, as the program asks for them.
//!
//! [`serve`] answers at port 53 of the stack's own addresses, by UDP and by TCP (RFC 7766). Who we
//! are is answered here; every other question goes, octet by octet, to the machine's resolvers, and
//! what they answer comes back so. [`Names`] remembers which name led to which address.

mod answer;
mod names;
mod resolv_conf;
mod server;
#[cfg(test)]
mod tests;
mod upstream;

pub use names::Names;
pub use resolv_conf::ResolvConf;
pub use server::{Dns, serve};
pub use upstream::Upstream;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// What a DNS server answers, and who helps it.
pub struct DnsConfig {
    /// Who is asked about all other names.
    pub upstream: Upstream,
    /// Names of ours and their addresses; below each of them there is nothing else. Asked for by
    /// one of these addresses, the first such name is told.
    pub own: Vec<(String, Vec<IpAddr>)>,
    /// Whether a name (in lower case, without a dot at the end) is denied. It is answered as one
    /// that does not exist, because that is the only answer that a program takes as final: refused,
    /// it would ask again, elsewhere, and report a passing failure.
    pub denied: Arc<dyn Fn(&str) -> bool + Send + Sync>,
}

impl DnsConfig {
    /// Nothing of our own, and nothing denied.
    pub fn new(upstream: Upstream) -> DnsConfig {
        DnsConfig {
            upstream,
            own: Vec::new(),
            denied: Arc::new(|_| false),
        }
    }
}

impl fmt::Debug for DnsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DnsConfig")
            .field("upstream", &self.upstream)
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}
