use crate::tcb::Flags;
use crate::{
    Config, Connection, Path, Segment, SegmentSlot, State, ecn, hooks, mss, user_timeout, window,
};
use alloc::sync::Arc;
use handfast_base::{Duration, Instant};
use handfast_wire::tcp::{TcpFlags, TcpHeader, Timestamps};
use handfast_wire::{Discard, Ecn, SendReason, SeqNumber};

/// A passive open in SYN-RECEIVED (RFC 9293, 3.10.7.2): what is kept of it until the third
/// segment proves that the peer is where it says it is.
#[derive(Clone, Debug)]
pub struct SynReceived {
    irs: SeqNumber,
    iss: SeqNumber,
    ts_recent: u32,
    ts_offset: u32,
    /// When the SYN,ACK last left.
    sent_at: Instant,
    deadline: Instant,
    /// When the SYN came, in ms of our clock.
    since: u32,
    /// What the peer announced.
    peer_mss: u16,
    /// Its user timeout as on the wire, if it told one and we listen (RFC 5482).
    peer_user_timeout: u16,
    /// The window field of its SYN.
    peer_window: u16,
    /// The window field of our SYN,ACK.
    window: u16,
    /// The peer's shift, if it offered one and we do.
    peer_scale: Option<u8>,
    timestamps: bool,
    /// Both ends offer selective acknowledgments.
    sack: bool,
    ecn: ecn::Bits,
    /// The ECN field with which the SYN came.
    ecn_field: Ecn,
    transmissions: u8,
    /// How often the timer, and not the peer's SYN again, asked for another SYN,ACK.
    timeouts: u8,
    /// When the timer runs out once more, this is given up.
    is_last: bool,
}

/// What a segment does to a passive open in SYN-RECEIVED.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SynReceivedVerdict {
    /// Nothing.
    Discard(Discard),
    /// The SYN came again: [`SynReceived::write_syn_ack`] is due.
    SynAckAgain,
    /// Outside the window: [`SynReceived::write_ack`] is due.
    Acknowledge(Discard),
    /// It acknowledges what we never sent: [`SynReceived::write_reset`] is due, and the open
    /// goes on.
    Reset(Discard),
    /// The peer takes its SYN back: the listener never hears of it.
    Remove,
    /// The handshake is complete: [`SynReceived::into_connection`], and then the same segment
    /// goes through the connection.
    Established,
}

/// RTO of the SYN,ACK (RFC 6298, 2.1), doubling.
const RTO: Duration = Duration::from_secs(1);
/// The RTO doubles so often.
const BACKOFF_LIMIT: u8 = 6;

impl SynReceived {
    /// A record for `syn`, which a listener has accepted. No SYN,ACK is written yet.
    pub fn new(
        syn: &TcpHeader,
        iss: SeqNumber,
        timestamp_offset: u32,
        config: &Config,
        path: Path,
        now: Instant,
    ) -> SynReceived {
        let o = &syn.options;
        let timestamps = o.timestamps.filter(|_| config.timestamps);
        SynReceived {
            irs: syn.seq,
            iss,
            ts_recent: timestamps.map_or(0, |t| t.value),
            ts_offset: timestamp_offset,
            sent_at: now,
            deadline: now,
            since: now.as_millis() as u32,
            peer_mss: o.mss.unwrap_or(path.default_mss()),
            peer_user_timeout: config
                .user_timeout_option
                .and(o.user_timeout)
                .unwrap_or_default(),
            peer_window: syn.window,
            window: config.receive_buffer.least().min(0xffff) as u16,
            peer_scale: o
                .window_scale
                .filter(|_| config.window_scaling)
                .map(window::scale::accepted),
            timestamps: timestamps.is_some(),
            sack: o.sack_permitted && config.sack,
            ecn: ecn::agreed_passively(syn, config),
            ecn_field: Ecn::NotEct,
            transmissions: 0,
            timeouts: 0,
            is_last: false,
        }
    }

    /// Notes the ECN field with which the SYN came; without, it counts as not ECT.
    pub fn with_ecn(mut self, field: Ecn) -> SynReceived {
        self.ecn_field = field;
        self
    }

    /// <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>, with our MSS (MUST-14), first or again; the timer is armed.
    pub fn write_syn_ack(
        &mut self,
        now: Instant,
        config: &Config,
        path: Path,
        out: &mut SegmentSlot,
    ) {
        let reason = match self.transmissions {
            0 => SendReason::SynAck,
            _ if now < self.deadline => SendReason::SynAckAgain,
            n => SendReason::RetransmissionTimeout(n),
        };
        out.begin(self.iss, TcpFlags::SYN | TcpFlags::ACK, reason);
        let h = &mut out.header;
        h.ack = self.irs + 1;
        h.window = self.window;
        h.options.mss = Some(path.announced_mss(config.mss));
        if self.peer_scale.is_some() {
            h.options.window_scale = Some(window::scale::shift_for(config.receive_buffer.most()));
        }
        h.options.sack_permitted = self.sack;
        h.options.timestamps = self.stamp(now);
        ecn::syn_ack(&mut self.ecn, h, self.ecn_field, self.transmissions, path);
        h.options.user_timeout = user_timeout::option(config);
        self.sent_at = now;
        if self.transmissions == 0 {
            // Whoever decides about the SYN has had time of his own.
            self.since = now.as_millis() as u32;
            self.arm(now, config);
        } else if now >= self.deadline {
            self.timeouts = self.timeouts.saturating_add(1);
            self.arm(now, config);
        }
        self.transmissions = self.transmissions.saturating_add(1);
    }

    /// The timer runs until the SYN,ACK is due again, or until R2 for a SYN (RFC 9293, 3.8.3,
    /// MUST-23). The peer's SYN again moves neither: it could keep us for ever.
    fn arm(&mut self, now: Instant, config: &Config) {
        let limit = config.user_timeout.unwrap_or(config.syn_limit);
        let waited = (now.as_millis() as u32).wrapping_sub(self.since);
        let left = limit.saturating_sub(Duration::from_millis(u64::from(waited)));
        let rto = RTO * (1 << self.timeouts.min(BACKOFF_LIMIT));
        self.is_last = rto >= left || config.syn_retries.is_some_and(|n| self.timeouts >= n);
        self.deadline = now + rto.min(left);
    }

    fn stamp(&self, now: Instant) -> Option<Timestamps> {
        self.timestamps.then(|| Timestamps {
            value: (now.as_millis() as u32).wrapping_add(self.ts_offset),
            echo: self.ts_recent,
        })
    }

    /// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>.
    pub fn write_ack(&self, now: Instant, out: &mut SegmentSlot) {
        out.begin(self.iss + 1, TcpFlags::ACK, SendReason::ChallengeAck);
        out.header.ack = self.irs + 1;
        out.header.window = self.window;
        out.header.options.timestamps = self.stamp(now);
    }

    /// <SEQ=SEG.ACK><CTL=RST>.
    pub fn write_reset(&self, seg: &Segment, out: &mut SegmentSlot) {
        out.write_reset_for(seg);
    }

    /// When [`timeout`](SynReceived::timeout) wants to be called.
    #[inline]
    pub fn poll_timeout(&self) -> Instant {
        self.deadline
    }

    /// The timer has run out. True: give up and forget it; false: the SYN,ACK is due again.
    pub fn timeout(&mut self, now: Instant) -> bool {
        now >= self.deadline && self.is_last
    }

    /// A segment for this open (3.10.7.4, as far as SYN-RECEIVED takes it).
    pub fn segment_arrives(&mut self, seg: &mut Segment, _now: Instant) -> SynReceivedVerdict {
        let h = &seg.header;
        let (rcv_nxt, wnd) = (self.irs + 1, u32::from(self.window));
        // First, the sequence number; the peer's SYN again is the sign that ours was lost.
        if seg.has(TcpFlags::SYN) && !seg.has(TcpFlags::RST) && h.seq == self.irs {
            if seg.has(TcpFlags::ACK) {
                return SynReceivedVerdict::Acknowledge(Discard::TcpSynInConnection);
            }
            if let Some(ts) = h.options.timestamps
                && self.timestamps
            {
                // The newest SYN is the one to echo.
                self.ts_recent = ts.value;
            }
            ecn::agreed_passively_again(&mut self.ecn, h);
            return SynReceivedVerdict::SynAckAgain;
        }
        if self.timestamps && !seg.header.flags.intersects(TcpFlags::RST | TcpFlags::SYN) {
            match h.options.timestamps {
                None => return SynReceivedVerdict::Discard(Discard::TcpPaws),
                Some(ts) if (ts.value.wrapping_sub(self.ts_recent) as i32) < 0 => {
                    return SynReceivedVerdict::Acknowledge(Discard::TcpPaws);
                }
                Some(_) => {}
            }
        }
        let len = seg.len();
        let inside = h.seq.within(rcv_nxt, wnd.max(1))
            || len > 0 && (h.seq + (len - 1)).within(rcv_nxt, wnd.max(1));
        if !inside {
            return if seg.has(TcpFlags::RST) {
                SynReceivedVerdict::Discard(Discard::TcpResetOutside)
            } else {
                SynReceivedVerdict::Acknowledge(Discard::TcpOutsideWindow)
            };
        }
        // Second, RST: back to LISTEN, without a word.
        if seg.has(TcpFlags::RST) {
            return if h.seq == rcv_nxt {
                SynReceivedVerdict::Remove
            } else {
                SynReceivedVerdict::Acknowledge(Discard::TcpResetNotExact)
            };
        }
        // Fourth, SYN.
        if seg.has(TcpFlags::SYN) {
            return SynReceivedVerdict::Acknowledge(Discard::TcpSynInConnection);
        }
        // Fifth, ACK.
        if !seg.has(TcpFlags::ACK) {
            return SynReceivedVerdict::Discard(Discard::TcpNoAck);
        }
        if h.ack != self.iss + 1 {
            return SynReceivedVerdict::Reset(Discard::TcpUnacceptableAck);
        }
        SynReceivedVerdict::Established
    }

    /// The connection, ESTABLISHED. The segment that completed the handshake must now go through
    /// [`Connection::segment_arrives`]: its window, text and FIN are not looked at here.
    pub fn into_connection(self, config: Arc<Config>, path: Path, now: Instant) -> Connection {
        let mut c = self.begin(config, path, now);
        let t = &mut c.tcb;
        t.snd_una = self.iss + 1;
        t.snd_nxt = t.snd_una;
        t.snd_up = t.snd_una;
        t.snd_wl2 = t.snd_una;
        // A SYN,ACK that went out once gives an unambiguous sample (Karn).
        if self.transmissions == 1 {
            t.rtt.sample(now.since(self.sent_at));
        } else {
            (1..self.transmissions).for_each(|_| t.rto.syn_lost());
        }
        hooks::established(&mut c, now);
        c
    }

    /// The connection in SYN-RECEIVED, its SYN,ACK not sent.
    pub(crate) fn begin(&self, config: Arc<Config>, path: Path, now: Instant) -> Connection {
        let state = State::SynReceived;
        let mut c = Connection::new(state, config, path, self.iss, self.ts_offset, now);
        let t = &mut c.tcb;
        t.irs = self.irs;
        t.rcv_nxt = self.irs + 1;
        t.rcv_adv = t.rcv_nxt + u32::from(self.window);
        t.last_ack_sent = t.rcv_nxt;
        t.snd_wl1 = self.irs;
        t.snd_wnd = u32::from(self.peer_window);
        t.max_snd_wnd = t.snd_wnd;
        match self.peer_scale {
            Some(shift) => {
                t.snd_scale = shift;
                t.flags |= Flags::SCALING;
            }
            None => t.rcv_scale = 0,
        }
        t.flags.set(Flags::SACK, self.sack);
        if self.timestamps {
            t.flags |= Flags::TIMESTAMPS;
            t.ts_recent = self.ts_recent;
            t.ts_recent_age = self.since;
        }
        t.peer_mss = self.peer_mss;
        t.peer_user_timeout = self.peer_user_timeout;
        ecn::adopt(&mut c, self.ecn, self.ecn_field);
        mss::update(&mut c);
        c
    }
}
