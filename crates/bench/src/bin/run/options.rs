//! The command line.

use handfast_bench::relays::Programs;
use std::io::{self, Error};

/// What to measure.
pub(crate) struct Options {
    /// Counted rounds; one more warms up.
    pub(crate) rounds: usize,
    /// MTUs of the device inside.
    pub(crate) mtus: Vec<u32>,
    /// Beginnings of the names of the relays to measure, if not all.
    pub(crate) only: Option<String>,
    /// Beginnings of the names of the steps to take, if not all.
    pub(crate) steps: Option<String>,
    /// Congestion control of the kernel at every end.
    pub(crate) congestion: String,
    /// The commands to measure.
    pub(crate) programs: Programs,
}

impl Options {
    /// What these words ask for.
    ///
    /// # Errors
    /// A word that is none, in one line.
    pub(crate) fn parse(words: Vec<String>) -> io::Result<Self> {
        let mut options = Self {
            rounds: 5,
            mtus: vec![1500, 65520],
            only: None,
            steps: None,
            congestion: "cubic".into(),
            programs: Programs {
                handfast: std::env::current_exe()?.with_file_name("handfast"),
                pasta: "pasta".into(),
                slirp4netns: "slirp4netns".into(),
            },
        };
        let mut words = words.into_iter();
        while let Some(flag) = words.next() {
            let value = words.next().unwrap_or_default();
            let wrong = || Error::other(format!("{flag} {value}: not a value of this flag"));
            match flag.as_str() {
                "--rounds" => options.rounds = value.parse().map_err(|_| wrong())?,
                "--mtu" => {
                    let mtus = value.split(',').map(|m| m.parse().map_err(|_| wrong()));
                    options.mtus = mtus.collect::<io::Result<_>>()?;
                }
                "--only" => options.only = Some(value),
                "--steps" => options.steps = Some(value),
                "--congestion" => options.congestion = value,
                "--handfast" => options.programs.handfast = value.into(),
                "--pasta" => options.programs.pasta = value.into(),
                "--slirp4netns" => options.programs.slirp4netns = value.into(),
                _ => {
                    return Err(Error::other(format!(
                        "{flag}: no such flag; see the head of run/main.rs"
                    )));
                }
            }
        }
        if options.rounds == 0 {
            return Err(Error::other("--rounds 0: at least 1 is needed"));
        }
        Ok(options)
    }

    /// Whether a list of the beginnings of names has one of `name`; no list has all.
    pub(crate) fn lists(list: &Option<String>, name: &str) -> bool {
        let begins = |list: &String| list.split(',').any(|begin| name.starts_with(begin));
        list.as_ref().is_none_or(begins)
    }
}
