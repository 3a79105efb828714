//! `handfast completions`: scripts by which shells complete our command line.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;

use crate::arguments;

/// Print a script by which a shell completes this command line.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  handfast completions bash > ~/.local/share/bash-completion/completions/handfast
  handfast completions zsh > ~/.zfunc/_handfast      with ~/.zfunc in fpath, before compinit
  handfast completions fish > ~/.config/fish/completions/handfast.fish")]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Writes the script for a shell to standard output.
pub fn print(arguments: &CompletionsArguments) -> ExitCode {
    let script = script(arguments.shell);
    let mut out = io::stdout();
    let written = out.write_all(&script).and_then(|()| out.flush());
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("handfast: cannot write the script: {e}");
            ExitCode::FAILURE
        }
    }
}

/// The script for a shell.
pub fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut arguments::command(), "handfast", &mut script);
    script
}
