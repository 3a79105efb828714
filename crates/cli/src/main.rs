//! The `handfast` command.

fn main() {}
