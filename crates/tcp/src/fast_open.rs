//! TCP Fast Open (RFC 7413): text on the SYN, for peers that have met before. The cookie that
//! proves it is the business of whoever owns the connections; here is what one of them does.

use crate::tcb::Flags;
use crate::timer::Timer;
use crate::{
    Config, Connection, Path, Readiness, Segment, SegmentSlot, State, SynReceived, congestion,
    segment_arrives,
};
use alloc::boxed::Box;
use alloc::sync::Arc;
use handfast_base::{Duration, Instant};
use handfast_wire::tcp::{FastOpenCookie, TcpFlags};

/// How long a SYN waits for the text that is to ride on it.
const PATIENCE: Duration = Duration::from_millis(10);
/// What the options of a SYN take at most.
const OPTIONS: u16 = 40;

/// An active open that would put text on its SYN.
#[derive(Debug)]
pub(crate) struct FastOpen {
    /// Empty: one is asked for.
    cookie: FastOpenCookie,
    /// Segments that the peer took the last time (RFC 7413, 4.1.3).
    mss: u16,
    /// Octets of text on the SYN.
    text: u32,
    answer: Option<FastOpenOutcome>,
}

/// How a fast open went (RFC 7413, section 4.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FastOpenOutcome {
    /// The peer's new cookie.
    pub cookie: Option<FastOpenCookie>,
    /// The MSS that the peer announced, in octets.
    pub mss: u16,
    /// Octets of text that our first SYN carried.
    pub text: u32,
    /// The peer has taken them all.
    pub taken: bool,
    /// The first SYN, with the option on it, got no answer in time.
    pub syn_lost: bool,
}

impl Connection {
    /// Makes a Fast Open of an active OPEN whose SYN has not left: with a cookie, and the MSS that
    /// came with it, what is queued by then rides on the SYN, for which it waits 10 ms; without
    /// one, a cookie is asked for (RFC 7413, section 4.2.1).
    pub fn fast_open(&mut self, known: Option<(FastOpenCookie, u16)>) {
        if self.tcb.state == State::SynSent && self.tcb.snd_nxt == self.tcb.iss {
            let (cookie, mss) = known.unwrap_or_default();
            self.parts().1.fast_open = Some(Box::new(FastOpen {
                cookie,
                mss,
                text: 0,
                answer: None,
            }));
        }
    }

    /// Whether text that is queued now may ride on the SYN.
    pub fn may_send_with_syn(&self) -> bool {
        self.tcb.snd_nxt == self.tcb.iss && self.is_opened_fast()
    }

    /// Whether the application takes it for open although no answer has come.
    pub(crate) fn is_opened_fast(&self) -> bool {
        let fast_open = (self.active.as_deref()).and_then(|a| a.fast_open.as_deref());
        self.tcb.state == State::SynSent
            && fast_open.is_some_and(|f| !f.cookie.as_slice().is_empty())
    }

    /// How the Fast Open went, told once, when the handshake is complete.
    pub fn fast_open_outcome(&mut self) -> Option<FastOpenOutcome> {
        let active = self.active.as_deref_mut()?;
        active.fast_open.take_if(|f| f.answer.is_some())?.answer
    }

    /// Passive OPEN with the text on the SYN, whose cookie was found good (RFC 7413, section
    /// 4.2.2): in SYN-RECEIVED, where text goes both ways. A FIN on the SYN is left for the peer
    /// to repeat.
    pub fn open_fast(
        record: SynReceived,
        syn: &mut Segment,
        config: Arc<Config>,
        path: Path,
        now: Instant,
    ) -> Connection {
        let mut c = record.begin(config, path, now);
        c.tcb.flags |= Flags::FAST_OPEN | Flags::WAS_ESTABLISHED;
        let mss = u32::from(c.tcb.snd_mss);
        c.tcb.cwnd = congestion::initial_window(mss, c.config.initial_window);
        c.events |= Readiness::CONNECTED | Readiness::WRITABLE;
        syn.header.flags -= TcpFlags::FIN;
        segment_arrives::take_text(&mut c, syn, now);
        c
    }
}

/// Whether the SYN waits for text that could ride on it.
pub(crate) fn waits(c: &mut Connection, now: Instant) -> bool {
    if !c.may_send_with_syn() || c.tcb.flags.contains(Flags::ACK_NOW) {
        return false;
    }
    if c.unacknowledged() > 0 || c.tcb.flags.contains(Flags::CLOSE_QUEUED) {
        c.timers.stop(Timer::DelayedAck);
        return false;
    }
    if !c.timers.is_armed(Timer::DelayedAck) {
        c.timers.arm(Timer::DelayedAck, now + PATIENCE);
    }
    true
}

/// Puts the option, and text as far as there is, on the first SYN; how many octets that were. A
/// SYN that is sent again carries neither: they may be why it was lost (RFC 7413, 4.2.1).
pub(crate) fn ride(c: &mut Connection, out: &mut SegmentSlot) -> u32 {
    if c.tcb.state != State::SynSent {
        return 0;
    }
    let path = c.path.mss();
    let (tcb, active) = c.parts();
    let Some(fast_open) = active.fast_open.as_deref_mut() else {
        return 0;
    };
    out.header.options.fast_open = Some(fast_open.cookie);
    if fast_open.cookie.as_slice().is_empty() {
        return 0;
    }
    let room = path.min(fast_open.mss).saturating_sub(OPTIONS);
    let text = active.send.len().min(u32::from(room));
    if text > 0 {
        active.send.slice(tcb.iss + 1, text, &mut out.payload);
        out.header.flags |= TcpFlags::PSH;
    }
    fast_open.text = text;
    text
}

/// The SYN,ACK has come: what it does not acknowledge is sent again, at once (RFC 7413, 4.2.1).
pub(crate) fn answered(c: &mut Connection, seg: &Segment) {
    let syn_lost = c.tcb.rto.syn_losses() > 0;
    let (tcb, active) = c.parts();
    let Some(fast_open) = active.fast_open.as_deref_mut() else {
        return;
    };
    let taken = tcb.snd_una == tcb.snd_nxt;
    let given = seg.header.options.fast_open;
    fast_open.answer = Some(FastOpenOutcome {
        cookie: given.filter(|cookie| !cookie.as_slice().is_empty()),
        mss: tcb.peer_mss,
        text: fast_open.text,
        taken: taken && fast_open.text > 0,
        syn_lost,
    });
    if !taken {
        active.board.mark_all_lost();
        tcb.flags |= Flags::FORCE_RETRANSMIT;
    }
}
