//! The `handfast` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    if std::env::args_os()
        .nth(1)
        .is_some_and(|a| a == handfast_cli::namespace::SUBCOMMAND)
    {
        return handfast_cli::namespace::inside_main();
    }
    ExitCode::SUCCESS
}
