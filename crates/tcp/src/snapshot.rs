//! A connection as a value: taken out of one stack, put into another, with nothing lost or doubled.
//!
//! What is carried is what the peer knows of us and what it has been promised. What only we know
//! begins anew: the congestion window and the scoreboard, for the path may be another one; and
//! what arrived out of order, which a receiver may throw away (RFC 2018, 8).

mod octets;

pub use octets::DecodeError;

use crate::connection::Active;
use crate::ecn::EcnSnapshot;
use crate::recovery::{LostBy, Phase};
use crate::rtt::RttEstimator;
use crate::tcb::Flags;
use crate::window::{receive::rcv_wnd, scale};
use crate::{Config, Connection, Path, Readiness, State, ecn, hooks, mss, timestamps};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use handfast_base::{Duration, Instant};
use handfast_wire::{Payload, SeqNumber};

/// An established connection as [`Connection::export`] gives it and [`Connection::import`] takes
/// it. The sequence variables have their names of RFC 9293, section 3.3.1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// ISS. Where it is not known, anything before SND.UNA will do.
    pub iss: SeqNumber,
    /// IRS. Where it is not known, anything before the first unread octet will do.
    pub irs: SeqNumber,
    /// SND.UNA: the first octet that the peer has not acknowledged.
    pub snd_una: SeqNumber,
    /// SND.NXT: one past the last octet that was ever sent.
    pub snd_nxt: SeqNumber,
    /// SND.WND: the window that the peer offers from SND.UNA on, in octets.
    pub snd_wnd: u32,
    /// The largest window it ever offered, in octets.
    pub max_snd_wnd: u32,
    /// SND.WL1: SEG.SEQ of the segment that set SND.WND.
    pub snd_wl1: SeqNumber,
    /// SND.WL2: SEG.ACK of that segment.
    pub snd_wl2: SeqNumber,
    /// The text from SND.UNA on: first what is in flight, then what was never sent.
    pub send: Vec<Bytes>,
    /// SND.UP: one past the urgent data among it.
    pub snd_up: Option<SeqNumber>,
    /// RCV.NXT: the next octet expected.
    pub rcv_nxt: SeqNumber,
    /// RCV.WND: octets from RCV.NXT to the right edge, as far as it was ever offered. That edge
    /// does not move left (RFC 9293, 3.8.6, SHLD-14).
    pub rcv_wnd: u32,
    /// The text that nobody has read yet; it ends at RCV.NXT.
    pub receive: Vec<Bytes>,
    /// RCV.UP: one past the urgent data that was announced and not read yet.
    pub rcv_up: Option<SeqNumber>,
    /// The MSS that the peer announced, in octets of text and options.
    pub peer_mss: u16,
    /// The shifts of the peer's window and of ours; `None`: windows are not scaled (RFC 7323, 2).
    pub window_scale: Option<(u8, u8)>,
    /// Both ends permit selective acknowledgments (RFC 2018).
    pub sack: bool,
    /// Both ends send timestamps (RFC 7323, 3).
    pub timestamps: Option<TimestampClock>,
    /// What was agreed about ECN.
    pub ecn: EcnSnapshot,
    /// Smoothed round-trip time and its variation; `None`: never measured.
    pub rtt: Option<(Duration, Duration)>,
    /// The user timeout that the peer has told, as on the wire (RFC 5482, 3.3); 0: none.
    pub peer_user_timeout: u16,
}

/// Both ends' timestamp clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimestampClock {
    /// What our clock says at the moment of the snapshot, in ticks. From there it goes on in
    /// milliseconds, whatever it ticked in before.
    pub value: u32,
    /// TS.Recent, and how old it is; `None`: not known, so that the next segment is believed.
    pub recent: Option<(u32, Duration)>,
}

/// Why a connection cannot be exported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ExportError {
    /// It is not ESTABLISHED, or not any more: a FIN has gone one way or the other.
    State(State),
    /// Its reading side was shut down.
    ReadShut,
    /// Its segments are signed, and what they are signed with does not go along.
    Signed,
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExportError::State(state) => write!(f, "the connection is in {state}"),
            ExportError::ReadShut => f.write_str("its reading side is shut down"),
            ExportError::Signed => f.write_str("its segments are signed"),
        }
    }
}

impl core::error::Error for ExportError {}

/// Why a value is no connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ImportError {
    /// SND.UNA to SND.NXT is no part of the text to be sent.
    InFlight,
    /// A queue, or a window, holds more than 2^30 octets.
    TooLong,
    /// A shift of a window is beyond 14 (RFC 7323, 2.3).
    WindowScale,
    /// The window we are said to have offered cannot be told with that shift.
    ReceiveWindow,
    /// SND.WND is larger than the largest window ever offered.
    SendWindow,
    /// The peer's MSS is zero.
    Mss,
    /// An urgent pointer points to nothing in its queue.
    Urgent,
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ImportError::InFlight => "what is in flight is no part of the text to be sent",
            ImportError::TooLong => "a queue or a window of more than 2^30 octets",
            ImportError::WindowScale => "a window scale beyond 14",
            ImportError::ReceiveWindow => "the window scale cannot tell this receive window",
            ImportError::SendWindow => "a window larger than the largest ever offered",
            ImportError::Mss => "an MSS of zero",
            ImportError::Urgent => "an urgent pointer to nothing in its queue",
        })
    }
}

impl core::error::Error for ImportError {}

/// No queue and no window is longer: sequence numbers have to be compared.
const LONGEST: u32 = 1 << 30;
/// An age beyond that of every TS.Recent that says something (RFC 7323, 5.5).
const TOO_OLD: Duration = Duration::from_secs(25 * 24 * 60 * 60);

impl Snapshot {
    /// Whether it can be a connection.
    ///
    /// # Errors
    /// An [`ImportError`]: the first thing that cannot be.
    pub fn check(&self) -> Result<(), ImportError> {
        let (send, receive) = (len(&self.send)?, len(&self.receive)?);
        if self.snd_wnd > LONGEST || self.rcv_wnd > LONGEST {
            return Err(ImportError::TooLong);
        }
        let in_flight = self.snd_nxt.distance(self.snd_una);
        if !(0..=send as i32).contains(&in_flight) {
            return Err(ImportError::InFlight);
        }
        if self.snd_wnd > self.max_snd_wnd {
            return Err(ImportError::SendWindow);
        }
        let (theirs, ours) = self.window_scale.unwrap_or_default();
        if theirs.max(ours) > scale::MAX_SHIFT {
            return Err(ImportError::WindowScale);
        }
        if self.rcv_wnd > 0xffff << ours {
            return Err(ImportError::ReceiveWindow);
        }
        if self.peer_mss == 0 {
            return Err(ImportError::Mss);
        }
        let within = |up: SeqNumber, from: SeqNumber, most: u32| {
            (1..=i64::from(most)).contains(&i64::from(up.distance(from)))
        };
        let is_lost = |up| !within(up, self.snd_una, send);
        // It may point beyond what has arrived.
        let is_read = |up| !within(up, self.rcv_nxt - receive, receive + 0xffff);
        if self.snd_up.is_some_and(is_lost) || self.rcv_up.is_some_and(is_read) {
            return Err(ImportError::Urgent);
        }
        Ok(())
    }
}

/// Octets in a queue.
fn len(queue: &[Bytes]) -> Result<u32, ImportError> {
    let octets = queue
        .iter()
        .fold(0usize, |sum, piece| sum.saturating_add(piece.len()));
    let octets = u32::try_from(octets).map_err(|_| ImportError::TooLong)?;
    (octets <= LONGEST)
        .then_some(octets)
        .ok_or(ImportError::TooLong)
}

impl Connection {
    /// Takes the connection out as a value. This one is CLOSED afterwards, and has said nothing
    /// to the peer, nor will it: for the peer there is a pause until the value is
    /// [imported](Connection::import), with its addresses, wherever that is.
    ///
    /// What has arrived out of order stays behind: the peer sends it again.
    ///
    /// # Errors
    /// An [`ExportError`]; nothing has changed then.
    pub fn export(&mut self, now: Instant) -> Result<Snapshot, ExportError> {
        let t = &self.tcb;
        if t.state != State::Established {
            return Err(ExportError::State(t.state));
        }
        if t.flags.contains(Flags::READ_SHUT) {
            return Err(ExportError::ReadShut);
        }
        if self.config.option_room > 0 {
            return Err(ExportError::Signed);
        }
        let has = |flag| t.flags.contains(flag);
        let clock = TimestampClock {
            value: timestamps::clock(t, now),
            recent: Some((
                t.ts_recent,
                Duration::from_millis(
                    (now.as_millis() as u32)
                        .wrapping_sub(t.ts_recent_age)
                        .into(),
                ),
            )),
        };
        let mut snapshot = Snapshot {
            iss: t.iss,
            irs: t.irs,
            snd_una: t.snd_una,
            snd_nxt: t.snd_nxt,
            snd_wnd: t.snd_wnd,
            max_snd_wnd: t.max_snd_wnd,
            snd_wl1: t.snd_wl1,
            snd_wl2: t.snd_wl2,
            send: Vec::new(),
            snd_up: has(Flags::SEND_URGENT).then_some(t.snd_up),
            rcv_nxt: t.rcv_nxt,
            // More was never told.
            rcv_wnd: rcv_wnd(t).min(0xffff << t.rcv_scale),
            receive: Vec::new(),
            rcv_up: has(Flags::RECEIVE_URGENT).then_some(t.rcv_up),
            peer_mss: t.peer_mss,
            window_scale: has(Flags::SCALING).then_some((t.snd_scale, t.rcv_scale)),
            sack: has(Flags::SACK),
            timestamps: has(Flags::TIMESTAMPS).then_some(clock),
            ecn: ecn::export(self),
            rtt: t
                .rtt
                .has_sample()
                .then(|| (t.rtt.smoothed(), t.rtt.variance())),
            peer_user_timeout: t.peer_user_timeout,
        };
        if let Some(mut active) = self.active.take() {
            let mut text = Payload::default();
            let octets = active.send.len();
            active.send.slice(self.tcb.snd_una, octets, &mut text);
            snapshot.send.extend(text.drain());
            while let Some(piece) = active.receive.pop(usize::MAX) {
                snapshot.receive.push(piece);
            }
        }
        let t = &mut self.tcb;
        t.snd_una = t.snd_nxt;
        t.rcv_held = 0;
        t.owed_acks = 0;
        self.enter(State::Closed, now);
        Ok(snapshot)
    }

    /// The connection that was [exported](Connection::export), ESTABLISHED, with these options as
    /// far as they were not agreed with the peer.
    ///
    /// It acknowledges at once, so that the peer goes on; and what was in flight counts as lost
    /// until the peer says otherwise, for nobody has heard what it said in between.
    ///
    /// # Errors
    /// An [`ImportError`] for what cannot be a connection.
    pub fn import(
        snapshot: Snapshot,
        config: Arc<Config>,
        path: Path,
        now: Instant,
    ) -> Result<Connection, ImportError> {
        snapshot.check()?;
        let s = snapshot;
        let mut c = Connection::new(State::SynReceived, config, path, s.iss, 0, now);
        let t = &mut c.tcb;
        (t.snd_una, t.snd_nxt) = (s.snd_una, s.snd_nxt);
        (t.snd_wnd, t.max_snd_wnd) = (s.snd_wnd, s.max_snd_wnd);
        (t.snd_wl1, t.snd_wl2) = (s.snd_wl1, s.snd_wl2);
        (t.irs, t.rcv_nxt, t.rcv_adv) = (s.irs, s.rcv_nxt, s.rcv_nxt + s.rcv_wnd);
        (t.snd_up, t.rcv_up) = (s.snd_up.unwrap_or(t.iss), s.rcv_up.unwrap_or(t.irs));
        t.last_ack_sent = t.rcv_nxt;
        (t.snd_scale, t.rcv_scale) = s.window_scale.unwrap_or_default();
        t.flags.set(Flags::SEND_URGENT, s.snd_up.is_some());
        t.flags.set(Flags::RECEIVE_URGENT, s.rcv_up.is_some());
        t.flags.set(Flags::SCALING, s.window_scale.is_some());
        t.flags.set(Flags::SACK, s.sack);
        t.flags.set(Flags::TIMESTAMPS, s.timestamps.is_some());
        if let Some(clock) = s.timestamps {
            let (recent, age) = clock.recent.unwrap_or((0, TOO_OLD));
            let (now, age) = (now.as_millis() as u32, age.min(TOO_OLD).as_millis() as u32);
            t.ts_offset = clock.value.wrapping_sub(now);
            (t.ts_recent, t.ts_recent_age) = (recent, now.wrapping_sub(age));
        }
        if let Some((smoothed, variance)) = s.rtt {
            t.rtt = RttEstimator::restored(smoothed, variance);
        }
        t.peer_mss = s.peer_mss;
        t.peer_user_timeout = s.peer_user_timeout;
        ecn::import(&mut c, &s.ecn);
        mss::update(&mut c);
        hooks::established(&mut c, now);
        c.take_queues(&s.send, s.receive, now);
        c.check_invariants();
        Ok(c)
    }

    /// Fills an imported connection with its text, and says where it stands.
    fn take_queues(&mut self, send: &[Bytes], receive: Vec<Bytes>, now: Instant) {
        let t = &self.tcb;
        let (una, nxt) = (t.snd_una, t.snd_nxt);
        let mut active = Box::new(Active::new(t, &self.config));
        active.send = crate::buffer::send::SendBuffer::new(una);
        for piece in send {
            active.send.push(&mut piece.clone(), u32::MAX);
        }
        let mut unread = Payload::default();
        receive.into_iter().for_each(|piece| unread.push(piece));
        active.receive.push(&mut unread);
        self.tcb.rcv_held = active.receive.len();
        if self.tcb.rcv_held > 0 {
            self.events |= Readiness::READABLE;
        }
        if una != nxt {
            active.board.adopt(una, nxt, now);
            active.recovery.phase = Phase::Loss;
            active.recovery.lost_by = LostBy::Move;
            active.recovery.recover = nxt;
            self.tcb.flags |= Flags::FORCE_RETRANSMIT;
        }
        self.active = Some(active);
        // What was offered needs a buffer that holds it.
        let wanted = rcv_wnd(&self.tcb).saturating_add(self.tcb.rcv_held);
        while self.receive_capacity() < wanted.min(self.config.receive_buffer.most()) {
            self.tcb.rcv_doublings += 1;
        }
        self.tcb.flags |= Flags::ACK_NOW;
        hooks::rearm(self, now);
    }
}
