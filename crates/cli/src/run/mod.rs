//! `handfast run`: any program over our TCP.

mod addresses;
mod argument_values;
pub mod arguments;
pub mod decisions;
pub mod impairment_arguments;
pub mod ledger;
pub mod metrics;
pub mod options;
pub mod output_file;
pub mod presets;
pub mod recording;
mod reporter;
pub mod summary;
pub mod units;
mod world;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::ExitCode;

use arguments::RunArguments;
use ledger::Ledger;
use options::Options;
use recording::Recording;
use summary::{Ended, Outcome};
use world::World;

use crate::namespace::{Identity, Program, Signals, StartError, Status};
use crate::terminal::{Detail, Style, Terminal};

/// The exit code of what is our fault, or that of who called us.
pub const OURS: u8 = 125;

/// The whole of `handfast run`.
pub fn main(arguments: &RunArguments, detail: Detail, ascii: bool) -> ExitCode {
    // The standard library's keys of hash tables are random, and need no more than itself.
    let seed = RandomState::new().build_hasher().finish();
    let outcome = Options::new(arguments, detail, ascii, seed).and_then(|options| {
        let mut terminal = Terminal::standard_error(Style::of_standard_error(ascii), detail);
        run(&options, &mut terminal)
    });
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            eprintln!("handfast: {e}");
            ExitCode::from(OURS)
        }
    }
}

/// Runs the program; returns the exit code.
///
/// # Errors
/// Why it was not run, in one line with a fix.
fn run(options: &Options, terminal: &mut Terminal) -> Result<u8, String> {
    // Before any thread is there, so that none takes them.
    let signals = Signals::hold().map_err(|e| format!("cannot wait for signals: {e}"))?;
    let mut recording = Recording::new(options)?;
    // Before our own limits are raised: the program inherits those it would have had.
    let resolv_conf = world::resolv_conf()?;
    let mut namespace = world::namespace(options, &resolv_conf)?;
    handfast_relay::raise_descriptor_limit()
        .map_err(|e| format!("cannot raise the limit of descriptors: {e}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| format!("cannot start threads: {e}"))?;
    let ledger = Ledger::new();
    let world = World::start(
        options,
        &mut namespace,
        &resolv_conf,
        &mut recording,
        &ledger,
    );
    let world = runtime.block_on(world)?;
    if let Some(address) = world.metrics_address() {
        terminal.line(&format!("handfast: metrics at http://{address}/metrics"));
    }
    let program = Program {
        argv: options.command.clone(),
        env: options.environment.clone(),
        identity: Identity::of_sudo_caller().filter(|_| namespace.backend().by_root()),
    };
    let running = namespace.start(&program, Some(signals));
    let exit = running.as_ref().map(|running| running.wait());
    let interrupted = || running.as_ref().is_ok_and(|r| r.interrupted().is_some());
    let stack = runtime.block_on(world.close(interrupted));
    runtime.shutdown_background();
    let (ended, code, left_behind) = match exit {
        Ok(exit) => {
            let ended = match exit.status {
                Status::Code(code) => Ended::Code(code),
                Status::Signal(signal) => Ended::Signal(signal),
                _ => Ended::Signal(9),
            };
            (ended, exit.code(), exit.left_behind)
        }
        Err(e) => {
            if !matches!(e, StartError::Interrupted(_)) {
                eprintln!("handfast: {e}");
            }
            return Ok(e.exit_code());
        }
    };
    let outcome = Outcome {
        ended,
        lasted: ledger.elapsed(),
        backend: namespace.backend().to_string(),
        left_behind: left_behind as usize,
    };
    drop(namespace);
    let faults = summary::conclude(options, &outcome, &ledger, recording, &stack, terminal);
    for fault in &faults {
        eprintln!("handfast: {fault}");
    }
    Ok(match faults.is_empty() {
        true => code,
        false => OURS,
    })
}
