//! What is run, and the account of what was not.

mod crowd;
mod ends;
mod file_transfer;
mod mail;
mod network;
mod published;
mod relayed;
mod remote;
mod web;

use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};

use crate::support::{apart, skipped};
use crate::world::{self, Runner, World};

/// One thing that has to work, in a world of its own.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    /// Programs without which it cannot run, by name and Debian's package.
    needs: &'static [(&'static str, &'static str)],
    /// Whether it is about us, so that no stand-in can take our place.
    ours: bool,
    run: fn(&World),
}

impl Scenario {
    const fn new(
        name: &'static str,
        needs: &'static [(&'static str, &'static str)],
        run: fn(&World),
    ) -> Scenario {
        Scenario {
            name,
            needs,
            ours: false,
            run,
        }
    }

    const fn ours(self) -> Scenario {
        Scenario { ours: true, ..self }
    }

    /// Why it cannot run here.
    fn obstacle(&self) -> Option<String> {
        if self.ours && Runner::chosen() != Runner::Handfast {
            return Some("is about `handfast run` alone".to_owned());
        }
        let missing = |(program, _): &&(&str, &str)| world::find(program).is_none();
        if let Some((program, package)) = self.needs.iter().find(missing) {
            return Some(format!("there is no `{program}` (Debian: {package})"));
        }
        world::possible().err()
    }
}

const ALL: &[&[Scenario]] = &[
    web::SCENARIOS,
    remote::SCENARIOS,
    file_transfer::SCENARIOS,
    mail::SCENARIOS,
    network::SCENARIOS,
    published::SCENARIOS,
    relayed::SCENARIOS,
    crowd::SCENARIOS,
    ends::SCENARIOS,
];

/// Runs what the arguments choose, as the test programs of this house do.
pub(crate) fn main() -> ExitCode {
    let require_all = match std::env::var("HANDFAST_REQUIRE").as_deref() {
        Err(_) => false,
        Ok("all") => true,
        Ok(other) => panic!("HANDFAST_REQUIRE={other}: all, or not set"),
    };
    let arguments = Arguments::from_args();
    let chosen = |name: &str| {
        let filter = arguments.filter.as_ref();
        filter.is_none_or(|filter| name.contains(filter))
    };
    let mut left_out = Vec::new();
    let trial = |&scenario: &Scenario| {
        let obstacle = scenario.obstacle();
        if let Some(obstacle) = obstacle.as_ref().filter(|_| chosen(scenario.name)) {
            left_out.push(format!("{}: {obstacle}", scenario.name));
        }
        let ignored = obstacle.is_some() && !require_all;
        let run = move || match obstacle {
            Some(obstacle) => Err(obstacle.into()),
            None => {
                apart(move || (scenario.run)(&World::enter()));
                Ok(())
            }
        };
        Trial::test(scenario.name, run).with_ignored_flag(ignored)
    };
    let trials = ALL.iter().copied().flatten().map(trial).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !left_out.is_empty() {
        eprintln!("SKIPPED {} scenarios:", left_out.len());
    }
    for why in &left_out {
        skipped(why);
    }
    conclusion.exit_code()
}

/// How much, as the environment says.
fn size(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Err(_) => default,
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={text}: a number")),
    }
}

fn rate(what: &str, octets: u64, took: Duration) {
    let mib = octets as f64 / f64::from(1 << 20);
    eprintln!(
        "{what}: {mib:.0} MiB in {took:.2?}, {:.0} MiB/s",
        mib / took.as_secs_f64()
    );
}
