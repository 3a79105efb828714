use super::*;

fn parsed(line: &[&str]) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(line)
}

fn run(line: &[&str]) -> RunArguments {
    match parsed(line).map(|a| a.command) {
        Ok(Some(Command::Run(run))) => *run,
        other => panic!("{line:?}: {other:?}"),
    }
}

#[test]
fn the_command_line_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn our_flags_end_where_the_program_begins() {
    for line in [
        &["handfast", "run", "curl", "-v", "--loss", "x"][..],
        &["handfast", "run", "--", "curl", "-v", "--loss", "x"],
    ] {
        let arguments = parsed(line).unwrap();
        assert!(!arguments.output.verbose, "{line:?}");
        let run = run(line);
        assert_eq!(run.command, ["curl", "-v", "--loss", "x"], "{line:?}");
        assert_eq!(run.impairments, Default::default());
    }
    let arguments = parsed(&["handfast", "run", "-v", "--ladder", "--", "curl", "-q"]).unwrap();
    assert!(arguments.output.verbose && !arguments.output.quiet);
    // What a program is told need not make sense to us, not even as text.
    assert_eq!(
        run(&["handfast", "run", "a", "--", "-h", ""]).command,
        ["a", "--", "-h", ""]
    );
}

#[test]
fn a_flag_that_we_do_not_know_is_no_program() {
    for line in [
        &["handfast", "run", "--los", "2%", "curl"][..],
        &["handfast", "run"],
        &["handfast", "run", "--loss", "curl"],
        &["handfast", "run", "--loss", "2", "curl"],
        &["handfast", "run", "--ladder"],
        &["handfast", "run", "-4", "-6", "curl"],
    ] {
        let error = parsed(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line:?}");
        let given: Vec<OsString> = line.iter().map(OsString::from).collect();
        assert_eq!(wrong_command_line(&given), 125);
    }
    for line in [
        &["handfast", "demo", "--los"][..],
        &["handfast", "--los"],
        &["handfast"],
    ] {
        let given: Vec<OsString> = line.iter().map(OsString::from).collect();
        assert_eq!(wrong_command_line(&given), 2);
    }
}
