//! The `handfast` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    {
        let worker = std::env::args_os().nth(1);
        if worker.is_some_and(|a| a == handfast_cli::namespace::SUBCOMMAND) {
            return handfast_cli::namespace::inside_main();
        }
        handfast_cli::arguments::main()
    }
    #[cfg(not(target_os = "linux"))]
    {
        eprintln!(
            "handfast: this system is not Linux; fix: run it in a Linux machine or container"
        );
        ExitCode::FAILURE
    }
}
