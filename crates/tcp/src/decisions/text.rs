//! Decisions as sentences.

use super::{Decision, DecisionEvent, Hold, LossCause, RecoveryPhase, TimerKind, WindowCause};
use core::fmt;
use handfast_base::Duration;

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.at.as_micros();
        write!(f, "{:5}.{:06}  ", micros / 1_000_000, micros % 1_000_000)?;
        self.event.fmt(f)
    }
}

impl fmt::Display for DecisionEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            DecisionEvent::State { from, to } => write!(f, "goes from {from} to {to}"),
            DecisionEvent::Sent {
                seq,
                octets: 0,
                reason,
                ..
            } => write!(f, "sends a segment without text at {seq}: {reason}"),
            DecisionEvent::Sent {
                seq,
                octets,
                reason,
                in_flight,
                cwnd,
            } => write!(
                f,
                "sends {seq}..{}: {reason}; {in_flight} in flight, window {cwnd}",
                seq.wrapping_add(octets)
            ),
            DecisionEvent::Held {
                by,
                unsent,
                lost,
                in_flight,
                cwnd,
                usable,
            } => {
                write!(f, "holds back {unsent} unsent")?;
                if lost > 0 {
                    write!(f, " and {lost} lost")?;
                }
                write!(f, ": {by}")?;
                match by {
                    Hold::CongestionWindow => write!(f, ", {in_flight} in flight of {cwnd}"),
                    Hold::PeerWindow | Hold::SillyWindow => write!(f, ", which takes {usable}"),
                    _ => Ok(()),
                }
            }
            DecisionEvent::Acknowledged {
                ack,
                octets: 0,
                sacked,
            } => write!(f, "hears of {sacked} beyond the gap at {ack}"),
            DecisionEvent::Acknowledged {
                ack,
                octets,
                sacked,
            } => {
                write!(f, "hears that all before {ack} has arrived, {octets} new")?;
                match sacked {
                    0 => Ok(()),
                    _ => write!(f, ", and {sacked} beyond a gap"),
                }
            }
            DecisionEvent::PeerWindow { from, to } => {
                write!(f, "the peer's window goes from {from} to {to}")
            }
            DecisionEvent::Rtt {
                sample,
                smoothed,
                variance,
                rto,
            } => write!(
                f,
                "measures a round trip of {}: smoothed {}, variation {}, timeout {}",
                Millis(sample),
                Millis(smoothed),
                Millis(variance),
                Millis(rto)
            ),
            DecisionEvent::Lost {
                from,
                octets,
                cause,
            } => write!(f, "counts {octets} octets from {from} on as lost: {cause}"),
            DecisionEvent::Recovery { from, to } => match (from, to) {
                (RecoveryPhase::Open, to) => write!(f, "begins {to}"),
                (from, RecoveryPhase::Open) => write!(f, "ends {from}"),
                (from, to) => write!(f, "goes from {from} to {to}"),
            },
            DecisionEvent::Window {
                cause,
                cwnd,
                ssthresh,
            } => {
                write!(f, "window {} -> {}", cwnd.0, cwnd.1)?;
                if ssthresh.0 != ssthresh.1 {
                    write!(
                        f,
                        ", threshold {} -> {}",
                        Octets(ssthresh.0),
                        Octets(ssthresh.1)
                    )?;
                }
                write!(f, ": {cause}")
            }
            DecisionEvent::Armed {
                timer,
                after,
                backoffs,
            } => {
                write!(f, "waits {} for {timer}", Millis(after))?;
                match backoffs {
                    0 => Ok(()),
                    n => write!(f, ", doubled {n} times"),
                }
            }
            DecisionEvent::Expired { timer, backoffs } => {
                write!(f, "{timer} is due")?;
                match backoffs {
                    0 | 1 => Ok(()),
                    n => write!(f, ", the {n}th in a row"),
                }
            }
        }
    }
}

/// A time in milliseconds, to the microsecond.
struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        match micros % 1000 {
            0 => write!(f, "{} ms", micros / 1000),
            rest => write!(f, "{}.{rest:03} ms", micros / 1000),
        }
    }
}

/// A threshold, which there may be none of yet.
struct Octets(u32);

impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            u32::MAX => f.write_str("none"),
            n => n.fmt(f),
        }
    }
}

/// Names the values of an enum.
macro_rules! words {
    ($($name:ident { $($value:ident: $words:literal,)* })*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $($name::$value => $words,)*
                })
            }
        }
    )*};
}

words! {
    Hold {
        CongestionWindow: "the congestion window",
        PeerWindow: "the peer's window",
        SillyWindow: "the peer's window",
        Nagle: "Nagle, less than a segment",
        Cork: "the cork, less than a segment",
        Pacing: "the pacing rate",
        Mark: "a mark at a window of one segment",
        NewDataFirst: "new data goes first",
        MtuProbe: "more text is wanted for a path MTU probe",
        Memory: "the stack has no memory",
    }
    LossCause {
        Overtaken: "later ones have arrived, and they are overdue",
        DuplicateAcks: "the peer has repeated itself",
        Timeout: "nothing was heard in time",
        Probe: "not for certain, but the tail goes out again to find out",
        WindowReopened: "there was no room for them when they came",
        TooBig: "too large for a router",
    }
    RecoveryPhase {
        Open: "the usual",
        Fast: "fast recovery",
        Loss: "recovery of all that was in flight",
    }
    WindowCause {
        Begin: "the connection begins",
        Acknowledgment: "an acknowledgment",
        Loss: "a loss",
        Recovering: "recovery",
        Recovered: "recovery is over",
        Timeout: "a timeout",
        Mark: "a mark",
        Undone: "the loss was none",
        Idle: "it was not used",
        SegmentSize: "segments have another size",
    }
    TimerKind {
        Retransmission: "the retransmission timeout",
        Reordering: "what was overtaken",
        LossProbe: "the probe for a lost tail",
        WindowProbe: "the window probe",
    }
}
