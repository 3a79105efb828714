//! Which of our addresses a packet carries as its source, and which of a peer's addresses to try
//! first (RFC 6724; for IPv4, RFC 1122, section 3.3.4.3).
//!
//! Candidates are the addresses of the outgoing interface, as RFC 6724, section 4, recommends, so
//! that rule 5 of section 5 always holds. The stack knows neither home addresses (rule 4), which
//! router advertised a prefix (rule 5.5), nor encapsulating transports (rule 7 of section 6).

use crate::address::{
    AddressClass, AddressPrefix, AddressState, InterfaceAddress, InterfaceAddresses,
};
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::net::{IpAddr, Ipv6Addr};

#[cfg(test)]
mod tests;

/// Whether a temporary address is preferred over a public one (RFC 6724, section 5, rule 7).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Privacy {
    /// Temporary addresses first.
    #[default]
    PreferTemporary,
    /// Public addresses first.
    PreferPublic,
}

/// One row of the policy table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// The addresses, IPv6 or IPv4-mapped.
    pub prefix: AddressPrefix,
    /// Destinations of higher precedence are tried first.
    pub precedence: u8,
    /// Sources go with destinations of the same label.
    pub label: u8,
}

/// The policy table (RFC 6724, section 2.1).
#[derive(Clone, Debug)]
pub struct PolicyTable {
    /// Longest prefix first; the last one matches everything.
    rows: Vec<Policy>,
}

impl Default for PolicyTable {
    /// The table of RFC 6724, section 2.1.
    fn default() -> PolicyTable {
        const fn row(segments: [u16; 8], len: u8, precedence: u8, label: u8) -> Policy {
            let [a, b, c, d, e, f, g, h] = segments;
            let address = IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h));
            let Ok(prefix) = AddressPrefix::new(address, len) else {
                unreachable!()
            };
            Policy {
                prefix,
                precedence,
                label,
            }
        }
        const ROWS: [Policy; 9] = [
            row([0, 0, 0, 0, 0, 0, 0, 1], 128, 50, 0),
            row([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, 35, 4),
            row([0; 8], 96, 1, 3),
            row([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, 5, 5),
            row([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, 30, 2),
            row([0x3ffe, 0, 0, 0, 0, 0, 0, 0], 16, 1, 12),
            row([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, 1, 11),
            row([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, 3, 13),
            row([0; 8], 0, 40, 1),
        ];
        PolicyTable {
            rows: Vec::from(ROWS),
        }
    }
}

impl PolicyTable {
    /// Adds a row, or changes the one with the same prefix. An IPv4 prefix stands for its
    /// IPv4-mapped form.
    pub fn set(&mut self, policy: Policy) {
        let p = policy.prefix;
        let prefix = match p.address() {
            IpAddr::V6(_) => p.network(),
            // Cannot fail: 32 bits at most and 96 more are 128.
            IpAddr::V4(_) => AddressPrefix::new(mapped(p.address()), p.prefix_len() + 96)
                .map_or(p, |p| p.network()),
        };
        let policy = Policy { prefix, ..policy };
        if let Some(row) = self.rows.iter_mut().find(|r| r.prefix == prefix) {
            *row = policy;
            return;
        }
        let len = prefix.prefix_len();
        let at = self.rows.partition_point(|r| r.prefix.prefix_len() >= len);
        self.rows.insert(at, policy);
    }

    /// Precedence and label of an address, in this order.
    fn of(&self, address: IpAddr) -> (u8, u8) {
        let address = mapped(address);
        let row = self.rows.iter().find(|r| r.prefix.contains(address));
        row.map_or((0, 0), |r| (r.precedence, r.label))
    }
}

/// The source address for packets to `destination` that leave by the interface that has
/// `addresses`, handed to `next_hop` (the gateway, or the destination itself). `None` when the
/// interface has no address that may go there: the send fails then.
pub fn select<'a>(
    destination: IpAddr,
    next_hop: IpAddr,
    addresses: &'a InterfaceAddresses,
    policy: &PolicyTable,
    privacy: Privacy,
) -> Option<&'a InterfaceAddress> {
    let inside = AddressClass::of(destination) == AddressClass::Loopback;
    let candidates = addresses.iter().filter(|a| {
        let address = a.prefix.address();
        address.is_ipv4() == destination.is_ipv4()
            && a.state != AddressState::Tentative
            && (inside || AddressClass::of(address) != AddressClass::Loopback)
    });
    let mut best: Option<(_, &InterfaceAddress)> = None;
    for candidate in candidates {
        let rank = match destination {
            IpAddr::V4(_) => rank_v4(candidate, destination, next_hop),
            IpAddr::V6(_) => rank_v6(candidate, destination, policy, privacy),
        };
        if best.is_none_or(|(highest, _)| rank > highest) {
            best = Some((rank, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Sorts `destinations`, the addresses of one peer, by RFC 6724, section 6; `source` is the
/// source address for each, `None` if it cannot be reached at all.
pub fn sort_destinations<'a>(
    destinations: &mut [IpAddr],
    mut source: impl FnMut(IpAddr) -> Option<&'a InterfaceAddress>,
    policy: &PolicyTable,
) {
    let mut pairs: Vec<(IpAddr, Option<&InterfaceAddress>)> =
        destinations.iter().map(|d| (*d, source(*d))).collect();
    // By insertion: rule 9 compares within a family only, so this is no total order.
    for end in 1..pairs.len() {
        for at in (1..=end).rev() {
            if compare_destinations(pairs[at - 1], pairs[at], policy) != Ordering::Greater {
                break;
            }
            pairs.swap(at - 1, at);
        }
    }
    for (slot, (sorted, _)) in destinations.iter_mut().zip(pairs) {
        *slot = sorted;
    }
}

/// How good a source is: each rule's verdict in the order of the rules, larger is better.
type Rank = [u8; 7];

/// RFC 6724, section 5.
fn rank_v6(a: &InterfaceAddress, d: IpAddr, policy: &PolicyTable, privacy: Privacy) -> Rank {
    let address = a.prefix.address();
    let (scope, wanted) = (scope(address), self::scope(d));
    [
        // Rule 1: prefer same address.
        (address == d).into(),
        // Rule 2: prefer appropriate scope: the smallest that is large enough, else the largest.
        (scope >= wanted).into(),
        if scope >= wanted { 15 - scope } else { scope },
        // Rule 3: avoid deprecated addresses.
        (a.state != AddressState::Deprecated).into(),
        // Rule 6: prefer matching label.
        (policy.of(address).1 == policy.of(d).1).into(),
        // Rule 7: prefer temporary addresses.
        (a.temporary == (privacy == Privacy::PreferTemporary)).into(),
        // Rule 8: use longest matching prefix.
        common_prefix_len(a, d),
    ]
}

/// The gateway's subnet first (RFC 1122, section 3.3.4.3), and no link-local address beyond the
/// link (RFC 3927, section 2.6).
fn rank_v4(a: &InterfaceAddress, d: IpAddr, next_hop: IpAddr) -> Rank {
    let address = a.prefix.address();
    let shares = a.prefix.contains(next_hop);
    [
        (address == d).into(),
        if shares { 1 + a.prefix.prefix_len() } else { 0 },
        (scope(address) >= scope(d)).into(),
        0,
        0,
        0,
        0,
    ]
}

/// RFC 6724, section 6: `Less` prefers `a`.
fn compare_destinations(
    (a, source_a): (IpAddr, Option<&InterfaceAddress>),
    (b, source_b): (IpAddr, Option<&InterfaceAddress>),
    policy: &PolicyTable,
) -> Ordering {
    // Rule 1: avoid unusable destinations.
    let (Some(source_a), Some(source_b)) = (source_a, source_b) else {
        return source_b.is_some().cmp(&source_a.is_some());
    };
    let verdicts = |d: IpAddr, s: &InterfaceAddress| {
        let source = s.prefix.address();
        let ((precedence, label), (_, source_label)) = (policy.of(d), policy.of(source));
        [
            // Rule 2: prefer matching scope.
            (scope(d) == scope(source)).into(),
            // Rule 3: avoid deprecated addresses.
            (s.state != AddressState::Deprecated).into(),
            // Rule 5: prefer matching label.
            (source_label == label).into(),
            // Rule 6: prefer higher precedence.
            precedence,
            // Rule 8: prefer smaller scope.
            15 - scope(d),
        ]
    };
    let by_rules = verdicts(b, source_b).cmp(&verdicts(a, source_a));
    // Rule 9: use longest matching prefix.
    by_rules.then_with(|| match a.is_ipv4() == b.is_ipv4() {
        true => common_prefix_len(source_b, b).cmp(&common_prefix_len(source_a, a)),
        false => Ordering::Equal,
    })
}

/// The scope as a multicast address has it, 0 to 15 (RFC 6724, section 3.1).
fn scope(address: IpAddr) -> u8 {
    const LINK_LOCAL: u8 = 0x2;
    const SITE_LOCAL: u8 = 0x5;
    const GLOBAL: u8 = 0xe;
    match (AddressClass::of(address), address) {
        (AddressClass::Multicast, IpAddr::V6(a)) => a.octets()[1] & 0xf,
        (AddressClass::LinkLocal | AddressClass::Loopback, _) => LINK_LOCAL,
        (_, IpAddr::V6(a)) if a.segments()[0] & 0xffc0 == 0xfec0 => SITE_LOCAL,
        _ => GLOBAL,
    }
}

/// RFC 6724, section 2.2: up to the length of the source's prefix.
fn common_prefix_len(source: &InterfaceAddress, destination: IpAddr) -> u8 {
    let common = match (source.prefix.address(), destination) {
        (IpAddr::V4(s), IpAddr::V4(d)) => (s.to_bits() ^ d.to_bits()).leading_zeros(),
        (IpAddr::V6(s), IpAddr::V6(d)) => (s.to_bits() ^ d.to_bits()).leading_zeros(),
        _ => 0,
    };
    (common as u8).min(source.prefix.prefix_len())
}

fn mapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(a) => IpAddr::V6(a.to_ipv6_mapped()),
        v6 => v6,
    }
}
