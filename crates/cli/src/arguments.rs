//! The command line.

mod demo;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::completions::{self, CompletionsArguments};
use crate::doctor::{self, DoctorArguments};
use crate::manual::{self, ManArguments};
use crate::run::arguments::RunArguments;
use crate::terminal::{Detail, Style, Terminal};
pub use demo::{Backend, DemoArguments};

/// A complete TCP/IP stack in user space: run programs over it, watch it, measure it.
#[derive(Debug, Parser)]
#[command(
    name = "handfast",
    version,
    max_term_width = 100,
    subcommand_help_heading = "What it can do",
    disable_help_subcommand = true,
    after_help = "\
Start here:
  handfast demo                        two TCP stacks talk, and you see every segment; takes seconds
  handfast run curl https://example.com          any program over our TCP, without root
  handfast run --loss 2% --ladder -- PROGRAM     and what loss does to it
  handfast run --help                            all it can be told

Exit codes: 0 all is well, 1 something failed and was said, 2 a wrong command line,
            130 interrupted (128 + the signal's number). handfast run has its program's."
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

impl Output {
    fn detail(&self) -> Detail {
        match self {
            Output { quiet: true, .. } => Detail::Quiet,
            Output { verbose: true, .. } => Detail::Verbose,
            _ => Detail::Normal,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<RunArguments>),
    Demo(DemoArguments),
    Serve(crate::serve::ServeArguments),
    Proxy(crate::proxy::ProxyArguments),
    Doctor(DoctorArguments),
    Completions(CompletionsArguments),
    Man(ManArguments),
}

/// The whole command line as clap knows it, for completions and manual pages.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// The whole command.
pub fn main() -> ExitCode {
    let given: Vec<OsString> = std::env::args_os().collect();
    let arguments = match Arguments::try_parse_from(&given) {
        Ok(arguments) => arguments,
        Err(e) => {
            // Nobody is left to tell if not even this can be written.
            let _ = e.print();
            return match e.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(wrong_command_line(&given)),
            };
        }
    };
    let (detail, ascii) = (arguments.output.detail(), arguments.output.ascii);
    let output = || Terminal::standard_output(Style::of_standard_output(ascii), detail);
    match arguments.command {
        Some(Command::Run(run)) => crate::run::main(&run, detail, ascii),
        Some(Command::Demo(demo)) => crate::demo::run(&demo, output()),
        Some(Command::Serve(serve)) => crate::serve::run(&serve, output()),
        Some(Command::Proxy(proxy)) => crate::proxy::run(&proxy, output()),
        Some(Command::Doctor(doctor)) => doctor::run(&doctor, output()),
        Some(Command::Completions(of)) => completions::print(&of),
        Some(Command::Man(of)) => manual::write(&of),
        None => match Arguments::command().print_help() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
    }
}

/// The exit code of a command line that is wrong. Where a program's own exit code is expected, 2
/// could be the program's, and 125 is ours.
fn wrong_command_line(given: &[OsString]) -> u8 {
    let subcommand = given.iter().skip(1).find(|argument| {
        let first = argument.as_encoded_bytes().first();
        first != Some(&b'-')
    });
    match subcommand {
        Some(name) if name == "run" => 125,
        _ => 2,
    }
}
