//! What happened, as values: an event log, packet captures, and the ladder a reader looks at.
//!
//! A [`Recorder`] watches a link (it is a `handfast_wire::Observer`) and keeps an [`EventLog`],
//! writing a pcapng file at the same time if asked. [`EventLog::connections`] lists what is in
//! it, and [`Ladder::of`] turns one connection into a model that renders as terminal text,
//! plain sentences or JSON.
//!
//! | file | what |
//! |---|---|
//! | `log` | events, the bounded log, connections found in it |
//! | `dissect` | packet octets to an event |
//! | `recorder` | the observer |
//! | `pcapng` | captures, written and read |
//! | `ladder` | the model: what each segment was (`sequence`), states of an end we do not own (`derive`), bands and elisions (`collapse`, `elide`), renderers (`terminal`, `sentences`, `json`) |
#![forbid(unsafe_code)]

mod dissect;
pub mod ladder;
pub mod log;
pub mod pcapng;
mod ranges;
mod recorder;

pub use ladder::{Ladder, LadderOptions};
pub use log::{
    Close, ConnectionSummary, Event, EventLog, OtherEvent, SegmentEvent, Side, StateChange,
};
pub use recorder::Recorder;
