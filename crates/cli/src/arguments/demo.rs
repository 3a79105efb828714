//! The flags of `handfast demo`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::size;

/// Let this stack and the kernel's own TCP talk HTTP to each other, and show every segment.
///
/// The kernel's TCP runs in a network namespace of its own, behind a TUN interface whose other end
/// this process holds. No root is needed for that where the machine allows it; nothing outside the
/// namespace is touched, and nothing is left of it. Where it is not allowed, two stacks of this
/// program talk to each other over a link in memory instead.
///
/// You see the ladder of a connection each way (handshake, request, answer, close, TIME-WAIT) with
/// the states of both ends, then downloads and uploads over IPv4 and IPv6, each checked with
/// SHA-256, and how fast they went. The connections of the ladders are also in a capture file for
/// Wireshark.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  handfast demo                              everything, in seconds
  handfast demo --size 1GiB --ipv4           a longer look at throughput, over IPv4 alone
  handfast demo --out . && wireshark handfast-demo.pcapng
  handfast demo --backend memory             without the kernel: two of our own stacks
  handfast demo -v --ascii > report.txt      for a mail, with discarded packets if there are any")]
pub struct DemoArguments {
    /// IPv4 alone [default: both families]
    #[arg(short = '4', long)]
    pub ipv4: bool,
    /// IPv6 alone [default: both families]
    #[arg(short = '6', long)]
    pub ipv6: bool,
    /// Octets of each download and upload: a number with B, kB, MB, GB, KiB, MiB or GiB
    #[arg(short, long, default_value = "64MiB", value_parser = size::parse, value_name = "SIZE")]
    pub size: u64,
    /// Directory for the capture, made if absent; a file that exists is never overwritten
    /// [default: the system's for temporary files]
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// What stands at the other end
    #[arg(short, long, value_enum, default_value_t = Backend::Auto)]
    pub backend: Backend,
}

/// What stands at the other end of the demo's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// The kernel where possible, else a second stack of our own
    Auto,
    /// The kernel's TCP, over a TUN in a network namespace
    Tun,
    /// A second stack of our own, over a link in memory
    Memory,
}
