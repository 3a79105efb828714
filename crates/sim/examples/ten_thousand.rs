//! Ten thousand connections at once over one memory link: every octet is compared at both ends,
//! and the memory that the stacks hold meanwhile is printed. Exits with 1 on any mismatch.
//!
//! `cargo run --release -p handfast-sim --example ten_thousand -- [connections]`

use handfast_sim::crowd::{self, Crowd};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut crowd = Crowd::default();
    if let Some(connections) = std::env::args().nth(1) {
        crowd.connections = connections.parse().expect("a number of connections");
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "how long it took in this world is printed, and changes nothing"
    )]
    let began = std::time::Instant::now();
    let report = crowd::run(&crowd);
    println!("{report}");
    println!("wall time             {:.1?}", began.elapsed());
    ExitCode::from(u8::from(!report.is_good()))
}
