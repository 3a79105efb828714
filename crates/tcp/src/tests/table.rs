//! Tables of SEGMENT ARRIVES: state and segment, then the new state, the reply, and what became
//! of the segment. In the segment, `seq=` counts from RCV.NXT and `ack=` from SND.NXT; in the
//! reply it is the other way round.

use super::bench::*;
use crate::{
    Config, ListenVerdict, Segment, SegmentSlot, State, SynReceived, SynReceivedVerdict, TimeWait,
    TimeWaitVerdict, closed, listen,
};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use handfast_base::Instant;
use handfast_wire::SeqNumber;

/// Where a row begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum At {
    Closed,
    Listen,
    SynSent,
    /// SYN-RECEIVED out of LISTEN.
    PassiveSynReceived,
    /// SYN-RECEIVED out of SYN-SENT.
    ActiveSynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
}

impl At {
    /// The states in which sequence numbers are synchronized and a `Connection` exists.
    pub(crate) const SYNCHRONIZED: [At; 6] = [
        At::Established,
        At::FinWait1,
        At::FinWait2,
        At::CloseWait,
        At::Closing,
        At::LastAck,
    ];
}

/// What is true before the row.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) timestamps: bool,
    /// Octets of ours in flight, in segments of 100.
    pub(crate) in_flight: usize,
    /// Octets of the peer's that nobody has read; the window is 1000 less this.
    pub(crate) unread: u32,
    /// The application has let go.
    pub(crate) orphan: bool,
}

pub(crate) const PLAIN: Setup = Setup {
    timestamps: false,
    in_flight: 0,
    unread: 0,
    orphan: false,
};

/// RCV.WND of every row that says nothing else.
pub(crate) const WINDOW: u32 = 1000;

pub(crate) fn config(setup: Setup) -> Config {
    Config {
        receive_buffer: WINDOW.into(),
        timestamps: setup.timestamps,
        ..prompt()
    }
}

/// A connection in a state, with nothing owed.
pub(crate) fn bench_at(at: At, setup: Setup) -> Bench {
    let ts = if setup.timestamps { "ts=0" } else { "" };
    let mut b = Bench::new(config(setup));
    b.drain();
    if at == At::SynSent {
        return b;
    }
    if at == At::ActiveSynReceived {
        b.arrive(&format!("SYN seq=-1 mss=1460 {ts}"));
        return b;
    }
    b.arrive(&format!("SYN ACK seq=-1 mss=1460 {ts}"));
    if setup.unread > 0 {
        b.arrive(&format!("ACK len={} {ts}", setup.unread));
    }
    let fin = format!("FIN ACK seq={} {ts}", setup.unread);
    if matches!(at, At::CloseWait | At::LastAck) {
        b.arrive(&fin);
    }
    for _ in 0..setup.in_flight / 100 {
        b.send(100);
    }
    if matches!(
        at,
        At::FinWait1 | At::FinWait2 | At::Closing | At::LastAck | At::TimeWait
    ) {
        b.close();
    }
    let all = setup.in_flight as i64 + 1;
    match at {
        At::Closing | At::TimeWait => _ = b.arrive(&fin),
        At::FinWait2 => _ = b.arrive(&format!("ACK seq={} ack={all} {ts}", setup.unread)),
        _ => {}
    }
    if at == At::TimeWait {
        let seq = setup.unread + 1;
        b.arrive(&format!("ACK seq={seq} ack={all} {ts}"));
    }
    if setup.orphan {
        b.c.orphan(b.now);
    }
    assert_eq!(format!("{at:?}"), format!("{:?}", b.c.state()));
    b
}

/// A passive open whose SYN,ACK has left.
pub(crate) fn passive(setup: Setup) -> (SynReceived, Arc<Config>, Instant) {
    let config = Arc::new(config(setup));
    let now = Instant::from_secs(100);
    let ts = if setup.timestamps { "ts=0" } else { "" };
    let syn = segment(&format!("SYN seq=-1 mss=1460 {ts}"), ISS + 1, IRS + 1);
    let mut half = SynReceived::new(&syn.header, ISS, TS_OFFSET, &config, PATH, now);
    half.write_syn_ack(now, &config, PATH, &mut SegmentSlot::default());
    (half, config, now)
}

pub(crate) fn time_wait(setup: Setup) -> (TimeWait, Instant) {
    let b = bench_at(At::TimeWait, setup);
    (b.c.time_wait(b.now).expect("TIME-WAIT"), b.now)
}

fn one(slot: &SegmentSlot, ours: SeqNumber, theirs: SeqNumber) -> String {
    show(&slot.header, slot.payload.len() as usize, ours, theirs)
}

/// Plays one row: the new state, the reply and the disposition.
pub(crate) fn play(at: At, setup: Setup, text: &str) -> (String, String, String) {
    let mut slot = SegmentSlot::default();
    let state = |s: State| format!("{s:?}");
    match at {
        At::Closed => {
            let seg = segment(text, SeqNumber(0), SeqNumber(0));
            let reset = closed(&seg, &mut slot);
            let reply = if reset {
                one(&slot, SeqNumber(0), SeqNumber(0))
            } else {
                String::new()
            };
            (state(State::Closed), reply, "TcpNoConnection".to_string())
        }
        At::Listen => {
            let seg = segment(text, SeqNumber(0), SeqNumber(0));
            let verdict = listen(&seg, &mut slot);
            let reply = || one(&slot, SeqNumber(0), SeqNumber(0));
            match verdict {
                ListenVerdict::Discard(why) => {
                    (state(State::Listen), String::new(), why.name().to_string())
                }
                ListenVerdict::Reset(why) => {
                    (state(State::Listen), reply(), why.name().to_string())
                }
                ListenVerdict::Syn => (
                    state(State::SynReceived),
                    String::new(),
                    "Processed".to_string(),
                ),
            }
        }
        At::PassiveSynReceived => play_passive(setup, text),
        At::TimeWait => {
            let (mut wait, now) = time_wait(setup);
            // RCV.NXT: the peer's FIN included; SND.NXT: ours.
            let (ours, theirs) = (ISS + 2 + setup.in_flight as u32, IRS + 2 + setup.unread);
            let seg = segment(text, ours, theirs);
            match wait.segment_arrives(&seg, now) {
                TimeWaitVerdict::Discard(why) => (
                    state(State::TimeWait),
                    String::new(),
                    why.name().to_string(),
                ),
                TimeWaitVerdict::Acknowledge(why) => {
                    wait.write_ack(now, &mut slot);
                    (
                        state(State::TimeWait),
                        one(&slot, ours, theirs),
                        why.name().to_string(),
                    )
                }
                TimeWaitVerdict::Reuse { iss_floor } => {
                    assert_eq!(iss_floor, ours, "our next ISS is beyond everything sent");
                    (
                        state(State::SynReceived),
                        String::new(),
                        "Processed".to_string(),
                    )
                }
            }
        }
        _ => {
            let mut b = bench_at(at, setup);
            if at != At::SynSent && at != At::ActiveSynReceived {
                b.theirs = b.c.rcv_nxt();
            }
            b.ours = b.c.tcb.snd_nxt;
            b.sent();
            let disposition = match b.arrive(text) {
                crate::Disposition::Processed => "Processed",
                crate::Disposition::Discarded(why) => why.name(),
            };
            let state = state(b.c.state());
            (state, b.sent().join("; "), disposition.to_string())
        }
    }
}

fn play_passive(setup: Setup, text: &str) -> (String, String, String) {
    let mut slot = SegmentSlot::default();
    let (mut half, config, now) = passive(setup);
    let (ours, theirs) = (ISS + 1, IRS + 1);
    let mut seg: Segment = segment(text, ours, theirs);
    let half_open = format!("{:?}", State::SynReceived);
    let verdict = half.segment_arrives(&mut seg, now);
    match verdict {
        SynReceivedVerdict::Discard(why) => (half_open, String::new(), why.name().to_string()),
        SynReceivedVerdict::SynAckAgain => {
            half.write_syn_ack(now, &config, PATH, &mut slot);
            (half_open, one(&slot, ours, theirs), "Processed".to_string())
        }
        SynReceivedVerdict::Acknowledge(why) => {
            half.write_ack(now, &mut slot);
            (half_open, one(&slot, ours, theirs), why.name().to_string())
        }
        SynReceivedVerdict::Reset(why) => {
            half.write_reset(&seg, &mut slot);
            (half_open, one(&slot, ours, theirs), why.name().to_string())
        }
        SynReceivedVerdict::Remove => (
            format!("{:?}", State::Listen),
            String::new(),
            "Processed".to_string(),
        ),
        SynReceivedVerdict::Established => {
            let c = half.into_connection(config.clone(), PATH, now);
            let mut b = Bench::adopt(c, now);
            let disposition = match b.take(seg) {
                crate::Disposition::Processed => "Processed",
                crate::Disposition::Discarded(why) => why.name(),
            };
            let after = format!("{:?}", b.c.state());
            (after, b.sent().join("; "), disposition.to_string())
        }
    }
}

/// All rows are played before the first failure is reported, with what really happened.
pub(crate) fn check(setup: Setup, rows: &[(At, &str, &str, &str, &str)]) {
    let mut wrong = String::new();
    for &(at, text, after, reply, disposition) in rows {
        let got = play(at, setup, text);
        let wanted = (
            after.to_string(),
            reply.to_string(),
            disposition.to_string(),
        );
        if got != wanted {
            wrong += &format!("\n{at:?} | {text}\n   wanted {wanted:?}\n   got    {got:?}");
        }
    }
    assert!(wrong.is_empty(), "{setup:?}{wrong}");
}

/// `state | segment => new state | reply | disposition;` in columns.
macro_rules! table {
    ($setup:expr; $($at:ident | $segment:literal => $after:ident | $reply:literal | $what:ident;)*) => {
        $crate::tests::table::check($setup, &[$((
            $crate::tests::table::At::$at,
            $segment,
            stringify!($after),
            $reply,
            stringify!($what),
        ),)*])
    };
}
pub(crate) use table;
