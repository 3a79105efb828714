//! The flags of `handfast run`.
#![expect(
    rustdoc::bare_urls,
    rustdoc::broken_intra_doc_links,
    reason = "what is documented here is also the text of --help, which knows no markup"
)]

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use handfast_base::Duration;
use handfast_relay::{Outbound, Publish, Rule};

pub use super::argument_values::{MetricsTo, Which};
use super::argument_values::{buffer, positive, sysctl, variable};
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
    /// Write what our side of each connection decided, and why
    ///
    /// A line a decision: why each segment left, what held back those that did not, what counts as
    /// lost and since when, and what that made of the windows and timers, before and after.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub decisions: Option<PathBuf>,
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
    pub allow: Vec<Rule>,
    /// Deny what a RULE names; stronger than --allow
    #[arg(long, value_name = "RULE")]
    pub deny: Vec<Rule>,
    /// Let host.handfast.internal stand for this machine's own 127.0.0.1 and ::1
    #[arg(long)]
    pub allow_host_loopback: bool,
    /// Pass connections to a port of this machine on to the program: [ADDR:]PORT:PORT[/udp]
    #[arg(short, long, value_name = "PORTS")]
    pub publish: Vec<Publish>,
    /// Reach everything through a SOCKS5 proxy; UDP and ping do not pass it
    #[arg(long, value_name = "[USER:PASSWORD@]ADDRESS:PORT")]
    pub socks5: Option<Outbound>,
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
    /// Files to serve at http://handfast.internal/files/
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
    #[arg(long, value_enum, value_name = "NAME", default_value_t = Congestion::Cubic)]
    pub congestion: Congestion,
    /// How far explicit congestion notification is used
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Ecn::Passive)]
    pub ecn: Ecn,
    /// When larger packets are tried to find the path's MTU (RFC 4821)
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = MtuProbing::BlackHole)]
    pub mtu_probing: MtuProbing,
    /// Let small segments wait (Nagle's algorithm) [default: they leave at once]
    #[arg(long, alias = "no-nodelay")]
    pub nagle: bool,
    /// How long an acknowledgment may wait; 0 for not at all [default: 40ms]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub delayed_ack: Option<Duration>,
    /// Octets that may wait to be sent or acknowledged [default: auto]
    #[arg(long, value_name = "SIZE", value_parser = buffer)]
    pub send_buffer: Option<u32>,
    /// Octets that may wait to be read, and so our largest window [default: auto]
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
    /// CUBIC with HyStart++ (RFC 9438, RFC 9406)
    #[default]
    Cubic,
    /// Reno with HyStart++ (RFC 5681, RFC 6582, RFC 9406)
    Reno,
    /// CUBIC, paced
    CubicPaced,
    /// BBR, version 3 (draft-ietf-ccwg-bbr)
    Bbr,
    /// Data center TCP (RFC 8257): answers how much was marked, and needs ECN
    Dctcp,
}

/// How far our side uses explicit congestion notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Ecn {
    /// Never
    Off,
    /// When the program's side asks for it
    #[default]
    Passive,
    /// Asks for it, too (RFC 3168)
    On,
    /// Asks for accurate feedback, and grants it (RFC 9768)
    Accurate,
}

/// When our side tries larger packets than are known to arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum MtuProbing {
    /// Never: only routers tell what the path carries
    Off,
    /// After large packets have vanished without a word
    #[default]
    BlackHole,
    /// From the beginning, which is small
    Always,
}
