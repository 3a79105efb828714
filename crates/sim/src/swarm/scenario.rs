use crate::LinkConfig;
use crate::transfer::Transfer;
use handfast::Config;
use handfast::base::{Duration, Instant};
use handfast::link::impaired::Impairment;
use handfast::stack::SynCookies;
use std::fmt;

/// A network, what goes wrong in it, and who talks to whom. Made by [`Scenario::random`], or by
/// hand.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The seed of the simulation.
    pub seed: u64,
    /// IPv6 instead of IPv4.
    pub is_v6: bool,
    /// Two hosts, or three that are joined each to each.
    pub hosts: usize,
    /// What each stack may hold, in octets.
    pub memory: usize,
    /// Between the hosts: 0 and 1, then 0 and 2, 1 and 2.
    pub links: Vec<LinkConfig>,
    /// When which link goes down, and for how long; `None`: for good.
    pub outages: Vec<Outage>,
    /// When which link can carry less than before.
    pub shrinkings: Vec<Shrinking>,
    /// Who talks to whom.
    pub connections: Vec<Plan>,
}

/// A link that goes down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outage {
    /// The link, by its index in [`Scenario::links`].
    pub link: usize,
    /// When.
    pub at: Instant,
    /// For how long; `None`: for good.
    pub time: Option<Duration>,
}

/// A link whose MTU is set to another, at both of its ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shrinking {
    /// The link, by its index in [`Scenario::links`].
    pub link: usize,
    /// When.
    pub at: Instant,
    /// The MTU from then on, in octets.
    pub mtu: u32,
}

/// A connection to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The host that connects.
    pub client: usize,
    /// The host that listens.
    pub server: usize,
    /// When the client connects.
    pub at: Instant,
    /// The server connects, too, at the same time: nobody listens (RFC 9293, section 3.5).
    pub is_simultaneous: bool,
    /// Whether what the client says first may ride on its SYN (RFC 7413).
    pub fast_open: bool,
    /// When the listener answers without keeping anything.
    pub syn_cookies: SynCookies,
    /// How many connections may wait at the listener.
    pub backlog: usize,
    /// How long the server leaves the connection waiting before it accepts.
    pub accept_after: Duration,
    /// The client's options.
    pub client_config: Config,
    /// The server's options.
    pub server_config: Config,
    /// What is sent.
    pub transfer: Transfer,
}

impl Scenario {
    /// The network of these two hosts as indexes into [`links`](Scenario::links).
    pub(super) fn link_between(a: usize, b: usize) -> usize {
        match (a.min(b), a.max(b)) {
            (0, 1) => 0,
            (0, 2) => 1,
            _ => 2,
        }
    }

    /// Whether the link of this connection is cut for good.
    pub(super) fn is_cut(&self, plan: &Plan) -> bool {
        let link = Scenario::link_between(plan.client, plan.server);
        let mut outages = self.outages.iter();
        outages.any(|outage| outage.link == link && outage.time.is_none())
    }

    /// Whether anything of this connection can be lost on its link.
    pub(super) fn may_lose(&self, plan: &Plan) -> bool {
        let link = Scenario::link_between(plan.client, plan.server);
        let loses =
            |i: &Impairment| i.loss > 0.0 || i.corrupt > 0.0 || i.rate.is_some() || i.hop.is_some();
        let LinkConfig { up, down, .. } = &self.links[link];
        loses(up) || loses(down) || self.outages.iter().any(|outage| outage.link == link)
    }

    /// Whether memory may be refused to somebody who needs it.
    pub(super) fn is_memory_short(&self) -> bool {
        let wanted =
            |c: &Config| c.send_buffer.most() as usize + 2 * c.receive_buffer.most() as usize;
        let all = self.connections.iter();
        let all: usize = all
            .map(|p| wanted(&p.client_config) + wanted(&p.server_config) + 10_000)
            .sum();
        all > self.memory / 8 * 7
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.is_v6 { "IPv6" } else { "IPv4" };
        writeln!(
            f,
            "seed {}: {} hosts, {family}, {} octets of memory each",
            self.seed, self.hosts, self.memory
        )?;
        for (n, link) in self.links.iter().enumerate() {
            let LinkConfig {
                mtu, gso, checksum, ..
            } = link;
            writeln!(
                f,
                "  link {n}: mtu {mtu}, gso {gso}, checksum offload {checksum}"
            )?;
            for (way, impairment) in [("up", link.up), ("down", link.down)] {
                writeln!(f, "    {way}: {}", Impaired(&impairment))?;
            }
        }
        for outage in &self.outages {
            writeln!(f, "  {outage:?}")?;
        }
        for shrinking in &self.shrinkings {
            writeln!(f, "  {shrinking:?}")?;
        }
        for (n, plan) in self.connections.iter().enumerate() {
            let t = &plan.transfer;
            writeln!(
                f,
                "  connection {n}: host {} to {} at {:?}, {} octets up, {} down, {}, fast open {}, \
                 cookies {:?}, backlog {}",
                plan.client,
                plan.server,
                plan.at,
                t.up,
                t.down,
                match plan.is_simultaneous {
                    true => "opened by both".to_owned(),
                    false => format!("accepted after {:?}", plan.accept_after),
                },
                plan.fast_open,
                plan.syn_cookies,
                plan.backlog
            )?;
            for (who, manners, config) in [
                ("client", &t.client, &plan.client_config),
                ("server", &t.server, &plan.server_config),
            ] {
                writeln!(f, "    {who}: {manners:?}\n      {config:?}")?;
            }
        }
        Ok(())
    }
}

/// An impairment in a few words.
struct Impaired<'a>(&'a Impairment);

impl fmt::Display for Impaired<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let i = self.0;
        write!(f, "delay {:?}±{:?}", i.delay, i.jitter)?;
        if let Some(rate) = &i.rate {
            write!(f, ", {} bit/s with {:?}", rate.bits_per_second, rate.queue)?;
        }
        for (what, p) in [
            ("loss", i.loss),
            ("reorder", i.reorder),
            ("duplicate", i.duplicate),
            ("corrupt", i.corrupt),
        ] {
            if p > 0.0 {
                write!(f, ", {what} {:.2} %", p * 100.0)?;
            }
        }
        if let Some(hop) = &i.hop {
            let tells = if hop.tells { "told" } else { "in silence" };
            write!(f, ", more than {} octets lost {tells}", hop.mtu)?;
        }
        if i.loss > 0.0 && i.burst > 1.0 {
            write!(f, " in bursts of {:.1}", i.burst)?;
        }
        if i.reorder > 0.0 {
            write!(f, " ({:?})", i.reordering)?;
        }
        Ok(())
    }
}
