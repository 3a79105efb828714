//! Prints the connections of a capture, or the ladder of one:
//! `cargo run --example ladder -- FILE [NUMBER] [WIDTH]`.

use handfast_trace::ladder::TerminalOptions;
use handfast_trace::{EventLog, Ladder};
use std::io::BufReader;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap_or_default();
    let number: Option<usize> = arguments.next().and_then(|n| n.parse().ok());
    let width = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(120);
    let mut log = EventLog::new();
    log.read_capture(BufReader::new(std::fs::File::open(file)?), false)?;
    for (i, c) in log.connections().iter().enumerate() {
        if number == Some(i) {
            let options = TerminalOptions {
                width,
                ..TerminalOptions::default()
            };
            print!("{}", Ladder::of(&log, c).terminal(&options));
        } else if number.is_none() {
            println!("{i}: {c:?}");
        }
    }
    Ok(())
}
