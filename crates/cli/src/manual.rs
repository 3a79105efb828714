//! `handfast man`: manual pages, made from what `--help` says.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command};
use clap_mangen::Man;

use crate::arguments;

/// Write the manual pages.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  handfast man | man -l -                            the page of handfast itself
  handfast man ~/.local/share/man/man1               all pages, for man handfast-run and others")]
pub struct ManArguments {
    /// Directory for all pages, made if absent [default: handfast(1) to standard output]
    #[arg(value_hint = clap::ValueHint::DirPath)]
    pub directory: Option<PathBuf>,
    /// Overwrite pages that are there
    #[arg(long)]
    pub force: bool,
}

/// A manual page.
pub struct Page {
    /// Name of its file, such as `handfast-run.1`.
    pub name: String,
    /// Its text, for troff.
    pub text: Vec<u8>,
}

/// Writes the pages to where they are asked for.
pub fn write(arguments: &ManArguments) -> ExitCode {
    let outcome = pages().and_then(|pages| match &arguments.directory {
        Some(directory) => into(directory, &pages, arguments.force),
        None => {
            let mut out = io::stdout();
            let first = pages.first().map_or(&[][..], |page| &page.text);
            out.write_all(first).and_then(|()| out.flush())
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("handfast: cannot write the manual pages: {e}");
            ExitCode::FAILURE
        }
    }
}

/// The page of the command, and one of each subcommand.
///
/// # Errors
/// None but those of writing to memory.
pub fn pages() -> io::Result<Vec<Page>> {
    let mut command = arguments::command();
    // Gives each subcommand the flags that hold for all, and its name with that of the command.
    command.build();
    let page = |command: &Command| {
        let name = command.get_display_name().unwrap_or(command.get_name());
        let title = name.to_uppercase();
        let mut text = Vec::new();
        let man = Man::new(command.clone()).title(title).section("1");
        man.render(&mut text)?;
        Ok(Page {
            name: format!("{name}.1"),
            text,
        })
    };
    let subcommands = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    std::iter::once(&command)
        .chain(subcommands)
        .map(page)
        .collect()
}

fn into(directory: &Path, pages: &[Page], overwrite: bool) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for Page { name, text } in pages {
        let path = directory.join(name);
        let file = match overwrite {
            true => File::create(&path),
            false => File::create_new(&path),
        };
        let written = file.and_then(|mut file| file.write_all(text));
        written.map_err(|e| {
            let fix = match e.kind() {
                io::ErrorKind::AlreadyExists => "; fix: add --force to overwrite it",
                _ => "",
            };
            io::Error::new(e.kind(), format!("{}: {e}{fix}", path.display()))
        })?;
    }
    Ok(())
}
