//! The calls of the application (RFC 9293, 3.10.1 to 3.10.6).

use crate::tcb::Flags;
use crate::timer::Timer;
use crate::{
    CloseError, Config, Connection, ConnectionError, Path, Readiness, SendError, State, TimeWait,
    cork, info::TcpInfo, window,
};
use alloc::sync::Arc;
use bytes::Bytes;
use handfast_base::Instant;
use handfast_wire::SeqNumber;

impl Connection {
    /// Active OPEN (3.10.1): SYN-SENT, and the SYN waits in
    /// [`poll_transmit`](Connection::poll_transmit).
    ///
    /// `iss` comes from [`isn::Secret`](crate::isn::Secret), as does `timestamp_offset`.
    pub fn open(
        config: Arc<Config>,
        path: Path,
        iss: SeqNumber,
        timestamp_offset: u32,
        now: Instant,
    ) -> Connection {
        Connection::new(State::SynSent, config, path, iss, timestamp_offset, now)
    }

    /// SEND (3.10.2): takes what fits from the front of `data` and leaves the rest; returns how
    /// many octets were taken, 0 when the buffer is full. What is queued before the handshake is
    /// complete leaves after it.
    ///
    /// # Errors
    /// [`SendError::Closing`] after [`close`](Connection::close); [`SendError::Dead`] when the
    /// connection has ended.
    pub fn send(&mut self, data: &mut Bytes) -> Result<usize, SendError> {
        if self.tcb.state == State::Closed || self.tcb.state == State::TimeWait {
            return Err(SendError::Dead(self.error));
        }
        if !self.tcb.state.may_send() || self.tcb.flags.contains(Flags::CLOSE_QUEUED) {
            return Err(SendError::Closing);
        }
        let room = self.send_room();
        if room == 0 {
            return Ok(0);
        }
        if !self.tcb.flags.contains(Flags::CORKED) {
            self.timers.stop(Timer::Idle);
        }
        let (_, active) = self.parts();
        Ok(active.send.push(data, room))
    }

    /// SEND with the urgent flag (3.8.5): as [`send`](Connection::send), and the urgent pointer
    /// points behind what was taken (MUST-30, MUST-62).
    ///
    /// # Errors
    /// As [`send`](Connection::send).
    pub fn send_urgent(&mut self, data: &mut Bytes) -> Result<usize, SendError> {
        let taken = self.send(data)?;
        if taken > 0 {
            let (tcb, active) = self.parts();
            tcb.snd_up = active.send.end();
            tcb.flags |= Flags::SEND_URGENT;
        }
        Ok(taken)
    }

    /// RECEIVE (3.10.3): takes at most `max` octets, one slice, out of the stream. The window
    /// opens only when [`release`](Connection::release) says they are consumed. `None`: nothing
    /// is there; [`is_read_closed`](Connection::is_read_closed) tells whether more can come.
    #[inline]
    pub fn receive(&mut self, max: usize) -> Option<Bytes> {
        self.active.as_deref_mut()?.receive.pop(max)
    }

    /// The unread slices, in order, left where they are.
    pub fn peek(&self) -> impl Iterator<Item = &Bytes> {
        self.active.iter().flat_map(|a| a.receive.iter())
    }

    /// Opens the window by `octets` that were received and are now consumed; more than were
    /// received count as all of them.
    pub fn release(&mut self, octets: u32) {
        let unread = self.active.as_deref().map_or(0, |a| a.receive.len());
        let t = &mut self.tcb;
        t.rcv_held = t.rcv_held.saturating_sub(octets).max(unread);
        if t.flags.contains(Flags::RECEIVE_URGENT) && t.rcv_up.at_or_before(t.rcv_nxt - t.rcv_held)
        {
            t.flags -= Flags::RECEIVE_URGENT;
        }
        let is_shut = self.tcb.flags.contains(Flags::SHUT);
        self.tcb.flags -= Flags::SHUT;
        if is_shut || window::receive::is_update_due(self) {
            self.tcb.flags |= Flags::ACK_NOW | Flags::WINDOW_UPDATE;
        }
    }

    /// Text that was in order has been thrown away for want of memory: the peer is told of a zero
    /// window at once, so that it probes (RFC 9293, section 3.8.6.1) and does not take us for dead.
    /// The window is open again when text has been taken, or the application has made room. This
    /// takes back what was offered, which a receiver should not do (SHLD-14) and every sender has to
    /// bear (MUST-34).
    pub fn refuse_text(&mut self) {
        let t = &mut self.tcb;
        if t.state.may_receive() {
            t.flags |= Flags::SHUT | Flags::ACK_NOW;
            // The peer speaks from the edge that it is told of; what it sent beyond that before is
            // no newer word on its own window.
            t.snd_wl1 = t.snd_wl1.earlier(t.rcv_nxt);
        }
    }

    /// Throws away what is held beyond a gap, reported or not, for the sake of text that is in order
    /// (RFC 2018, section 8); the peer keeps it until it is acknowledged. False if there is none.
    pub fn renege(&mut self) -> bool {
        let active = self.active.as_deref_mut();
        active.filter(|a| !a.assembler.is_empty()).is_some_and(|a| {
            a.assembler.clear();
            true
        })
    }

    /// Octets from the first unread one to the end of the urgent data (MUST-33); `None` when
    /// there is none ahead.
    pub fn urgent(&self) -> Option<u32> {
        let t = &self.tcb;
        let ahead = t.rcv_up.distance(t.rcv_nxt - t.rcv_held);
        (t.flags.contains(Flags::RECEIVE_URGENT) && ahead > 0).then_some(ahead as u32)
    }

    /// CLOSE (3.10.4): our FIN follows what is queued; the other direction stays open.
    ///
    /// # Errors
    /// [`CloseError::Closing`] when it was closed before, [`CloseError::Dead`] when the connection
    /// has ended.
    pub fn close(&mut self, now: Instant) -> Result<(), CloseError> {
        match self.tcb.state {
            State::Closed => return Err(CloseError::Dead),
            // To the application it is open, and the other direction stays so.
            State::SynSent if self.is_opened_fast() => {
                if self.tcb.flags.contains(Flags::CLOSE_QUEUED) {
                    return Err(CloseError::Closing);
                }
                self.tcb.flags |= Flags::CLOSE_QUEUED;
            }
            // Nobody has heard of us: the attempt is forgotten.
            State::SynSent | State::Listen => {
                self.active = None;
                self.tcb.snd_nxt = self.tcb.snd_una;
                self.enter(State::Closed, now);
            }
            State::SynReceived if !self.tcb.flags.contains(Flags::CLOSE_QUEUED) => {
                self.tcb.flags |= Flags::CLOSE_QUEUED;
            }
            State::Established => self.enter(State::FinWait1, now),
            State::CloseWait => self.enter(State::LastAck, now),
            _ => return Err(CloseError::Closing),
        }
        if self.tcb.state.is_fin_queued() {
            self.parts();
            cork::release(self);
            self.timers.stop(Timer::Idle);
        }
        Ok(())
    }

    /// No more reading: what has arrived and what will arrive is acknowledged and thrown away.
    pub fn shutdown_read(&mut self) {
        self.tcb.flags |= Flags::READ_SHUT;
        if let Some(active) = self.active.as_deref_mut() {
            active.receive.clear();
        }
        let held = self.tcb.rcv_held;
        self.release(held);
        self.events |= Readiness::READABLE | Readiness::READ_CLOSED;
    }

    /// The application has let go of the connection after [`close`](Connection::close): new data
    /// draws a reset (MAY-1, SHLD-3), and FIN-WAIT-2 does not last for ever.
    pub fn orphan(&mut self, now: Instant) {
        self.tcb.flags |= Flags::ORPHAN;
        if self.may_send_with_syn() && self.unacknowledged() == 0 {
            // A Fast Open of which nobody has heard, and nothing to be said.
            self.active = None;
            self.enter(State::Closed, now);
        }
        if self.tcb.state == State::FinWait2 {
            self.timers
                .arm(Timer::FinWait2, now + self.config.fin_wait_2);
        }
    }

    /// ABORT (3.10.5): all queues are flushed and the peer is reset, if it knows of us.
    pub fn abort(&mut self) {
        if self.tcb.state != State::Closed {
            self.reset(ConnectionError::Aborted);
        }
    }

    /// STATUS (3.10.6): a snapshot of everything a user may ask.
    pub fn info(&self, now: Instant) -> TcpInfo {
        TcpInfo::of(self, now)
    }

    /// Whether octets wait to be read.
    pub fn has_unread(&self) -> bool {
        self.active.as_deref().is_some_and(|a| a.receive.len() > 0)
    }

    /// Octets queued and not acknowledged, our FIN not counted.
    pub fn unacknowledged(&self) -> u32 {
        self.active.as_deref().map_or(0, |a| a.send.len())
    }

    /// Whether no more data can arrive: after the unread octets comes end of stream.
    pub fn is_read_closed(&self) -> bool {
        let t = &self.tcb;
        t.flags.contains(Flags::READ_SHUT)
            || matches!(
                t.state,
                State::CloseWait
                    | State::Closing
                    | State::LastAck
                    | State::TimeWait
                    | State::Closed
            )
    }

    /// The record that replaces the connection in TIME-WAIT; `None` in any other state. Unread
    /// data stays here, to be received.
    pub fn time_wait(&self, now: Instant) -> Option<TimeWait> {
        (self.tcb.state == State::TimeWait).then(|| TimeWait::of(self, now))
    }

    /// Whether nothing is queued, in flight, unread or owed, in a state that can last.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(
            self.tcb.state,
            State::Established | State::CloseWait | State::FinWait2
        ) && self.flight_size() == 0
            && self
                .active
                .as_deref()
                .is_none_or(|a| a.send.len() == 0 && a.receive.len() == 0 && a.assembler.is_empty())
    }
}
