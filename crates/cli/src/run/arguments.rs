//! The flags of `handfast run`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use handfast_base::Duration;

use super::impairment_arguments::ImpairmentArguments;
use super::presets::Preset;
use super::units;

/// Run a program over our TCP: any program, without root, without changing it.
///
/// The program sees a network of its own, whose other end is this process. Every TCP connection
/// that it opens ends in our stack, which opens a connection to the real destination first and
/// passes on what comes, both ways; UDP, ping and DNS are passed on too. So the link between the
/// program and us can lose, delay, limit, reorder, duplicate and corrupt packets as you wish,
/// repeatably; and every segment can be seen.
///
/// The program keeps its terminal, its standard input and output, its user, its files and its exit
/// code. What we have to say goes to standard error, after the program has ended, or to files.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  handfast run curl https://example.com
  handfast run --loss 2% --delay 20ms --ladder -- curl -s https://example.com
  handfast run --link satellite -- git clone https://example.com/repository
  handfast run --rate 10mbit --queue 1bdp --pcap out.pcapng -- npm install
  handfast run -p 8080:80 --down-loss 1% -- ./server
  handfast run --deny '*.example.com' --allow 192.0.2.0/24:443 -- ./untrusted

Exit code: the program's own; 128+n if signal n ended it; 125 if we failed or the command line is
           wrong, 126 if the program cannot be executed, 127 if it cannot be found.")]
pub struct RunArguments {
    /// The program, and what it is told; our flags end where it begins
    #[arg(
        required = true,
        trailing_var_arg = true,
        value_names = ["PROGRAM", "ARGS"],
        value_hint = clap::ValueHint::CommandWithArguments
    )]
    pub command: Vec<OsString>,

    /// A link that people know; flags below override single figures of it
    #[arg(long, value_enum, value_name = "LINK", help_heading = BOTH)]
    pub link: Option<Preset>,
    /// What shall happen to packets.
    #[command(flatten)]
    pub impairments: ImpairmentArguments,
    /// Makes every chance repeatable; drawn and printed if not given
    #[arg(long, value_name = "N", help_heading = BOTH)]
    pub seed: Option<u64>,

    /// What is said of the run.
    #[command(flatten)]
    pub report: ReportArguments,
    /// What the program may reach.
    #[command(flatten)]
    pub reach: ReachArguments,
    /// The world of the program.
    #[command(flatten)]
    pub place: PlaceArguments,
    /// Our side of each connection.
    #[command(flatten)]
    pub tcp: TcpArguments,
}

pub(super) const BOTH: &str = "Impairments, each way (units are required)";

/// What is said of the run.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Reports (a file that exists is not overwritten without --force)")]
pub struct ReportArguments {
    /// Draw connections at the end: the first ones and those with losses, or WHICH
    ///
    /// WHICH is a number of connections, all, or a destination: a name, an address, :PORT, or name
    /// or address with a port.
    #[arg(
        long,
        value_name = "WHICH",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "auto"
    )]
    pub ladder: Option<Which>,
    /// Write all packets to a capture for Wireshark
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub pcap: Option<PathBuf>,
    /// Write a report for machines
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub json: Option<PathBuf>,
    /// Write OpenMetrics to a file at the end, or serve them at ADDR:PORT meanwhile
    #[arg(long, value_name = "FILE|ADDR")]
    pub metrics: Option<MetricsTo>,
    /// Overwrite files
    #[arg(long)]
    pub force: bool,
}

/// What the program may reach.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "What the program may reach")]
pub struct ReachArguments {
    /// Allow only what a RULE names: CIDR, address, name or *.name, each with :PORT[-PORT] if need
    /// be
    #[arg(long, value_name = "RULE")]
    pub allow: Vec<String>,
    /// Deny what a RULE names; stronger than --allow
    #[arg(long, value_name = "RULE")]
    pub deny: Vec<String>,
    /// Let host.handfast.internal stand for this machine's own 127.0.0.1 and ::1
    #[arg(long)]
    pub allow_host_loopback: bool,
    /// Pass connections to a port of this machine on to the program: [ADDR:]PORT:PORT[/udp]
    #[arg(short, long, value_name = "PORTS")]
    pub publish: Vec<String>,
    /// IPv4 alone [default: both families]
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// IPv6 alone [default: both families]
    #[arg(short = '6', long)]
    pub ipv6: bool,
}

/// The world of the program.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "The program's surroundings")]
pub struct PlaceArguments {
    /// A variable of the program's environment, beside those it inherits
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = variable)]
    pub env: Vec<(OsString, OsString)>,
    /// A parameter of the program's own TCP/IP, such as net.ipv4.tcp_congestion_control=cubic
    #[arg(long, value_name = "NAME=VALUE", value_parser = sysctl)]
    pub sysctl: Vec<(String, String)>,
    /// Files to serve at http://handfast.internal/
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub serve: Option<PathBuf>,
    /// Largest IP packet, in octets [default: 65520, and 1500 with impairments]
    #[arg(long, value_name = "OCTETS", value_parser = clap::value_parser!(u32).range(576..=65_535))]
    pub mtu: Option<u32>,
    /// How the network is made
    #[arg(long, value_enum, default_value_t = Backend::Auto)]
    pub backend: Backend,
}

/// Our side of each connection.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Our side of each TCP connection")]
pub struct TcpArguments {
    /// Congestion control
    #[arg(long, value_enum, value_name = "NAME", default_value_t = Congestion::Reno)]
    pub congestion: Congestion,
    /// Let small segments wait (Nagle's algorithm) [default: they leave at once]
    #[arg(long, alias = "no-nodelay")]
    pub nagle: bool,
    /// How long an acknowledgment may wait; 0 for not at all [default: 40ms]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub delayed_ack: Option<Duration>,
    /// Octets that may wait to be sent or acknowledged [default: 4MiB]
    #[arg(long, value_name = "SIZE", value_parser = buffer)]
    pub send_buffer: Option<u32>,
    /// Octets that may wait to be read, and so our largest window [default: 4MiB]
    #[arg(long, value_name = "SIZE", value_parser = buffer)]
    pub receive_buffer: Option<u32>,
    /// Segments to begin with [default: 10]
    #[arg(long, value_name = "SEGMENTS", value_parser = clap::value_parser!(u8).range(1..))]
    pub initial_window: Option<u8>,
    /// Largest segment, in octets [default: what the MTU allows]
    #[arg(long, value_name = "OCTETS", value_parser = clap::value_parser!(u16).range(64..))]
    pub mss: Option<u16>,
    /// Do without timestamps (RFC 7323)
    #[arg(long)]
    pub no_timestamps: bool,
    /// Do without window scaling (RFC 7323): no window beyond 64 KiB
    #[arg(long)]
    pub no_window_scaling: bool,
    /// Probe connections that have been idle for so long [default: never]
    #[arg(long, value_name = "TIME", value_parser = positive)]
    pub keep_alive: Option<Duration>,
    /// Give up what stays unacknowledged for so long [default: 5min]
    #[arg(long, value_name = "TIME", value_parser = positive)]
    pub user_timeout: Option<Duration>,
    /// Lower bound of the retransmission timeout beyond the round trip [default: 200ms]
    #[arg(long, value_name = "TIME", value_parser = positive)]
    pub rto_min: Option<Duration>,
}

/// How the network of the program is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// The first of the others that works
    #[default]
    Auto,
    /// A user namespace and a TUN device: no rights needed
    UsernsTun,
    /// A user namespace and a pair of Ethernet devices: no /dev/net/tun needed
    UsernsVeth,
    /// A network namespace and a TUN device, by root
    Root,
}

/// Congestion control of our side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Congestion {
    /// NewReno (RFC 5681, RFC 6582)
    #[default]
    Reno,
}

/// Which connections are drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The first few, and a few of those with losses.
    Auto,
    /// So many, the first ones.
    First(usize),
    /// Those to a destination: its name or address, if any, and its port, if any.
    To(Option<String>, Option<u16>),
}

/// Where metrics go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricsTo {
    /// Into a file, at the end.
    File(PathBuf),
    /// To whoever asks at this address, meanwhile.
    Served(SocketAddr),
}

/// The most connections that can be drawn.
const MOST_LADDERS: usize = 1_000;

impl std::str::FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Which, String> {
        let number = || text.parse::<usize>();
        match text {
            "" => Err("write a number, all, or a destination".to_owned()),
            "auto" => Ok(Which::Auto),
            "all" => Ok(Which::First(MOST_LADDERS)),
            _ if text.bytes().all(|b| b.is_ascii_digit()) => match number() {
                Ok(n @ 1..=MOST_LADDERS) => Ok(Which::First(n)),
                _ => Err(format!("it must lie between 1 and {MOST_LADDERS}")),
            },
            _ => Ok(destination(text)?),
        }
    }
}

fn destination(text: &str) -> Result<Which, String> {
    let port = |port: &str| port.parse().map_err(|_| format!("{port} is no port"));
    let owned = |host: &str| Some(host.trim_end_matches('.').to_ascii_lowercase());
    let bare = |host: &str| host.parse::<std::net::IpAddr>().is_ok();
    if bare(text) {
        return Ok(Which::To(owned(text), None));
    }
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        let rest = rest.strip_prefix(':').map(port).transpose()?;
        return Ok(Which::To(owned(host), rest));
    }
    match text.rsplit_once(':') {
        Some(("", number)) => Ok(Which::To(None, Some(port(number)?))),
        Some((host, number)) => Ok(Which::To(owned(host), Some(port(number)?))),
        None => Ok(Which::To(owned(text), None)),
    }
}

impl std::str::FromStr for MetricsTo {
    type Err = String;

    fn from_str(text: &str) -> Result<MetricsTo, String> {
        if let Some(port) = text.strip_prefix(':').or(text.strip_prefix("localhost:")) {
            let port = port.parse().map_err(|_| format!("{port} is no port"))?;
            return Ok(MetricsTo::Served(SocketAddr::from(([127, 0, 0, 1], port))));
        }
        Ok(match text.parse() {
            Ok(address) => MetricsTo::Served(address),
            Err(_) => MetricsTo::File(PathBuf::from(text)),
        })
    }
}

/// A duration that is not zero.
fn positive(text: &str) -> Result<Duration, String> {
    match units::duration(text)? {
        Duration::ZERO => Err("it must be longer than nothing".to_owned()),
        duration => Ok(duration),
    }
}

/// Octets of a buffer: at least one, at most 1 GiB.
fn buffer(text: &str) -> Result<u32, String> {
    match u32::try_from(units::octets(text)?) {
        Ok(octets @ 1..) => Ok(octets),
        _ => Err("it must hold at least 1B".to_owned()),
    }
}

fn variable(text: &str) -> Result<(OsString, OsString), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !text.contains('\0') => {
            Ok((name.into(), value.into()))
        }
        _ => Err("write it like NAME=VALUE".to_owned()),
    }
}

/// Path below `/proc/sys/net` and value.
fn sysctl(text: &str) -> Result<(String, String), String> {
    const HOW: &str = "write it like net.ipv4.tcp_sack=0";
    let (name, value) = text.split_once('=').ok_or(HOW)?;
    let path = name.replace('.', "/");
    let path = path.strip_prefix("net/").ok_or(HOW)?;
    let fair = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let is_name = |part: &str| !part.is_empty() && part.chars().all(fair);
    match path.split('/').all(is_name) {
        true => Ok((path.to_owned(), value.trim().to_owned())),
        false => Err(HOW.to_owned()),
    }
}
