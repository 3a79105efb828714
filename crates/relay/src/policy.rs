//! Who may be reached.

use crate::Rule;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Which destinations a relay connects to. A rule that denies wins over all that allow; with any
/// rule that allows, only what such a rule names is allowed. The loopback of the host (127/8,
/// `::1`, and the unspecified addresses, which mean the same to a connect) is closed until
/// [`allow_host_loopback`](Policy::allow_host_loopback) opens it.
///
/// ```
/// use handfast_relay::{Policy, Verdict};
///
/// let mut policy = Policy::default();
/// policy.allow("*.example.com:443".parse()?);
/// policy.deny("192.0.2.0/24".parse()?);
/// let ask = |at: &str, name| policy.decide(at.parse().unwrap(), &[name]);
/// assert_eq!(ask("198.51.100.7:443", "www.example.com"), Verdict::Allowed);
/// assert_ne!(ask("198.51.100.7:80", "www.example.com"), Verdict::Allowed);
/// assert_ne!(ask("192.0.2.7:443", "www.example.com"), Verdict::Allowed);
/// # Ok::<(), handfast_relay::RuleError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Policy {
    allow: Vec<Rule>,
    deny: Vec<Rule>,
    host_loopback: bool,
}

/// What a [`Policy`] says of a destination.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It may be reached.
    Allowed,
    /// It may not.
    Denied(Denial),
}

/// Why a destination may not be reached.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Denial {
    /// A rule denies it.
    Rule(Rule),
    /// There are rules that allow, and none of them names it.
    NotAllowed,
    /// It is the loopback of the host.
    HostLoopback,
}

impl Policy {
    /// Allows what the rule names, and from now on nothing that no such rule names.
    pub fn allow(&mut self, rule: Rule) {
        self.allow.push(rule);
    }

    /// Denies what the rule names.
    pub fn deny(&mut self, rule: Rule) {
        self.deny.push(rule);
    }

    /// Opens the loopback of the host, as far as the rules do.
    pub fn allow_host_loopback(&mut self) {
        self.host_loopback = true;
    }

    /// Whether a rule denies every port of whatever has this name, so that there is no use in
    /// looking it up.
    pub fn denies_name(&self, name: &str) -> bool {
        self.deny.iter().any(|rule| rule.names_all_of(name))
    }

    /// Decides about a destination, as the host would connect to it, that is known by `names`: a
    /// rule that denies by name concerns it when it fits any of them, and so does one that allows.
    pub fn decide(&self, destination: SocketAddr, names: &[impl AsRef<str>]) -> Verdict {
        let address = destination.ip().to_canonical();
        if is_host_loopback(address) && !self.host_loopback {
            return Verdict::Denied(Denial::HostLoopback);
        }
        let named = |rule: &&Rule| rule.matches(address, destination.port(), names);
        if let Some(rule) = self.deny.iter().find(named) {
            return Verdict::Denied(Denial::Rule(rule.clone()));
        }
        if self.allow.is_empty() || self.allow.iter().any(|rule| named(&rule)) {
            Verdict::Allowed
        } else {
            Verdict::Denied(Denial::NotAllowed)
        }
    }
}

/// Whether a connect to the address ends at the host itself without leaving it.
pub(crate) fn is_host_loopback(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_loopback() || address.is_unspecified()
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denial::Rule(rule) => write!(f, "denied by the rule {rule}"),
            Denial::NotAllowed => f.write_str("no rule allows it"),
            Denial::HostLoopback => f.write_str("the loopback of the host is closed"),
        }
    }
}

#[cfg(test)]
mod tests;
