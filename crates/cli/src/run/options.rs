//! What a run is to be, as plain data.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use handfast::{Buffer, Config, KeepAlive};
use handfast_link::Link;
use handfast_link::impaired::{Impaired, Impairment};
use handfast_relay::{Outbound, Publish, Rule};

use super::arguments::{
    Backend, Congestion, Ecn, MetricsTo, MtuProbing, RunArguments, TcpArguments, Which,
};
use crate::netlink::Family;
use crate::terminal::Detail;

/// MTU where nothing is impaired: large packets are cheap.
const UNIMPAIRED_MTU: u32 = 65_520;
/// MTU where something is: that of the networks that impair.
const IMPAIRED_MTU: u32 = 1_500;
/// The least MTU of IPv6 (RFC 8200, section 5).
const LEAST_IPV6_MTU: u32 = 1_280;

/// What a run is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program and its arguments; never empty.
    pub command: Vec<OsString>,
    /// Variables that the program's environment has beside those of ours.
    pub environment: Vec<(OsString, OsString)>,
    /// The families of addresses that the program has.
    pub families: Vec<Family>,
    /// From the program to us.
    pub up: Impairment,
    /// From us to the program.
    pub down: Impairment,
    /// Decides every chance.
    pub seed: u64,
    /// Largest IP packet, in octets.
    pub mtu: u32,
    /// Our side of each connection.
    pub tcp: Arc<Config>,
    /// Parameters of the program's side: path below `/proc/sys/net` and value.
    pub sysctls: Vec<(String, String)>,
    /// How the network is made.
    pub backend: Backend,
    /// Rules of what alone may be reached, if there are any.
    pub allow: Vec<Rule>,
    /// Rules of what may not be reached.
    pub deny: Vec<Rule>,
    /// Whether the program may reach this machine's own loopback.
    pub allow_host_loopback: bool,
    /// Ports of this machine that lead to the program.
    pub publish: Vec<Publish>,
    /// By which way connections leave this machine.
    pub outbound: Outbound,
    /// Files to serve at `http://handfast.internal/files/`.
    pub serve: Option<PathBuf>,
    /// What is said of it.
    pub report: ReportOptions,
}

/// What is said of a run, and where.
#[derive(Clone, Debug)]
pub struct ReportOptions {
    /// How much of it on standard error.
    pub detail: Detail,
    /// Only ASCII.
    pub ascii: bool,
    /// The connections that are drawn, if any.
    pub ladder: Option<Which>,
    /// The capture.
    pub pcap: Option<PathBuf>,
    /// What our side decided, and why.
    pub decisions: Option<PathBuf>,
    /// The report for machines.
    pub json: Option<PathBuf>,
    /// The metrics.
    pub metrics: Option<MetricsTo>,
    /// Whether files may be overwritten.
    pub force: bool,
}

impl Options {
    /// What these arguments ask for. `seed` is taken where they name none.
    ///
    /// # Errors
    /// What does not fit together, in one line with a fix.
    pub fn new(
        arguments: &RunArguments,
        detail: Detail,
        ascii: bool,
        seed: u64,
    ) -> Result<Options, String> {
        let preset = arguments.link.map(|link| link.quantities());
        let (up, down) = arguments
            .impairments
            .impairments(preset.unwrap_or_default())?;
        let (reach, place, report) = (&arguments.reach, &arguments.place, &arguments.report);
        let families = match (reach.ipv4, reach.ipv6) {
            (true, false) => vec![Family::V4],
            (false, true) => vec![Family::V6],
            _ => vec![Family::V4, Family::V6],
        };
        let mtu = place
            .mtu
            .unwrap_or(match up.is_active() || down.is_active() {
                true => IMPAIRED_MTU,
                false => UNIMPAIRED_MTU,
            });
        if mtu < LEAST_IPV6_MTU && families.contains(&Family::V6) {
            return Err(format!(
                "IPv6 needs an MTU of {LEAST_IPV6_MTU} octets at least; fix: add -4, or --mtu \
                 {LEAST_IPV6_MTU}"
            ));
        }
        for hop in [up.hop, down.hop].into_iter().flatten() {
            if hop.mtu >= mtu {
                return Err(format!(
                    "a hop of {} octets carries all that the link does, whose MTU is {mtu}; fix: \
                     --hop-mtu {LEAST_IPV6_MTU}, or a larger --mtu",
                    hop.mtu
                ));
            }
            if hop.mtu < LEAST_IPV6_MTU && families.contains(&Family::V6) {
                return Err(format!(
                    "IPv6 knows no hop below {LEAST_IPV6_MTU} octets; fix: add -4, or --hop-mtu \
                     {LEAST_IPV6_MTU}"
                ));
            }
        }
        let metrics = match &report.metrics {
            Some(MetricsTo::File(path)) => Some(path),
            _ => None,
        };
        let files = [
            report.pcap.as_ref(),
            report.decisions.as_ref(),
            report.json.as_ref(),
            metrics,
        ];
        for file in files.into_iter().flatten() {
            if file.as_os_str() == "-" {
                return Err(
                    "standard output is the program's; fix: name a file, or /dev/stderr".to_owned(),
                );
            }
        }
        Ok(Options {
            command: arguments.command.clone(),
            environment: place.env.clone(),
            families,
            up,
            down,
            seed: arguments.seed.unwrap_or(seed),
            mtu,
            tcp: Arc::new(config(&arguments.tcp)),
            sysctls: place.sysctl.clone(),
            backend: place.backend,
            allow: reach.allow.clone(),
            deny: reach.deny.clone(),
            allow_host_loopback: reach.allow_host_loopback,
            publish: reach.publish.clone(),
            outbound: reach.socks5.clone().unwrap_or_default(),
            serve: place.serve.clone(),
            report: ReportOptions {
                detail,
                ascii,
                ladder: report.ladder.clone(),
                pcap: report.pcap.clone(),
                decisions: report.decisions.clone(),
                json: report.json.clone(),
                metrics: report.metrics.clone(),
                force: report.force,
            },
        })
    }

    /// Whether anything happens to packets.
    pub fn is_impaired(&self) -> bool {
        self.up.is_active() || self.down.is_active()
    }

    /// Whether a bottleneck marks what waits too long.
    pub fn marks(&self) -> bool {
        [self.up, self.down]
            .iter()
            .any(|way| way.ecn_mark.is_some())
    }

    /// Whether something needs every packet.
    pub fn needs_packets(&self) -> bool {
        self.report.ladder.is_some() || self.report.pcap.is_some() || self.report.json.is_some()
    }

    /// `link`, behind which the program is, behind the impairments.
    pub fn impair<L: Link>(&self, link: L) -> Impaired<L> {
        // What the program sends up, we receive.
        Impaired::new(link, self.down, self.up, self.seed)
    }
}

/// Our side of each connection.
fn config(arguments: &TcpArguments) -> Config {
    let default = Config {
        // What is relayed has been waited for once already.
        nodelay: !arguments.nagle,
        timestamps: !arguments.no_timestamps,
        window_scaling: !arguments.no_window_scaling,
        mss: arguments.mss,
        user_timeout: arguments.user_timeout,
        keep_alive: arguments.keep_alive.map(|idle| KeepAlive {
            idle,
            ..KeepAlive::default()
        }),
        congestion: match arguments.congestion {
            Congestion::Cubic => handfast::congestion::Congestion::CUBIC,
            Congestion::Reno => handfast::congestion::Congestion::RENO,
            Congestion::CubicPaced => handfast::congestion::Congestion::CUBIC_PACED,
            Congestion::Bbr => handfast::congestion::Congestion::BBR,
            Congestion::Dctcp => handfast::congestion::Congestion::DCTCP,
        },
        ecn: match arguments.ecn {
            Ecn::Off => handfast::Ecn::Off,
            Ecn::Passive => handfast::Ecn::Passive,
            Ecn::On => handfast::Ecn::On,
            Ecn::Accurate => handfast::Ecn::Accurate,
        },
        mtu_probing: match arguments.mtu_probing {
            MtuProbing::Off => handfast::MtuProbing::Off,
            MtuProbing::BlackHole => handfast::MtuProbing::BlackHole,
            MtuProbing::Always => handfast::MtuProbing::Always,
        },
        ..Config::default()
    };
    Config {
        delayed_ack: arguments.delayed_ack.unwrap_or(default.delayed_ack),
        send_buffer: arguments
            .send_buffer
            .map_or(default.send_buffer, Buffer::Fixed),
        receive_buffer: arguments
            .receive_buffer
            .map_or(default.receive_buffer, Buffer::Fixed),
        initial_window: arguments.initial_window.unwrap_or(default.initial_window),
        rto_min: arguments.rto_min.unwrap_or(default.rto_min),
        ..default
    }
}
