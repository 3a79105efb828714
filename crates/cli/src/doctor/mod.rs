//! `handfast doctor`: what `handfast run` can use on this machine, and what stands in its way.

mod report;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::Args;

use crate::namespace::{Backend, NamespaceConfig, Supervision, examine};
use crate::terminal::Terminal;
use report::Report;

/// Try every step of `handfast run` on this machine; say which fail, why, and what to do about it.
///
/// Each step is taken for real, by a process of its own in a network namespace of its own, which are
/// gone when it has answered. Nothing else on the machine is touched, and nothing is sent.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Exit codes: 0 `handfast run` works here, 1 it does not.

Examples:
  handfast doctor                    a table of the steps
  handfast doctor --json | jq .uses  the backend that `handfast run` uses")]
pub struct DoctorArguments {
    /// Say it as JSON
    #[arg(long)]
    pub json: bool,
}

/// The whole subcommand.
pub fn run(arguments: &DoctorArguments, mut terminal: Terminal) -> ExitCode {
    let config = config();
    let candidates = Backend::candidates().into_iter();
    let report = Report::of(
        candidates
            .map(|backend| examine(&config, backend))
            .collect(),
    );
    match arguments.json {
        true => terminal.line(&report.json()),
        false => report.draw(&mut terminal),
    }
    match (terminal.take_error(), report.uses()) {
        (None, Some(_)) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// What `handfast run` asks for, with addresses of the documentation.
fn config() -> NamespaceConfig {
    NamespaceConfig {
        mtu: 65_520,
        resolv_conf: Some("nameserver 192.0.2.2\n".to_owned()),
        ping_group: Some(rustix::process::getegid().as_raw()),
        supervision: Supervision::PidNamespace,
        ..NamespaceConfig::default()
    }
}
