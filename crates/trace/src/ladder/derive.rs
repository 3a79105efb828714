//! RFC 9293's state machine replayed over the segments of an end that reports no states.
//!
//! The network shows what an end sent and what reached it, not what its user called; so a CLOSE
//! is seen when the FIN leaves, an ABORT when the RST does, and the end of TIME-WAIT not at all.
//! Sections are of RFC 9293.

use crate::ranges::Ranges;
use handfast_tcp::State;
use handfast_wire::tcp::TcpFlags;

/// What the machine needs to know of a segment. Numbers are relative to the ISN of the end that
/// they belong to: a SYN has `seq` 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// Control bits.
    pub flags: TcpFlags,
    /// SEG.SEQ.
    pub seq: i64,
    /// SEG.ACK; ignored without the ACK bit.
    pub ack: i64,
    /// Octets of text.
    pub len: u32,
}

/// One end, replayed.
#[derive(Clone, Debug)]
pub struct Machine {
    state: State,
    is_passive: bool,
    /// SND.UNA.
    una: i64,
    /// SND.NXT at its highest.
    nxt: i64,
    /// SND.NXT after our FIN, once it is sent.
    fin_sent: Option<i64>,
    received: Ranges,
    rcv_nxt: Option<i64>,
    /// Sequence number of the peer's FIN, once it is received, in order or not.
    peer_fin: Option<i64>,
    restarts: u32,
}

impl Machine {
    /// An end in this state: [`State::Closed`] before its active open, [`State::Listen`] before
    /// the peer's, [`State::Established`] where the trace begins in the middle.
    pub fn new(initial: State) -> Machine {
        Machine {
            state: initial,
            is_passive: initial == State::Listen,
            una: 0,
            nxt: 0,
            fin_sent: None,
            received: Ranges::default(),
            rcv_nxt: None,
            peer_fin: None,
            restarts: 0,
        }
    }

    /// The state it is in.
    pub fn state(&self) -> State {
        self.state
    }

    /// How many times a repeated FIN restarted the 2MSL timer (3.10.7.4, eighth).
    pub fn time_wait_restarts(&self) -> u32 {
        self.restarts
    }

    /// Segments were missed: what comes next is taken to be in order.
    pub fn resume(&mut self) {
        self.rcv_nxt = None;
    }

    /// The end sent this. Returns the states it entered, in order.
    pub fn sent(&mut self, s: Step) -> Vec<State> {
        use State::*;
        let mut entered = Entered::new(self.state);
        let (syn, fin) = (
            s.flags.contains(TcpFlags::SYN),
            s.flags.contains(TcpFlags::FIN),
        );
        if s.flags.contains(TcpFlags::RST) {
            // An abort uses SND.NXT (3.10.5); a RST with any other number answers a stray segment
            // (3.10.7.3, 3.10.7.4 fifth) and changes nothing.
            let is_abort = (self.una..=self.nxt).contains(&s.seq);
            if is_abort && !matches!(self.state, Closed | Listen | SynSent | TimeWait) {
                entered.push(Closed);
            }
            return self.settle(entered);
        }
        let end = s.seq + i64::from(s.len) + i64::from(syn) + i64::from(fin);
        self.nxt = self.nxt.max(end);
        if syn && matches!(self.state, Closed | Listen) {
            // A SYN,ACK without the SYN it answers: the trace begins in between.
            entered.push(if s.flags.contains(TcpFlags::ACK) {
                SynReceived
            } else {
                SynSent
            });
        }
        if fin && self.fin_sent.is_none() {
            self.fin_sent = Some(end);
            match self.state {
                SynReceived | Established => entered.push(FinWait1),
                CloseWait => entered.push(LastAck),
                _ => {}
            }
        }
        self.settle(entered)
    }

    /// This reached the end. Returns the states it entered, in order.
    pub fn received(&mut self, s: Step) -> Vec<State> {
        use State::*;
        let mut entered = Entered::new(self.state);
        let (syn, ack) = (
            s.flags.contains(TcpFlags::SYN),
            s.flags.contains(TcpFlags::ACK),
        );
        let acceptable_ack = ack && self.una < s.ack && s.ack <= self.nxt;
        if s.flags.contains(TcpFlags::RST) {
            match self.state {
                Closed | Listen => {}
                SynSent if !acceptable_ack => {}
                // RFC 5961, section 3.2: only the exact number resets.
                _ if self.rcv_nxt.is_some_and(|n| n != s.seq) => {}
                SynReceived if self.is_passive => {
                    *self = Machine::new(Listen);
                    entered.push(Listen);
                }
                _ => entered.push(Closed),
            }
            return self.settle(entered);
        }
        match self.state {
            Closed => return Vec::new(),
            Listen if syn && !ack => entered.push(SynReceived),
            Listen => return Vec::new(),
            SynSent if ack && !acceptable_ack => return Vec::new(),
            SynSent if syn => entered.push(if ack { Established } else { SynReceived }),
            SynSent => return Vec::new(),
            _ => {}
        }
        if acceptable_ack {
            self.una = s.ack;
        }
        if ack {
            let is_fin_acked = self.fin_sent.is_some_and(|fin| self.una >= fin);
            match entered.now {
                SynReceived if !syn && self.una >= 1 => {
                    entered.push(Established);
                    // Our FIN may have left before the SYN was acknowledged (3.10.4).
                    if self.fin_sent.is_some() {
                        entered.push(FinWait1);
                    }
                }
                FinWait1 if is_fin_acked => entered.push(FinWait2),
                Closing if is_fin_acked => entered.push(TimeWait),
                LastAck if is_fin_acked => entered.push(Closed),
                _ => {}
            }
        }
        self.take_text(s, &mut entered);
        self.settle(entered)
    }

    /// Seventh and eighth of 3.10.7.4: text and FIN, in whatever order they come.
    fn take_text(&mut self, s: Step, entered: &mut Entered) {
        use State::*;
        let text = s.seq + i64::from(s.flags.contains(TcpFlags::SYN));
        let end = text + i64::from(s.len);
        let is_fin = s.flags.contains(TcpFlags::FIN);
        if entered.now == TimeWait && is_fin && self.peer_fin == Some(end) {
            self.restarts += 1;
            return;
        }
        let rcv_nxt = *self.rcv_nxt.get_or_insert(text);
        self.received.insert(text, end);
        let mut next = self.received.end_from(rcv_nxt);
        if is_fin {
            self.peer_fin.get_or_insert(end);
        }
        if self.peer_fin == Some(next) {
            next += 1;
            match entered.now {
                SynReceived | Established => entered.push(CloseWait),
                FinWait1 => entered.push(Closing),
                FinWait2 => entered.push(TimeWait),
                _ => {}
            }
        }
        self.rcv_nxt = Some(next.max(rcv_nxt));
    }

    fn settle(&mut self, entered: Entered) -> Vec<State> {
        self.state = entered.now;
        entered.states
    }
}

/// The states entered because of one segment.
struct Entered {
    now: State,
    states: Vec<State>,
}

impl Entered {
    fn new(now: State) -> Entered {
        Entered {
            now,
            states: Vec::new(),
        }
    }

    fn push(&mut self, state: State) {
        self.now = state;
        self.states.push(state);
    }
}

#[cfg(test)]
#[path = "derive_tests.rs"]
mod tests;
