//! What the command line says of itself: help, short and long, at a fixed width; completions;
//! manual pages. The snapshots are the contract; `INSTA_UPDATE=always` writes them anew.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Command, Output};

use clap_complete::Shell;
use handfast_cli::{arguments, completions, manual};

/// Columns.
const WIDTH: usize = 100;

fn command() -> clap::Command {
    let mut command = arguments::command().term_width(WIDTH);
    command.build();
    command
}

/// Every command with its name as it is typed, the one without a subcommand first.
fn commands() -> Vec<(String, clap::Command)> {
    let command = command();
    let subcommands = command.get_subcommands().cloned();
    let named = subcommands.map(|sub| (format!("handfast {}", sub.get_name()), sub));
    std::iter::once(("handfast".to_owned(), command.clone()))
        .chain(named)
        .collect()
}

#[test]
fn help_is_as_it_was() {
    for (name, command) in commands() {
        let command = command.term_width(WIDTH);
        let (short, long) = (
            command.clone().render_help(),
            command.clone().render_long_help(),
        );
        for (form, text) in [("-h", short), ("--help", long)] {
            let text = text.to_string();
            assert!(
                text.lines().all(|l| l.chars().count() <= WIDTH),
                "{name} {form}:\n{text}"
            );
            let file = format!("{name} {form}").replace([' ', '-'], "_");
            insta::with_settings!({
                snapshot_path => Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help/snapshots"),
                prepend_module_to_snapshot => false,
                omit_expression => true,
            }, {
                insta::assert_snapshot!(file, text);
            });
        }
    }
}

#[test]
fn every_flag_says_what_it_does_in_a_line_that_ends_without_a_stop() {
    for (name, command) in commands() {
        for argument in command.get_arguments().filter(|a| !a.is_hide_set()) {
            let id = argument.get_id();
            let help = argument
                .get_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(!help.is_empty(), "{name}: {id} says nothing");
            assert!(!help.ends_with('.'), "{name}: {id}: {help}");
        }
        assert!(command.get_about().is_some(), "{name} says nothing");
    }
}

#[test]
fn every_shell_gets_a_script_that_knows_every_subcommand_and_the_impairments() {
    for shell in [
        Shell::Bash,
        Shell::Zsh,
        Shell::Fish,
        Shell::Elvish,
        Shell::PowerShell,
    ] {
        let script = String::from_utf8(completions::script(shell)).unwrap();
        for word in ["run", "demo", "doctor", "completions", "down-loss"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn bash_understands_its_script() {
    let script = String::from_utf8(completions::script(Shell::Bash)).unwrap();
    let check = format!(
        "{script}\nCOMP_WORDS=(handfast run --link ds); COMP_CWORD=3\n_handfast handfast ds --link\n\
         echo \"${{COMPREPLY[*]}}\""
    );
    match Command::new("bash").args(["--norc", "-c", &check]).output() {
        Ok(Output { stdout, stderr, .. }) => {
            assert_eq!(
                String::from_utf8_lossy(&stdout),
                "dsl\n",
                "{}",
                String::from_utf8_lossy(&stderr)
            );
        }
        Err(e) => eprintln!("SKIPPED: there is no bash: {e}"),
    }
}

#[test]
fn every_subcommand_has_a_manual_page() {
    let pages = manual::pages().unwrap();
    let names: Vec<&str> = pages.iter().map(|page| page.name.as_str()).collect();
    assert_eq!(
        names[..3],
        ["handfast.1", "handfast-run.1", "handfast-demo.1"]
    );
    assert_eq!(names.len(), commands().len());
    let run = pages
        .iter()
        .find(|page| page.name == "handfast-run.1")
        .unwrap();
    let text = String::from_utf8(run.text.clone()).unwrap();
    for words in [".TH HANDFAST-RUN 1", "\\-\\-down\\-loss", "Exit code"] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
}

#[test]
fn man_writes_pages_and_overwrites_none_unasked() {
    let place = std::env::temp_dir().join(format!("handfast-man-{}", std::process::id()));
    let man = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_handfast"));
        command
            .arg("man")
            .arg(place.join("man1"))
            .args(more)
            .output()
            .unwrap()
    };
    assert!(man(&[]).status.success());
    let page = place.join("man1/handfast-run.1");
    assert!(page.exists());
    let said = man(&[]);
    assert_eq!(said.status.code(), Some(1));
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(
        said.contains("fix: add --force") && said.lines().count() == 1,
        "{said}"
    );
    assert!(man(&["--force"]).status.success());
    std::fs::remove_dir_all(place).unwrap();
}

#[test]
fn a_wrong_command_line_of_run_is_no_exit_code_of_a_program() {
    let code = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_handfast"));
        let output = command.args(arguments).output().unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (status, said) = code(&["run", "--loss", "2", "true"]);
    assert_eq!(status, 125);
    assert!(
        said.contains("it has no unit; write it like 2% or 0.01%"),
        "{said}"
    );
    assert_eq!(code(&["run", "--burst", "3", "true"]).0, 125);
    assert_eq!(code(&["run"]).0, 125);
    assert_eq!(code(&["demo", "--nonsense"]).0, 2);
    assert_eq!(code(&["--version"]).0, 0);
    assert_eq!(code(&["run", "--help"]).0, 0);
}
