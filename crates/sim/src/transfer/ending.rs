use crate::Handle;
use handfast::TcpStream;
use handfast::base::{Duration, Instant};
use std::fmt;
use std::io::{self, ErrorKind};

/// What became of one end of a [`Transfer`](super::Transfer).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndReport {
    /// When it was done.
    pub at: Instant,
    /// Octets that the stack took to be sent; of a write that was given up, none are counted.
    pub written: u64,
    /// Octets that were read, each as it should be.
    pub read: u64,
    /// How writing ended.
    pub writing: Ending,
    /// How reading ended.
    pub reading: Ending,
}

/// How one direction ended at one end.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Ending {
    /// All was written, or read up to the end of the stream.
    Complete,
    /// The stream ended before all was read: right only if the other end
    /// [left](super::Close::Leave).
    Short,
    /// As [`Close::Abort`](super::Close::Abort) or [`Close::Leave`](super::Close::Leave) has it.
    Quit,
    /// The connection was reported dead.
    Dead(Death),
    /// What must not be: octets that were never sent, or a wait that nothing explains.
    Fault(String),
}

/// A connection that was reported dead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Death {
    /// What the application was told.
    pub kind: ErrorKind,
    /// When.
    pub at: Instant,
    /// For how long nothing had been heard of the peer.
    pub silence: Duration,
    /// For how long the peer had acknowledged nothing new.
    pub stall: Duration,
    /// Packets of the connection that were lost in that time, and packets of anybody that were
    /// damaged.
    pub lost: u64,
}

impl Ending {
    /// Whether it ends the other direction, too.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Ending::Quit | Ending::Fault(_))
    }
}

impl Death {
    pub(super) fn of(stream: &TcpStream, error: &io::Error, handle: &Handle) -> Death {
        let at = handle.now();
        let progress = || {
            let (local, peer) = (stream.local_addr().ok()?, stream.peer_addr().ok()?);
            let progress = handle.log().last_progress(local, peer, at)?;
            let lost = handle
                .log()
                .losses(local, peer)
                .saturating_sub(progress.losses);
            Some((at.since(progress.at), lost))
        };
        let (stall, lost) = progress().unwrap_or_default();
        Death {
            kind: error.kind(),
            at,
            silence: stream.info().map_or(Duration::ZERO, |info| info.last_heard),
            stall,
            lost,
        }
    }
}

impl EndReport {
    /// Its deaths, if it was told of any.
    pub fn deaths(&self) -> impl Iterator<Item = &Death> {
        let endings = [&self.writing, &self.reading];
        endings.into_iter().filter_map(|ending| match ending {
            Ending::Dead(death) => Some(death),
            _ => None,
        })
    }

    /// Its fault, if there is one.
    pub fn fault(&self) -> Option<&str> {
        let endings = [&self.writing, &self.reading];
        endings.into_iter().find_map(|ending| match ending {
            Ending::Fault(why) => Some(&**why),
            _ => None,
        })
    }

    /// Whether all was written and all was read.
    pub fn is_complete(&self) -> bool {
        self.writing == Ending::Complete && self.reading == Ending::Complete
    }
}

impl fmt::Display for EndReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "wrote {} octets ({}), read {} ({}), done at {:?}",
            self.written, self.writing, self.read, self.reading, self.at
        )
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Complete => f.write_str("complete"),
            Ending::Short => f.write_str("too short"),
            Ending::Quit => f.write_str("quit"),
            Ending::Dead(death) => write!(
                f,
                "dead at {:?}: {}, nothing heard for {:?}, nothing acknowledged for {:?} with {} \
                 packets lost",
                death.at, death.kind, death.silence, death.stall, death.lost
            ),
            Ending::Fault(why) => write!(f, "FAULT: {why}"),
        }
    }
}
