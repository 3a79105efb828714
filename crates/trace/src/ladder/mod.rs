//! One connection as a ladder: a model that does not know how it will be drawn, and renderers.
//!
//! Rows come in the order in which segments left their senders. Numbers are relative to the
//! initial sequence numbers, windows are scaled.

mod build;
mod collapse;
pub mod derive;
mod elide;
mod json;
mod label;
mod quantity;
mod sentences;
pub(crate) mod sequence;
mod states;
mod terminal;
#[cfg(test)]
mod tests;

pub use terminal::TerminalOptions;

use crate::log::Side;
use handfast_base::{Duration, Instant};
use handfast_tcp::State;
use handfast_wire::tcp::{TcpFlags, TcpHeader};
use handfast_wire::{Fate, SendReason};
use std::net::SocketAddr;

/// The picture of one connection, independent of how it is drawn.
#[derive(Clone, PartialEq, Debug)]
pub struct Ladder {
    /// The end on the left: the one that opened, as far as we know.
    pub left: End,
    /// The end on the right.
    pub right: End,
    /// The instant that all times in here count from: the first row.
    pub start: Instant,
    /// What happened, in order.
    pub rows: Vec<Row>,
    /// What a reader must know about the picture as a whole.
    pub remarks: Vec<String>,
}

/// One end of the connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    /// A name for the reader; may be empty.
    pub name: String,
    /// Address and port.
    pub address: SocketAddr,
    /// Whether its states were inferred from the segments (RFC 9293's machine replayed), since
    /// nobody reported them.
    pub states_derived: bool,
}

/// One row.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// When it began: for a segment, when it left its sender.
    pub at: Duration,
    /// When its last segment was sent; equal to `at` unless the row stands for several.
    pub until: Duration,
    /// What happened.
    pub kind: RowKind,
    /// The states entered because of it.
    pub changes: Vec<Change>,
    /// What is worth saying about it.
    pub notes: Vec<Note>,
}

/// What a row shows.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "rows of a ladder are few, and nearly all are segments"
)]
pub enum RowKind {
    /// One segment.
    Segment(Segment),
    /// Several segments of new text, one way, without an anomaly.
    Band(Band),
    /// Several acknowledgments of new text that say nothing else, or of the same text again.
    Acks(Acks),
    /// A packet that is no segment of the connection but is about it.
    Message {
        /// Who sent it.
        from: Side,
        /// What it says.
        text: String,
        /// What became of it.
        fate: Fate,
    },
    /// An end changed state without a segment being sent or received just then.
    State,
    /// Nobody sent anything.
    Idle {
        /// For how long.
        duration: Duration,
        /// Whether this was an end waiting out its 2MSL.
        time_wait: bool,
    },
    /// Rows left out of a long ladder.
    Elided(Elided),
    /// Events that a full log did not keep, of this and of other connections.
    LeftOut {
        /// How many.
        events: u64,
    },
}

/// A run of segments of new text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Band {
    /// Who sent it.
    pub from: Side,
    /// How many segments.
    pub segments: usize,
    /// First relative sequence number.
    pub seq: i64,
    /// The one after the last.
    pub end: i64,
    /// When the last one arrived, where known.
    pub arrival: Option<Duration>,
}

/// A run of pure acknowledgments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acks {
    /// Who sent them.
    pub from: Side,
    /// How many.
    pub segments: usize,
    /// The first relative acknowledgment number.
    pub first: i64,
    /// The last one; the same for duplicate ACKs.
    pub last: i64,
    /// The window of the last one, in octets.
    pub window: u64,
    /// The SACK blocks of the last one, in relative numbers: the first has grown to this from one to
    /// the next.
    pub sack: Vec<(i64, i64)>,
    /// When the last one arrived, where known.
    pub arrival: Option<Duration>,
}

/// What was left out of a long ladder.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Elided {
    /// Rows.
    pub rows: usize,
    /// Segments in them.
    pub segments: usize,
    /// Octets of text in them.
    pub octets: u64,
    /// Retransmissions among them.
    pub retransmissions: usize,
    /// Segments among them that were lost or thrown away.
    pub lost: usize,
}

/// An end entered a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// When.
    pub at: Duration,
    /// Which end.
    pub side: Side,
    /// The state it left.
    pub from: State,
    /// The state it entered.
    pub to: State,
}

/// A remark on a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// The remark.
    pub text: String,
    /// Whether it explains an anomaly, and so is shown even where room is short.
    pub important: bool,
}

impl Note {
    fn new(text: impl Into<String>) -> Note {
        Note {
            text: text.into(),
            important: false,
        }
    }

    fn important(text: impl Into<String>) -> Note {
        Note {
            text: text.into(),
            important: true,
        }
    }
}

/// One segment, with what its place in the connection tells about it.
#[derive(Clone, PartialEq, Debug)]
pub struct Segment {
    /// Who sent it.
    pub from: Side,
    /// When it left.
    pub at: Duration,
    /// When it reached the other end, where known.
    pub arrival: Option<Duration>,
    /// The header as it was on the wire.
    pub header: TcpHeader,
    /// SEG.SEQ relative to the sender's ISN, not wrapped. Negative for an old duplicate.
    pub seq: i64,
    /// SEG.ACK relative to the receiver's ISN, not wrapped.
    pub ack: Option<i64>,
    /// Octets of text.
    pub len: u32,
    /// SEG.WND in octets, scaled if scaling was negotiated and seen to be.
    pub window: u64,
    /// SACK blocks, relative like `ack`.
    pub sack: Vec<(i64, i64)>,
    /// What became of it.
    pub fate: Fate,
    /// Why it was sent, where the sender said so.
    pub reason: SendReason,
    /// If it repeats what was sent before: why, [`SendReason::Unknown`] when the sender is not
    /// ours and the numbers alone tell.
    pub retransmission: Option<SendReason>,
    /// It was overtaken by segments sent after it.
    pub is_out_of_order: bool,
    /// It asks for a sign of life or for a window: [`SendReason::KeepAlive`] or
    /// [`SendReason::WindowProbe`].
    pub probe: Option<SendReason>,
    /// The nth duplicate acknowledgment in a row (RFC 5681, section 2), or 0.
    pub duplicate_ack: u32,
    /// It changes the window and nothing else.
    pub is_window_update: bool,
    /// Its window is the one that its sender offered last.
    pub repeats_window: bool,
    /// What else is worth saying.
    pub notes: Vec<Note>,
}

/// What a segment is first of all; decides line and colour.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum SegmentKind {
    /// The link lost it.
    Lost,
    /// The receiver threw it away.
    Discarded,
    /// The extra copy that a link made.
    Duplicate,
    /// RST.
    Reset,
    /// Sent before.
    Retransmission,
    /// SYN or FIN.
    Control,
    /// Keep-alive or window probe.
    Probe,
    /// Text.
    Data,
    /// Nothing but an acknowledgment.
    Ack,
}

impl Segment {
    /// Its control bits.
    pub fn flags(&self) -> TcpFlags {
        self.header.flags
    }

    /// What it is first of all.
    pub fn kind(&self) -> SegmentKind {
        match self.fate {
            Fate::Lost(_) => SegmentKind::Lost,
            Fate::Discarded(_) => SegmentKind::Discarded,
            Fate::Duplicate => SegmentKind::Duplicate,
            _ if self.flags().contains(TcpFlags::RST) => SegmentKind::Reset,
            _ if self.retransmission.is_some() => SegmentKind::Retransmission,
            _ if self.flags().intersects(TcpFlags::SYN | TcpFlags::FIN) => SegmentKind::Control,
            _ if self.probe.is_some() => SegmentKind::Probe,
            _ if self.len > 0 => SegmentKind::Data,
            _ => SegmentKind::Ack,
        }
    }

    /// Whether the link lost it or the receiver threw it away.
    pub fn is_lost(&self) -> bool {
        matches!(self.fate, Fate::Lost(_) | Fate::Discarded(_))
    }

    /// Whether its sender can take no more octets.
    pub fn is_zero_window(&self) -> bool {
        self.header.window == 0 && !self.flags().intersects(TcpFlags::SYN | TcpFlags::RST)
    }

    /// The relative sequence number after it, counting SYN and FIN (SEG.SEQ + SEG.LEN).
    pub fn end(&self) -> i64 {
        let control = |flag| i64::from(self.flags().contains(flag));
        self.seq + i64::from(self.len) + control(TcpFlags::SYN) + control(TcpFlags::FIN)
    }
}

/// How a ladder is made from a log.
#[derive(Clone, Debug)]
pub struct LadderOptions {
    /// Names for endpoints.
    pub names: Vec<(SocketAddr, String)>,
    /// This many full segments one way without an anomaly become one band; the same number of
    /// plain acknowledgments becomes one row. `usize::MAX` shows every segment.
    pub band_at_least: usize,
    /// A silence of at least this long, and of two round trips, has a row of its own.
    pub idle: Duration,
    /// From about this many rows on, the middle is left out but for anomalies.
    pub max_rows: usize,
    /// How long TIME-WAIT lasts at an end whose states are derived, where that is known.
    pub two_msl: Option<Duration>,
}

impl Default for LadderOptions {
    /// No names, bands of four or more, silences of 100 ms, 160 rows.
    fn default() -> LadderOptions {
        LadderOptions {
            names: Vec::new(),
            band_at_least: 4,
            idle: Duration::from_millis(100),
            max_rows: 160,
            two_msl: None,
        }
    }
}

impl Ladder {
    /// What the reader calls that end: its name if it has one, and its address.
    pub fn title(&self, side: Side) -> String {
        let end = self.end(side);
        if end.name.is_empty() {
            end.address.to_string()
        } else {
            format!("{} {}", end.name, end.address)
        }
    }

    /// That end.
    pub fn end(&self, side: Side) -> &End {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }
}
