//! Scenarios by chance, many of them, each decided by a seed: whatever network, options and
//! manners it draws, every octet is to be delivered or the connection reported dead with reason,
//! nobody may be stuck, and no stack may keep anything when all is over.

mod draw;
mod play;
mod report;
mod runner;
mod scenario;

pub use report::{ConnectionReport, Report, Verdict, Why};
pub use runner::{Replay, Summary, play, replay, run};
pub use scenario::{Outage, Plan, Scenario};
