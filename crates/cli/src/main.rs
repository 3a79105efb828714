//! The `handfast` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    {
        use handfast_cli::namespace;
        match std::env::args_os().nth(1) {
            Some(hidden) if hidden == namespace::SUBCOMMAND => namespace::inside_main(),
            Some(hidden) if hidden == namespace::INIT_SUBCOMMAND => namespace::init_main(),
            Some(hidden) if hidden == namespace::EXEC_SUBCOMMAND => namespace::exec_main(),
            Some(hidden) if hidden == namespace::IDLE_SUBCOMMAND => ExitCode::SUCCESS,
            _ => handfast_cli::arguments::main(),
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        eprintln!(
            "handfast: this system is not Linux; fix: run it in a Linux machine or container"
        );
        ExitCode::FAILURE
    }
}
