//! One line of a policy.

use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Destinations that a [`Policy`](crate::Policy) allows or denies: an address, a network
/// (`192.0.2.0/24`), a name (`example.com`), all names below one (`*.example.com`) or anything
/// (`*`), each followed by a port or a range of ports if it is for these alone (`*:25`,
/// `example.com:80-443`, `[2001:db8::/32]:443`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Rule {
    who: Who,
    ports: RangeInclusive<u16>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Who {
    Anybody,
    Network(IpNet),
    Name(String),
    /// Names below this one.
    Below(String),
}

/// Why a [`Rule`] cannot be read, in one line with its fix.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleError(String);

/// Every port.
const ALL: RangeInclusive<u16> = 0..=u16::MAX;

impl Rule {
    pub(crate) fn matches(&self, address: IpAddr, port: u16, names: &[impl AsRef<str>]) -> bool {
        let is_it = || match &self.who {
            Who::Anybody => true,
            Who::Network(network) => network.contains(&address),
            Who::Name(_) | Who::Below(_) => names.iter().any(|name| self.names(name.as_ref())),
        };
        self.ports.contains(&port) && is_it()
    }

    /// Whether it is for every port of this name.
    pub(crate) fn names_all_of(&self, name: &str) -> bool {
        self.ports == ALL && self.names(name)
    }

    fn names(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.');
        match &self.who {
            Who::Name(own) => name.eq_ignore_ascii_case(own),
            Who::Below(own) => {
                let above = name.len().checked_sub(own.len() + 1);
                above.filter(|&at| at > 0).is_some_and(|at| {
                    name.as_bytes()[at] == b'.'
                        && name.as_bytes()[at + 1..].eq_ignore_ascii_case(own.as_bytes())
                })
            }
            Who::Anybody | Who::Network(_) => false,
        }
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Rule, RuleError> {
        let wrong = |why: &str| RuleError(format!("cannot read the rule {text:?}: {why}"));
        if let Some(inner) = text.strip_prefix('[') {
            let (network, rest) = inner
                .split_once(']')
                .ok_or_else(|| wrong("the bracket is not closed; write [2001:db8::1]:443"))?;
            let who = network_from(network).ok_or_else(|| {
                wrong("in brackets stands an IPv6 address or network; write [2001:db8::1]:443")
            })?;
            let ports = match rest.strip_prefix(':') {
                Some(ports) => ports_from(ports).map_err(wrong)?,
                None if rest.is_empty() => ALL,
                None => {
                    return Err(wrong(
                        "after the bracket comes a port; write [2001:db8::1]:443",
                    ));
                }
            };
            return Ok(Rule { who, ports });
        }
        if let Some(who) = network_from(text) {
            return Ok(Rule { who, ports: ALL });
        }
        let (who, ports) = match text.rsplit_once(':') {
            Some((who, ports)) => (who, ports_from(ports).map_err(wrong)?),
            None => (text, ALL),
        };
        let who = match who {
            "*" => Who::Anybody,
            _ if who.contains(':') => {
                return Err(wrong(
                    "an IPv6 address with a port needs brackets; write [2001:db8::1]:443",
                ));
            }
            _ => match (network_from(who), who.strip_prefix("*.")) {
                (Some(network), _) => network,
                (None, Some(name)) => Who::Below(name_from(name).map_err(wrong)?),
                (None, None) => Who::Name(name_from(who).map_err(wrong)?),
            },
        };
        Ok(Rule { who, ports })
    }
}

fn network_from(text: &str) -> Option<Who> {
    let network = match text.parse::<IpNet>() {
        Ok(network) => network.trunc(),
        Err(_) => IpNet::from(text.parse::<IpAddr>().ok()?),
    };
    // An IPv4 address in the clothes of IPv6 is the IPv4 address.
    let canonical = network.addr().to_canonical();
    let network = match (network, canonical) {
        (IpNet::V6(v6), IpAddr::V4(_)) if v6.prefix_len() >= 96 => {
            IpNet::new(canonical, v6.prefix_len() - 96).ok()?
        }
        (network, _) => network,
    };
    Some(Who::Network(network))
}

fn ports_from(text: &str) -> Result<RangeInclusive<u16>, &'static str> {
    let port = |text: &str| {
        let port = text.parse::<u16>().ok().filter(|&port| port > 0);
        port.ok_or(
            "a port is a number from 1 to 65535; write example.com:443 or example.com:80-443",
        )
    };
    match text.split_once('-') {
        None => port(text).map(|port| port..=port),
        Some((first, last)) => {
            let (first, last) = (port(first)?, port(last)?);
            if first > last {
                return Err(
                    "the range of ports ends before it begins; write the smaller port first",
                );
            }
            Ok(first..=last)
        }
    }
}

fn name_from(text: &str) -> Result<String, &'static str> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let octets = label.bytes();
        (1..=63).contains(&label.len())
            && octets
                .into_iter()
                .all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
    };
    if name.len() > 253 || !name.split('.').all(is_label) {
        return Err(
            "it is neither an address, a network nor a name; write 192.0.2.1, 192.0.2.0/24, example.com or *.example.com",
        );
    }
    // What looks like an address and is none is a slip, not a name.
    if name
        .split('.')
        .next_back()
        .is_some_and(|l| l.bytes().all(|c| c.is_ascii_digit()))
    {
        return Err("it is not an IPv4 address; write four numbers from 0 to 255, as 192.0.2.1");
    }
    Ok(name.to_ascii_lowercase())
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_ports = self.ports != ALL;
        match &self.who {
            Who::Anybody => f.write_str("*")?,
            Who::Network(network) => {
                let is_host = network.prefix_len() == network.max_prefix_len();
                let brackets = has_ports && network.addr().is_ipv6();
                let text = match is_host {
                    true => network.addr().to_string(),
                    false => network.to_string(),
                };
                match brackets {
                    true => write!(f, "[{text}]")?,
                    false => f.write_str(&text)?,
                }
            }
            Who::Name(name) => f.write_str(name)?,
            Who::Below(name) => write!(f, "*.{name}")?,
        }
        let (first, last) = (self.ports.start(), self.ports.end());
        match has_ports {
            false => Ok(()),
            true if first == last => write!(f, ":{first}"),
            true => write!(f, ":{first}-{last}"),
        }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RuleError {}

#[cfg(test)]
mod tests;
