use crate::ack::sack_blocks::Reports;
use crate::buffer::{assembler::Assembler, receive::ReceiveBuffer, send::SendBuffer};
use crate::congestion::pacing::Pacer;
use crate::congestion::{CongestionControl, CongestionWindow, LossEvent};
use crate::fast_open::FastOpen;
use crate::recovery::{Recovery, scoreboard::Scoreboard};
use crate::statistics::{self, Counters};
use crate::tcb::{Flags, Tcb};
use crate::timer::{Timer, Timers};
use crate::window::autotune::{self, Autotune};
use crate::{
    Config, ConnectionError, Disposition, IcmpError, NetError, Path, Readiness, Segment,
    SegmentSlot, State, decisions, ecn, fast_path, keep_alive, mss, output, path_mtu,
    segment_arrives, timeouts, window,
};
use alloc::boxed::Box;
use alloc::sync::Arc;
use handfast_base::{Duration, Instant};
use handfast_wire::SeqNumber;

/// One connection, from SYN-SENT or the completed handshake until CLOSED or TIME-WAIT.
///
/// It reads no clock, rolls no dice, sleeps, locks and logs nothing. There are three kinds of
/// method, called in this order by whoever drives it:
///
/// 1. inputs: [`segment_arrives`](Connection::segment_arrives), [`timeout`](Connection::timeout),
///    [`icmp_error`](Connection::icmp_error);
/// 2. calls of the application (RFC 9293, 3.10.1 to 3.10.6), any time: [`open`](Connection::open),
///    [`send`](Connection::send), [`receive`](Connection::receive) with
///    [`release`](Connection::release), [`close`](Connection::close), [`abort`](Connection::abort),
///    [`info`](Connection::info);
/// 3. outputs, after inputs and calls: [`poll_transmit`](Connection::poll_transmit) until false,
///    then [`poll_timeout`](Connection::poll_timeout) and
///    [`poll_readiness`](Connection::poll_readiness).
#[derive(Debug)]
pub struct Connection {
    pub(crate) tcb: Tcb,
    pub(crate) timers: Timers,
    pub(crate) path: Path,
    pub(crate) config: Arc<Config>,
    pub(crate) active: Option<Box<Active>>,
    /// What happened since the last [`poll_readiness`](Connection::poll_readiness).
    pub(crate) events: Readiness,
    pub(crate) error: Option<ConnectionError>,
    pub(crate) soft_error: Option<NetError>,
    /// When the peer was last heard.
    pub(crate) last_heard: Instant,
    /// Since when the oldest unacknowledged octet has waited, or the window has been closed.
    pub(crate) stuck_since: Instant,
    /// In a box of its own: most of it is looked at only when somebody asks.
    pub(crate) counters: Box<Counters>,
    /// What ECN remembers, once there is something.
    pub(crate) ecn: Option<Box<ecn::Record>>,
    /// What is known of the path's MTU, if that may be less than the first link's.
    pub(crate) discovery: Option<Box<path_mtu::Discovery>>,
}

/// What a connection owns only while data moves; an idle one gives it back.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) send: SendBuffer,
    pub(crate) board: Scoreboard,
    pub(crate) recovery: Recovery,
    /// One past the last small segment sent (RFC 9293, A.3: Minshall's variant of Nagle).
    pub(crate) snd_sml: SeqNumber,
    pub(crate) receive: ReceiveBuffer,
    pub(crate) assembler: Assembler,
    /// What the SACK option has to say of it.
    pub(crate) reports: Reports,
    pub(crate) autotune: Autotune,
    pub(crate) congestion: Box<dyn CongestionControl>,
    /// An active open with text on its SYN, until it is known how that went.
    pub(crate) fast_open: Option<Box<FastOpen>>,
    pub(crate) pacer: Pacer,
    /// Whether congestion control models the path, and is told of all there is to know.
    pub(crate) model: bool,
    /// The congestion window was all used since the last sample of the delivery rate.
    pub(crate) window_used: bool,
}

impl Active {
    #[cold]
    pub(crate) fn new(tcb: &Tcb, config: &Config) -> Active {
        // Text starts behind the SYN, which is no part of the buffer.
        let begins = matches!(tcb.state, State::SynSent | State::SynReceived);
        let start = if begins && tcb.snd_nxt == tcb.iss {
            tcb.iss + 1
        } else {
            tcb.snd_nxt
        };
        let congestion = config.congestion.build();
        let mut pacer = Pacer::OFF;
        pacer.set_rate(congestion.pacing_rate(&tcb.congestion_window(), tcb.rtt.smoothed()));
        Active {
            send: SendBuffer::new(start),
            board: Scoreboard::default(),
            recovery: Recovery::new(tcb.snd_una),
            snd_sml: tcb.snd_una,
            receive: ReceiveBuffer::default(),
            assembler: Assembler::default(),
            reports: Reports::default(),
            autotune: Autotune::default(),
            model: congestion.models_the_path(),
            congestion,
            fast_open: None,
            pacer,
            window_used: false,
        }
    }
}

impl Connection {
    /// A connection in `state` about which nothing is known yet but our sequence number.
    pub(crate) fn new(
        state: State,
        config: Arc<Config>,
        path: Path,
        iss: SeqNumber,
        ts_offset: u32,
        now: Instant,
    ) -> Connection {
        let rcv_scale = window::scale::shift_for(config.receive_buffer.most());
        let default_mss = path.default_mss();
        let mut c = Connection {
            tcb: Tcb {
                snd_una: iss,
                snd_nxt: iss,
                snd_wnd: 0,
                max_snd_wnd: 0,
                snd_wl1: SeqNumber(0),
                snd_wl2: SeqNumber(0),
                snd_up: iss,
                iss,
                rcv_nxt: SeqNumber(0),
                rcv_adv: SeqNumber(0),
                rcv_up: SeqNumber(0),
                irs: SeqNumber(0),
                last_ack_sent: SeqNumber(0),
                rcv_fin: SeqNumber(0),
                rcv_held: 0,
                ts_recent: 0,
                ts_recent_age: 0,
                ts_offset,
                rtt: Default::default(),
                rto: Default::default(),
                cwnd: 0,
                ssthresh: u32::MAX,
                last_sent: now.as_millis() as u32,
                owed_acks: 0,
                peer_user_timeout: 0,
                peer_mss: default_mss,
                snd_mss: default_mss,
                acked_mss: 0,
                rcv_mss: 0,
                snd_scale: 0,
                rcv_scale,
                rcv_doublings: 0,
                probes: 0,
                challenges: 0,
                challenge_interval: 0,
                state,
                ecn: ecn::Bits::empty(),
                flags: Flags::empty(),
            },
            timers: Timers::OFF,
            path,
            config,
            active: None,
            events: Readiness::empty(),
            error: None,
            soft_error: None,
            last_heard: now,
            stuck_since: now,
            counters: Box::default(),
            ecn: None,
            discovery: None,
        };
        path_mtu::begin(&mut c);
        mss::update(&mut c);
        c
    }

    /// Octets that every connection has beside its own size: what it counts.
    pub const BOXED: usize = size_of::<Counters>();

    // ---- inputs ------------------------------------------------------------------------------

    /// SEGMENT ARRIVES (RFC 9293, 3.10.7). Takes the text out of `seg` as far as it is accepted.
    #[inline]
    pub fn segment_arrives(&mut self, seg: &mut Segment, now: Instant) -> Disposition {
        let old = seg.text_start().before(self.tcb.rcv_nxt) && self.tcb.state.is_synchronized();
        self.counters.arrived(seg, old, now);
        let before = self.is_traced().then(|| decisions::before(self));
        let disposition = if fast_path::segment_arrives(self, seg, now) {
            Disposition::Processed
        } else {
            segment_arrives::segment_arrives(self, seg, now)
        };
        if let Some(before) = before {
            decisions::arrived(self, &before, now);
        }
        self.check_invariants();
        disposition
    }

    /// A deadline that [`poll_timeout`](Connection::poll_timeout) named has come (3.10.8).
    /// Harmless when it has not.
    pub fn timeout(&mut self, now: Instant) {
        let before = self.is_traced().then(|| decisions::before(self));
        timeouts::timeout(self, now);
        if let Some(before) = before {
            decisions::fired(self, &before, now);
        }
        self.check_invariants();
    }

    /// An ICMP error quotes a segment of ours that began at `quoted` (RFC 9293, 3.9.2.2;
    /// RFC 5927). False when nothing at that sequence number is in flight: then it is ignored.
    pub fn icmp_error(&mut self, error: IcmpError, quoted: SeqNumber, now: Instant) -> bool {
        let t = &self.tcb;
        if t.state == State::Closed || !quoted.within(t.snd_una, t.snd_nxt.offset_from(t.snd_una)) {
            return false;
        }
        let before = self.is_traced().then(|| decisions::before(self));
        match error {
            // MUST-56, SHLD-25.
            IcmpError::Soft(why) => self.note(why),
            // Only a handshake fails of it (SHLD-26; RFC 5927, 5.2).
            IcmpError::Hard(why) if !matches!(t.state, State::SynSent | State::SynReceived) => {
                self.note(why);
            }
            IcmpError::Hard(why) => {
                let refused = why == NetError::PortUnreachable;
                self.die(if refused {
                    ConnectionError::Refused
                } else {
                    ConnectionError::Unreachable(why)
                });
            }
            IcmpError::TooBig { mtu } => path_mtu::too_big::arrived(self, mtu, quoted, now),
        }
        if let Some(before) = before {
            decisions::quoted(self, &before, now);
        }
        self.check_invariants();
        true
    }

    /// The route to the peer has changed, or its MTU: what is known of the path's begins anew.
    pub fn set_path(&mut self, path: Path) {
        self.path = path;
        path_mtu::begin(self);
        mss::update(self);
    }

    /// Whoever writes the segments adds this many octets of options to each: they carry less text,
    /// and none is a super-segment, because what is added is different for each.
    pub fn reserve_options(&mut self, octets: u8) {
        Arc::make_mut(&mut self.config).option_room = octets;
        mss::update(self);
    }

    // ---- outputs -----------------------------------------------------------------------------

    /// Writes the next segment that may be sent now into `out`; false when there is none. A
    /// segment that was written counts as sent.
    #[inline]
    pub fn poll_transmit(&mut self, now: Instant, out: &mut SegmentSlot) -> bool {
        let nxt = self.tcb.snd_nxt;
        let before = self.is_traced().then(|| decisions::before(self));
        let sent =
            fast_path::poll_transmit(self, now, out) || output::poll_transmit(self, now, out);
        if sent {
            self.counters.left(out, nxt, now);
        } else {
            statistics::output_ended(self, now);
        }
        if let Some(before) = before {
            decisions::transmitted(self, &before, sent.then_some(out), now);
        }
        self.check_invariants();
        sent
    }

    /// When [`timeout`](Connection::timeout) wants to be called, if nothing happens before.
    #[inline]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let paced = self.active.as_deref().map(|a| a.pacer.wake());
        let next = self.timers.next().min(paced.unwrap_or(Instant::FAR_FUTURE));
        (next != Instant::FAR_FUTURE).then_some(next)
    }

    /// What has happened since the last call; empty when nothing has.
    #[inline]
    pub fn poll_readiness(&mut self) -> Readiness {
        core::mem::take(&mut self.events)
    }

    /// What the connection is ready for now.
    pub fn readiness(&self) -> Readiness {
        let t = &self.tcb;
        let mut r = Readiness::empty();
        let dead = t.state == State::Closed;
        let read_closed = self.is_read_closed();
        if self.has_unread() || read_closed || dead {
            r |= Readiness::READABLE;
        }
        let connected = t.flags.contains(Flags::WAS_ESTABLISHED);
        let may_write = connected || self.may_send_with_syn();
        if dead || !t.state.may_send() || may_write && self.send_room() > 0 {
            r |= Readiness::WRITABLE;
        }
        if connected {
            r |= Readiness::CONNECTED;
        }
        if read_closed {
            r |= Readiness::READ_CLOSED;
        }
        if matches!(t.state, State::FinWait2 | State::TimeWait) || dead {
            r |= Readiness::WRITE_CLOSED;
        }
        if dead {
            r |= Readiness::CLOSED;
        }
        if self.error.is_some() {
            r |= Readiness::ERROR | Readiness::READABLE | Readiness::WRITABLE;
        }
        if t.flags.contains(Flags::RECEIVE_URGENT) {
            r |= Readiness::URGENT;
        }
        r
    }

    /// The state (RFC 9293, 3.3.2). In CLOSED a reset may still wait in
    /// [`poll_transmit`](Connection::poll_transmit); in TIME-WAIT the connection is to be
    /// replaced by [`time_wait`](Connection::time_wait)'s record.
    #[inline]
    pub fn state(&self) -> State {
        self.tcb.state
    }

    /// Why the connection is dead; `None` while it lives and after a clean end (MUST-12).
    pub fn error(&self) -> Option<ConnectionError> {
        self.error
    }

    /// Takes the last soft error: something ICMP said, or R1 was reached (MUST-47). Who does not want
    /// to know does not ask (SHLD-20).
    pub fn soft_error(&mut self) -> Option<NetError> {
        self.soft_error.take()
    }

    /// The options.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Changes options; a shared value is copied first. Changes act at once.
    pub fn configure(&mut self, change: impl FnOnce(&mut Config)) {
        let was = self.config.keep_alive;
        let option_room = self.config.option_room;
        change(Arc::make_mut(&mut self.config));
        if option_room != self.config.option_room {
            // It belongs to who writes the segments.
            Arc::make_mut(&mut self.config).option_room = option_room;
        }
        let lives = self.tcb.state.is_synchronized() && self.tcb.state != State::TimeWait;
        if lives && self.config.keep_alive != was {
            // The timer looks at it anew when it fires; make that now.
            self.timers.arm(Timer::KeepAlive, self.last_heard);
        }
        if self.config.user_timeout_option.is_some() {
            self.tcb.flags |= Flags::USER_TIMEOUT_DUE;
        }
        mss::update(self);
    }

    /// The way to the peer.
    pub fn path(&self) -> Path {
        self.path
    }

    /// RCV.NXT: the sequence number of the next octet expected.
    #[inline]
    pub fn rcv_nxt(&self) -> SeqNumber {
        self.tcb.rcv_nxt
    }

    /// Octets of payload held: queued to send, unread, and out of order.
    #[inline]
    pub fn memory(&self) -> usize {
        self.send_memory() + self.receive_memory()
    }

    /// The part of [`memory`](Connection::memory) that the application has queued to be sent.
    pub fn send_memory(&self) -> usize {
        self.active.as_deref().map_or(0, |a| a.send.len() as usize)
    }

    /// The part of [`memory`](Connection::memory) that has arrived.
    pub fn receive_memory(&self) -> usize {
        self.active
            .as_deref()
            .map_or(0, |a| (a.receive.len() + a.assembler.charge()) as usize)
    }

    // ---- inside ------------------------------------------------------------------------------

    /// The TCB beside the active part, which comes to life if it was given back.
    #[inline]
    pub(crate) fn parts(&mut self) -> (&mut Tcb, &mut Active) {
        let (tcb, config) = (&mut self.tcb, &self.config);
        let active = self
            .active
            .get_or_insert_with(|| Box::new(Active::new(tcb, config)));
        (tcb, active)
    }

    /// Lets congestion control at its window.
    pub(crate) fn with_congestion(
        &mut self,
        f: impl FnOnce(&mut dyn CongestionControl, &mut CongestionWindow),
    ) {
        let (tcb, active) = self.parts();
        let mut w = tcb.congestion_window();
        let mss = w.mss;
        f(&mut *active.congestion, &mut w);
        tcb.cwnd = w.cwnd.clamp(mss, 1 << 30);
        tcb.ssthresh = w.ssthresh.max(2 * mss);
        let rate = active.congestion.pacing_rate(&w, tcb.rtt.smoothed());
        active.pacer.set_rate(rate);
    }

    /// Congestion control answers a loss, unless it has answered a mark in the same window of data
    /// (RFC 3168, 6.1.2). A model of the path is told of each recovery.
    pub(crate) fn congested(&mut self, loss: &LossEvent) {
        let models = self.active.as_deref().is_some_and(|a| a.model);
        if models || !ecn::has_answered(self, loss) {
            self.congested_anew(loss);
        }
    }

    /// The same for what cannot be of a window of data that was answered.
    pub(crate) fn congested_anew(&mut self, loss: &LossEvent) {
        self.with_congestion(|algorithm, w| algorithm.on_loss(w, loss));
        ecn::reduced(self);
    }

    /// Octets the application may still queue, as far as the send buffer and
    /// [`notsent_lowat`](Config::notsent_lowat) go.
    pub fn send_room(&self) -> u32 {
        let (held, unsent) = self.active.as_deref().map_or((0, 0), |a| {
            let unsent = a.send.end().distance(self.tcb.snd_nxt).max(0) as u32;
            (a.send.len(), unsent)
        });
        let room = autotune::send_capacity(&self.tcb, &self.config).saturating_sub(held);
        match self.config.notsent_lowat {
            // Below the mark a whole segment is taken, else it is the mark that makes segments small.
            Some(mark) if unsent < mark.max(1) => {
                let below = mark.saturating_sub(unsent);
                room.min(below.max(u32::from(self.tcb.snd_mss)))
            }
            Some(_) => 0,
            None => room,
        }
    }

    /// Octets that may wait unread now: the receive buffer as far as it has grown.
    #[inline]
    pub fn receive_capacity(&self) -> u32 {
        autotune::receive_capacity(&self.tcb, &self.config)
    }

    /// Octets to spare where this connection lives. The receive buffer does not grow beyond them;
    /// when there are none both buffers shrink, as far as nothing that was promised is taken back.
    #[inline]
    pub fn set_memory_room(&mut self, room: usize) {
        let doubling = self.receive_capacity() as usize;
        let flags = &mut self.tcb.flags;
        flags.set(Flags::MEMORY_SHORT, room == 0);
        flags.set(Flags::NO_GROWTH, room < doubling);
    }

    /// Octets of sequence space sent and not acknowledged.
    #[inline]
    pub(crate) fn flight_size(&self) -> u32 {
        self.tcb.snd_nxt.offset_from(self.tcb.snd_una)
    }

    /// The retransmission timeout to arm now.
    pub(crate) fn rto(&self) -> Duration {
        self.tcb.rto.current(&self.tcb.rtt, &self.config)
    }

    /// Changes the state, and tells the application what that means for it.
    pub(crate) fn enter(&mut self, state: State, now: Instant) {
        let was = core::mem::replace(&mut self.tcb.state, state);
        decisions::entered(self, was, now);
        match state {
            State::Established => {
                self.tcb.flags |= Flags::WAS_ESTABLISHED;
                self.events |= Readiness::CONNECTED | Readiness::WRITABLE;
                keep_alive::arm(self, now);
                if self.tcb.flags.contains(Flags::CLOSE_QUEUED) {
                    self.tcb.flags -= Flags::CLOSE_QUEUED;
                    self.enter(State::FinWait1, now);
                }
            }
            State::FinWait2 => {
                self.events |= Readiness::WRITE_CLOSED;
                if self.tcb.flags.contains(Flags::ORPHAN) {
                    self.timers
                        .arm(Timer::FinWait2, now + self.config.fin_wait_2);
                }
            }
            // Whoever waits to write waits in vain.
            State::FinWait1 | State::LastAck => self.events |= Readiness::WRITABLE,
            State::CloseWait => self.events |= Readiness::READ_CLOSED | Readiness::READABLE,
            State::Closing => self.events |= Readiness::READ_CLOSED | Readiness::READABLE,
            State::TimeWait => {
                self.events |=
                    Readiness::READ_CLOSED | Readiness::READABLE | Readiness::WRITE_CLOSED;
                self.timers = Timers::OFF;
            }
            State::Closed => {
                self.events |= Readiness::CLOSED
                    | Readiness::READABLE
                    | Readiness::WRITABLE
                    | Readiness::READ_CLOSED
                    | Readiness::WRITE_CLOSED;
                self.timers = Timers::OFF;
            }
            _ => {}
        }
    }

    /// The connection is dead: all queues are flushed, but for what the application can still
    /// read after a clean end.
    pub(crate) fn die(&mut self, why: ConnectionError) {
        self.error = Some(why);
        self.events |= Readiness::ERROR;
        self.active = None;
        self.tcb.rcv_held = 0;
        self.enter(State::Closed, Instant::ZERO);
    }

    /// The connection is dead by our decision, and the peer is reset if it knows of us.
    pub(crate) fn reset(&mut self, why: ConnectionError) {
        let told = self.tcb.state.is_synchronized() && self.tcb.state != State::TimeWait;
        self.die(why);
        self.tcb.flags.set(Flags::RESET, told);
    }

    fn note(&mut self, why: NetError) {
        self.soft_error = Some(why);
        self.events |= Readiness::ERROR;
    }

    /// What must hold after every input, call and output; compiled into tests and debug builds.
    #[inline]
    pub(crate) fn check_invariants(&self) {
        #[cfg(debug_assertions)]
        {
            let t = &self.tcb;
            assert!(t.snd_una.at_or_before(t.snd_nxt), "SND.UNA <= SND.NXT");
            if t.state == State::Closed || t.state == State::TimeWait {
                return;
            }
            if let Some(active) = self.active.as_deref() {
                active.board.check_invariants(t.snd_una, t.snd_nxt);
                assert!(t.rcv_held >= active.receive.len(), "unread octets are held");
            } else {
                assert_eq!(t.snd_una, t.snd_nxt, "something in flight has a record");
            }
            assert!(
                t.snd_una == t.snd_nxt || self.timers.is_armed(Timer::Retransmission),
                "anything unacknowledged has a running timer: {self:?}"
            );
            if t.state.is_synchronized() {
                assert!(
                    t.rcv_nxt.at_or_before(t.rcv_adv + 1),
                    "RCV.NXT is inside the edge"
                );
            }
        }
    }
}
