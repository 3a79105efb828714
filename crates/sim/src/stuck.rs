use crate::TaskName;
use handfast::base::Instant;
use std::fmt;

/// Why a simulation came to no end: who waits, and for what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stuck {
    /// When.
    pub at: Instant,
    /// Whether nothing was going to happen, or it only went on for too long.
    pub why: Why,
    /// The tasks that have not ended, those in the foreground first.
    pub tasks: Vec<StuckTask>,
}

/// In which way a simulation is stuck.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Why {
    /// No packet is under way, no timer is armed, nobody sleeps: nothing will ever happen.
    Deadlock,
    /// Something will happen, but the [horizon](crate::Sim::set_horizon) is reached.
    Horizon,
}

/// A task that has not ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StuckTask {
    /// Its name.
    pub name: TaskName,
    /// Whether the simulation waits for it.
    pub is_foreground: bool,
    /// What it waits for, as far as sockets, sleeps and other tasks go.
    pub awaits: Vec<String>,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why {
            Why::Deadlock => writeln!(f, "stuck at {:?}: nothing will ever happen", self.at)?,
            Why::Horizon => writeln!(f, "not done at {:?}, the horizon", self.at)?,
        }
        for task in &self.tasks {
            let ground = if task.is_foreground {
                ""
            } else {
                " (background)"
            };
            write!(f, "  {}{ground} awaits ", task.name)?;
            match &task.awaits[..] {
                [] => f.write_str("something the simulator does not know")?,
                [first, rest @ ..] => {
                    f.write_str(first)?;
                    rest.iter().try_for_each(|more| write!(f, ", {more}"))?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Stuck {}
