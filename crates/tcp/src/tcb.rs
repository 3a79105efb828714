use crate::State;
use crate::congestion::CongestionWindow;
use crate::ecn;
use crate::rto::Rto;
use crate::rtt::RttEstimator;
use handfast_wire::SeqNumber;

/// The transmission control block (RFC 9293, section 3.3.1), its variables by their names there.
///
/// This is the part that an idle connection keeps; what exists only while data moves is in
/// [`Active`](crate::connection::Active).
#[derive(Clone, Debug)]
pub(crate) struct Tcb {
    // Send sequence variables.
    /// SND.UNA: first octet not acknowledged.
    pub(crate) snd_una: SeqNumber,
    /// SND.NXT: one past the highest octet ever sent. A timeout never takes it back.
    pub(crate) snd_nxt: SeqNumber,
    /// SND.WND: the peer's window from SND.UNA on, in octets (REC-1).
    pub(crate) snd_wnd: u32,
    /// MAX.SND.WND: the largest window the peer ever offered (RFC 5961, 5.2).
    pub(crate) max_snd_wnd: u32,
    /// SND.WL1: SEG.SEQ of the last window update.
    pub(crate) snd_wl1: SeqNumber,
    /// SND.WL2: SEG.ACK of the last window update.
    pub(crate) snd_wl2: SeqNumber,
    /// SND.UP: one past the urgent data, with [`Flags::SEND_URGENT`].
    pub(crate) snd_up: SeqNumber,
    /// ISS: our initial sequence number.
    pub(crate) iss: SeqNumber,

    // Receive sequence variables.
    /// RCV.NXT: next octet expected.
    pub(crate) rcv_nxt: SeqNumber,
    /// RCV.NXT + RCV.WND: the right edge, as far as it was ever offered.
    pub(crate) rcv_adv: SeqNumber,
    /// RCV.UP: one past the urgent data, with [`Flags::RECEIVE_URGENT`].
    pub(crate) rcv_up: SeqNumber,
    /// IRS: the peer's initial sequence number.
    pub(crate) irs: SeqNumber,
    /// Last.ACK.sent (RFC 7323, 4.3).
    pub(crate) last_ack_sent: SeqNumber,
    /// Sequence number of the peer's FIN, with [`Flags::FIN_SEEN`].
    pub(crate) rcv_fin: SeqNumber,
    /// Octets received in order that the application has not released.
    pub(crate) rcv_held: u32,

    // Timestamps (RFC 7323).
    /// TS.Recent.
    pub(crate) ts_recent: u32,
    /// Our clock (ms) when TS.Recent was set.
    pub(crate) ts_recent_age: u32,
    /// What we add to our clock.
    pub(crate) ts_offset: u32,

    // Round trip and congestion: what survives idle times.
    pub(crate) rtt: RttEstimator,
    pub(crate) rto: Rto,
    pub(crate) cwnd: u32,
    pub(crate) ssthresh: u32,
    /// When the last data segment left (ms of our clock): idle restart.
    pub(crate) last_sent: u32,

    /// Acknowledgments of out-of-order segments that are owed, one each.
    pub(crate) owed_acks: u16,
    /// The peer's user timeout as on the wire; 0: not told (RFC 5482).
    pub(crate) peer_user_timeout: u16,
    /// SEND.MSS: what the peer announced (RFC 9293, 3.7.1).
    pub(crate) peer_mss: u16,
    /// Octets of text in a full segment we send: the effective send MSS.
    pub(crate) snd_mss: u16,
    /// Octets of text in the largest segment that is known to have reached the peer on this path.
    pub(crate) acked_mss: u16,
    /// Largest segment that has arrived, the judge of "full-sized".
    pub(crate) rcv_mss: u16,
    pub(crate) snd_scale: u8,
    pub(crate) rcv_scale: u8,
    /// How often the receive buffer has doubled.
    pub(crate) rcv_doublings: u8,
    /// Keep-alive probes in a row without an answer.
    pub(crate) probes: u8,
    /// Challenge ACKs sent in the current interval.
    pub(crate) challenges: u8,
    /// The interval (100 ms of our clock) that `challenges` counts.
    pub(crate) challenge_interval: u16,
    pub(crate) state: State,
    pub(crate) ecn: ecn::Bits,
    pub(crate) flags: Flags,
}

impl Tcb {
    /// The congestion window as its algorithms see it.
    #[inline]
    pub(crate) fn congestion_window(&self) -> CongestionWindow {
        CongestionWindow {
            cwnd: self.cwnd,
            ssthresh: self.ssthresh,
            mss: u32::from(self.snd_mss),
        }
    }
}

/// What is true of the connection, and what is owed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Flags(u32);

bitflags::bitflags! {
    impl Flags: u32 {
        /// Both ends offered timestamps.
        const TIMESTAMPS = 1 << 0;
        /// Both ends offered window scaling.
        const SCALING = 1 << 1;
        /// CLOSE came before the handshake was complete.
        const CLOSE_QUEUED = 1 << 2;
        /// Our FIN has been sent.
        const FIN_SENT = 1 << 3;
        /// The peer's FIN has been seen, maybe ahead of a gap.
        const FIN_SEEN = 1 << 4;
        /// An acknowledgment is due at once.
        const ACK_NOW = 1 << 5;
        /// ... because a challenge is due (RFC 5961).
        const CHALLENGE = 1 << 6;
        /// ... because the application made room.
        const WINDOW_UPDATE = 1 << 7;
        /// ... because the delay ran out.
        const ACK_DELAYED = 1 << 8;
        /// A window probe is due.
        const PROBE = 1 << 9;
        /// A keep-alive probe is due.
        const KEEP_ALIVE = 1 << 10;
        /// A reset is due; the state is CLOSED already.
        const RESET = 1 << 11;
        /// The reset answers a segment that made no sense: it carries only a sequence number.
        const RESET_BARE = 1 << 12;
        /// The application reads no more.
        const READ_SHUT = 1 << 13;
        /// The application has let go of the connection.
        const ORPHAN = 1 << 14;
        /// The congestion window held the last output pass back.
        const CWND_LIMITED = 1 << 15;
        /// The next lost segment goes out whatever the window says (fast retransmit).
        const FORCE_RETRANSMIT = 1 << 16;
        /// We have urgent data to point at.
        const SEND_URGENT = 1 << 17;
        /// The peer has pointed at urgent data.
        const RECEIVE_URGENT = 1 << 18;
        /// The handshake has been completed.
        const WAS_ESTABLISHED = 1 << 19;
        /// R1 was reached, and the application told (SHLD-9).
        const R1_TOLD = 1 << 20;
        /// A passive open with text on the SYN: text goes both ways before the handshake is complete.
        const FAST_OPEN = 1 << 31;
        /// There was no memory for text: the window is told as zero, whatever was offered.
        const SHUT = 1 << 21;
        /// Both ends offered selective acknowledgments.
        const SACK = 1 << 22;
        /// A partial segment waits for more, and [`Timer::Idle`](crate::timer::Timer) is the limit.
        const CORKED = 1 << 26;
        /// It has waited long enough.
        const CORK_OVER = 1 << 27;
        /// The peer is to be told of our user timeout (RFC 5482).
        const USER_TIMEOUT_DUE = 1 << 28;
        /// We have sent text after some of the peer's: acknowledgments may ride.
        const ANSWERS = 1 << 29;
        /// There is no memory to spare where this connection lives: buffers shrink.
        const MEMORY_SHORT = 1 << 24;
        /// There is none for a receive buffer twice as large.
        const NO_GROWTH = 1 << 25;
        /// The next segment is a probe for a lost tail, whatever the congestion window says.
        const LOSS_PROBE = 1 << 23;
    }
}
