//! Programs as they come from a distribution, over our TCP: each scenario makes a world of its
//! own, starts servers outside, and runs the program as a user that owns nothing. A scenario whose
//! programs are missing is skipped, loudly, and listed at the end; `HANDFAST_REQUIRE=all` makes
//! that a failure.
//!
//! `HANDFAST_RUN_MIB` and `HANDFAST_RUN_CONNECTIONS` set how much is transferred and how many
//! connections are made one after another; `HANDFAST_RUNNER=direct` or `pasta` proves the
//! scenarios themselves, without us.

#[cfg(target_os = "linux")]
#[path = "../support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
mod scenarios;
#[cfg(target_os = "linux")]
mod world;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    world::own_user_namespace();
    scenarios::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("SKIPPED: `handfast run` is there for Linux");
}
