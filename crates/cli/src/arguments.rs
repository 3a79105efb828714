//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::terminal::{Detail, Style, Terminal};
use crate::{demo, size};

/// A complete TCP/IP stack in user space: run it, watch it, measure it.
#[derive(Debug, Parser)]
#[command(
    name = "handfast",
    version,
    max_term_width = 100,
    subcommand_help_heading = "What it can do",
    disable_help_subcommand = true,
    after_help = "\
Start here:
  handfast demo          two TCP stacks talk, and you see every segment; takes seconds
  handfast demo --help   what it does, and what it can be told

Exit codes: 0 all is well, 1 something failed and was said, 2 a wrong command line,
            130 interrupted (128 + the signal's number)."
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    output: Output,
}

/// How much is said, and how it is drawn.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
struct Output {
    /// Also show what the report leaves out, such as discarded packets with the reason
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Draw with ASCII alone; colours go by terminal and NO_COLOR
    #[arg(long, global = true)]
    ascii: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(DemoArguments),
    Serve(crate::serve::ServeArguments),
}

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

/// The whole command.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let style = Style::of_standard_output(arguments.output.ascii);
    let detail = match arguments.output {
        Output { quiet: true, .. } => Detail::Quiet,
        Output { verbose: true, .. } => Detail::Verbose,
        _ => Detail::Normal,
    };
    let terminal = Terminal::standard_output(style, detail);
    match arguments.command {
        Some(Command::Demo(demo)) => demo::run(&demo, terminal),
        Some(Command::Serve(serve)) => crate::serve::run(&serve, terminal),
        None => match Arguments::command().print_help() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_fits_its_width() {
        let mut command = Arguments::command();
        let demo = command.find_subcommand_mut("demo").expect("it exists");
        for text in [demo.render_long_help(), Arguments::command().render_help()] {
            let text = text.to_string();
            assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
        }
    }
}
